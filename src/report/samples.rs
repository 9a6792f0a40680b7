//! Reports for the tests of all formats.

use std::time::Duration;

use crate::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{
        EventKind, FaultCause, MetricKey, Outage, OutageKey, OutageLength, RecoveryPath, RunEvent, Snapshot,
        Timeline,
    },
    plan::Plan,
    verdict::invariants::{Finding, InvariantResult, InvariantStatus},
};

use super::{LAUNCH_SCHEMA, Launch, RunRecord, model::*};

/// A run of nothing: interrupted before anybody joined.
pub fn empty_run() -> RunReport {
    RunReport {
        version: "0.1.0".to_owned(),
        scenario: ScenarioLine {
            name: "smoke".to_owned(),
            about: None,
            seed: 7,
            hash: "9f86d081884c7d65".to_owned(),
        },
        world: "local".to_owned(),
        target: "bundled server at ws://127.0.0.1:40213/ws".to_owned(),
        started_at: StartedAt {
            text: "2026-05-04T10:00:00Z".to_owned(),
            unix_ms: 1_777_888_800_000,
        },
        duration_ms: 0.0,
        warm_up_ms: None,
        aborted: None,
        log_hash: None,
        machine: MachineLine::default(),
        verdict: VerdictLine {
            word: VerdictWord::Interrupted,
            exit_code: 105,
            reasons: vec!["interrupted by the user".to_owned()],
            invalid_by: Vec::new(),
            warnings: Vec::new(),
        },
        metrics: Snapshot::default(),
        thresholds: vec![ThresholdLine {
            selector: "connect_ms".to_owned(),
            expression: "p(95)<2000".to_owned(),
            actual: None,
            status: ThresholdStatus::NoSamples,
            window: None,
        }],
        invariants: Vec::new(),
        generator: GeneratorLine::default(),
        failures: Vec::new(),
        more_failures: 0,
        timeline: Timeline::default(),
        repeat: "rtcstorm run smoke --seed 7".to_owned(),
        files: Vec::new(),
    }
}

/// A run in which everything that can be shown is there.
pub fn busy_run() -> RunReport {
    let mut metrics = Snapshot::default();
    // A spread that repeats: squares modulo a prime.
    let spread = |nth: u64, prime: u64| nth * nth % prime;
    for nth in 0..150 {
        record(
            &mut metrics,
            "connect_ms",
            &[],
            1_900 + spread(nth, 97) * spread(nth, 89),
        );
        record(&mut metrics, "ice_ms", &[], 600 + spread(nth, 61) * 10);
        record(
            &mut metrics,
            "signaling_reconnect_ms",
            &[],
            80_000 + spread(nth, 61) * 900,
        );
    }
    for nth in 0..60 {
        let took = 3_000 + spread(nth, 59) * 120_000;
        let path = if nth % 3 == 0 { "rejoin" } else { "ice_restart" };
        record(&mut metrics, "reconnect_ms", &[], took);
        record(&mut metrics, "reconnect_ms", &[("path", path)], took);
        record(&mut metrics, "outage_ms", &[], 3_000_000 + took);
        record(
            &mut metrics,
            "detect_ms",
            &[],
            2_400_000 + spread(nth, 59) * 1_000,
        );
    }
    for tags in [&[][..], &[("path", "rejoin")]] {
        (0..3).for_each(|_| {
            metrics
                .trends
                .entry(key("reconnect_ms", tags))
                .or_default()
                .record_failure()
        });
    }
    for nth in 0..4_000 {
        record(&mut metrics, "message_ms", &[], 400 + spread(nth, 101) * 3);
        record(&mut metrics, "generator_lag_ms", &[], spread(nth, 7) * 20);
    }
    for (name, tags, hits, total) in [
        ("connect_failed", &[][..], 0, 150),
        ("reconnect_failed", &[][..], 3, 63),
        ("reconnect_failed", &[("path", "rejoin")][..], 3, 23),
    ] {
        let rate = metrics.rates.entry(key(name, tags)).or_default();
        (rate.hits, rate.total) = (hits, total);
    }
    for (name, tags, count) in [
        ("messages_sent", &[][..], 4_000),
        ("messages_received", &[][..], 4_000),
        ("messages_lost", &[][..], 0),
        ("descriptions_ignored", &[("reason", "duplicate")][..], 12),
        ("connections_created", &[][..], 426),
        ("stale_ignored", &[][..], 31),
        ("glare", &[][..], 4),
    ] {
        metrics.counters.insert(key(name, tags), count);
    }
    let threshold = |selector: &str, expression: &str, actual, status| ThresholdLine {
        selector: selector.to_owned(),
        expression: expression.to_owned(),
        actual,
        status,
        window: None,
    };
    let file = |path: &str, what: &str| FileLine {
        path: format!("reports/runs/20260504-100000-rejoin-storm-7/{path}"),
        what: what.to_owned(),
    };
    RunReport {
        scenario: ScenarioLine {
            name: "rejoin-storm".to_owned(),
            about: Some("Rooms of four; everyone leaves and comes back ten times.".to_owned()),
            ..empty_run().scenario
        },
        duration_ms: 12_310.482,
        warm_up_ms: None,
        aborted: None,
        log_hash: None,
        machine: MachineLine::default(),
        verdict: VerdictLine {
            word: VerdictWord::Fail,
            exit_code: 99,
            reasons: vec![
                "threshold reconnect_ms{path:rejoin} p(95)<3000: it was inf".to_owned(),
                "invariant 3 is broken: nothing is lost, doubled or out of order on a living channel"
                    .to_owned(),
            ],
            invalid_by: Vec::new(),
            warnings: vec!["generator lag p99 was 118 ms in the burst of arrivals".to_owned()],
        },
        metrics,
        thresholds: vec![
            ThresholdLine {
                window: Some(WindowLine {
                    length_ms: 5_000.0,
                    worst_ms: Some((5_000.0, 10_000.0)),
                }),
                ..threshold("message_ms", "p(99)<50", Some(0.71), ThresholdStatus::Passed)
            },
            threshold("connect_ms", "p(95)<2000", Some(9.81), ThresholdStatus::Passed),
            threshold(
                "reconnect_ms{path:rejoin}",
                "p(95)<3000",
                Some(f64::INFINITY),
                ThresholdStatus::Failed,
            ),
            threshold("message_ms", "p(99)<50", Some(0.7), ThresholdStatus::Passed),
            threshold("connect_failed", "rate<0.01", Some(0.0), ThresholdStatus::Passed),
            threshold("outage_ms", "max<9000", None, ThresholdStatus::NoSamples),
        ],
        invariants: invariants(),
        generator: GeneratorLine {
            cpu_percent: Some(143.2),
            rss_bytes: Some(64_213_000),
            rss_growth: None,
            lag_ms_p99: Some(0.12),
            event_loop_lag_ms_p99: Some(0.31),
            open_files: Some(312),
            open_files_allowed: Some(1_024),
        },
        failures: (0..12)
            .map(|nth| FailureLine {
                peer: Some(PeerId(nth)),
                remote: (nth % 2 == 0).then_some(PeerId(nth + 1)),
                at: Instant::from_millis(4_000 + u64::from(nth) * 111),
                what: "wait: connected expired after 30 s".to_owned(),
            })
            .collect(),
        more_failures: 5,
        repeat: "rtcstorm run rejoin-storm --seed 7".to_owned(),
        files: vec![
            file("summary.json", "all figures"),
            file("histograms.hlog", "distributions, for HdrHistogram's tools"),
            file("events.ndjson", "every event"),
        ],
        ..empty_run()
    }
}

/// Joins that all fail.
pub fn failed_run() -> RunReport {
    let mut report = empty_run();
    for _ in 0..6 {
        report
            .metrics
            .trends
            .entry(key("connect_ms", &[]))
            .or_default()
            .record_failure();
    }
    let rate = report
        .metrics
        .rates
        .entry(key("connect_failed", &[]))
        .or_default();
    (rate.hits, rate.total) = (6, 6);
    report.thresholds[0].actual = Some(f64::INFINITY);
    report.thresholds[0].status = ThresholdStatus::Failed;
    report.duration_ms = 30_000.0;
    report.verdict = VerdictLine {
        word: VerdictWord::Fail,
        exit_code: 99,
        reasons: vec!["threshold connect_ms p(95)<2000: it was inf".to_owned()],
        invalid_by: Vec::new(),
        warnings: Vec::new(),
    };
    report
}

/// Links that were torn and came back on every rung of the ladder, but for two.
pub fn faulty_run() -> RunReport {
    let mut report = empty_run();
    let metrics = &mut report.metrics;
    let cases = [
        ("resume", "ice_restart", 20, 4_000, 900),
        ("resume", "drop_network", 12, 0, 0),
        ("ice_restart", "drop_network", 31, 130_000, 31_000),
        ("replace", "drop_network", 9, 2_100_000, 410_000),
        ("rejoin", "crash", 6, 48_000, 3_000),
    ];
    for (path, cause, count, micros, step) in cases {
        for nth in 0..count {
            let took = micros + nth * nth % 7 * step;
            for tags in [&[][..], &[("path", path)], &[("cause", cause)]] {
                record(metrics, "reconnect_ms", tags, took);
            }
            for tags in [&[][..], &[("cause", cause)]] {
                record(metrics, "outage_ms", tags, 1_000_000 + took);
                record(metrics, "detect_ms", tags, 310_000 + nth * 2_000);
            }
        }
    }
    for tags in [&[][..], &[("path", "replace")], &[("cause", "drop_network")]] {
        for name in ["reconnect_ms", "outage_ms"] {
            if name == "reconnect_ms" || tags.first().is_none_or(|tag| tag.0 == "cause") {
                let trend = metrics.trends.entry(key(name, tags)).or_default();
                (0..2).for_each(|_| trend.record_failure());
            }
        }
    }
    for (length, path, count) in [
        (0, RecoveryPath::Resume, 12),
        (4_000, RecoveryPath::IceRestart, 31),
    ] {
        let key = OutageKey {
            cause: FaultCause::DropNetwork,
            length: OutageLength::Planned(Duration::from_millis(length)),
        };
        let outage: &mut Outage = metrics.outages.entry(key).or_default();
        outage.recovered.insert(path, count);
        for nth in 0..count {
            outage.reconnect.record(Duration::from_micros(length * nth * 13));
        }
        (outage.messages.hits, outage.messages.total) = (length / 100, 1_240);
        if length > 0 {
            outage.recovered.insert(RecoveryPath::Replace, 9);
            outage.failed = 2;
            (0..2).for_each(|_| outage.reconnect.record_failure());
        }
    }
    for length in [OutageLength::Without, OutageLength::Other] {
        let cause = FaultCause::Roam;
        let outage = metrics.outages.entry(OutageKey { cause, length }).or_default();
        outage.recovered.insert(RecoveryPath::IceRestart, 2);
        (0..2).for_each(|_| outage.reconnect.record(Duration::from_millis(1_100)));
    }
    let event = |ms, peer, remote, kind| RunEvent {
        at: Instant::from_millis(ms),
        peer: Some(PeerId(peer)),
        remote,
        kind,
    };
    let (generation, zero) = (Generation(1), Some(PeerId(0)));
    let fault = EventKind::FaultStarted {
        cause: FaultCause::DropNetwork,
        planned: Instant::from_millis(1_000),
        ends: Instant::from_millis(4_000),
    };
    let started = |path| EventKind::RecoveryStarted { generation, path };
    let given_up = EventKind::RecoveryFailed {
        path: RecoveryPath::Replace,
    };
    let mut one = invariants().remove(0);
    one.status = InvariantStatus::Broken;
    one.note = None;
    one.findings = vec![Finding {
        peer: Some(PeerId(1)),
        remote: zero,
        at: Instant::from_millis(36_000),
        what: "no open data channel on g1 in the settled room".to_owned(),
        last_events: vec![
            event(1_000, 1, zero, fault),
            event(1_310, 1, zero, EventKind::FaultDetected { generation }),
            event(4_060, 1, zero, started(RecoveryPath::IceRestart)),
            event(9_060, 1, zero, started(RecoveryPath::Replace)),
            event(34_000, 1, zero, given_up),
        ],
    }];
    report.invariants = vec![one];
    report
}

/// A run with that report, whose log tells what the findings rest on.
pub fn recorded(report: RunReport) -> RunRecord {
    let findings = report.invariants.iter().flat_map(|invariant| &invariant.findings);
    let mut events: Vec<RunEvent> = findings.flat_map(|finding| finding.last_events.clone()).collect();
    events.sort_by_key(|event| event.at);
    RunRecord {
        launch: Launch {
            schema: LAUNCH_SCHEMA.to_owned(),
            version: report.version.clone(),
            scenario_hash: report.scenario.hash.clone(),
            seed: report.scenario.seed,
            segment: "1/1".to_owned(),
            run_id: None,
            world: report.world.clone(),
            target: report.target.clone(),
            own_server: true,
            started_at: report.started_at.text.clone(),
            started_at_unix_ms: report.started_at.unix_ms,
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cores: Some(8),
            open_files: Some(1_024),
            judge_thresholds: true,
            lag_limit_ms: 100.0,
            cpu_limit_percent: 90.0,
            segments: Vec::new(),
            repeat: report.repeat.clone(),
        },
        scenario: format!("name: {}\n", report.scenario.name),
        plan: Plan {
            scenario: report.scenario.name.clone(),
            seed: report.scenario.seed,
            rooms: Vec::new(),
            peers: Vec::new(),
            barriers: Vec::new(),
            duration: None,
            burst: None,
            warm_up: Duration::ZERO,
            connect_timeout: Duration::from_secs(30),
            relay_mode: Default::default(),
            protocol: Default::default(),
            message_timeout: Duration::from_secs(30),
        },
        report,
        events,
    }
}

pub fn key(name: &str, tags: &[(&str, &str)]) -> MetricKey {
    let key = MetricKey::new(name);
    tags.iter().fold(key, |key, (tag, value)| key.with(tag, value))
}

fn record(metrics: &mut Snapshot, name: &str, tags: &[(&str, &str)], micros: u64) {
    let trend = metrics.trends.entry(key(name, tags)).or_default();
    trend.record(Duration::from_micros(micros));
}

fn invariants() -> Vec<InvariantResult> {
    let result = |number, name, cases, cases_are| InvariantResult {
        number,
        name,
        status: InvariantStatus::Held,
        cases,
        cases_are,
        findings: Vec::new(),
        more_findings: 0,
        note: None,
    };
    let event = |micros, peer, remote, kind| RunEvent {
        at: Instant::from_micros(micros),
        peer: Some(PeerId(peer)),
        remote: Some(PeerId(remote)),
        kind,
    };
    let (generation, incarnation) = (Generation(1), Incarnation(1));
    let sent = |seq| EventKind::MessageSent {
        planned: Instant::from_millis(1_200),
        incarnation,
        seq,
        bytes: 256,
    };
    let last_events = vec![
        event(1_200_012, 0, 1, sent(41)),
        event(1_201_874, 0, 1, sent(42)),
        event(
            1_202_311,
            1,
            0,
            EventKind::MessageReceived {
                generation,
                incarnation,
                seq: 42,
                bytes: 256,
            },
        ),
        event(
            1_203_000,
            1,
            0,
            EventKind::OperationFailed {
                generation,
                operation: crate::metrics::Operation::Send,
                state: crate::metrics::SignalingState::Stable,
                allowed: true,
                error: "the association is gone, and says so in a sentence that is longer than a line"
                    .to_owned(),
            },
        ),
    ];
    let finding = Finding {
        peer: Some(PeerId(1)),
        remote: Some(PeerId(0)),
        at: Instant::from_micros(1_202_311),
        what: "message i1-41 was lost: it never came in, message i1-42, sent later on the same channel, did"
            .to_owned(),
        last_events,
    };
    let mut one = result(1, "one open link between every two members", 150, "pairs");
    one.note = Some("1 of 25 rooms did not settle before the run was stopped".to_owned());
    let mut three = result(
        3,
        "nothing is lost, doubled or out of order on a living channel",
        4_000,
        "messages",
    );
    three.status = InvariantStatus::Broken;
    three.findings = vec![finding];
    three.more_findings = 2;
    let mut six = result(
        6,
        "rosters agree: the server's, each member's, the plan's",
        0,
        "rosters",
    );
    six.status = InvariantStatus::NotApplicable {
        why: "the protocol shows nobody the roster".to_owned(),
    };
    vec![
        one,
        three,
        six,
        result(7, "one offer is answered at most once", 426, "answers"),
    ]
}
