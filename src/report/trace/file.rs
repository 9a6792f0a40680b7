use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    flows::{Flows, MAX_FLOWS},
    line::{Arguments, Lines, Nanos, Thread, arguments},
    peer::Peer,
    process::{Threads, process},
    track::Track,
};
use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, RunEvent, Timeline},
    plan::{Action, Plan},
    report::{RunRecord, events::kind_name, redact::redacted, what},
};

/// The trace of the runs, one after the other in the list of processes, all from 0 on.
///
/// # Errors
/// None: what is too much for it was not read.
pub fn trace(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    let mut lines = Lines::default();
    let processes: u64 = runs.iter().map(|run| 1 + run.plan.peers.len() as u64).sum();
    let mut threads = Threads::after(processes);
    // No process is 0: that is the idle one.
    let mut pid = 1;
    let mut left_out = 0;
    for run in runs {
        left_out += one(run, pid, runs.len() > 1, &mut threads, &mut lines);
        pid += 1 + run.plan.peers.len() as u64;
    }
    let about = json!({
        "made_by": runs.first().map(|run| format!("rtcstorm {}", run.launch.version)),
        "runs": runs.iter().map(title).collect::<Vec<_>>().join("; "),
        "repeat": runs.iter().map(|run| run.launch.repeat.clone()).collect::<Vec<_>>().join("; "),
        "flows_at_most": MAX_FLOWS,
        "flows_left_out": left_out,
    });
    let mut bytes =
        format!("{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[\n").into_bytes();
    let mut separator = "";
    for line in lines.in_order() {
        bytes.extend_from_slice(separator.as_bytes());
        bytes.extend_from_slice(line.as_bytes());
        separator = ",\n";
    }
    bytes.extend_from_slice(b"\n]}\n");
    Ok(bytes)
}

fn title(run: &RunRecord) -> String {
    format!(
        "{}, seed {}, {} world, {}",
        redacted(&run.report.scenario.name),
        run.launch.seed,
        run.launch.world,
        run.report.verdict.word.as_str()
    )
}

/// One run, its own process being `pid`. Returns how many flows found no room.
fn one(run: &RunRecord, pid: u64, of_several: bool, threads: &mut Threads, lines: &mut Lines) -> u64 {
    let title = title(run);
    process(pid, &format!("run: {title}"), None, pid, lines);
    let mut whole = Track::new(threads.add(pid, "run", 1, lines));
    let events = run.events.iter().map(|event| event.at).max();
    let end = Duration::try_from_secs_f64(run.report.duration_ms / 1_000.0).unwrap_or_default();
    let end = events.unwrap_or_default().max(Instant::START + end);
    whole.begin(Instant::START, title, "run", Arguments::new());
    counters(&run.report.timeline, whole.thread, lines);

    let mut flows = Flows::default();
    let mut peers: BTreeMap<PeerId, Peer> = BTreeMap::new();
    for event in &run.events {
        of_server(event, whole.thread, end, lines);
        let Some(id) = event.peer else {
            if !matches!(
                event.kind,
                EventKind::Generator { .. } | EventKind::Holdings { .. }
            ) {
                whole.instant(event.at, &kind_name(event), "run", &args(event), lines);
            }
            continue;
        };
        let peer = peers.entry(id).or_insert_with(|| {
            let its = pid + 1 + u64::from(id.0);
            let (name, group) = names(&run.plan, id);
            let name = match of_several {
                true => format!("{name} of {}", redacted(&run.report.scenario.name)),
                false => name,
            };
            process(its, &name, group.as_deref(), its, lines);
            Peer::new(id, its, threads, lines)
        });
        peer.read(event, threads, &mut flows, lines);
    }
    findings(run, &peers, whole.thread, lines);
    peers.values_mut().for_each(|peer| peer.end(end, lines));
    whole.end_to(0, end, &[], lines);
    let left_out = flows.left_out;
    flows.draw(lines);
    left_out
}

fn args(event: &RunEvent) -> Arguments {
    arguments([("what", redacted(&what(&event.kind)).into())])
}

/// `peer-0 travelling-1, room-0`, and the group.
fn names(plan: &Plan, id: PeerId) -> (String, Option<String>) {
    let Some(peer) = plan.peers.get(id.index()) else {
        return (id.to_string(), None);
    };
    let joins = peer.script.iter().find_map(|step| match &step.action {
        Action::Join { name, .. } => Some(format!(" {}", redacted(name))),
        _ => None,
    });
    (
        format!("{id}{}, {}", joins.unwrap_or_default(), peer.room),
        peer.group.clone(),
    )
}

/// What the server goes through: told by a peer, and nobody's alone.
fn of_server(event: &RunEvent, run: Thread, end: Instant, lines: &mut Lines) {
    let until = match event.kind {
        EventKind::ServerRestarted { ends, .. }
        | EventKind::ServerPaused { ends, .. }
        | EventKind::ServerSlowed { ends, .. } => ends,
        EventKind::ServerCrashed { ends, .. } => ends.unwrap_or(end),
        _ => return,
    };
    let span = (Nanos::of(event.at), Nanos::of(until));
    lines.asynchronous(run, &kind_name(event), "fault", span, &args(event));
}

/// What the report has found to be wrong.
fn findings(run: &RunRecord, peers: &BTreeMap<PeerId, Peer>, whole: Thread, lines: &mut Lines) {
    let failures = run.report.failures.iter();
    let failures = failures.map(|line| (line.peer, line.remote, line.at, "failure".to_owned(), &line.what));
    let broken = run.report.invariants.iter().flat_map(|invariant| {
        let name = format!("invariant {} is broken", invariant.number);
        let findings = invariant.findings.iter();
        findings.map(move |found| (found.peer, found.remote, found.at, name.clone(), &found.what))
    });
    for (peer, remote, at, name, what) in failures.chain(broken) {
        let mut args = arguments([("what", redacted(what).into())]);
        if let Some(remote) = remote {
            args.insert("remote".to_owned(), remote.to_string().into());
        }
        match peer.map(|peer| peers.get(&peer)) {
            Some(Some(peer)) => peer.finding(at, &name, &args, lines),
            // Its events were not asked for.
            Some(None) => {}
            None => lines.instant(whole, &name, "finding", Nanos::of(at), "g", &args),
        }
    }
}

/// The whole run's, from slice to slice.
fn counters(timeline: &Timeline, run: Thread, lines: &mut Lines) {
    let mut at = Instant::START;
    let seconds = timeline.slice.as_secs_f64();
    for slice in &timeline.slices {
        let begins = Nanos::of(at);
        at += timeline.slice;
        let ends = Nanos::of(at);
        let mut count = |name: &str, at: Nanos, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                lines.counter(run, name, at, Value::from(value));
            }
        };
        count("members", ends, Some(f64::from(slice.peers_joined)));
        count("links open", ends, Some(f64::from(slice.links_open)));
        // What a slice adds up to holds from its beginning on.
        count(
            "messages received/s",
            begins,
            Some(slice.messages as f64 / seconds),
        );
        count("failures", begins, Some(slice.failures as f64));
        count("generator CPU (%)", begins, slice.cpu_percent);
        count(
            "generator memory (MB)",
            begins,
            slice.rss_bytes.map(|bytes| bytes as f64 / 1e6),
        );
        count("generator lag (ms)", begins, slice.lag_ms);
    }
}
