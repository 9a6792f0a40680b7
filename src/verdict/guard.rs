use std::{collections::VecDeque, fmt, time::Duration};

use crate::{
    base::{Fraction, Instant, Rate, show_duration},
    metrics::{EventKind, Failures, RunEvent},
};

use super::Window;

/// Over which time failures are looked at.
pub const ERROR_WINDOW: Duration = Duration::from_secs(10);
/// How many cases that time must hold before their share says anything.
pub const ERROR_CASES: usize = 20;
/// Over which time joins that have begun are counted.
pub const RATE_WINDOW: Duration = Duration::from_secs(5);
/// How many cases are kept at most; of more, the newest tell.
const MAX_CASES: usize = 100_000;

/// What stops a run that goes wrong. Made for somebody's deployment: it looks at everything, the warm-up as well.
#[derive(Debug, Default)]
pub struct Guards {
    max_rate: Option<Rate>,
    max_error_rate: Option<Fraction>,
    /// Joins of the last [`RATE_WINDOW`].
    joins: VecDeque<Instant>,
    /// Cases of the last [`ERROR_WINDOW`], and whether each failed.
    cases: VecDeque<(Instant, bool)>,
    failed: usize,
    failures: Failures,
}

/// A limit that was passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tripped {
    /// Which.
    pub guard: Guard,
    /// What it was: joins a second, or a share.
    pub actual: f64,
    /// When.
    pub window: Window,
}

/// A limit of the command line's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Guard {
    /// So many joins may begin in a second.
    Rate(Rate),
    /// Such a share of joins and links may fail.
    ErrorRate(Fraction),
}

impl Guard {
    /// The option that sets it.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Rate(_) => "--max-rate",
            Self::ErrorRate(_) => "--max-error-rate",
        }
    }
}

/// The bound, as a threshold's: `rate<=0.1`.
impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "rate<={rate}"),
            Self::ErrorRate(share) => write!(f, "rate<={share}"),
        }
    }
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasted = show_duration(self.window.until.since(self.window.from));
        match self.guard {
            Guard::Rate(rate) => write!(
                f,
                "joins began faster than {rate} (--max-rate): {:.1} a second over {lasted}",
                self.actual
            ),
            Guard::ErrorRate(share) => write!(
                f,
                "more failed than {share} (--max-error-rate): {:.1} % of joins and links in {lasted}",
                self.actual * 100.0
            ),
        }
    }
}

impl Guards {
    /// Without a limit nothing is ever passed.
    pub fn new(max_rate: Option<Rate>, max_error_rate: Option<Fraction>) -> Self {
        Self {
            max_rate,
            max_error_rate,
            ..Self::default()
        }
    }

    /// Takes the next event; which limit it passes, if it does.
    pub fn observe(&mut self, event: &RunEvent) -> Option<Tripped> {
        let too_fast = self.max_rate.and_then(|rate| self.join(rate, event));
        let too_bad = self.max_error_rate.and_then(|share| self.case(share, event));
        too_fast.or(too_bad)
    }

    /// A generator that was held up begins late what was planned for a second, beside what is due: so much more may
    /// begin in a window.
    fn join(&mut self, rate: Rate, event: &RunEvent) -> Option<Tripped> {
        if !matches!(event.kind, EventKind::JoinStarted { .. }) {
            return None;
        }
        let per_second = rate.per_second();
        let window = rate_window(rate);
        let most = (per_second * window.as_secs_f64()).ceil() + per_second.ceil();
        push(&mut self.joins, event.at);
        while (self.joins.front()).is_some_and(|first| *first + window <= event.at) {
            self.joins.pop_front();
        }
        (self.joins.len() as f64 > most).then(|| Tripped {
            guard: Guard::Rate(rate),
            actual: self.joins.len() as f64 / window.as_secs_f64(),
            window: ending(event.at, window),
        })
    }

    fn case(&mut self, share: Fraction, event: &RunEvent) -> Option<Tripped> {
        let failed = self.failures.observe(event);
        let is_case = match event.kind {
            EventKind::Joined { .. } | EventKind::ChannelOpened { .. } | EventKind::LinkRecovered { .. } => {
                true
            }
            EventKind::JoinFailed { .. }
            | EventKind::JoinRejected { .. }
            | EventKind::WaitExpired { .. }
            | EventKind::RecoveryFailed { .. }
            | EventKind::LinkGivenUp { .. } => failed,
            _ => false,
        };
        if !is_case {
            return None;
        }
        if self.cases.len() == MAX_CASES
            && let Some((_, failed)) = self.cases.pop_front()
        {
            self.failed -= usize::from(failed);
        }
        self.cases.push_back((event.at, failed));
        self.failed += usize::from(failed);
        while let Some((at, failed)) = self.cases.front()
            && *at + ERROR_WINDOW <= event.at
        {
            self.failed -= usize::from(*failed);
            self.cases.pop_front();
        }
        let actual = self.failed as f64 / self.cases.len() as f64;
        (self.cases.len() >= ERROR_CASES && actual > share.as_f64()).then(|| Tripped {
            guard: Guard::ErrorRate(share),
            actual,
            window: ending(event.at, ERROR_WINDOW),
        })
    }
}

/// Of a rate so low that five joins take longer, that time.
fn rate_window(rate: Rate) -> Duration {
    RATE_WINDOW.max(rate.due(5))
}

fn ending(at: Instant, window: Duration) -> Window {
    Window {
        from: Instant::START + at.elapsed().saturating_sub(window),
        until: at,
    }
}

fn push<T>(into: &mut VecDeque<T>, item: T) {
    if into.len() == MAX_CASES {
        into.pop_front();
    }
    into.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Generation, Incarnation, PeerId};

    fn event(ms: u64, kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::from_millis(ms),
            peer: Some(PeerId(0)),
            remote: None,
            kind,
        }
    }

    fn begins(ms: u64, expect_rejected: bool) -> RunEvent {
        let kind = EventKind::JoinStarted {
            planned: Instant::from_millis(ms),
            incarnation: Incarnation(1),
            name: "x".to_owned(),
            expect_rejected,
        };
        event(ms, kind)
    }

    fn fails(ms: u64) -> RunEvent {
        let kind = EventKind::JoinFailed {
            incarnation: Incarnation(1),
            reason: "no socket".to_owned(),
        };
        event(ms, kind)
    }

    fn goes_well(ms: u64) -> RunEvent {
        let incarnation = Incarnation(1);
        event(ms, EventKind::Joined { incarnation })
    }

    /// When it is stopped, and what it was.
    fn stopped(guards: &mut Guards, events: impl IntoIterator<Item = RunEvent>) -> Option<(u64, f64)> {
        events.into_iter().find_map(|event| {
            let tripped = guards.observe(&event)?;
            assert_eq!(tripped.window.until, event.at);
            Some((event.at.as_micros() / 1_000, tripped.actual))
        })
    }

    fn rate(text: &str) -> Guards {
        Guards::new(Some(text.parse().expect("a rate")), None)
    }

    #[test]
    fn joins_at_the_rate_pass_and_a_held_up_second_too() {
        let even = (0..100).map(|k| begins(k * 100, false));
        assert_eq!(stopped(&mut rate("10/s"), even), None);
        // What was due in a second begins with what is due then.
        let late = (0..100).map(|k| begins(if (20..30).contains(&k) { 3_000 } else { k * 100 }, false));
        assert_eq!(stopped(&mut rate("10/s"), late), None);
        let slow = (0..9).map(|k| begins(k * 10_000, false));
        assert_eq!(stopped(&mut rate("6/m"), slow), None);
    }

    #[test]
    fn joins_over_the_rate_end_the_run() {
        let twice = (0..1_000).map(|k| begins(k * 50, false));
        assert_eq!(stopped(&mut rate("10/s"), twice), Some((3_000, 12.2)));
        let storm = (0..61).map(|_| begins(7_000, false));
        assert_eq!(stopped(&mut rate("10/s"), storm), Some((7_000, 12.2)));
        assert_eq!(
            stopped(&mut Guards::default(), (0..9_999).map(|_| begins(1, false))),
            None
        );
    }

    #[test]
    fn a_share_of_failures_ends_the_run_once_there_are_cases_enough() {
        let mut guards = Guards::new(None, Some("25%".parse().expect("a share")));
        let few = (0..19).map(|k| fails(k * 10));
        assert_eq!(stopped(&mut guards, few), None, "19 cases say nothing");
        assert_eq!(stopped(&mut guards, [goes_well(190)]), Some((190, 0.95)));

        let mut guards = Guards::new(None, Some("25%".parse().expect("a share")));
        let quarter = (0..400).map(|k| {
            if k % 4 == 3 {
                fails(k * 10)
            } else {
                goes_well(k * 10)
            }
        });
        assert_eq!(stopped(&mut guards, quarter), None, "a quarter is allowed");
        // The good ones are forgotten after 10 s: of 16 and 5, 5 are under a quarter.
        let later = (0..30).map(|k| fails(14_100 + k));
        assert_eq!(stopped(&mut guards, later), Some((14_119, 1.0)));
    }

    #[test]
    fn a_refusal_that_the_script_wants_is_no_failure() {
        let refused = |ms| {
            let kind = EventKind::JoinRejected {
                incarnation: Incarnation(1),
                reason: "room-full".to_owned(),
            };
            event(ms, kind)
        };
        let mut guards = Guards::new(None, Some(Fraction::ZERO));
        let wanted = (0..99).flat_map(|k| [begins(k, true), refused(k)]);
        assert_eq!(stopped(&mut guards, wanted), None);
        let mut guards = Guards::new(None, Some(Fraction::ZERO));
        assert_eq!(stopped(&mut guards, (0..99).map(refused)), Some((19, 1.0)));
    }

    #[test]
    fn links_count_as_joins_do() {
        let missing = |k| {
            let condition = "connected".to_owned();
            event(k, EventKind::WaitExpired { condition })
        };
        let opened = |k| {
            let kind = EventKind::ChannelOpened {
                generation: Generation(1),
                incarnation: Incarnation(1),
                pair: crate::metrics::CandidateKind::Host,
            };
            event(k, kind)
        };
        let mut guards = Guards::new(None, Some("50%".parse().expect("a share")));
        let half = (0..40).map(|k| if k % 2 == 0 { opened(k) } else { missing(k) });
        assert_eq!(stopped(&mut guards, half), None);
        assert!(stopped(&mut guards, [missing(41)]).is_some());
    }
}
