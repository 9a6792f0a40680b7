//! Steps that do something to the server, or to the bundled TURN server, while it is so already: nobody could see the
//! one or the other.
//!
//! These are everybody's, so what another group does in the meantime counts, too. It is compared as far as it is
//! certain: from one barrier on, by fixed lengths. After a `wait` or a range nobody knows when a step comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    check::Part,
    fields::Reader,
    source::Span,
    turn::TurnFault,
    types::{ServerFault, Step, StepKind},
};

/// Reports steps on the server and on the TURN server whose effect nobody could see.
pub(super) fn check_overlaps(reader: &mut Reader<'_>, parts: &[Part<'_>]) {
    let mut blamed = BTreeSet::new();
    let mut together: BTreeMap<Since<'_>, Vec<Hit<'_>>> = BTreeMap::new();
    for (nth, part) in parts.iter().enumerate() {
        let mut walk = Walk {
            nth,
            group: part.name,
            moment: (Since::Unknown(nth, 0), Duration::ZERO),
            unknown: 0,
            barriers: BTreeMap::new(),
            repeated: false,
            hits: Vec::new(),
        };
        walk.steps(part.steps);
        let mut state = State::default();
        for hit in &walk.hits {
            state.take(reader, hit, &mut blamed);
        }
        for hit in walk.hits {
            together.entry(hit.since).or_default().push(hit);
        }
    }
    for (since, mut hits) in together {
        if let Since::Barrier(..) = since {
            hits.sort_by_key(|hit| hit.after);
            let mut state = State::default();
            for hit in &hits {
                state.take(reader, hit, &mut blamed);
            }
        }
    }
}

/// What a step's time is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Since<'a> {
    /// The release of a barrier, which is the same instant to every group; the how many-eth of that name.
    Barrier(&'a str, u64),
    /// Some instant of one group's.
    Unknown(usize, u32),
}

/// A step that is everybody's.
#[derive(Debug, Clone, Copy)]
struct Hit<'a> {
    since: Since<'a>,
    after: Duration,
    group: Option<&'a str>,
    what: What,
    span: Span,
    repeated: bool,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Server(ServerFault),
    Turn(TurnFault),
}

impl What {
    fn told(self) -> &'static str {
        match self {
            Self::Server(ServerFault::Restart { .. }) => "`server: restart`",
            Self::Server(ServerFault::Crash { .. }) => "`server: crash`",
            Self::Server(ServerFault::Pause { .. }) => "`server: pause`",
            Self::Server(ServerFault::Slow { .. }) => "`server: slow`",
            Self::Turn(TurnFault::Stop { .. }) => "`turn: stop`",
            Self::Turn(TurnFault::Quota(_)) => "`turn: quota`",
            Self::Turn(TurnFault::Lifetime(_)) => "`turn: lifetime`",
        }
    }
}

struct Walk<'a> {
    nth: usize,
    group: Option<&'a str>,
    moment: (Since<'a>, Duration),
    /// How many instants were unknown.
    unknown: u32,
    /// How often each was passed.
    barriers: BTreeMap<&'a str, u64>,
    /// This is the second round of a `repeat`.
    repeated: bool,
    hits: Vec<Hit<'a>>,
}

impl<'a> Walk<'a> {
    fn steps(&mut self, steps: &'a [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn lose_count(&mut self) {
        self.unknown += 1;
        self.moment = (Since::Unknown(self.nth, self.unknown), Duration::ZERO);
    }

    fn hit(&mut self, what: What, span: Span) {
        let (since, after) = self.moment;
        self.hits.push(Hit {
            since,
            after,
            group: self.group,
            what,
            span,
            repeated: self.repeated,
        });
    }

    fn step(&mut self, step: &'a Step) {
        match &step.kind {
            StepKind::Server(fault) => self.hit(What::Server(*fault), step.span),
            StepKind::Turn(fault) => self.hit(What::Turn(*fault), step.span),
            StepKind::Wait { .. } => self.lose_count(),
            StepKind::Barrier { name, .. } => {
                let passed = self.barriers.entry(name).or_default();
                *passed += 1;
                self.moment = (Since::Barrier(name, *passed), Duration::ZERO);
            }
            StepKind::Pause(range) if range.min() != range.max() => self.lose_count(),
            StepKind::Pause(range) => self.moment.1 += range.max(),
            StepKind::Chat { lasts, .. } => self.moment.1 += *lasts,
            StepKind::DropNetwork(what) => self.moment.1 += what.lasting,
            StepKind::BlockUdp { lasting } => self.moment.1 += lasting.unwrap_or_default(),
            StepKind::Suspend { lasting, .. } => self.moment.1 += *lasting,
            StepKind::Repeat { times, steps } => {
                self.steps(steps);
                if *times > 1 {
                    let before = self.barriers.clone();
                    let outer = std::mem::replace(&mut self.repeated, true);
                    self.steps(steps);
                    self.repeated = outer;
                    if *times > 2 {
                        // The further rounds are as the second was; but what comes after them comes later.
                        for (name, passed) in &mut self.barriers {
                            let round = *passed - before.get(name).copied().unwrap_or_default();
                            *passed += round * u64::from(*times - 2);
                        }
                        self.lose_count();
                    }
                }
            }
            _ => {}
        }
    }
}

/// What the servers are like, as far as it is known.
#[derive(Debug, Default)]
struct State<'a> {
    /// Since when the instants below are counted.
    since: Option<Since<'a>>,
    /// The server is away for good.
    crashed: Option<Hit<'a>>,
    /// What was last said to last so long, and until when.
    away: Option<(Hit<'a>, Duration)>,
    paused: Option<(Hit<'a>, Duration)>,
    slowed: Option<(Hit<'a>, Duration)>,
    /// The TURN server is away for good.
    turn_gone: Option<Hit<'a>>,
    turn_away: Option<(Hit<'a>, Duration)>,
    quota: Option<Hit<'a>>,
    lifetime: Option<Hit<'a>>,
}

impl<'a> State<'a> {
    fn take(&mut self, reader: &mut Reader<'_>, hit: &Hit<'a>, blamed: &mut BTreeSet<Span>) {
        if self.since != Some(hit.since) {
            *self = Self {
                since: Some(hit.since),
                crashed: self.crashed,
                turn_gone: self.turn_gone,
                ..Self::default()
            };
        }
        let unseen = match hit.what {
            What::Server(fault) => self.server(hit, fault),
            What::Turn(fault) => self.turn(hit, fault),
        };
        let Some((earlier, why)) = unseen else { return };
        if !blamed.insert(hit.span) {
            return;
        }
        let whose = match earlier.group {
            Some(group) if earlier.group != hit.group => format!(" of group `{group}`"),
            _ => String::new(),
        };
        let (what, before) = (hit.what.told(), earlier.what.told());
        let when = match hit.repeated {
            true => ", when it is repeated",
            false => "",
        };
        let (message, help) = match why {
            Why::SameInstant => (
                format!("{what} in the instant of a {before}{whose}: nobody gets to see both"),
                "leave one out, or put a `pause` between them".to_owned(),
            ),
            Why::Within => (
                format!("{what} within the time of a {before}{whose}: nobody gets to see it"),
                "leave one out, or put a `pause` between them that is longer".to_owned(),
            ),
            Why::Gone => (
                format!("{what} after a {before}{whose} for good: there is nothing that it could be done to"),
                match hit.what {
                    What::Server(_) => {
                        "give the crash an end, `server: {crash: {for: 5s}}`, or `server: restart` before it"
                            .to_owned()
                    }
                    What::Turn(_) => "give the stop an end: `turn: {stop: {for: 5s}}`".to_owned(),
                },
            ),
        };
        reader.mistake_help(hit.span, format!("{message}{when}"), help);
    }

    fn server(&mut self, hit: &Hit<'a>, fault: ServerFault) -> Option<(Hit<'a>, Why)> {
        let now = hit.after;
        let ends = |lasting: Duration| now.saturating_add(lasting);
        let same = |earlier: Option<Hit<'a>>| {
            earlier.filter(|earlier| earlier.after == now && Some(earlier.since) == Some(hit.since))
        };
        // An end of the process in this very instant hides whatever else is done to it.
        let ended = same(self.crashed).or_else(|| same(self.away.map(|(hit, _)| hit)));
        if let Some(earlier) = ended {
            return Some((earlier, Why::SameInstant));
        }
        let within = |earlier: Option<(Hit<'a>, Duration)>, until: Duration| {
            earlier
                .filter(|(_, over)| now < *over && until <= *over)
                .map(|(hit, _)| (hit, Why::Within))
        };
        match fault {
            ServerFault::Restart { away } => {
                let hidden = [self.paused, self.slowed].into_iter().flatten();
                let hidden = hidden.map(|(hit, _)| hit).find_map(|hit| same(Some(hit)));
                let unseen = hidden
                    .map(|earlier| (earlier, Why::SameInstant))
                    .or_else(|| within(self.away, ends(away)));
                self.crashed = None;
                (self.paused, self.slowed) = (None, None);
                self.away = Some((*hit, self.away_until(ends(away))));
                unseen
            }
            ServerFault::Crash { away } => {
                let hidden = [self.paused, self.slowed].into_iter().flatten();
                let hidden = hidden.map(|(hit, _)| hit).find_map(|hit| same(Some(hit)));
                let unseen = hidden
                    .map(|earlier| (earlier, Why::SameInstant))
                    .or_else(|| self.crashed.map(|earlier| (earlier, Why::Gone)))
                    .or_else(|| away.and_then(|away| within(self.away, ends(away))));
                (self.paused, self.slowed) = (None, None);
                match away {
                    Some(away) => self.away = Some((*hit, self.away_until(ends(away)))),
                    None => self.crashed = Some(self.crashed.unwrap_or(*hit)),
                }
                unseen
            }
            ServerFault::Pause { lasting } => {
                let unseen = self.unavailable(now).or_else(|| {
                    same(self.paused.map(|(hit, _)| hit))
                        .map(|earlier| (earlier, Why::SameInstant))
                        .or_else(|| within(self.paused, ends(lasting)))
                });
                self.paused = Some((*hit, ends(lasting)));
                unseen
            }
            ServerFault::Slow { lasting, .. } => {
                let unseen = self.unavailable(now).or_else(|| {
                    same(self.slowed.map(|(hit, _)| hit))
                        .map(|earlier| (earlier, Why::SameInstant))
                        .or_else(|| within(self.paused, ends(lasting)))
                });
                self.slowed = Some((*hit, ends(lasting)));
                unseen
            }
        }
    }

    fn away_until(&self, ends: Duration) -> Duration {
        self.away.map_or(ends, |(_, until)| until.max(ends))
    }

    /// There is no server that could be paused or slowed.
    fn unavailable(&self, now: Duration) -> Option<(Hit<'a>, Why)> {
        let gone = self.crashed.map(|earlier| (earlier, Why::Gone));
        let away = self.away.filter(|(_, until)| now < *until);
        gone.or(away.map(|(earlier, _)| (earlier, Why::Within)))
    }

    fn turn(&mut self, hit: &Hit<'a>, fault: TurnFault) -> Option<(Hit<'a>, Why)> {
        let now = hit.after;
        let in_this_instant = |earlier: &Hit<'a>| earlier.after == now && earlier.since == hit.since;
        let gone = self.turn_gone.map(|earlier| {
            let stop = matches!(fault, TurnFault::Stop { .. });
            let why = match stop && in_this_instant(&earlier) {
                true => Why::SameInstant,
                false => Why::Gone,
            };
            (earlier, why)
        });
        match fault {
            TurnFault::Stop { away } => {
                let unseen = gone.or_else(|| {
                    let (earlier, until) = self.turn_away?;
                    match in_this_instant(&earlier) {
                        true => Some((earlier, Why::SameInstant)),
                        false => (now < until).then_some((earlier, Why::Within)),
                    }
                });
                match away {
                    Some(away) => self.turn_away = Some((*hit, now.saturating_add(away))),
                    None => self.turn_gone = Some(self.turn_gone.unwrap_or(*hit)),
                }
                unseen
            }
            TurnFault::Quota(_) | TurnFault::Lifetime(_) => {
                let last = match fault {
                    TurnFault::Quota(_) => &mut self.quota,
                    _ => &mut self.lifetime,
                };
                let earlier = last.replace(*hit).filter(|earlier| in_this_instant(earlier));
                gone.or(earlier.map(|earlier| (earlier, Why::SameInstant)))
            }
        }
    }
}

/// Why a step is seen by nobody.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// Two in one instant.
    SameInstant,
    /// What it does is done already for at least as long.
    Within,
    /// What it would be done to is away for good.
    Gone,
}
