use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use webrtc::peer_connection::RTCIceServer;

use super::{
    abort,
    actions::Actions,
    args::{ChangeArgs, RunArgs},
    artifacts::{LogHash, RunFolder},
    baseline::{self, Played},
    config, doors, dry_run,
    guard::{self, Allowed},
    ice_server::ice_servers,
    interrupt::Interrupt,
    live::Outset,
    load::{self, Loaded},
    machine, no_color, panics,
    place::Place,
    print_data,
    progress::Progress,
    readers::{Normal, Shared},
    report,
    schedule::ScheduleArg,
    simulate,
    verdict::{self, About},
    verify,
    watched::Watched,
};
use crate::{
    net::{CertificateDer, certificates},
    plan::Segment,
    report::{LAUNCH_SCHEMA, Launch, MachineLine, RunReport, StartedAt, json, terminal},
    run::{EventReader, Options},
    scenario::{Scenario, set_without_secrets, url_without_secrets},
    signaling::Protocol,
    verdict::{ExitCode, GeneratorUse, Grants, invariants::Visibility},
    world::{Census, Tricks},
};

/// Where runs write if nobody says otherwise.
pub(super) const RUNS: &str = "reports/runs";

/// `rtcstorm run`: each scenario in turn; the worst outcome is the exit code.
pub(super) fn run(args: &RunArgs) -> ExitCode {
    let started = SystemTime::now();
    let run_id = format!("run{:x}", unix_ms(started));
    if !baseline::are_names(args) {
        return ExitCode::Usage;
    }
    let Some(config) = config::read(args.guard.config.as_deref()) else {
        return ExitCode::Configuration;
    };
    let allowed = Allowed::new(&args.guard.allow_target, config);
    let Some(loaded) = load_all(args, &run_id, &allowed) else {
        return ExitCode::Configuration;
    };
    if args.only_log {
        return verify::only_log(args, &loaded[0]);
    }
    if args.verify {
        return verify::verify(args, &loaded);
    }
    let Some(ice_servers) = ice_servers(&args.ice_server) else {
        return ExitCode::Configuration;
    };
    let Some(trusted) = trusted(args.ice_ca.as_deref()) else {
        return ExitCode::Configuration;
    };
    if args.guard.dry_run {
        return dry_run::show(args, &loaded);
    }
    let watched = match Watched::start(args, loaded.len()) {
        Ok(watched) => watched,
        Err(trouble) => {
            eprintln!("{trouble}");
            return ExitCode::Configuration;
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::Bug;
        }
    };
    let code = runtime.block_on(async {
        let interrupt = Interrupt::listen("everybody leaves");
        let all = Runs {
            args,
            ice_servers: &ice_servers,
            trusted: &trusted,
            allowed: &allowed,
            run_id: &run_id,
            interrupt: &interrupt,
            watched: watched.as_ref(),
        };
        let mut codes = Vec::new();
        let mut played = Played::default();
        for (index, loaded) in loaded.iter().enumerate() {
            if interrupt.is_seen() {
                codes.push(ExitCode::Interrupted);
                break;
            }
            codes.push(run_one(&all, loaded, index, &mut played).await);
            if panics::first().is_some() {
                codes.push(ExitCode::Bug);
                break;
            }
        }
        if !interrupt.is_seen() && panics::first().is_none() {
            codes.push(baseline::after(args, &played));
        }
        ExitCode::worst(codes)
    });
    if let Some(watched) = watched {
        watched.end(code);
    }
    code
}

/// Every scenario, or none: what is wrong with any of them has been printed. Each as often as it is to be played,
/// with one seed after the other.
fn load_all(args: &RunArgs, run_id: &str, allowed: &Allowed) -> Option<Vec<Loaded>> {
    let run_id = (!args.sim).then_some(run_id);
    let load = |named: &str, change: &ChangeArgs, run_id: Option<&str>| {
        load::load(named, change, args.segment.segment, run_id).filter(|loaded| {
            let Loaded { scenario, plan } = loaded;
            guard::is_allowed(scenario, args.sim, allowed)
                && guard::is_within_limits(scenario, plan, args)
                && is_possible(loaded, args)
        })
    };
    let loaded: Vec<Option<Vec<Loaded>>> = args
        .scenarios
        .iter()
        .map(|named| {
            let mut all = vec![load(named, &args.change, run_id)?];
            for nth in 1..args.baseline.runs {
                let change = ChangeArgs {
                    seed: Some(all[0].plan.seed.wrapping_add(u64::from(nth)).to_string()),
                    ..args.change.clone()
                };
                let run_id = run_id.map(|run_id| format!("{run_id}x{nth:x}"));
                all.push(load(named, &change, run_id.as_deref())?);
            }
            Some(all)
        })
        .collect();
    let loaded: Option<Vec<Vec<Loaded>>> = loaded.into_iter().collect();
    loaded.map(|all| all.into_iter().flatten().collect())
}

/// Whether the world has all that the scenario asks for.
fn is_possible(loaded: &Loaded, args: &RunArgs) -> bool {
    let Loaded { scenario, plan } = loaded;
    if args.sim && doors::are_open(plan) {
        eprintln!(
            "error: {}: nobody can join the simulated world from outside, and a step waits for that\n  help: leave out `--sim`, or the `wait: external`",
            scenario.name
        );
        return false;
    }
    if args.sim && !simulate::speaks_its_protocol(scenario) {
        return false;
    }
    let possible = args.sim || scenario.groups.iter().all(|group| group.nat.is_none());
    if !possible {
        eprintln!(
            "error: {}: NATs are simulated, and the network of this machine has its own or none\n  help: play it with `--sim`, or leave out `nat`",
            scenario.name
        );
    }
    possible
}

/// Whom `turns:` servers are trusted by, beside the system's authorities.
fn trusted(file: Option<&Path>) -> Option<Vec<CertificateDer<'static>>> {
    let Some(file) = file else { return Some(Vec::new()) };
    let read = std::fs::read(file).and_then(|pem| certificates(&pem));
    if let Err(error) = &read {
        eprintln!("error: --ice-ca {}: {error}", file.display());
    }
    read.ok()
}

/// What the runs of one command have in common.
struct Runs<'a> {
    args: &'a RunArgs,
    ice_servers: &'a [RTCIceServer],
    trusted: &'a [CertificateDer<'static>],
    allowed: &'a Allowed,
    run_id: &'a str,
    interrupt: &'a Interrupt,
    watched: Option<&'a Watched>,
}

async fn run_one(all: &Runs<'_>, loaded: &Loaded, index: usize, played: &mut Played) -> ExitCode {
    let &Runs {
        args,
        ice_servers,
        trusted,
        allowed,
        run_id,
        interrupt,
        watched,
    } = all;
    let Loaded { scenario, plan } = loaded;
    let named = &args.scenarios[index / args.baseline.runs as usize];
    let started = SystemTime::now();
    let folder = match folder_for(args, loaded, started, index) {
        Ok(folder) => folder,
        Err(trouble) => return trouble_with_files(&trouble),
    };
    let census = Arc::new(Census::default());
    let place = match args.sim {
        true => Ok(Place::sim(scenario, args.schedule.into(), plan.seed)),
        false => {
            let hosts = allowed.hosts().to_vec();
            Place::net(scenario, plan, run_id, trusted, census.clone(), hosts, None).await
        }
    };
    let place = match place {
        Ok(place) => place,
        Err(trouble) => {
            eprintln!("error: {}: {trouble}", scenario.name);
            return ExitCode::Configuration;
        }
    };
    let target = target(scenario, &place, args.sim);
    let launch = launch(args, loaded, &place, &target, started, run_id, named);
    let begun = folder.begin(&launch, scenario).and_then(|()| folder.event_log());
    let event_log = match begun {
        Ok(log) => log,
        Err(trouble) => return trouble_with_files(&trouble),
    };
    let thresholds = match launch.judge_thresholds {
        true => &*scenario.thresholds,
        false => &[],
    };
    let grants = Grants {
        cores: launch.cores,
        open_files: launch.open_files,
    };
    let used = GeneratorUse::new(grants, plan.warm_up, launch.cpu_limit_percent);
    let sees = Visibility::of(plan.abilities(), place.has_own_server());
    let gathered = Shared::new(plan, sees, thresholds, used);
    if let Some(watched) = watched {
        watched.board.begin(
            Outset {
                scenario: scenario.clone(),
                launch: launch.clone(),
                target: target.clone(),
                folder: folder.path().display().to_string(),
            },
            gathered.clone(),
        );
    }
    let unplayed = load::out_of_reach(scenario).filter(|_| args.sim);
    for line in doors::lines(plan, &place).into_iter().chain(unplayed) {
        eprintln!("{line}");
    }
    let progress = Progress::start(plan, gathered.clone(), args.quiet);
    let (watch, abort) = abort::watch(gathered.clone(), guard::guards(scenario, args));
    let (by_user, aborted, panicked) = (interrupt.first(), abort.happens(), panics::happens());
    let plan_ = Arc::new(plan.clone());
    let options = Options {
        ice_servers: ice_servers.to_vec(),
        max_rate: guard::max_rate(scenario, args).map(|limit| limit.rate),
        tricks: Tricks::default(),
        interrupt: Box::pin(async {
            tokio::select! {
                () = by_user => {}
                () = aborted => {}
                () = panicked => {}
            }
        }),
    };
    let log_hash = event_log.hash();
    let mut readers: Vec<Box<dyn EventReader>> =
        vec![Box::new(gathered.clone()), Box::new(event_log), Box::new(watch)];
    if let Some(otlp) = watched.and_then(|watched| watched.otlp.as_ref()) {
        readers.push(Box::new(otlp.reader(&launch, plan_.clone(), gathered.clone())));
    }
    let readers = Normal::new(readers);
    let clock = std::time::Instant::now();
    let ran = place.play(census, plan_, options, vec![Box::new(readers)]).await;
    let took = clock.elapsed();
    drop(progress);
    let ran = match ran {
        Ok(ran) => ran,
        Err(trouble) => {
            let repeat = repeat(named, args, plan.seed);
            eprintln!("{}", bug(&scenario.name, &trouble, &repeat, folder.path()));
            return ExitCode::Bug;
        }
    };

    let about = About {
        scenario,
        seed: plan.seed,
        world: launch.world,
        target,
        started_at: StartedAt {
            text: launch.started_at,
            unix_ms: launch.started_at_unix_ms,
        },
        run: ran,
        log_hash: args.sim.then(|| value(&log_hash)),
        machine: MachineLine {
            os: launch.os,
            arch: launch.arch,
            cores: launch.cores,
            took_ms: verdict::millis(took),
            folder: folder.path().display().to_string(),
        },
        by_user: interrupt.is_seen(),
        aborted_by: abort.by(),
        panicked: panics::first(),
        warm_up: plan.warm_up,
        log_trouble: folder.log_trouble(),
        lag_limit: args.lag_limit,
        repeat: launch.repeat,
        files: folder.files(),
    };
    let gathered = gathered.take().expect("nobody else takes it");
    let (mut report, code) = verdict::report(about, gathered);
    let written = folder
        .write(&report)
        .and_then(|()| report::add(folder.path(), &args.report))
        .map(|more| report.files.extend(more));
    print(&report, args.json);
    if let Some(watched) = watched {
        watched.board.end(&report);
    }
    if let Some(actions) = Actions::of_environment(args.no_github) {
        actions.tell(&report, folder.path(), index, args.scenarios.len());
    }
    match written {
        Ok(()) => {
            played.add(&scenario.name, folder.path());
            code
        }
        Err(trouble) => ExitCode::worst([code, trouble_with_files(&trouble)]),
    }
}

/// Whom it is played against, as every report says it; loud where nobody is checked.
fn target(scenario: &Scenario, place: &Place, sim: bool) -> String {
    let target = url_without_secrets(&place.target());
    let target = match &scenario.target.protocol {
        Protocol::Dashboard => target,
        other => format!("{target}, by {}", other.title()),
    };
    let access = scenario.target.access.as_ref();
    if sim || !access.is_some_and(|access| access.tls.insecure) {
        return target;
    }
    eprintln!(
        "warning: {}: INSECURE: no certificate is checked, so whoever answers is taken for {target}, and everybody on the way can read what lets the peers in",
        scenario.name
    );
    format!("{target} (INSECURE: no certificate is checked)")
}

/// What the run is begun with.
fn launch(
    args: &RunArgs,
    loaded: &Loaded,
    place: &Place,
    target: &str,
    started: SystemTime,
    run_id: &str,
    named: &str,
) -> Launch {
    let Loaded { scenario, plan } = loaded;
    let grants = machine::grants();
    Launch {
        schema: LAUNCH_SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario_hash: scenario.hash.clone(),
        seed: plan.seed,
        segment: args.segment.segment.to_string(),
        run_id: (!args.sim && scenario.target.url.is_some()).then(|| run_id.to_owned()),
        world: place.world_name().to_owned(),
        target: target.to_owned(),
        own_server: place.has_own_server(),
        started_at: humantime::format_rfc3339_seconds(started).to_string(),
        started_at_unix_ms: unix_ms(started),
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cores: grants.cores,
        open_files: grants.open_files,
        judge_thresholds: !args.no_thresholds,
        lag_limit_ms: verdict::millis(args.lag_limit),
        cpu_limit_percent: args.cpu_limit.as_f64() * 100.0,
        repeat: repeat(named, args, plan.seed),
        segments: Vec::new(),
    }
}

/// A run that has not come to its end.
fn bug(scenario: &str, trouble: &str, repeat: &str, folder: &Path) -> String {
    format!(
        "error: {scenario}: {trouble}\n  help: this is a bug of rtcstorm's. Report it with `{repeat}`; what happened until then is in {}",
        folder.display()
    )
}

fn value(hash: &LogHash) -> u64 {
    hash.lock().unwrap_or_else(PoisonError::into_inner).value()
}

pub(super) fn trouble_with_files(trouble: &str) -> ExitCode {
    eprintln!("error: {trouble}\n  help: choose another folder with `--out DIR`");
    ExitCode::Configuration
}

pub(super) fn print(report: &RunReport, as_json: bool) {
    if as_json {
        print_data(json::summary(report));
    } else {
        let look = terminal::Look {
            width: terminal_size::terminal_size()
                .map_or(100, |(width, _)| usize::from(width.0))
                .clamp(60, 120),
            colour: io::stdout().is_terminal() && !no_color(),
        };
        print_data(terminal::summary(report, look));
    }
}

/// The folder that the user names, or a new one.
fn folder_for(
    args: &RunArgs,
    loaded: &Loaded,
    started: SystemTime,
    index: usize,
) -> Result<RunFolder, String> {
    let (name, seed) = (&loaded.scenario.name, loaded.plan.seed);
    match folder_named(args, name, seed, index) {
        Some(folder) => RunFolder::at(folder),
        None => RunFolder::create_new(Path::new(RUNS), &format!("{}-{name}-{seed}", stamp(started))),
    }
}

/// The folder of one of the runs, if the user names any.
pub(super) fn folder_named(args: &RunArgs, name: &str, seed: u64, index: usize) -> Option<PathBuf> {
    let out = args.out.as_ref()?;
    Some(match args.scenarios.len() {
        _ if args.baseline.runs > 1 => out.join(format!("{:03}-{name}-{seed}", index + 1)),
        1 => out.clone(),
        _ => out.join(format!("{:02}-{name}", index + 1)),
    })
}

/// A time as it begins the names of folders, so that their order is that of time.
pub(super) fn stamp(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.replace(['-', ':', 'Z'], "").replace('T', "-")
}

/// The command line that does the same again.
pub(super) fn repeat(named: &str, args: &RunArgs, seed: u64) -> String {
    let words = repeat_words(named, args, seed);
    words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Its words, unquoted.
pub(super) fn repeat_words(named: &str, args: &RunArgs, seed: u64) -> Vec<String> {
    let change = &args.change;
    let mut words = ["rtcstorm", "run", named, "--seed"].map(str::to_owned).to_vec();
    words.push(seed.to_string());
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    if args.sim && args.schedule != ScheduleArg::default() {
        add("--schedule", args.schedule.to_string());
    }
    let flags = [
        ("--url", &change.url),
        ("--protocol", &change.protocol),
        ("--rooms", &change.rooms),
        ("--peers", &change.peers),
        ("--duration", &change.duration),
    ];
    for (flag, value) in flags {
        if let Some(value) = value {
            add(flag, url_without_secrets(value));
        }
    }
    if args.segment.segment != Segment::WHOLE {
        add("--segment", args.segment.segment.to_string());
    }
    // It holds sockets back, so it is part of what happened.
    if let Some(rate) = args.guard.max_rate {
        add("--max-rate", rate.to_string());
    }
    for set in &change.set {
        add("--set", set_without_secrets(set));
    }
    if !args.sim {
        words.extend(change.target.repeat());
    }
    if args.sim {
        words.insert(5, "--sim".to_owned());
    }
    words
}

/// As a shell takes it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Args, Command};

    #[test]
    fn a_run_that_has_not_come_to_its_end_is_told_with_its_seed_and_schedule() {
        let line = [
            "rtcstorm",
            "run",
            "smoke",
            "--sim",
            "--schedule",
            "pct:2",
            "--rooms",
            "1",
        ];
        let Command::Run(args) = Args::parse_from(line).command else {
            unreachable!("it says run");
        };
        assert_eq!(
            bug(
                "smoke",
                "it stalls",
                &repeat("smoke", &args, 77),
                Path::new("out")
            ),
            "error: smoke: it stalls\n  help: this is a bug of rtcstorm's. Report it with `rtcstorm run smoke --seed 77 --sim --schedule pct:2 --rooms 1`; what happened until then is in out"
        );
    }
}
