use std::collections::{BTreeMap, BTreeSet};

use super::{
    fields::Reader,
    source::Span,
    types::{MAX_STEPS, MAX_STEPS_PER_PEER, Step, StepKind, WaitFor},
};

/// A group as far as it could be read.
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) steps: &'a [Step],
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
            .map(|(part, &count)| format!("{} {}", part.name, often(count)))
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
                part.name, parts[0].name,
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

/// Reports steps that don't fit the peer's place at that moment. `alone`: nobody else is in its room.
pub(super) fn check_membership(reader: &mut Reader<'_>, steps: &[Step], alone: bool) {
    let mut walk = Walk {
        reader,
        place: Place::Outside { left: false },
        alone,
        blamed: BTreeSet::new(),
        rounds: 0,
    };
    walk.steps(steps);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside {
        left: bool,
    },
    Inside,
    /// After a join that the server is expected to refuse.
    Refused,
}

struct Walk<'r, 's> {
    reader: &'r mut Reader<'s>,
    place: Place,
    alone: bool,
    blamed: BTreeSet<Span>,
    /// In how many `repeat`s this is the second round.
    rounds: usize,
}

impl Walk<'_, '_> {
    fn blame(&mut self, span: Span, message: String, help: &str) {
        if !self.blamed.insert(span) {
            return;
        }
        let message = match self.rounds {
            0 => message,
            _ => format!("{message}, when it is repeated"),
        };
        self.reader.mistake_help(span, message, help);
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let span = step.span;
        match &step.kind {
            StepKind::Join { expect_rejected } => {
                if self.place == Place::Inside {
                    let message = "`join` while in the room".to_owned();
                    self.blame(span, message, "`leave` before it, or say `rejoin`");
                }
                self.place = match expect_rejected {
                    true => Place::Refused,
                    false => Place::Inside,
                };
            }
            StepKind::Leave => {
                self.inside(span, "`leave`");
                self.place = Place::Outside { left: true };
            }
            StepKind::Rejoin => {
                self.inside(span, "`rejoin`");
                self.place = Place::Inside;
            }
            StepKind::Chat { .. } => self.inside(span, "`chat`"),
            StepKind::Wait { target, .. } => self.wait(span, *target),
            StepKind::Repeat { times, steps } => {
                let before = self.place;
                self.steps(steps);
                // The second round can begin elsewhere than the first; the third begins like the second.
                if *times > 1 && self.place != before {
                    self.rounds += 1;
                    self.steps(steps);
                    self.rounds -= 1;
                }
            }
            StepKind::Pause(_) | StepKind::Barrier { .. } | StepKind::Rename(_) => {}
        }
    }

    fn inside(&mut self, span: Span, what: &str) {
        let why = match self.place {
            Place::Inside => return,
            Place::Outside { left: false } => "before any `join`",
            Place::Outside { left: true } => "after a `leave`",
            Place::Refused => "after a join that is expected to be rejected",
        };
        self.blame(span, format!("{what} {why}"), "`join` first");
    }

    fn wait(&mut self, span: Span, target: WaitFor) {
        let what = match target {
            WaitFor::Connected | WaitFor::ConnectedToPresent => "`wait: connected`",
            WaitFor::Joined => "`wait: joined`",
            WaitFor::Rejected => "`wait: rejected`",
        };
        match (target, self.place) {
            (WaitFor::Rejected, Place::Refused) => {}
            (WaitFor::Rejected, Place::Inside) => {
                let message = format!("{what} after a join that is expected to be accepted");
                self.blame(span, message, "say `join: {expect: rejected}` before it");
            }
            (WaitFor::Rejected, Place::Outside { left: false }) => {
                let message = format!("{what} before any `join`");
                self.blame(span, message, "`join: {expect: rejected}` first");
            }
            (WaitFor::Rejected, Place::Outside { left: true }) => {
                let message = format!("{what} after a `leave`");
                self.blame(span, message, "`join: {expect: rejected}` first");
            }
            _ => self.inside(span, what),
        }
        if self.alone && matches!(target, WaitFor::Connected | WaitFor::ConnectedToPresent) {
            let message = format!("{what} in a room of one: there is nobody to connect to");
            self.blame(
                span,
                message,
                "give the room at least two peers (`rooms: {peers: 2}`)",
            );
        }
    }
}
