//! What ends a run that goes wrong: a threshold with `abortOnFail` that fails while it is under way, and the limits of
//! the command line.

use std::time::Duration;

use tokio::sync::watch;

use super::{readers::Shared, verdict::after};
use crate::{
    base::Instant,
    metrics::{EventKind, RunEvent},
    run::EventReader,
    verdict::{Guards, ThresholdResult, Tripped},
    world::BoxFuture,
};

/// Between two looks, in the run's own time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What ended a run, and when that was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    pub by: EndedBy,
    pub at: Instant,
}

/// What ended it, as it was then.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum EndedBy {
    Threshold(ThresholdResult),
    Guard(Tripped),
}

/// Whether something has ended the run, and what.
pub(super) struct Abort(watch::Receiver<Option<Ended>>);

/// Looks at what is gathered while the run is under way. It has to read after whoever gathers.
pub(super) struct AbortReader {
    gathered: Shared,
    watcher: Watcher,
    guards: Guards,
    tell: watch::Sender<Option<Ended>>,
}

/// Watches the thresholds of `gathered` that say `abortOnFail`, and `guards`.
pub(super) fn watch(gathered: Shared, guards: Guards) -> (AbortReader, Abort) {
    let (tell, told) = watch::channel(None);
    let reader = AbortReader {
        gathered,
        watcher: Watcher::default(),
        guards,
        tell,
    };
    (reader, Abort(told))
}

impl Abort {
    /// Completes when something ends the run; never, if nothing does.
    pub fn happens(&self) -> BoxFuture<()> {
        let mut told = self.0.clone();
        Box::pin(async move {
            if told.wait_for(Option::is_some).await.is_err() {
                std::future::pending().await
            }
        })
    }

    /// What has ended the run, if something has.
    pub fn by(&self) -> Option<Ended> {
        self.0.borrow().clone()
    }
}

impl EventReader for AbortReader {
    fn read(&mut self, event: &RunEvent) {
        let gathered = &self.gathered;
        let look = || {
            let ended = gathered.with(|gathered| {
                let figures = || Some(gathered.recorder.snapshot());
                gathered.thresholds.ends_run(event.at, figures)
            });
            ended.flatten()
        };
        let failed = self.watcher.look(event, look);
        let passed = self.watcher.guard(|| self.guards.observe(event));
        let (by, what) = match (passed, failed) {
            (Some(passed), _) => (EndedBy::Guard(passed), passed.to_string()),
            (None, Some(failed)) => {
                let what = format!("{} failed", failed.threshold);
                (EndedBy::Threshold(failed), what)
            }
            (None, None) => return,
        };
        eprintln!("aborted: {what} after {}: everybody leaves", after(event.at));
        self.tell.send_replace(Some(Ended { by, at: event.at }));
    }
}

/// When to look.
#[derive(Debug, Default)]
struct Watcher {
    /// The last look.
    looked: Instant,
    /// It ends already.
    over: bool,
}

impl Watcher {
    /// What ends the run, if it is time to look.
    fn look(
        &mut self,
        event: &RunEvent,
        look: impl FnOnce() -> Option<ThresholdResult>,
    ) -> Option<ThresholdResult> {
        self.over |= matches!(event.kind, EventKind::Interrupted | EventKind::DeadlineReached);
        if self.over || event.at < self.looked + LOOK_EVERY {
            return None;
        }
        self.looked = event.at;
        let ended = look();
        self.over = ended.is_some();
        ended
    }

    /// What passes a limit, if the run does not end already.
    fn guard(&mut self, observe: impl FnOnce() -> Option<Tripped>) -> Option<Tripped> {
        let passed = observe().filter(|_| !self.over);
        self.over |= passed.is_some();
        passed
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        cli::load::Grammar,
        metrics::{MetricKey, Recorder, Snapshot, Trend},
        plan, scenario,
        verdict::{Asked, Threshold, Thresholds},
    };

    use super::*;

    /// What stands under `thresholds:`.
    fn thresholds(text: &str) -> Thresholds {
        let text = format!("{{name: x, rooms: {{peers: 1}}, steps: [join], thresholds: {text}}}");
        let scenario = scenario::parse("x", &text, &Grammar).expect("sound");
        let plan = plan::expand(&scenario, 1, &plan::Options::default());
        let asked = scenario.thresholds.iter().map(|of| Asked {
            threshold: Threshold::parse(&of.selector, &of.expression).expect("sound"),
            abort_from: (of.abort_on_fail).then(|| Instant::START + of.delay_abort_eval.unwrap_or_default()),
        });
        Thresholds::new(asked.collect(), plan.warm_up, &mut Recorder::new(&plan))
    }

    fn event(ms: u64, kind: EventKind) -> RunEvent {
        RunEvent {
            at: Instant::from_millis(ms),
            peer: None,
            remote: None,
            kind,
        }
    }

    /// A run whose only figure is a `connect_ms` of 5, from `samples_from` on; an event every 100 ms for 10 s.
    /// When its figures are looked at, and when and by what it is ended.
    fn play(watcher: &mut Watcher, thresholds: &str, samples_from: u64) -> (Vec<u64>, Option<(u64, String)>) {
        let thresholds = self::thresholds(thresholds);
        let mut looks = Vec::new();
        for ms in (0..10_000).step_by(100) {
            let mut figures = Snapshot::default();
            if ms >= samples_from {
                let mut trend = Trend::default();
                trend.record(Duration::from_millis(5));
                figures.trends.insert(MetricKey::new("connect_ms"), trend);
            }
            let failed = watcher.look(&event(ms, EventKind::RunEnded), || {
                thresholds.ends_run(Instant::from_millis(ms), || {
                    looks.push(ms);
                    Some(figures)
                })
            });
            if let Some(failed) = failed {
                return (looks, Some((ms, failed.threshold.to_string())));
            }
        }
        (looks, None)
    }

    #[test]
    fn once_a_second_it_is_looked_until_one_fails() {
        let text = "{connect_ms: [max<9, {threshold: max<4, abortOnFail: true}], messages_sent: count>3}";
        let mut watcher = Watcher::default();
        let (looks, ended) = play(&mut watcher, text, 2_500);
        assert_eq!(looks, [1_000, 2_000, 3_000], "no samples never end a run");
        assert_eq!(ended, Some((3_000, "connect_ms: max<4".to_owned())));
        assert_eq!(play(&mut watcher, text, 0), (vec![], None), "once is enough");
    }

    #[test]
    fn what_holds_or_does_not_say_so_ends_nothing() {
        let holds = "{connect_ms: {threshold: max<6, abortOnFail: true}}";
        let (looks, ended) = play(&mut Watcher::default(), holds, 0);
        assert_eq!((looks.len(), ended), (9, None));
        for nothing in [
            "{connect_ms: max<4}",
            "{connect_ms: {threshold: max<4, abortOnFail: false}}",
        ] {
            assert_eq!(
                play(&mut Watcher::default(), nothing, 0),
                (vec![], None),
                "{nothing}"
            );
        }
    }

    #[test]
    fn each_waits_for_its_own_delay() {
        let late = "{threshold: max<4, abortOnFail: true, delayAbortEval: 5500ms}";
        let (looks, ended) = play(&mut Watcher::default(), &format!("{{connect_ms: {late}}}"), 0);
        assert_eq!(looks, [6_000]);
        assert_eq!(ended, Some((6_000, "connect_ms: max<4".to_owned())));

        let early = "{threshold: max<3, abortOnFail: true, delayAbortEval: 2s}";
        let both = format!("{{connect_ms: [{late}, {early}]}}");
        let (_, ended) = play(&mut Watcher::default(), &both, 0);
        assert_eq!(ended, Some((2_000, "connect_ms: max<3".to_owned())));
    }

    #[test]
    fn a_run_that_ends_already_is_left_alone() {
        for end in [EventKind::Interrupted, EventKind::DeadlineReached] {
            let mut watcher = Watcher::default();
            assert!(watcher.look(&event(900, end), || panic!("no need")).is_none());
            let hopeless = "{connect_ms: {threshold: max<4, abortOnFail: true}}";
            assert_eq!(play(&mut watcher, hopeless, 0), (vec![], None));
        }
    }
}
