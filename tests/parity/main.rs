//! One fault, one verdict: each scenario of the catalogue that plays in both worlds is judged the same in virtual time
//! and on real sockets: by its exit code, by every threshold and by every invariant. So is a client without the rule
//! that comes through the fault.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use rtcstorm::scenario::{faults, media};
use serde_json::Value;

/// Runs at a time: in real time they mostly wait.
const AT_ONCE: usize = 8;

/// Clients without a rule, and what shows it in both worlds: a threshold, or an invariant by its number. Only what does
/// not depend on which of two frames comes first: that a seed decides in one world alone.
const MUTANTS: &[(&str, &str, &str)] = &[
    (
        "faults/block-udp-turn-tcp",
        "client.restart_ice_after=none",
        "outage_ms{cause:block_udp} max<25000",
    ),
    (
        "faults/corrupt-frames",
        "client.refuse_broken=false",
        "connect_failed rate==0",
    ),
    (
        "faults/duplicate-descriptions",
        "client.dedupe_offers=false",
        "invariant 7",
    ),
    (
        "faults/lost-answer",
        "client.answer_within=none",
        "offers_overdue count>=3",
    ),
    (
        "faults/lost-offer",
        "client.answer_within=none",
        "offers_overdue count>=2",
    ),
    (
        "faults/roam",
        "client.resume_membership=false",
        "reconnect_failed rate==0",
    ),
    (
        "faults/server-restart",
        "client.survive_restart=false",
        "faults_started count==0",
    ),
    (
        "faults/split-room",
        "client.heartbeat_every=none",
        "signaling_lost count>=4",
    ),
    (
        "faults/stale-offer",
        "client.refuse_stale=false",
        "recoveries_started count==0",
    ),
    (
        "faults/rolled-back-offer",
        "client.refuse_rolled_back=false",
        "recoveries_started count==0",
    ),
    (
        "faults/turn-dies",
        "client.restart_within=none",
        "reconnect_ms{cause:turn} max<20000",
    ),
];

/// What a run was judged to be.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    exit_code: Value,
    thresholds: Vec<(String, String)>,
    invariants: Vec<(Value, String)>,
}

impl Verdict {
    /// The thresholds that are crossed and the numbers of the invariants that are broken.
    fn broken(&self) -> BTreeSet<String> {
        let broken = |status: &str| !["passed", "held", "not_applicable"].contains(&status);
        let thresholds = self.thresholds.iter().filter(|(_, status)| broken(status));
        let invariants = self.invariants.iter().filter(|(_, status)| broken(status));
        thresholds
            .map(|(name, _)| name.clone())
            .chain(invariants.map(|(number, _)| format!("invariant {number}")))
            .collect()
    }
}

/// Plays a bundled scenario with the program: what it wrote down, or what it said instead.
fn play(name: &str, args: &[&str], out: &Path) -> Result<Verdict, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtcstorm"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RTCSTORM_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["run", name, "--quiet", "--out"])
        .arg(out)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let said = || {
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        format!("{name} {args:?}: {}\n{stdout}{stderr}", output.status)
    };
    let summary = fs::read_to_string(out.join("summary.json")).map_err(|_| said())?;
    let summary: Value = serde_json::from_str(&summary).map_err(|error| error.to_string())?;
    let rows = |key: &str| summary[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if summary["exit_code"] == 98 {
        return Err(said());
    }
    Ok(Verdict {
        exit_code: summary["exit_code"].clone(),
        thresholds: rows("thresholds")
            .iter()
            .map(|row| {
                let name = format!("{} {}", text(&row["selector"]), text(&row["expression"]));
                (name, text(&row["status"]))
            })
            .collect(),
        invariants: rows("invariants")
            .iter()
            .map(|row| (row["number"].clone(), text(&row["status"])))
            .collect(),
    })
}

/// In virtual time, and on real sockets.
fn play_in_both(name: &str, args: &[&str], desk: &Path) -> Result<[Verdict; 2], String> {
    let sim = play(name, &[&["--sim"], args].concat(), &desk.join("sim"))?;
    let local = play(name, args, &desk.join("local"))?;
    Ok([sim, local])
}

/// A folder for one test's runs, removed by those that pass.
fn desk(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("parity-{}-{test}", std::process::id()))
}

/// Does `work` to each item, several at a time: what they had to say.
fn each<T: Send>(items: Vec<T>, work: impl Fn(T) -> Option<String> + Sync) -> Vec<String> {
    let items = Mutex::new(items.into_iter());
    let said = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = items.lock().expect("nobody panics with it").next();
                    let Some(item) = next else { break };
                    if let Some(words) = work(item) {
                        said.lock().expect("nobody panics with it").push(words);
                    }
                }
            });
        }
    });
    said.into_inner().expect("nobody panics with it")
}

#[test]
fn each_fault_is_judged_the_same_in_both_worlds() {
    let desk = desk("reference");
    let in_both = |text: &str| text.contains("\n# Worlds: sim, local\n");
    // A hundred peers in one instant take the machine to themselves: `.ci/run` plays them.
    let small = media().iter().filter(|(name, _)| *name != "media/join-storm");
    let names: Vec<&str> = faults()
        .iter()
        .chain(small)
        .filter(|(_, text)| in_both(text))
        .map(|(name, _)| *name)
        .collect();
    assert!(names.len() >= 15, "{names:?}");
    let said = each(names, |name| match play_in_both(name, &[], &desk.join(name)) {
        Ok([sim, local]) if sim == local && sim.exit_code == 0 => None,
        Ok([sim, local]) => Some(format!("{name}\n  in sim:   {sim:?}\n  in local: {local:?}")),
        Err(words) => Some(words),
    });
    assert!(said.is_empty(), "{}", said.join("\n"));
    let _ = fs::remove_dir_all(desk);
}

#[test]
fn a_client_without_its_rule_is_caught_by_the_same_in_both_worlds() {
    let desk = desk("mutants");
    let said = each(MUTANTS.to_vec(), |(name, set, expected)| {
        match play_in_both(name, &["--set", set], &desk.join(name)) {
            Ok(both)
                if both
                    .iter()
                    .all(|verdict| verdict.exit_code == 99 && verdict.broken().contains(expected)) =>
            {
                None
            }
            Ok([sim, local]) => Some(format!(
                "{name}, {set}: no `{expected}`\n  in sim:   {:?}\n  in local: {:?}",
                sim.broken(),
                local.broken()
            )),
            Err(words) => Some(words),
        }
    });
    assert!(said.is_empty(), "{}", said.join("\n"));
    let _ = fs::remove_dir_all(desk);
}
