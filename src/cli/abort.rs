//! `abortOnFail`: a threshold that fails while the run is under way ends it.

use std::time::Duration;

use tokio::sync::watch;

use super::readers::Shared;
use crate::{
    base::Instant,
    metrics::{EventKind, RunEvent, Snapshot},
    run::EventReader,
    scenario,
    verdict::{Threshold, ThresholdResult, ThresholdStatus},
    world::BoxFuture,
};

/// Between two looks, in the run's own time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether a threshold has ended the run, and which.
pub(super) struct Abort(watch::Receiver<Option<ThresholdResult>>);

/// Looks at what is gathered while the run is under way. It has to read after whoever gathers.
pub(super) struct AbortReader {
    gathered: Shared,
    watcher: Watcher,
    tell: watch::Sender<Option<ThresholdResult>>,
}

/// Watches the thresholds that say `abortOnFail`; nothing if none does.
pub(super) fn watch(thresholds: &[scenario::Threshold], gathered: Shared) -> (AbortReader, Abort) {
    let (tell, told) = watch::channel(None);
    let reader = AbortReader {
        gathered,
        watcher: Watcher::new(thresholds),
        tell,
    };
    (reader, Abort(told))
}

impl Abort {
    /// Completes when a threshold ends the run; never, if none does.
    pub fn happens(&self) -> BoxFuture<()> {
        let mut told = self.0.clone();
        Box::pin(async move {
            if told.wait_for(Option::is_some).await.is_err() {
                std::future::pending().await
            }
        })
    }

    /// The threshold that has ended the run, as it was then.
    pub fn by(&self) -> Option<ThresholdResult> {
        self.0.borrow().clone()
    }
}

impl EventReader for AbortReader {
    fn read(&mut self, event: &RunEvent) {
        let gathered = &self.gathered;
        let figures = || gathered.with(|gathered| gathered.recorder.snapshot());
        if let Some(failed) = self.watcher.look(event, figures) {
            eprintln!("aborted: {} failed: everybody leaves", failed.threshold);
            self.tell.send_replace(Some(failed));
        }
    }
}

/// When to look, and at what.
struct Watcher {
    /// Each with the instant from which it counts. Empty: nothing is watched any more.
    watched: Vec<(Threshold, Instant)>,
    next: Instant,
}

impl Watcher {
    fn new(thresholds: &[scenario::Threshold]) -> Self {
        let watched = thresholds.iter().filter(|threshold| threshold.abort_on_fail);
        Self {
            watched: watched
                .map(|watched| {
                    let threshold = Threshold::parse(&watched.selector, &watched.expression);
                    let from = Instant::START + watched.delay_abort_eval.unwrap_or_default();
                    (threshold.expect("the scenario was checked"), from)
                })
                .collect(),
            next: Instant::START + LOOK_EVERY,
        }
    }

    /// The first threshold that fails, if it is time to look. What has no samples yet does not fail.
    fn look(
        &mut self,
        event: &RunEvent,
        figures: impl FnOnce() -> Option<Snapshot>,
    ) -> Option<ThresholdResult> {
        // It ends already.
        if matches!(event.kind, EventKind::Interrupted | EventKind::DeadlineReached) {
            self.watched.clear();
        }
        if event.at < self.next || self.watched.iter().all(|(_, from)| event.at < *from) {
            return None;
        }
        self.next = event.at + LOOK_EVERY;
        let figures = figures()?;
        let due = self.watched.iter().filter(|(_, from)| event.at >= *from);
        let failed = due
            .map(|(threshold, _)| threshold.clone().judge(&figures))
            .find(|result| result.outcome.status == ThresholdStatus::Failed)?;
        self.watched.clear();
        Some(failed)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        cli::load::Grammar,
        metrics::{MetricKey, Trend},
    };

    use super::*;

    /// A watcher of what stands under `thresholds:`.
    fn watcher(thresholds: &str) -> Watcher {
        let text = format!("{{name: x, rooms: {{peers: 1}}, steps: [join], thresholds: {thresholds}}}");
        let scenario = scenario::parse("x", &text, &Grammar);
        Watcher::new(&scenario.expect("sound").thresholds)
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
    /// When it is looked at, and when and by what it is ended.
    fn play(watcher: &mut Watcher, samples_from: u64) -> (Vec<u64>, Option<(u64, String)>) {
        let mut looks = Vec::new();
        for ms in (0..10_000).step_by(100) {
            let mut figures = Snapshot::default();
            if ms >= samples_from {
                let mut trend = Trend::default();
                trend.record(Duration::from_millis(5));
                figures.trends.insert(MetricKey::new("connect_ms"), trend);
            }
            let failed = watcher.look(&event(ms, EventKind::RunEnded), || {
                looks.push(ms);
                Some(figures)
            });
            if let Some(failed) = failed {
                return (looks, Some((ms, failed.threshold.to_string())));
            }
        }
        (looks, None)
    }

    #[test]
    fn once_a_second_it_is_looked_until_one_fails() {
        let mut watcher =
            watcher("{connect_ms: [max<9, {threshold: max<4, abortOnFail: true}], messages_sent: count>3}");
        let (looks, ended) = play(&mut watcher, 2_500);
        assert_eq!(looks, [1_000, 2_000, 3_000], "no samples never end a run");
        assert_eq!(ended, Some((3_000, "connect_ms: max<4".to_owned())));
        assert_eq!(play(&mut watcher, 0), (vec![], None), "once is enough");
    }

    #[test]
    fn what_holds_or_does_not_say_so_ends_nothing() {
        let mut holds = watcher("{connect_ms: {threshold: max<6, abortOnFail: true}}");
        let (looks, ended) = play(&mut holds, 0);
        assert_eq!((looks.len(), ended), (9, None));
        for nothing in [
            "{connect_ms: max<4}",
            "{connect_ms: {threshold: max<4, abortOnFail: false}}",
        ] {
            assert_eq!(play(&mut watcher(nothing), 0), (vec![], None), "{nothing}");
        }
    }

    #[test]
    fn each_waits_for_its_own_delay() {
        let late = "{threshold: max<4, abortOnFail: true, delayAbortEval: 5500ms}";
        let (looks, ended) = play(&mut watcher(&format!("{{connect_ms: {late}}}")), 0);
        assert_eq!(looks, [5_500]);
        assert_eq!(ended, Some((5_500, "connect_ms: max<4".to_owned())));

        let early = "{threshold: max<3, abortOnFail: true, delayAbortEval: 2s}";
        let (_, ended) = play(&mut watcher(&format!("{{connect_ms: [{late}, {early}]}}")), 0);
        assert_eq!(ended, Some((2_000, "connect_ms: max<3".to_owned())));
    }

    #[test]
    fn a_run_that_ends_already_is_left_alone() {
        for end in [EventKind::Interrupted, EventKind::DeadlineReached] {
            let mut watcher = watcher("{connect_ms: {threshold: max<4, abortOnFail: true}}");
            assert!(watcher.look(&event(900, end), || panic!("no need")).is_none());
            assert_eq!(play(&mut watcher, 0), (vec![], None));
        }
    }
}
