//! Runs that were killed, files that are broken, disks that are full: what was measured is not lost, and nothing is
//! overwritten that is not ours.

use std::{fs, path::Path, path::PathBuf, process::Command};

use super::{
    LONG, QUICK,
    program::{Desk, json, wait_until},
};

/// What `report` says of a folder.
fn reported(desk: &Desk, folder: &str) -> serde_json::Value {
    let output = desk.run(&["report", folder, "--format", "json"]);
    assert_eq!(output.assert_code(0).assert_sane().stderr, "");
    json(&output.stdout)
}

#[test]
fn a_run_that_is_killed_leaves_what_it_has_measured() {
    let desk = Desk::new("killed");
    desk.write(
        "long.yaml",
        &LONG.replace("{ pause: 1h }", "{ chat: { every: 100ms, for: 1h, size: 100B } }"),
    );
    let program = desk.start(&["run", "long.yaml", "--out", "out", "--quiet"]);
    wait_until("messages are in the log", || {
        let events = desk.events("out");
        events
            .iter()
            .filter(|event| event["kind"] == "message_received")
            .count()
            >= 3
    });
    program.kill();
    assert!(!desk.path("out/summary.json").exists());
    let summary = reported(&desk, "out");
    assert_eq!(
        (&summary["verdict"], &summary["exit_code"]),
        (&"incomplete".into(), &98.into())
    );
    let reason = summary["reasons"][0].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("the run did not come to its end: its log ends after "),
        "{reason}"
    );
    assert_eq!(summary["metrics"]["connect_ms"]["count"], 1, "{summary:#}");
    assert!(
        summary["metrics"]["message_ms"]["count"].as_u64() >= Some(3),
        "{summary:#}"
    );

    // The last line may be cut anywhere, in a character, too.
    let log = fs::read(desk.path("out/events.ndjson")).expect("it is there");
    let whole = log
        .iter()
        .rposition(|byte| *byte == b'\n')
        .expect("there are lines")
        + 1;
    let with = |rest: &[u8]| {
        fs::write(desk.path("out/events.ndjson"), [&log[..whole], rest].concat()).expect("it can be written");
        reported(&desk, "out")
    };
    let expected = with(b"");
    for rest in [
        &b"{"[..],
        b"{\"ms\":1.0,\"kind\":\"join_started\",\"name\":\"\xc3",
        b"\0\0\0",
    ] {
        assert_eq!(with(rest), expected);
    }
}

#[test]
fn a_run_that_is_killed_at_once_has_measured_nothing() {
    let desk = Desk::new("killed-early");
    desk.run(&["run", "smoke", "--sim", "--out", "out", "--quiet"])
        .assert_code(0);
    fs::remove_file(desk.path("out/summary.json")).expect("it is there");
    desk.write("out/events.ndjson", "");
    let summary = reported(&desk, "out");
    assert_eq!(summary["verdict"], "incomplete");
    assert_eq!(
        summary["reasons"][0],
        "the run did not come to its end: its log ends after 0.0 s"
    );
    fs::remove_file(desk.path("out/events.ndjson")).expect("it is there");
    assert_eq!(reported(&desk, "out"), summary);
    // Another run may begin there.
    desk.run(&["run", "smoke", "--sim", "--out", "out", "--quiet"])
        .assert_code(0);
    assert_eq!(reported(&desk, "out")["verdict"], "pass");
}

#[test]
fn figures_of_half_a_log_are_not_shown_as_the_whole_runs() {
    let desk = Desk::new("half-a-log");
    desk.run(&["run", "smoke", "--sim", "--out", "out", "--quiet"])
        .assert_code(0);
    let log = desk.read("out/events.ndjson");
    desk.write("out/events.ndjson", &log[..log.len() / 2]);
    let summary = reported(&desk, "out");
    assert_eq!(summary["verdict"], "incomplete");
    let reason = summary["reasons"][0].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("the run was PASS, but its log ends after "),
        "{reason}"
    );
}

#[test]
fn files_that_are_not_a_runs_are_named_and_nothing_is_written() {
    let desk = Desk::new("alien-files");
    desk.run(&["run", "smoke", "--sim", "--out", "out", "--quiet"])
        .assert_code(0);
    let unknown = "{\"ms\":1.0,\"kind\":\"teleported\"}\n";
    let no_text: &[u8] = &[0xff, 0xfe, b'\n'];
    let cut = |name: &str| {
        let text = desk.read(&format!("out/{name}"));
        text.as_bytes()[..text.len() / 2].to_vec()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("summary.json", cut("summary.json"), "EOF while parsing"),
        ("summary.json", b"{}".to_vec(), "missing field `schema`"),
        ("summary.json", b"[1]".to_vec(), "summary.json"),
        (
            "summary.json",
            desk.read("out/summary.json")
                .replace("summary/1", "summary/9")
                .into_bytes(),
            "its schema is `rtcstorm.summary/9`",
        ),
        ("summary.json", Vec::new(), "EOF while parsing"),
        ("run.json", cut("run.json"), "EOF while parsing"),
        ("run.json", b"{}".to_vec(), "missing field `schema`"),
        (
            "run.json",
            desk.read("out/run.json").replace("1/1", "3/2").into_bytes(),
            "there is no segment 3 of 2",
        ),
        (
            "run.json",
            desk.read("out/run.json").replace("run/1", "run/2").into_bytes(),
            "its schema is `rtcstorm.run/2`",
        ),
        ("scenario.yaml", b"name: [".to_vec(), "scenario.yaml"),
        ("scenario.yaml", no_text.to_vec(), "it is no text"),
        ("scenario.yaml", b"rooms: {count: 1}".to_vec(), "scenario.yaml"),
        ("machine.json", cut("machine.json"), "EOF while parsing"),
        (
            "events.ndjson",
            unknown.into(),
            "line 1: unknown variant `teleported`",
        ),
        (
            "events.ndjson",
            [unknown.as_bytes(), b"x"].concat(),
            "line 1: unknown variant `teleported`",
        ),
        ("events.ndjson", no_text.to_vec(), "line 1: invalid utf-8"),
        ("events.ndjson", b"{}\n".to_vec(), "line 1: missing field"),
    ];
    for (name, bytes, told) in cases {
        let path = desk.path("out").join(name);
        let was = fs::read(&path).expect("it is there");
        fs::write(&path, bytes).expect("it can be written");
        let output = desk.run(&["report", "out", "--format", "json", "--out", "report.json"]);
        output
            .assert_code(104)
            .assert_no_data()
            .assert_sane()
            .assert_says(&format!("error: out/{name} can't be used: "))
            .assert_says(told)
            .assert_says("nothing was written");
        assert!(!desk.path("report.json").exists());
        fs::write(&path, was).expect("it can be written");
    }
    // Nobody needs this one for a report.
    desk.write("out/histograms.hlog", "no histogram");
    reported(&desk, "out");
    fs::remove_file(desk.path("out/run.json")).expect("it is there");
    desk.run(&["report", "out", "--format", "json"])
        .assert_code(104)
        .assert_says("there is no run.json in it\n  help: it is of an earlier version of rtcstorm");
}

#[test]
fn a_folder_that_cannot_be_written_is_said_before_anything_is_played() {
    let desk = Desk::new("unwritable");
    desk.write("quick.yaml", QUICK);
    desk.write("file", "mine");
    for out in ["file", "file/below", "/proc/rtcstorm"] {
        let output = desk.run(&["run", "quick.yaml", "--out", out]);
        output
            .assert_code(104)
            .assert_no_data()
            .assert_sane()
            .assert_says("error: cannot make the folder ")
            .assert_says("help: choose another folder with `--out DIR`");
    }
    assert_eq!(desk.read("file"), "mine");
}

#[test]
fn files_of_somebody_else_are_not_replaced() {
    let desk = Desk::new("not-ours");
    for name in ["scenario.yaml", "report.html", "events.ndjson", "summary.json"] {
        let folder = format!("of-{name}");
        fs::create_dir(desk.path(&folder)).expect("it can be made");
        desk.write(&format!("{folder}/{name}"), QUICK);
        desk.write(&format!("{folder}/notes.txt"), "mine");
        for command in ["run", "hunt"] {
            let more: &[&str] = if command == "run" {
                &["--sim", "--quiet"]
            } else {
                &["--seeds", "1"]
            };
            let output = desk.run(&[&[command, "smoke", "--rooms", "1", "--out", &folder], more].concat());
            output.assert_code(104).assert_no_data().assert_says(&format!(
                "{folder} holds {name}, and no run or hunt has written it"
            ));
        }
        let there: Vec<_> = fs::read_dir(desk.path(&folder))
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        assert_eq!(there.len(), 2, "{there:?}");
        assert_eq!(desk.read(&format!("{folder}/{name}")), QUICK);
    }
    // Beside other files there is room.
    desk.write("notes.txt", "mine");
    for _ in 0..2 {
        desk.run(&["run", "smoke", "--rooms", "1", "--sim", "--quiet", "--out", "."])
            .assert_code(0);
        desk.run(&["hunt", "smoke", "--rooms", "1", "--seeds", "1", "--out", "hunt"])
            .assert_code(0);
    }
    assert_eq!(desk.read("notes.txt"), "mine");
}

#[test]
fn a_command_that_fails_leaves_the_run_before_it() {
    let desk = Desk::new("left-alone");
    desk.run(&["run", "smoke", "--sim", "--out", "out", "--quiet"])
        .assert_code(0);
    let before = reported(&desk, "out");
    for wrong in [
        &["run", "nowhere.yaml"][..],
        &["run", "smoke", "--segment", "3/3"],
        &["run", "smoke", "--set", "ice.servers=[{urls: 'turn:nowhere'}]"],
        &["run", "smoke", "--url", "wss://rtc.example.org/"],
        &["run", "smoke", "--ice-ca", "nowhere.pem"],
    ] {
        let output = desk.run(&[wrong, &["--out", "out"]].concat());
        assert!(output.code.is_some_and(|code| code != 0), "{output:#?}");
        assert_eq!(reported(&desk, "out"), before, "{wrong:?}");
    }
}

/// A disk of 64 KiB, for as long as it is held.
struct Disk(PathBuf);

impl Disk {
    /// `None`: only root may, and in some containers not even root.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("it can be made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_what_was_measured_is_still_told() {
    let desk = Desk::new("full-disk");
    let Some(disk) = Disk::mount(&desk.path("disk")) else {
        eprintln!("skipped: no disk can be mounted here");
        return;
    };
    desk.write("disk/report.json", "mine");
    let run = [
        "run", "smoke", "--rooms", "4", "--sim", "--quiet", "--out", "disk/out",
    ];
    let output = desk.run(&run);
    output
        .assert_code(104)
        .assert_sane()
        .assert_says("error: cannot write disk/out/")
        .assert_says("No space left on device")
        .assert_says("help: choose another folder with `--out DIR`");
    assert!(output.stdout.starts_with("INVALID  smoke"), "{output:#?}");
    let words = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the event log is not whole"), "{output:#?}");
    assert!(output.stdout.contains("message_ms"), "{output:#?}");
    let there: Vec<String> = fs::read_dir(desk.path("disk/out"))
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(there.iter().all(|name| !name.ends_with(".part")), "{there:?}");
    // What is there is a run's that was cut off, and no summary of the whole stands beside it.
    let summary = reported(&desk, "disk/out");
    assert_eq!(summary["verdict"], "incomplete", "{summary:#}");

    // A report that has no room leaves what was there.
    fs::write(desk.path("disk/ballast"), vec![0; 1 << 20]).expect_err("it is full");
    desk.run(&["run", "smoke", "--sim", "--quiet", "--out", "out"])
        .assert_code(0);
    desk.run(&["report", "out", "--format", "json", "--out", "disk/report.json"])
        .assert_code(104)
        .assert_no_data()
        .assert_says("error: cannot write disk/report.json");
    assert_eq!(desk.read("disk/report.json"), "mine");
    drop(disk);
}
