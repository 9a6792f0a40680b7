//! What whole runs in the local world come to.

use std::time::Duration;

use rtcstorm::{
    base::{Incarnation, PeerId},
    metrics::{EventKind, MetricKey, Operation, RunEvent, Trend},
    scenario::bundled,
    verdict::invariants::InvariantStatus,
};

use crate::local::{Played, play, runtime};

/// Three peers, of whom one leaves and comes back three times while the others stay.
const COMES_BACK: &str = "
name: comes-back
rooms: { count: 1 }
groups:
  - name: host
    peers: 2
    steps: [join, { wait: connected }, { barrier: all are here }, { barrier: all is over }]
  - name: guest
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: all are here
      - repeat: 3
        steps: [{ pause: 200ms }, rejoin, { wait: connected }]
      - pause: 200ms
      - barrier: all is over
";

fn scenario(name: &str) -> &'static str {
    let found = bundled().iter().find(|(bundled, _)| *bundled == name);
    found.unwrap_or_else(|| panic!("no scenario {name}")).1
}

impl Played {
    fn broken(&self) -> Vec<u8> {
        let broken = self.invariants.iter().filter(|result| result.is_broken());
        broken.map(|result| result.number).collect()
    }

    #[track_caller]
    fn assert_held(&self, expected: &[u8]) {
        let held = self
            .invariants
            .iter()
            .filter(|result| result.status == InvariantStatus::Held);
        let held: Vec<u8> = held.map(|result| result.number).collect();
        assert_eq!(
            (self.broken(), held),
            (Vec::new(), expected.to_vec()),
            "{:#?}",
            self.invariants
        );
    }

    fn count(&self, is: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|event| is(&event.kind)).count()
    }

    /// What went wrong, if anything did: no run here expects a failure.
    #[track_caller]
    fn assert_no_failures(&self) {
        let failures: Vec<&RunEvent> = self
            .events
            .iter()
            .filter(|event| {
                // Sending to somebody who is just leaving may fail, and is tried in good faith.
                let in_good_faith = matches!(
                    event.kind,
                    EventKind::OperationFailed {
                        operation: Operation::Send,
                        allowed: true,
                        ..
                    }
                );
                !in_good_faith
                    && matches!(
                        event.kind,
                        EventKind::WaitExpired { .. }
                            | EventKind::BarrierExpired { .. }
                            | EventKind::JoinFailed { .. }
                            | EventKind::OperationFailed { .. }
                            | EventKind::SignalingLost { .. }
                            | EventKind::SignalingError { .. }
                            | EventKind::LimitHit { .. }
                    )
            })
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
        assert!(!self.summary.interrupted && !self.summary.deadline_reached);
    }

    /// The run's last word on what it holds is that it holds nothing.
    #[track_caller]
    fn assert_nothing_left(&self) {
        let left: Vec<&EventKind> = self
            .events
            .iter()
            .map(|event| &event.kind)
            .filter(|kind| matches!(kind, EventKind::Leftovers { .. }))
            .collect();
        let nothing = EventKind::Leftovers {
            connections: 0,
            tasks: 0,
            timers: 0,
            sockets: 0,
        };
        assert_eq!(left, [&nothing]);
        let made = self.count(|kind| matches!(kind, EventKind::ConnectionCreated { .. }));
        let closed = self.count(|kind| matches!(kind, EventKind::ConnectionClosed { .. }));
        assert!(made > 0);
        assert_eq!(made, closed, "every connection that was made was closed");
    }

    fn trend(&self, key: &MetricKey) -> Trend {
        self.snapshot.trends.get(key).cloned().unwrap_or_default()
    }

    fn counter(&self, name: &str) -> u64 {
        self.snapshot
            .counters
            .get(&MetricKey::new(name))
            .copied()
            .unwrap_or(0)
    }
}

#[test]
fn smoke_holds_every_invariant_and_leaves_nothing() {
    let played = runtime().block_on(play(scenario("smoke")));
    played.assert_held(&[1, 2, 3, 4, 5, 6, 7]);
    played.assert_no_failures();
    played.assert_nothing_left();
    // Two rooms of three: six pairs, and 10 messages to two others from each of six.
    assert_eq!(played.trend(&MetricKey::new("connect_ms")).count(), 6);
    assert_eq!(
        (
            played.counter("messages_sent"),
            played.counter("messages_received")
        ),
        (120, 120)
    );
    assert_eq!(played.count(|kind| matches!(kind, EventKind::ScriptEnded)), 6);
}

#[test]
fn a_taken_name_is_refused_and_another_is_let_in() {
    let played = runtime().block_on(play(scenario("username-taken")));
    // Nobody talks in it.
    played.assert_held(&[1, 2, 4, 5, 6, 7]);
    played.assert_no_failures();
    played.assert_nothing_left();
    let refused = |kind: &EventKind| matches!(kind, EventKind::JoinRejected { reason, .. } if reason == "DUPLICATE_USERNAME");
    assert_eq!(played.count(refused), 3, "once in each room");
    assert_eq!(played.counter("joins_rejected"), 3);
    assert_eq!(played.counter("joins_confirmed"), 6);
    let connects = played.trend(&MetricKey::new("connect_ms"));
    assert_eq!((connects.count(), connects.failed()), (3, 0));
}

/// A step that follows a wait directly is planned for the instant of what ended the wait, not for one before: faults that
/// follow each other are not taken for one.
#[test]
fn what_follows_a_wait_begins_no_earlier_than_what_ended_it() {
    let played = runtime().block_on(play(
        "
name: one-after-the-other
rooms: { count: 1 }
groups:
  - name: travelling
    peers: 1
    steps:
      - join
      - wait: connected
      - repeat: 4
        steps: [{ drop_network: { scope: media, for: 50ms } }, { wait: recovered }]
      - barrier: all is over
  - { name: staying, peers: 2, steps: [join, { wait: connected }, { barrier: all is over }] }
",
    ));
    played.assert_no_failures();
    assert_eq!(
        (played.counter("faults_started"), played.counter("faults_merged")),
        (8, 0)
    );
    let recovered = played.count(|kind| matches!(kind, EventKind::LinkRecovered { .. }));
    assert_eq!(recovered, 8);
    let (mut ended, mut looked_at) = (Default::default(), 0);
    for event in played.events.iter().filter(|event| event.peer == Some(PeerId(0))) {
        match event.kind {
            EventKind::LinkRecovered { .. } | EventKind::WaitSatisfied { .. } => ended = event.at,
            EventKind::FaultStarted { planned, .. } => {
                assert!(ended <= planned, "{ended:?}, {planned:?}");
                looked_at += 1;
            }
            _ => {}
        }
    }
    assert_eq!(looked_at, 8);
}

#[test]
fn reconnect_times_are_what_the_events_add_up_to() {
    let played = runtime().block_on(play(COMES_BACK));
    played.assert_held(&[1, 2, 4, 5, 6, 7]);
    played.assert_no_failures();
    played.assert_nothing_left();

    let guest = PeerId(2);
    let mut expected = Trend::default();
    for incarnation in (2..=4).map(Incarnation) {
        let is_its = |event: &&RunEvent, kind: fn(&EventKind) -> Option<Incarnation>| {
            event.peer == Some(guest) && kind(&event.kind) == Some(incarnation)
        };
        let membership: Vec<&RunEvent> = played
            .events
            .iter()
            .skip_while(|event| !is_its(event, joining))
            .take_while(|event| !is_its(event, leaving))
            .collect();
        let EventKind::JoinStarted { planned, .. } = membership[0].kind else {
            unreachable!("the event that was looked for");
        };
        for host in [PeerId(0), PeerId(1)] {
            // The first word from each to the other in this membership.
            let heard = |peer: PeerId, remote: PeerId, of: Incarnation| {
                let is_it = |event: &&&RunEvent| {
                    (event.peer, event.remote) == (Some(peer), Some(remote))
                        && matches!(event.kind, EventKind::ProbeReceived { incarnation, .. } if incarnation == of)
                };
                membership.iter().find(is_it).map(|event| event.at)
            };
            // On a busy machine it may be off again before both have heard one another.
            let both = heard(guest, host, Incarnation(1)).zip(heard(host, guest, incarnation));
            if let Some((one, other)) = both {
                expected.record(one.max(other).since(planned));
            }
        }
    }
    let reconnect = MetricKey::new("reconnect_ms");
    for key in [reconnect.clone(), reconnect.with("path", "rejoin")] {
        assert_eq!(played.trend(&key), expected, "{key}");
    }
    let failed = played.snapshot.rates[&MetricKey::new("reconnect_failed")];
    assert_eq!((failed.hits, failed.total), (0, expected.count()));
    assert_eq!(expected.count() + played.counter("reconnect_abandoned"), 6);
    assert_eq!(
        played.trend(&MetricKey::new("connect_ms")).count(),
        3,
        "the first ones stand apart"
    );
}

fn joining(kind: &EventKind) -> Option<Incarnation> {
    match kind {
        EventKind::JoinStarted { incarnation, .. } => Some(*incarnation),
        _ => None,
    }
}

fn leaving(kind: &EventKind) -> Option<Incarnation> {
    match kind {
        EventKind::LeaveStarted { incarnation, .. } => Some(*incarnation),
        _ => None,
    }
}

/// Two peers who talk, the guest's link as it is at first, then as its step changes it.
fn slowing(network: &str, step: &str) -> String {
    format!(
        "
name: slowing
rooms: {{ count: 1 }}
network: {network}
groups:
  - name: host
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: before
      - chat: {{ every: 20ms, size: 64, count: 10 }}
      - barrier: changing
      - barrier: changed
      - chat: {{ every: 20ms, size: 64, count: 10 }}
  - name: guest
    peers: 1
    steps:
      - join
      - wait: connected
      - barrier: before
      - chat: {{ every: 20ms, size: 64, count: 10 }}
      - barrier: changing
      - {step}
      - barrier: changed
      - chat: {{ every: 20ms, size: 64, count: 10 }}
"
    )
}

impl Played {
    /// How long the messages with these numbers took, in the order in which they came, from either peer to
    /// the other.
    fn message_times(&self, seqs: std::ops::Range<u32>) -> Vec<Duration> {
        let planned = |from: Option<PeerId>, seq: u32| {
            self.events.iter().find_map(|event| match event.kind {
                EventKind::MessageSent {
                    planned, seq: sent, ..
                } if event.peer == from && sent == seq => Some(planned),
                _ => None,
            })
        };
        let times = self.events.iter().filter_map(|event| match event.kind {
            EventKind::MessageReceived { seq, .. } if seqs.contains(&seq) => {
                Some(event.at.since(planned(event.remote, seq)?))
            }
            _ => None,
        });
        times.collect()
    }
}

#[test]
fn no_message_is_faster_than_the_links_of_both_ends() {
    let played = runtime().block_on(play(&slowing("{ delay: 30ms }", "pause: 0s")));
    played.assert_no_failures();
    played.assert_nothing_left();
    assert_eq!(played.broken(), Vec::<u8>::new());
    let apart = Duration::from_millis(2 * 30);
    let times = played.message_times(0..u32::MAX);
    assert_eq!(times.len(), 40);
    assert!(times.iter().all(|took| *took >= apart), "{times:?}");
    let min_ms = played.trend(&MetricKey::new("message_ms")).min_ms();
    assert!(min_ms >= Some(60.0), "{min_ms:?}");
    let dropped = |kind: &EventKind| matches!(kind, EventKind::NetworkDropped { .. });
    assert_eq!(played.count(dropped), 0, "a delay drops nothing");
}

#[test]
fn a_step_slows_the_messages_that_come_after_it() {
    let played = runtime().block_on(play(&slowing("none", "network: { delay: 50ms }")));
    played.assert_no_failures();
    played.assert_nothing_left();
    assert_eq!(played.broken(), Vec::<u8>::new());
    let (before, after) = (played.message_times(0..10), played.message_times(10..20));
    assert_eq!((before.len(), after.len()), (20, 20));
    // Only the guest's link is slow, and each message crosses it once.
    let slow = Duration::from_millis(50);
    assert!(after.iter().all(|took| *took >= slow), "{after:?}");
}

#[test]
fn a_link_stays_as_it_was_set_over_a_crash_and_tells_what_it_dropped() {
    let text = "
name: returning
rooms: { count: 1 }
groups:
  - name: host
    peers: 1
    steps: [join, { wait: connected }, { barrier: back }, { chat: { every: 5ms, size: 64, count: 50 } }]
  - name: guest
    peers: 1
    steps:
      - join
      - wait: connected
      - network: { delay: 50ms, loss: 10% }
      - crash
      - join
      - wait: connected
      - barrier: back
      - chat: { every: 5ms, size: 64, count: 50 }
";
    let played = runtime().block_on(play(text));
    let times = played.message_times(0..u32::MAX);
    assert!(!times.is_empty());
    assert!(
        times.iter().all(|took| *took >= Duration::from_millis(50)),
        "{times:?}"
    );
    let guest = Some(PeerId(1));
    let mut told = played.events.iter().filter_map(|event| match event.kind {
        EventKind::NetworkDropped { lost, .. } => Some((event.peer, lost)),
        _ => None,
    });
    let (peer, lost) = told.next().expect("a tenth of all datagrams is lost");
    assert_eq!(
        (peer, told.next()),
        (guest, None),
        "the host's link drops nothing"
    );
    assert!(lost > 0);
    assert_eq!(played.counter("datagrams_lost"), lost);
}

#[test]
fn a_client_that_leaves_connections_behind_is_caught() {
    let runtime = runtime();
    let reference = runtime.block_on(play(COMES_BACK));
    assert_eq!(reference.broken(), Vec::<u8>::new());
    let mutant = format!("{COMES_BACK}client: {{ close_on_leave: false }}\n");
    let mutant = runtime.block_on(play(&mutant));
    assert!(mutant.broken().contains(&2), "{:#?}", mutant.invariants);
}

/// The process's own account of what it holds, which other tests in it would disturb.
#[cfg(target_os = "linux")]
mod descriptors {
    use std::{
        fs,
        process::Command,
        time::{Duration, Instant},
    };

    use super::{COMES_BACK, play, runtime, scenario};

    /// Set where no other test runs beside.
    const ALONE: &str = "RTCSTORM_TEST_ALONE";
    /// How long what has been let go may take to be closed.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn open() -> usize {
        fs::read_dir("/proc/self/fd").expect("Linux tells").count()
    }

    #[test]
    fn no_run_leaves_a_descriptor_open() {
        let me = std::env::current_exe().expect("this test");
        let output = Command::new(me)
            .args(["--exact", "runs::descriptors::of_this_process", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .expect("the tests can be started again");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && told.contains("1 passed"),
            "{output:#?}"
        );
    }

    /// Does its work in a process of its own, which the test above starts.
    #[test]
    fn of_this_process() {
        if std::env::var_os(ALONE).is_none() {
            return;
        }
        runtime().block_on(async {
            // The first run opens what stays open for all: the runtime's own.
            drop(play(COMES_BACK).await);
            let before = open();
            for text in [COMES_BACK, scenario("smoke")] {
                drop(play(text).await);
                let until = Instant::now() + PATIENCE;
                while open() != before && Instant::now() < until {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                assert_eq!(open(), before, "descriptors");
            }
        });
    }
}
