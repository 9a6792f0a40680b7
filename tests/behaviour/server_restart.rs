//! The server ends and begins anew: who was a member is one again, links that are open live on, and what was
//! being negotiated is made up for.

use rtcstorm::{
    base::{Instant, PeerId},
    metrics::{EventKind, MetricKey, Recorder, RecoveryPath, RunEvent, Snapshot, Trend},
    plan::Options,
    sim::Schedule,
};

use crate::{
    local::{play, runtime},
    simulation::{Run, accusations, played_text},
};

/// Everybody is connected when one peer restarts the server; the others talk all the while.
const CONNECTED: &str = "
name: restart-connected
rooms: { count: 2 }
groups:
  - name: one
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: begin
      - server: { restart: { for: 500ms } }
      - wait: recovered
      - barrier: end
  - name: others
    peers: 2
    steps:
      - join
      - wait: connected
      - barrier: begin
      - chat: { every: 20ms, size: 64, for: 300ms }
      - barrier: end
";

/// The restart comes at any moment of the first negotiation, or a little later.
const NEGOTIATING: &str = "
name: restart-negotiating
groups:
  - name: one
    peers: 1
    steps:
      - pause: 0s..20ms
      - join
      - pause: 0s..100ms
      - server: { restart: { for: 300ms } }
      - wait: connected
      - barrier: end
  - name: others
    peers: 2
    steps:
      - pause: 0s..40ms
      - join
      - wait: connected
      - barrier: end
";

/// Links are negotiated anew while the server ends, again and again.
const RENEGOTIATING: &str = "
name: restart-renegotiating
groups:
  - name: one
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: begin
      - repeat: 3
        steps:
          - pause: 0s..60ms
          - server: restart
          - wait: recovered
      - barrier: end
  - name: others
    peers: 2
    steps:
      - join
      - wait: connected
      - barrier: begin
      - repeat: 3
        steps:
          - pause: 0s..60ms
          - ice_restart: { both: true }
          - wait: recovered
      - barrier: end
";

/// People come, go, crash and come back while the server does, too.
const COMING_AND_GOING: &str = "
name: restart-coming-and-going
groups:
  - name: one
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: begin
      - repeat: 4
        steps:
          - pause: 0s..800ms
          - server: { restart: { for: 100ms } }
      - wait: recovered
      - barrier: end
  - name: rejoining
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: begin
      - repeat: 4
        steps:
          - pause: 0s..500ms
          - rejoin
      - wait: joined
      - barrier: end
  - name: crashing
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: begin
      - repeat: 2
        steps:
          - pause: 0s..800ms
          - crash
          - pause: 0s..800ms
          - join
          - wait: joined
      - barrier: end
";

fn simulated(text: &str, set: Option<&str>, schedule: Schedule, seed: u64) -> Run {
    played_text(
        "server-restart",
        text,
        |_| Options::default(),
        set,
        schedule,
        seed,
    )
}

/// What is wrong with runs of a scenario over seeds of both schedules; `SEEDS=200` looks further.
fn accused(text: &str) -> Vec<String> {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let mut accused = Vec::new();
    for schedule in [Schedule::Random, Schedule::Pct { depth: 3 }] {
        for seed in 0..seeds.unwrap_or(50) {
            let played = simulated(text, None, schedule, seed);
            let restarted = count(&played.0, |kind| {
                matches!(kind, EventKind::ServerRestarted { .. })
            });
            assert!(restarted > 0, "{schedule:?}, seed {seed}: nothing happened");
            let found = accusations(&format!("{schedule:?}, seed {seed}"), &played);
            accused.extend(found);
        }
    }
    accused
}

fn count(events: &[RunEvent], wanted: impl Fn(&EventKind) -> bool) -> usize {
    events.iter().filter(|event| wanted(&event.kind)).count()
}

fn figures((events, plan, took): &Run) -> Snapshot {
    let mut recorder = Recorder::new(plan);
    events.iter().for_each(|event| recorder.record(event));
    recorder.finish(Instant::START + *took);
    recorder.snapshot()
}

fn trend(figures: &Snapshot, key: &MetricKey) -> Trend {
    figures.trends.get(key).cloned().unwrap_or_default()
}

#[test]
fn links_that_are_open_live_through_a_restart_in_whatever_order() {
    assert_eq!(accused(CONNECTED), [""; 0]);
}

#[test]
fn a_first_negotiation_is_made_up_for_in_whatever_order() {
    assert_eq!(accused(NEGOTIATING), [""; 0]);
}

#[test]
fn a_renegotiation_is_made_up_for_in_whatever_order() {
    assert_eq!(accused(RENEGOTIATING), [""; 0]);
}

#[test]
fn who_comes_and_goes_meanwhile_is_made_up_for_in_whatever_order() {
    let mut accused = accused(COMING_AND_GOING);
    // Who crashes before it has got its new token is refused for the ghost that it has left behind.
    accused.retain(|what| !what.contains("condition: \"joined\""));
    assert_eq!(accused, [""; 0]);
}

/// Both rooms are hit by each room's step, and nobody makes a connection anew.
#[test]
fn an_open_link_is_not_touched_and_no_case_of_the_metrics() {
    let played = simulated(CONNECTED, None, Schedule::Fifo, 1);
    let events = &played.0;
    let created = |kind: &EventKind| matches!(kind, EventKind::ConnectionCreated { .. });
    assert_eq!(count(events, created), 12, "six links of two ends");
    let resumed = |kind: &EventKind| matches!(kind, EventKind::MembershipResumed { .. });
    assert_eq!(count(events, resumed), 6);
    let figures = figures(&played);
    assert_eq!(figures.counters[&MetricKey::new("server_restarts")], 2);
    assert!(!figures.counters.contains_key(&MetricKey::new("faults_started")));
    let back = trend(&figures, &MetricKey::new("signaling_reconnect_ms"));
    assert_eq!((back.count(), back.failed()), (6, 0));
    assert!(back.min_ms() >= Some(500.0), "the server was away for so long");
}

#[test]
fn a_client_that_tears_its_links_down_is_measured() {
    let off = Some("client.survive_restart=false");
    let played = simulated(CONNECTED, off, Schedule::Random, 1);
    assert_eq!(accusations("off", &played), [""; 0]);
    let paths = played.0.iter().filter_map(|event| match event.kind {
        EventKind::LinkRecovered { path, .. } => Some(path),
        _ => None,
    });
    assert_eq!(paths.collect::<Vec<_>>(), [RecoveryPath::Rejoin; 6]);
    let figures = figures(&played);
    let key = MetricKey::new("reconnect_ms").with("cause", "server_restart");
    let torn = trend(&figures, &key.with("path", "rejoin"));
    assert_eq!((torn.count(), torn.failed()), (6, 0));
}

/// No answer may be waited for that went down with the server's sockets.
#[test]
fn without_repeating_what_is_unanswered_a_renegotiation_is_stuck() {
    let stuck = |seed| {
        let off = Some("client.repeat_unanswered=false");
        !accusations("off", &simulated(RENEGOTIATING, off, Schedule::Random, seed)).is_empty()
    };
    assert!((0..20).any(stuck));
}

/// Over real sockets: each is cut off without a closing word, the port refuses, and then there is another server.
#[test]
fn in_real_time_everybody_comes_back_to_another_server() {
    let played = runtime().block_on(play(CONNECTED));
    let events = &played.events;
    let restarted = |event: &&RunEvent| matches!(event.kind, EventKind::ServerRestarted { .. });
    let first = events.iter().find(restarted).expect("it is a step").at;
    for peer in (0..6).map(PeerId) {
        let of_peer = |wanted: fn(&EventKind) -> bool| {
            let mut mine = events
                .iter()
                .filter(move |event| event.peer == Some(peer) && event.at >= first);
            mine.find(move |event| wanted(&event.kind))
                .map(|event| &event.kind)
        };
        let lost = of_peer(|kind| matches!(kind, EventKind::SignalingLost { .. }));
        let Some(EventKind::SignalingLost { reason, .. }) = lost else {
            panic!("{peer} has kept its socket");
        };
        assert!(
            !reason.contains("closed by the server"),
            "a closing word: {reason}"
        );
        let back = of_peer(|kind| matches!(kind, EventKind::MembershipResumed { .. }));
        assert!(back.is_some(), "{peer} is not back");
    }
    let back = trend(&played.snapshot, &MetricKey::new("signaling_reconnect_ms"));
    assert_eq!((back.count(), back.failed()), (6, 0));
    assert!(
        back.min_ms() >= Some(480.0),
        "{:?} ms: the server was not away",
        back.min_ms()
    );
    let expired = count(events, |kind| matches!(kind, EventKind::WaitExpired { .. }));
    assert_eq!(expired, 0);
    let broken: Vec<_> = played
        .invariants
        .iter()
        .filter(|invariant| invariant.is_broken())
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
