use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    base::{Instant, show_duration},
    metrics::{Kind, Rate, Sample, SampleValue, Trend},
};

use super::{Comparison, Outcome, Threshold, ThresholdStatus};

/// How many windows of one threshold may wait for samples at a time. Beyond it the oldest is judged as it is, and
/// what still comes for it counts in the next.
pub const MAX_OPEN_WINDOWS: usize = 1_000;
/// A duration keeps so many leading bits, as in a histogram of three digits.
const BITS: u32 = 11;

/// A stretch of a run, its beginning included and its end not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Instant,
    pub until: Instant,
}

/// A threshold that has to hold in each window of a run, and the worst one so far.
///
/// Windows are cut from the end of the warm-up on, and a sample belongs to the one that it began in. A window is
/// judged when all that began in it is known; what is kept of it then is its figure, if it is the worst.
#[derive(Debug)]
pub(super) struct Windows {
    start: Instant,
    length: Duration,
    /// By number. Those before `next` are judged.
    open: BTreeMap<u64, Figures>,
    next: u64,
    worst: Option<(f64, u64)>,
    /// The first one that failed of those that begin no earlier than `abort_from`.
    failed: Option<(f64, u64)>,
    abort_from: Option<Instant>,
}

/// The samples of one window. Sparse: most windows have few, and a histogram takes 180 KiB.
#[derive(Debug)]
enum Figures {
    Trend { micros: BTreeMap<u64, u64>, failed: u64 },
    Rate(Rate),
    Count(u64),
}

impl Windows {
    pub(super) fn new(start: Instant, length: Duration, abort_from: Option<Instant>) -> Self {
        Self {
            start,
            length,
            open: BTreeMap::new(),
            next: 0,
            worst: None,
            failed: None,
            abort_from,
        }
    }

    pub(super) fn take(&mut self, threshold: &Threshold, sample: Sample) {
        let number = self.number(sample.began).max(self.next);
        let kind = threshold.metric().kind;
        self.open
            .entry(number)
            .or_insert_with(|| Figures::none(kind))
            .add(sample.value);
        while self.open.len() > MAX_OPEN_WINDOWS {
            let oldest = *self.open.keys().next().expect("it is not empty");
            self.judge_before(oldest + 1, threshold, None);
        }
    }

    /// All that began before `known` is known. `load_ended`: when nothing more was offered, if that is so.
    pub(super) fn advance(&mut self, threshold: &Threshold, known: Instant, load_ended: Option<Instant>) {
        if known > self.start {
            self.judge_before(self.number(known), threshold, load_ended);
        }
    }

    /// The run is over.
    pub(super) fn finish(&mut self, threshold: &Threshold, ended: Instant, load_ended: Option<Instant>) {
        let load_ended = load_ended.unwrap_or(ended);
        let last = self.open.keys().next_back().copied().unwrap_or_default();
        self.judge_before(last.max(self.number(ended)) + 1, threshold, Some(load_ended));
        if self.worst.is_none() && threshold.metric().kind == Kind::Counter {
            // The run was shorter than a window.
            self.judge(0, &Figures::Count(0), threshold);
        }
    }

    /// What the worst window says.
    pub(super) fn outcome(&self, threshold: &Threshold) -> Outcome {
        match self.worst {
            Some(figure) => self.told(threshold, figure),
            None => Outcome {
                actual: None,
                status: ThresholdStatus::NoSamples,
                window: None,
            },
        }
    }

    /// What the first window says that ends the run, if one does.
    pub(super) fn ends_run(&self, threshold: &Threshold) -> Option<Outcome> {
        self.failed.map(|figure| self.told(threshold, figure))
    }

    fn told(&self, threshold: &Threshold, (actual, number): (f64, u64)) -> Outcome {
        Outcome {
            actual: Some(actual),
            status: threshold.status(Some(actual)),
            window: Some(self.window(number)),
        }
    }

    fn number(&self, at: Instant) -> u64 {
        let number = at.since(self.start).as_micros() / self.length.as_micros();
        u64::try_from(number).unwrap_or(u64::MAX)
    }

    fn window(&self, number: u64) -> Window {
        let length = u64::try_from(self.length.as_micros()).unwrap_or(u64::MAX);
        let at = |number: u64| self.start + Duration::from_micros(length.saturating_mul(number));
        Window {
            from: at(number),
            until: at(number + 1),
        }
    }

    fn judge_before(&mut self, number: u64, threshold: &Threshold, load_ended: Option<Instant>) {
        let later = self.open.split_off(&number);
        let due = std::mem::replace(&mut self.open, later);
        match threshold.metric().kind {
            Kind::Trend | Kind::Rate => due
                .iter()
                .for_each(|(number, figures)| self.judge(*number, figures, threshold)),
            Kind::Counter => self.judge_counts(self.next..number, &due, threshold, load_ended),
        }
        self.next = self.next.max(number);
    }

    /// In every whole window in which there was load nothing is a count, too. Behind the load, or cut short by its end,
    /// a window can only have counted too much.
    fn judge_counts(
        &mut self,
        numbers: std::ops::Range<u64>,
        due: &BTreeMap<u64, Figures>,
        threshold: &Threshold,
        load_ended: Option<Instant>,
    ) {
        let at_least = matches!(
            threshold.comparison(),
            Comparison::Greater | Comparison::GreaterOrEqual
        );
        let whole = match load_ended {
            Some(ended) => self.number(ended).min(numbers.end),
            None => numbers.end,
        };
        for number in numbers.start..whole {
            let figures = due.get(&number).unwrap_or(&Figures::Count(0));
            self.judge(number, figures, threshold);
        }
        let behind = due.range(whole.max(numbers.start)..);
        // The only window there is has to do, whole or not.
        let only = self.worst.is_none() && load_ended.is_some();
        for (number, figures) in behind {
            if !at_least || (only && *number == 0) {
                self.judge(*number, figures, threshold);
            }
        }
    }

    fn judge(&mut self, number: u64, figures: &Figures, threshold: &Threshold) {
        let Some(actual) = figures.figure(threshold) else {
            return;
        };
        let worse = |than: f64| threshold.comparison().is_worse(actual, than, threshold.limit());
        if self.worst.is_none_or(|(worst, _)| worse(worst)) {
            self.worst = Some((actual, number));
        }
        let fails = threshold.status(Some(actual)) == ThresholdStatus::Failed;
        let begins = self.window(number).from;
        if fails && self.failed.is_none() && self.abort_from.is_some_and(|from| begins >= from) {
            self.failed = Some((actual, number));
        }
    }
}

impl Figures {
    fn none(kind: Kind) -> Self {
        match kind {
            Kind::Trend => Self::Trend {
                micros: BTreeMap::new(),
                failed: 0,
            },
            Kind::Rate => Self::Rate(Rate::default()),
            Kind::Counter => Self::Count(0),
        }
    }

    fn add(&mut self, value: SampleValue) {
        match (self, value) {
            (Self::Trend { micros, .. }, SampleValue::Took(took, count)) => {
                *micros.entry(rounded(took)).or_default() += count;
            }
            (Self::Trend { failed, .. }, SampleValue::Failed) => *failed += 1,
            (Self::Rate(rate), SampleValue::Case(hit)) => rate.add(hit),
            (Self::Count(count), SampleValue::Count(more)) => *count += more,
            // A metric has one kind of samples.
            _ => {}
        }
    }

    fn figure(&self, threshold: &Threshold) -> Option<f64> {
        match self {
            Self::Trend { micros, failed } => {
                let mut trend = Trend::default();
                for (micros, count) in micros {
                    trend.record_each(Duration::from_micros(*micros), *count);
                }
                (0..*failed).for_each(|_| trend.record_failure());
                threshold.aggregation().of(&trend)
            }
            Self::Rate(rate) => rate.value(),
            Self::Count(count) => Some(*count as f64),
        }
    }
}

/// To the leading bits that a histogram tells apart, in µs.
fn rounded(took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let spare = (u64::BITS - micros.leading_zeros()).saturating_sub(BITS);
    micros >> spare << spare
}

impl fmt::Display for Window {
    /// `from 40s to 50s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |instant: Instant| show_duration(instant.elapsed());
        write!(f, "from {} to {}", at(self.from), at(self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// Windows of 10 s from 5 s on, for a condition on such a metric.
    fn windows(selector: &str, expression: &str, abort_from: Option<u64>) -> (Threshold, Windows) {
        let threshold = Threshold::parse(selector, expression).expect("a threshold");
        let threshold = threshold.in_windows(Some(LENGTH));
        let windows = Windows::new(at(5_000), LENGTH, abort_from.map(at));
        (threshold, windows)
    }

    fn sample(began: u64, value: SampleValue) -> Sample {
        Sample {
            of: 0,
            began: at(began),
            value,
        }
    }

    fn took(began: u64, ms: u64) -> Sample {
        sample(began, SampleValue::Took(Duration::from_millis(ms), 1))
    }

    fn told(outcome: Outcome) -> String {
        let figure = outcome
            .actual
            .map_or("nothing".to_owned(), |actual| format!("{actual:.1}"));
        let window = outcome
            .window
            .map(|window| format!(" {window}"))
            .unwrap_or_default();
        format!("{:?} {figure}{window}", outcome.status)
    }

    #[test]
    fn a_sample_belongs_to_the_window_that_it_began_in_and_the_worst_window_counts() {
        let (threshold, mut windows) = windows("message_ms", "max<30", None);
        for (began, ms) in [(5_000, 10), (14_999, 20), (15_000, 40), (24_999, 1), (25_000, 35)] {
            windows.take(&threshold, took(began, ms));
        }
        windows.finish(&threshold, at(30_000), None);
        assert_eq!(told(windows.outcome(&threshold)), "Failed 40.0 from 15s to 25s");
    }

    #[test]
    fn windows_without_samples_say_nothing() {
        let (threshold, mut windows) = windows("message_ms", "min>3", None);
        windows.finish(&threshold, at(90_000), None);
        assert_eq!(told(windows.outcome(&threshold)), "NoSamples nothing");
        let (threshold, mut windows) = self::windows("message_ms", "min>3", None);
        windows.take(&threshold, took(66_000, 9));
        windows.finish(&threshold, at(90_000), None);
        assert_eq!(told(windows.outcome(&threshold)), "Passed 9.0 from 65s to 75s");
    }

    #[test]
    fn failures_are_infinite_in_their_window_alone() {
        let (threshold, mut windows) = windows("message_ms", "p(95)<30", None);
        windows.take(&threshold, took(6_000, 3));
        windows.take(&threshold, sample(16_000, SampleValue::Failed));
        windows.finish(&threshold, at(30_000), None);
        assert_eq!(told(windows.outcome(&threshold)), "Failed inf from 15s to 25s");
    }

    #[test]
    fn of_rates_the_worst_share_counts_however_few_cases_it_has() {
        let (threshold, mut windows) = windows("message_failed", "rate<0.2", None);
        for began in 0..100 {
            windows.take(&threshold, sample(5_000 + began, SampleValue::Case(began < 10)));
        }
        windows.take(&threshold, sample(15_000, SampleValue::Case(true)));
        windows.take(&threshold, sample(15_001, SampleValue::Case(false)));
        windows.finish(&threshold, at(30_000), None);
        assert_eq!(told(windows.outcome(&threshold)), "Failed 0.5 from 15s to 25s");
    }

    #[test]
    fn the_least_is_the_worst_where_more_is_wanted_and_the_furthest_off_where_a_figure_is() {
        for (expression, worst) in [
            ("max>100", "Failed 20.0 from 15s to 25s"),
            ("max>=10", "Passed 20.0 from 15s to 25s"),
            ("max==30", "Failed 60.0 from 25s to 35s"),
            ("max<=61", "Passed 60.0 from 25s to 35s"),
        ] {
            let (threshold, mut windows) = windows("message_ms", expression, None);
            for (began, ms) in [(5_000, 30), (15_000, 20), (25_000, 60), (35_000, 60)] {
                windows.take(&threshold, took(began, ms));
            }
            windows.finish(&threshold, at(50_000), None);
            let outcome = windows.outcome(&threshold);
            let told = told(Outcome {
                actual: outcome.actual.map(f64::round),
                ..outcome
            });
            assert_eq!(told, worst, "{expression}");
        }
    }

    #[test]
    fn a_window_in_which_nothing_was_counted_counts_nothing_while_there_is_load() {
        let count = |expression: &str, load_ended: u64| {
            let (threshold, mut windows) = windows("messages_sent", expression, None);
            windows.take(&threshold, sample(6_000, SampleValue::Count(7)));
            windows.take(&threshold, sample(27_000, SampleValue::Count(9)));
            windows.finish(&threshold, at(60_000), Some(at(load_ended)));
            told(windows.outcome(&threshold))
        };
        assert_eq!(count("count>=5", 26_000), "Failed 0.0 from 15s to 25s");
        assert_eq!(
            count("count>=5", 24_000),
            "Passed 7.0 from 5s to 15s",
            "what is cut short is not held to a least"
        );
        assert_eq!(
            count("count>=5", 8_000),
            "Passed 7.0 from 5s to 15s",
            "the only one has to do"
        );
        assert_eq!(
            count("count<8", 8_000),
            "Failed 9.0 from 25s to 35s",
            "but too much is too much"
        );
        let (threshold, mut windows) = self::windows("messages_sent", "count>=5", None);
        windows.finish(&threshold, at(6_000), Some(at(6_000)));
        assert_eq!(told(windows.outcome(&threshold)), "Failed 0.0 from 5s to 15s");
        let (threshold, mut windows) = self::windows("messages_lost", "count==0", None);
        windows.finish(&threshold, at(60_000), None);
        assert_eq!(told(windows.outcome(&threshold)), "Passed 0.0 from 5s to 15s");
    }

    #[test]
    fn a_window_is_judged_when_all_of_it_is_known_and_not_before() {
        let (threshold, mut windows) = windows("message_ms", "max<30", Some(0));
        windows.take(&threshold, took(6_000, 40));
        windows.advance(&threshold, at(14_999), None);
        assert_eq!(windows.ends_run(&threshold), None);
        windows.advance(&threshold, at(15_000), None);
        let ended = windows.ends_run(&threshold).expect("it failed");
        assert_eq!(told(ended), "Failed 40.0 from 5s to 15s");
        windows.take(&threshold, took(16_000, 90));
        windows.advance(&threshold, at(40_000), None);
        assert_eq!(
            windows.ends_run(&threshold),
            Some(ended),
            "the first one ends the run"
        );
        assert_eq!(told(windows.outcome(&threshold)), "Failed 90.0 from 15s to 25s");
    }

    #[test]
    fn a_window_that_begins_before_the_delay_ends_nothing() {
        let (threshold, mut windows) = windows("message_ms", "max<30", Some(5_001));
        windows.take(&threshold, took(6_000, 40));
        windows.advance(&threshold, at(30_000), None);
        assert_eq!(windows.ends_run(&threshold), None);
        windows.take(&threshold, took(31_000, 40));
        windows.advance(&threshold, at(40_000), None);
        assert!(windows.ends_run(&threshold).is_some());
    }

    #[test]
    fn what_comes_too_late_for_its_window_counts_in_the_oldest_that_is_open() {
        let (threshold, mut windows) = windows("message_ms", "max<30", None);
        windows.take(&threshold, took(6_000, 3));
        windows.advance(&threshold, at(20_000), None);
        windows.take(&threshold, took(6_001, 40));
        windows.finish(&threshold, at(30_000), None);
        assert_eq!(told(windows.outcome(&threshold)), "Failed 40.0 from 15s to 25s");
    }

    #[test]
    fn no_more_windows_are_kept_than_the_limit() {
        let (threshold, mut windows) = windows("message_ms", "max<30", None);
        for number in 0..3 * MAX_OPEN_WINDOWS as u64 {
            windows.take(&threshold, took(5_000 + number * 10_000, number % 900));
        }
        assert_eq!(windows.open.len(), MAX_OPEN_WINDOWS);
        assert!(windows.worst.is_some(), "those that went were judged");
    }

    #[test]
    fn a_figure_is_the_one_that_a_histogram_has() {
        let (threshold, _) = windows("message_ms", "p(90)<30", None);
        let (mut figures, mut trend) = (Figures::none(Kind::Trend), Trend::default());
        for nth in 0..5_000_u64 {
            let took = Duration::from_micros(nth * nth * 7 % 9_000_017);
            figures.add(SampleValue::Took(took, 1));
            trend.record(took);
        }
        assert_eq!(figures.figure(&threshold), trend.quantile_ms(0.9));
        let Figures::Trend { micros, .. } = figures else {
            unreachable!("it was made one")
        };
        assert!(micros.len() < 5_000 && micros.values().sum::<u64>() == 5_000);
    }
}
