use std::sync::OnceLock;

use rtcstorm::{
    base::Instant,
    metrics::{Recorder, RunEvent, TimelineRecorder},
    plan::{self, Plan},
    report::{
        GeneratorLine, LAUNCH_SCHEMA, Launch, MachineLine, Normaliser, RunRecord, RunReport, ScenarioLine,
        StartedAt, VerdictLine, VerdictWord,
    },
    scenario::{Scenario, bundled, faults, media, races},
    sim::Schedule,
    verdict::invariants::{Checkers, Visibility},
};

use crate::simulation::{Run, played_text};

/// Two people who meet, talk, lose sight of each other and go.
pub const SMALL: &str = "
name: small
rooms: { peers: 2 }
steps:
  - join
  - wait: { for: connected, within: 30s }
  - chat: { every: 400ms, for: 800ms, size: 40 }
  - ice_restart
  - wait: { for: recovered, within: 30s }
  - duplicate_offer: { copies: 1 }
  - pause: 500ms
  - leave
";

/// The record of a scenario's run in virtual time.
pub fn record(name: &str, text: &str, seed: u64) -> RunRecord {
    let options = |_: &_| plan::Options::default();
    of(name, played_text(name, text, options, None, Schedule::Fifo, seed))
}

/// Every scenario that comes with the program and plays in virtual time, but the one of a whole day: its first room. They
/// are played once, for all tests.
pub fn all() -> &'static [RunRecord] {
    static ALL: OnceLock<Vec<RunRecord>> = OnceLock::new();
    ALL.get_or_init(|| {
        let all = bundled().iter().chain(media()).chain(races()).chain(faults());
        let all = all.filter(|(name, text)| *name != "soak" && !text.contains("# Worlds: local"));
        let one_room = |scenario: &Scenario| plan::Options {
            run_id: None,
            segment: format!("1/{}", scenario.rooms).parse().expect("there is a room"),
        };
        all.map(|(name, text)| of(name, played_text(name, text, one_room, None, Schedule::Fifo, 1)))
            .collect()
    })
}

fn of(name: &str, (events, plan, took): Run) -> RunRecord {
    let mut normaliser = Normaliser::default();
    let events: Vec<RunEvent> = events
        .iter()
        .map(|event| normaliser.normal(event).into_owned())
        .collect();
    let mut recorder = Recorder::new(&plan);
    let mut timeline = TimelineRecorder::new(&plan);
    let mut checkers = Checkers::new(&plan, Visibility::BUNDLED);
    for event in &events {
        recorder.record(event);
        timeline.record(event, false);
        checkers.observe(event);
    }
    let end = Instant::START + took;
    recorder.finish(end);
    let plan: Plan = (*plan).clone();
    let launch = Launch {
        schema: LAUNCH_SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        scenario_hash: "9f86d081884c7d65".to_owned(),
        seed: plan.seed,
        segment: "1/1".to_owned(),
        run_id: None,
        world: "sim".to_owned(),
        target: "bundled server, in virtual time".to_owned(),
        own_server: true,
        started_at: "2026-05-04T10:00:00Z".to_owned(),
        started_at_unix_ms: 1_777_888_800_000,
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        cores: Some(2),
        open_files: Some(1_024),
        judge_thresholds: true,
        lag_limit_ms: 100.0,
        cpu_limit_percent: 90.0,
        segments: Vec::new(),
        repeat: format!("rtcstorm run {name} --seed {} --sim", plan.seed),
    };
    let report = RunReport {
        version: launch.version.clone(),
        scenario: ScenarioLine {
            name: name.to_owned(),
            seed: plan.seed,
            ..ScenarioLine::default()
        },
        world: launch.world.clone(),
        target: launch.target.clone(),
        started_at: StartedAt::default(),
        duration_ms: took.as_secs_f64() * 1_000.0,
        warm_up_ms: None,
        aborted: None,
        log_hash: None,
        machine: MachineLine::default(),
        verdict: VerdictLine {
            word: VerdictWord::Pass,
            exit_code: 0,
            reasons: Vec::new(),
            invalid_by: Vec::new(),
            warnings: Vec::new(),
        },
        metrics: recorder.snapshot(),
        thresholds: Vec::new(),
        invariants: checkers.finish(end),
        generator: GeneratorLine::default(),
        failures: Vec::new(),
        more_failures: 0,
        timeline: timeline.timeline(),
        repeat: launch.repeat.clone(),
        files: Vec::new(),
    };
    RunRecord {
        launch,
        scenario: String::new(),
        plan,
        report,
        events,
    }
}
