//! What holds of the figures of any run, however its events come.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    base::{Generation, Incarnation, Instant, PeerId, SignalingFailure},
    plan::Plan,
};

use super::{
    CATALOGUE, CandidateKind, DescriptionKind, EventKind, FaultCause, IgnoreReason, Kind, Metric, MetricKey,
    Recorder, RecoveryPath, RunEvent, SignalingState, Snapshot, Trend,
    link_event::link_event,
    story::{hub, ingest, ms, plan, sfu},
};

const PEERS: u32 = 3;

/// A plan of so many rooms and peers in each.
type Planned = fn(u32, u32) -> Plan;

/// Links of every kind.
fn plans() -> impl Strategy<Value = Planned> {
    prop::sample::select(vec![plan as Planned, sfu, hub, ingest])
}

fn kinds() -> impl Strategy<Value = EventKind> {
    let incarnation = || prop_oneof![4 => Just(1), 1 => Just(2)].prop_map(Incarnation);
    let generation = || (1_u32..3).prop_map(Generation);
    let planned = || (0_u64..60_000).prop_map(Instant::from_millis);
    let kind = || {
        prop_oneof![
            Just(CandidateKind::Host),
            Just(CandidateKind::Relay),
            Just(CandidateKind::Unknown)
        ]
    };
    let state = || prop_oneof![Just(SignalingState::Stable), Just(SignalingState::HaveLocalOffer)];
    let cause = || {
        prop_oneof![
            3 => Just(FaultCause::DropNetwork),
            2 => Just(FaultCause::IceRestart),
            1 => Just(FaultCause::CutSignaling),
            1 => Just(FaultCause::Crash),
            1 => Just(FaultCause::Rejoin),
        ]
    };
    let path = || {
        prop_oneof![
            Just(RecoveryPath::Resume),
            Just(RecoveryPath::IceRestart),
            Just(RecoveryPath::Replace),
            Just(RecoveryPath::Rejoin),
        ]
    };
    let reason = String::new;
    let external = || "user-z".to_owned();
    prop_oneof![
        3 => (planned(), incarnation(), prop::bool::weighted(0.1)).prop_map(move |(planned, incarnation, expect_rejected)| {
            EventKind::JoinStarted { planned, incarnation, name: String::new(), expect_rejected }
        }),
        3 => incarnation().prop_map(|incarnation| EventKind::Joined { incarnation }),
        1 => incarnation().prop_map(move |incarnation| EventKind::JoinFailed { incarnation, reason: reason() }),
        1 => incarnation().prop_map(move |incarnation| EventKind::JoinRejected { incarnation, reason: reason() }),
        1 => (planned(), incarnation(), any::<bool>()).prop_map(|(planned, incarnation, scripted)| {
            EventKind::LeaveStarted { planned, incarnation, scripted }
        }),
        1 => (planned(), incarnation()).prop_map(|(planned, incarnation)| EventKind::Crashed { planned, incarnation }),
        1 => Just(EventKind::SignalingLost { failure: SignalingFailure::Closed, reason: reason() }),
        1 => incarnation().prop_map(|incarnation| EventKind::MembershipResumed { incarnation }),
        1 => planned().prop_map(move |planned| EventKind::ExternalJoined {
            external: external(), name: String::new(), planned,
        }),
        1 => (generation(), planned()).prop_map(move |(generation, planned)| EventKind::ExternalOpened {
            external: external(), generation, planned,
        }),
        1 => generation().prop_map(move |generation| EventKind::ExternalClosed {
            external: external(), generation, cause: String::new(),
        }),
        1 => Just(EventKind::ExternalLeft { external: external(), reason: reason() }),
        1 => Just(EventKind::ExternalIgnored { external: external() }),
        4 => (cause(), planned(), planned()).prop_map(|(cause, planned, ends)| {
            EventKind::FaultStarted { cause, planned, ends }
        }),
        2 => generation().prop_map(|generation| EventKind::FaultDetected { generation }),
        1 => (generation(), path()).prop_map(|(generation, path)| EventKind::RecoveryStarted { generation, path }),
        3 => (generation(), path()).prop_map(|(generation, path)| EventKind::LinkRecovered { generation, path }),
        1 => path().prop_map(|path| EventKind::RecoveryFailed { path }),
        1 => generation().prop_map(|generation| EventKind::LinkGivenUp { generation, attempts: 5, why: String::new() }),
        1 => Just(EventKind::MemberLeft { reason: reason() }),
        1 => Just(EventKind::ScriptEnded),
        1 => planned().prop_map(|planned| EventKind::StepStarted { planned, step: String::new() }),
        2 => (generation(), incarnation()).prop_map(|(generation, incarnation)| {
            EventKind::ConnectionCreated { generation, incarnation, offerer: true }
        }),
        1 => generation().prop_map(|generation| EventKind::ConnectionClosed { generation, cause: String::new() }),
        1 => generation().prop_map(|generation| EventKind::ChannelClosed { generation }),
        1 => generation().prop_map(|generation| EventKind::Glare { generation, polite: false }),
        4 => (generation(), state()).prop_map(|(generation, state)| EventKind::SignalingStateChanged { generation, state }),
        3 => generation().prop_map(|generation| EventKind::IceStateChanged { generation, state: "connected".to_owned() }),
        3 => generation().prop_map(|generation| EventKind::ConnectionStateChanged { generation, state: "connected".to_owned() }),
        6 => (generation(), incarnation(), kind()).prop_map(|(generation, incarnation, pair)| {
            EventKind::ChannelOpened { generation, incarnation, pair }
        }),
        4 => (generation(), incarnation()).prop_map(|(generation, incarnation)| {
            EventKind::ProbeReceived { generation, incarnation }
        }),
        4 => (planned(), incarnation(), 0_u32..6).prop_map(|(planned, incarnation, seq)| {
            EventKind::MessageSent { planned, incarnation, seq, bytes: 1 }
        }),
        1 => (planned(), incarnation(), 0_u32..6).prop_map(|(planned, incarnation, seq)| {
            EventKind::MessageUnsent { planned, incarnation, seq }
        }),
        4 => (generation(), incarnation(), 0_u32..6).prop_map(|(generation, incarnation, seq)| {
            EventKind::MessageReceived { generation, incarnation, seq, bytes: 1 }
        }),
        1 => Just(EventKind::DescriptionIgnored {
            description: DescriptionKind::Offer,
            fingerprint: 1,
            reason: IgnoreReason::NotAMember,
        }),
        1 => Just(EventKind::WaitExpired { condition: String::new() }),
    ]
}

fn concerns_a_link(kind: &EventKind) -> bool {
    link_event(kind).is_some()
        || matches!(
            kind,
            EventKind::MessageSent { .. }
                | EventKind::MessageUnsent { .. }
                | EventKind::MessageReceived { .. }
                | EventKind::DescriptionIgnored { .. }
                | EventKind::FaultStarted { .. }
                | EventKind::FaultDetected { .. }
                | EventKind::RecoveryStarted { .. }
                | EventKind::LinkRecovered { .. }
                | EventKind::RecoveryFailed { .. }
                | EventKind::LinkGivenUp { .. }
                | EventKind::MemberLeft { .. }
        )
}

/// A peer of the plan or one that is in none, the server, or nobody.
fn anybody() -> impl Strategy<Value = Option<PeerId>> {
    prop::option::of(prop_oneof![9 => (0_u32..9).prop_map(PeerId), 1 => Just(PeerId::SERVER)])
}

/// Events in two rooms of three, each at its instant; gaps reach over the time-outs. In every other run
/// everybody begins as a member, so that links do get measured.
fn events() -> impl Strategy<Value = Vec<RunEvent>> {
    let gap = prop_oneof![9 => 0_u64..300, 1 => 0_u64..40_000];
    // The last of these is the server.
    let event = (gap, 0..2 * PEERS, 1..=PEERS, kinds());
    (any::<bool>(), prop::collection::vec(event, 0..200)).prop_map(|(members, events)| {
        let join = |peer| RunEvent {
            at: Instant::START,
            peer: Some(PeerId(peer)),
            remote: None,
            kind: EventKind::JoinStarted {
                planned: Instant::START,
                incarnation: Incarnation(1),
                name: String::new(),
                expect_rejected: false,
            },
        };
        let mut run: Vec<_> = (0..2 * PEERS).filter(|_| members).map(join).collect();
        let mut at = 0;
        run.extend(events.into_iter().map(|(gap, peer, other, kind)| {
            at += gap;
            let room = peer / PEERS * PEERS;
            let remote = match other {
                PEERS => PeerId::SERVER,
                _ => PeerId(room + (peer - room + other) % PEERS),
            };
            RunEvent {
                at: ms(at),
                peer: Some(PeerId(peer)),
                remote: concerns_a_link(&kind).then_some(remote),
                kind,
            }
        }));
        run
    })
}

fn record<'a>(plan: Planned, events: impl IntoIterator<Item = &'a RunEvent>, end: Instant) -> Snapshot {
    record_after(plan, Duration::ZERO, events, end)
}

/// With a warm-up.
fn record_after<'a>(
    plan: Planned,
    warm_up: Duration,
    events: impl IntoIterator<Item = &'a RunEvent>,
    end: Instant,
) -> Snapshot {
    let mut recorder = Recorder::new(&Plan {
        warm_up,
        ..plan(2, PEERS)
    });
    for event in events {
        recorder.record(event);
    }
    recorder.finish(end);
    recorder.snapshot()
}

proptest! {
    #[test]
    fn the_snapshots_of_rooms_apart_add_up_to_the_snapshot_of_all(
        plan in plans(), events in events(), more in 0_u64..40_000,
    ) {
        let end = events.last().map_or(Instant::START, |event| event.at) + Duration::from_millis(more);
        let of = |room: u32| {
            let theirs = events.iter().filter(|event| event.peer.is_some_and(|peer| peer.0 / PEERS == room));
            record(plan, theirs, end)
        };
        let mut sum = of(0);
        sum.merge(&of(1));
        prop_assert_eq!(sum, record(plan, &events, end));
    }

    #[test]
    fn every_message_sent_has_one_end_and_every_figure_is_in_the_catalogue(
        plan in plans(), events in events(), more in 0_u64..40_000, warm_up in prop_oneof![Just(0), 0_u64..60_000],
    ) {
        let end = events.last().map_or(Instant::START, |event| event.at) + Duration::from_millis(more);
        let snapshot = record_after(plan, Duration::from_millis(warm_up), &events, end);
        let count = |name| snapshot.counters.get(&MetricKey::new(name)).copied().unwrap_or_default();
        prop_assert_eq!(
            count("messages_sent"),
            count("messages_received") + count("messages_lost") + count("messages_abandoned")
        );
        let keys = snapshot.trends.keys().map(|key| (Kind::Trend, key))
            .chain(snapshot.rates.keys().map(|key| (Kind::Rate, key)))
            .chain(snapshot.counters.keys().map(|key| (Kind::Counter, key)));
        for (kind, key) in keys {
            let metric = Metric::named(&key.name).expect("a metric of the catalogue");
            prop_assert_eq!(metric.kind, kind);
            for (tag, value) in &key.tags {
                let known = metric.tag(tag).expect("a tag of the metric");
                prop_assert!(known.values.contains(&value.as_str()), "{}", key);
            }
        }
        let due: u64 = snapshot.outages.values().map(|outage| outage.messages.total).sum();
        let rate = snapshot.rates.get(&MetricKey::new("outage_message_failed"));
        prop_assert_eq!(due, rate.map_or(0, |rate| rate.total));
        let came_back = snapshot.trends.get(&MetricKey::new("reconnect_ms"));
        prop_assert_eq!(count("recovered_by"), came_back.map_or(0, |trend| trend.count() - trend.failed()));
        for metric in ["connect", "reconnect", "message"] {
            let failed = snapshot.rates.get(&MetricKey::new(&format!("{metric}_failed")));
            let trend = snapshot.trends.get(&MetricKey::new(&format!("{metric}_ms")));
            prop_assert_eq!(failed.map(|r| (r.hits, r.total)), trend.map(|t| (t.failed(), t.count())));
        }
    }

    #[test]
    fn every_fault_that_began_is_one_sample_failure_or_abandonment_or_counted_as_neither(
        plan in plans(), events in events(), more in 0_u64..40_000, warm_up in prop_oneof![Just(0), 0_u64..60_000],
    ) {
        let end = events.last().map_or(Instant::START, |event| event.at) + Duration::from_millis(more);
        let snapshot = record_after(plan, Duration::from_millis(warm_up), &events, end);
        for cause in [FaultCause::DropNetwork, FaultCause::IceRestart, FaultCause::CutSignaling] {
            let key = |name| MetricKey::new(name).with("cause", cause.name());
            let count = |name| snapshot.counters.get(&key(name)).copied().unwrap_or_default();
            let cases = snapshot.rates.get(&key("reconnect_failed")).map_or(0, |rate| rate.total);
            prop_assert_eq!(
                count("faults_started"),
                cases + count("reconnect_abandoned") + count("faults_merged") + count("faults_unmeasured")
            );
            let rows = snapshot.outages.iter().filter(|(key, _)| key.cause == cause);
            prop_assert_eq!(
                rows.map(|(_, outage)| outage.faults()).sum::<u64>(),
                cases + count("reconnect_abandoned")
            );
            let outages = snapshot.trends.get(&key("outage_ms")).map_or(0, Trend::count);
            prop_assert_eq!(outages, cases);
            let detected = snapshot.trends.get(&key("detect_ms")).map_or(0, Trend::count);
            prop_assert!(detected <= cases + count("reconnect_abandoned"));
        }
        for cause in [FaultCause::Crash, FaultCause::Rejoin] {
            let key = |name| MetricKey::new(name).with("cause", cause.name());
            prop_assert_eq!(snapshot.counters.get(&key("faults_started")), snapshot.counters.get(&key("faults_unmeasured")));
        }
    }

    #[test]
    fn every_join_that_is_to_succeed_is_one_case_of_the_connection_to_a_server_that_links_go_through(
        plan in plans(), events in events(), more in 0_u64..40_000, warm_up in prop_oneof![Just(0), 0_u64..60_000],
    ) {
        let end = events.last().map_or(Instant::START, |event| event.at) + Duration::from_millis(more);
        let snapshot = record_after(plan, Duration::from_millis(warm_up), &events, end);
        let cases = |trend, abandoned| {
            let trend = snapshot.trends.get(&MetricKey::new(trend)).map_or(0, Trend::count);
            trend + snapshot.counters.get(&MetricKey::new(abandoned)).copied().unwrap_or_default()
        };
        let joins = match plan(2, PEERS).abilities().topology.is_through_server() {
            true => cases("join_ms", "joins_abandoned"),
            false => 0,
        };
        prop_assert_eq!(cases("server_connect_ms", "server_connects_abandoned"), joins);
    }

    #[test]
    fn events_in_any_order_about_anybody_are_borne(
        plan in plans(),
        events in prop::collection::vec((0_u64..90_000, anybody(), anybody(), kinds()), 0..200),
        end in 0_u64..90_000,
    ) {
        let events: Vec<_> = events.into_iter().map(|(at, peer, remote, kind)| RunEvent {
            at: ms(at),
            peer,
            remote,
            kind,
        }).collect();
        record(plan, &events, ms(end));
    }
}

#[test]
fn the_catalogue_has_nothing_that_is_never_recorded() {
    // The random runs above show that what is recorded is in the catalogue; this is the other direction.
    let sources = [
        include_str!("recorder.rs"),
        include_str!("counts.rs"),
        include_str!("crash.rs"),
        include_str!("externals.rs"),
        include_str!("faults.rs"),
        include_str!("overlap.rs"),
        include_str!("resumptions.rs"),
        include_str!("server_links.rs"),
        include_str!("phases.rs"),
        include_str!("joins.rs"),
        include_str!("messages.rs"),
        include_str!("outages.rs"),
    ];
    for metric in CATALOGUE {
        let quoted = format!("\"{}\"", metric.name);
        assert!(
            sources.iter().any(|source| source.contains(&quoted)),
            "{quoted} is recorded nowhere"
        );
    }
}
