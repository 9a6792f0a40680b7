use std::collections::BTreeMap;

use super::{
    fields::Reader,
    source::Span,
    types::{MAX_STEPS, MAX_STEPS_PER_PEER, Step, StepKind},
};

/// A group as far as it could be read.
pub(super) struct Part<'a> {
    /// `None` for the one group of a scenario without groups.
    pub(super) name: Option<&'a str>,
    /// How many of a room's peers.
    pub(super) peers: u32,
    pub(super) steps: &'a [Step],
}

impl Part<'_> {
    fn label(&self) -> &str {
        self.name.unwrap_or_default()
    }
}

/// How many planned steps `steps` become.
pub(super) fn unrolled(steps: &[Step]) -> u64 {
    steps
        .iter()
        .fold(0, |sum, step| sum.saturating_add(unrolled_one(step)))
}

fn unrolled_one(step: &Step) -> u64 {
    match &step.kind {
        StepKind::Rejoin => 2,
        StepKind::Pause(_) | StepKind::Rename(_) => 1,
        StepKind::Repeat { times, steps } => unrolled(steps).saturating_mul(u64::from(*times)),
        _ => 1,
    }
}

/// Reports the step at which one peer's script grows over its limit. `true`: it does not.
pub(super) fn check_length(reader: &mut Reader<'_>, steps: &[Step]) -> bool {
    let mut sum: u64 = 0;
    for step in steps {
        sum = sum.saturating_add(unrolled_one(step));
        if sum > MAX_STEPS_PER_PEER {
            let message = format!("{} steps after unrolling", unrolled(steps));
            let help = format!("the limit is {MAX_STEPS_PER_PEER} steps per peer: repeat less often");
            reader.mistake_help(step.span, message, help);
            return false;
        }
    }
    true
}

/// Reports a whole plan that grows over its limit. `parts`: steps per peer, and how many peers.
pub(super) fn check_total(reader: &mut Reader<'_>, at: Span, parts: impl Iterator<Item = (u64, u64)>) {
    let total: u64 = parts.fold(0, |sum, (steps, peers)| {
        sum.saturating_add(steps.saturating_mul(peers))
    });
    if total > MAX_STEPS {
        let message = format!("{total} steps over all peers after unrolling");
        let help = format!("the limit is {MAX_STEPS} steps: fewer peers, or repeat less often");
        reader.mistake_help(at, message, help);
    }
}

/// Reports barriers that would hold a group for ever: reached unequally often, or in another order.
pub(super) fn check_barriers(reader: &mut Reader<'_>, parts: &[Part<'_>]) {
    let reached: Vec<Vec<(&str, Span)>> = parts
        .iter()
        .map(|part| {
            let mut all = Vec::new();
            barriers(part.steps, &mut all);
            all
        })
        .collect();
    let mut names = BTreeMap::new();
    for (name, span) in reached.iter().flatten() {
        names.entry(*name).or_insert(*span);
    }
    let mut even = true;
    for name in names.keys() {
        let times: Vec<usize> = reached
            .iter()
            .map(|all| all.iter().filter(|(other, _)| other == name).count())
            .collect();
        let most = times.iter().copied().max().unwrap_or(0);
        if times.iter().all(|&count| count == most) {
            continue;
        }
        even = false;
        let often = |count: usize| match count {
            0 => "never".to_owned(),
            1 => "once".to_owned(),
            _ => format!("{count} times"),
        };
        let who: Vec<String> = std::iter::zip(parts, &times)
            .map(|(part, &count)| format!("{} {}", part.label(), often(count)))
            .collect();
        let busiest = times.iter().position(|&count| count == most).unwrap_or(0);
        let span = reached[busiest].iter().find(|(other, _)| other == name);
        let span = span.map_or(names[name], |(_, span)| *span);
        reader.mistake_help(
            span,
            format!(
                "not every group reaches the barrier `{name}` equally often: {}",
                who.join(", ")
            ),
            "a barrier waits for all peers of the room: every group needs it as often as the others",
        );
    }
    let Some((first, others)) = reached.split_first().filter(|_| even) else {
        return;
    };
    for (part, other) in std::iter::zip(&parts[1..], others) {
        let crossed = std::iter::zip(first, other).find(|((a, _), (b, _))| a != b);
        if let Some(((theirs, _), (name, span))) = crossed {
            let message = format!(
                "group `{}` comes to the barrier `{name}` while group `{}` waits at `{theirs}`",
                part.label(),
                parts[0].label(),
            );
            let help = "both would wait for ever: all groups have to pass barriers in one order";
            reader.mistake_help(*span, message, help);
        }
    }
}

fn barriers<'a>(steps: &'a [Step], into: &mut Vec<(&'a str, Span)>) {
    for step in steps {
        match &step.kind {
            StepKind::Barrier { name, .. } => into.push((name, step.span)),
            StepKind::Repeat { times, steps } => {
                let from = into.len();
                barriers(steps, into);
                let round = into[from..].to_vec();
                for _ in 1..*times {
                    into.extend_from_slice(&round);
                }
            }
            _ => {}
        }
    }
}
