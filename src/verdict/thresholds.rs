use std::time::Duration;

use crate::{
    base::Instant,
    metrics::{MetricKey, Recorder, RunEvent, Snapshot},
};

use super::{Threshold, ThresholdResult, ThresholdStatus, windows::Windows};

/// How often windows are looked at whether all is known that began in them, in the run's own time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A threshold, and when it ends the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub threshold: Threshold,
    /// It ends the run if it fails at this instant or later; `None`: never.
    pub abort_from: Option<Instant>,
}

/// The thresholds of one run. Those with windows are judged as it goes on, the others at its end.
#[derive(Debug)]
pub struct Thresholds {
    /// In the order of the scenario.
    asked: Vec<(Asked, Option<Windows>)>,
    /// The place in `asked` of each one with windows, as the recorder counts them.
    watched: Vec<usize>,
    next_look: Instant,
}

impl Thresholds {
    /// Of a run that `recorder` gathers, which has recorded nothing yet. `warm_up`: how long what begins leaves no
    /// sample.
    pub fn new(asked: Vec<Asked>, warm_up: Duration, recorder: &mut Recorder) -> Self {
        Self::over(asked, warm_up, [recorder])
    }

    /// The same of a run that several recorders gather, a part of it each. What they have made is to be
    /// [taken](Self::take), and judged at the [end](Self::finish_over).
    pub fn over<'a>(
        asked: Vec<Asked>,
        warm_up: Duration,
        recorders: impl IntoIterator<Item = &'a mut Recorder>,
    ) -> Self {
        let start = Instant::START + warm_up;
        let asked: Vec<_> = asked
            .into_iter()
            .map(|asked| {
                let length = asked.threshold.window();
                let windows = length.map(|length| Windows::new(start, length, asked.abort_from));
                (asked, windows)
            })
            .collect();
        let with_windows = asked.iter().enumerate().filter(|(_, (_, w))| w.is_some());
        let watched: Vec<usize> = with_windows.map(|(at, _)| at).collect();
        let keys: Vec<MetricKey> = watched
            .iter()
            .map(|at| asked[*at].0.threshold.selector().clone())
            .collect();
        if !keys.is_empty() {
            for recorder in recorders {
                recorder.watch(keys.clone());
            }
        }
        Self {
            asked,
            watched,
            next_look: Instant::START + LOOK_EVERY,
        }
    }

    /// Takes what the recorder has made of its events so far, the last of them `event`.
    pub fn observe(&mut self, event: &RunEvent, recorder: &mut Recorder) {
        if self.watched.is_empty() {
            return;
        }
        self.take(recorder);
        if event.at >= self.next_look {
            self.next_look = event.at + LOOK_EVERY;
            let load_ended = recorder.load_ended();
            for (Asked { threshold, .. }, windows) in &mut self.asked {
                if let Some(windows) = windows {
                    let known = recorder.known_until(&threshold.selector().name);
                    windows.advance(threshold, known, load_ended);
                }
            }
        }
    }

    /// The run ended at that instant, and so did `recorder`.
    pub fn finish(&mut self, ended: Instant, recorder: &mut Recorder) {
        self.take(recorder);
        self.finish_over(ended, recorder.load_ended());
    }

    /// The run ended at that instant, its load before, and all that its recorders have made is taken.
    pub fn finish_over(&mut self, ended: Instant, load_ended: Option<Instant>) {
        for (Asked { threshold, .. }, windows) in &mut self.asked {
            if let Some(windows) = windows {
                windows.finish(threshold, ended, load_ended);
            }
        }
    }

    /// The first threshold whose failure ends the run, if there is one at `at`. What has no samples yet does not fail.
    pub fn ends_run(
        &self,
        at: Instant,
        figures: impl FnOnce() -> Option<Snapshot>,
    ) -> Option<ThresholdResult> {
        let due: Vec<_> = (self.asked.iter())
            .filter(|(asked, _)| asked.abort_from.is_some_and(|from| at >= from))
            .collect();
        let windows = due.iter().find_map(|(asked, windows)| {
            let outcome = windows.as_ref()?.ends_run(&asked.threshold)?;
            Some(ThresholdResult {
                threshold: asked.threshold.clone(),
                outcome,
            })
        });
        if windows.is_some() || due.iter().all(|(_, windows)| windows.is_some()) {
            return windows;
        }
        let figures = figures()?;
        due.iter()
            .filter(|(_, windows)| windows.is_none())
            .map(|(asked, _)| asked.threshold.clone().judge(&figures))
            .find(|result| result.outcome.status == ThresholdStatus::Failed)
    }

    /// What the run says to each, in the order of the scenario.
    pub fn judge(&self, figures: &Snapshot) -> Vec<ThresholdResult> {
        let judged = self.asked.iter().map(|(asked, windows)| {
            let threshold = asked.threshold.clone();
            match windows {
                None => threshold.judge(figures),
                Some(windows) => ThresholdResult {
                    outcome: windows.outcome(&threshold),
                    threshold,
                },
            }
        });
        judged.collect()
    }

    /// Takes what a recorder has made of its events so far.
    pub fn take(&mut self, recorder: &mut Recorder) {
        for sample in recorder.samples() {
            let (asked, windows) = &mut self.asked[self.watched[sample.of]];
            if let Some(windows) = windows {
                windows.take(&asked.threshold, sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metrics::EventKind, plan::Plan};

    /// What is asked of a run of nobody, with a warm-up of 2 s.
    fn judged(asked: &[(&str, &str, Option<u64>)]) -> (Recorder, Thresholds) {
        let plan = Plan {
            scenario: "x".to_owned(),
            seed: 1,
            rooms: Vec::new(),
            peers: Vec::new(),
            barriers: Vec::new(),
            duration: None,
            warm_up: Duration::from_secs(2),
            burst: None,
            connect_timeout: Duration::from_secs(30),
            relay_mode: Default::default(),
            protocol: Default::default(),
            message_timeout: Duration::from_secs(30),
        };
        let mut recorder = Recorder::new(&plan);
        let asked = asked.iter().map(|(selector, expression, window)| Asked {
            threshold: Threshold::parse(selector, expression)
                .expect("a threshold")
                .in_windows(window.map(Duration::from_secs)),
            abort_from: Some(Instant::START),
        });
        let thresholds = Thresholds::new(asked.collect(), plan.warm_up, &mut recorder);
        (recorder, thresholds)
    }

    fn expired(ms: u64) -> RunEvent {
        RunEvent {
            at: Instant::from_millis(ms),
            peer: None,
            remote: None,
            kind: EventKind::WaitExpired {
                condition: String::new(),
            },
        }
    }

    #[test]
    fn windows_see_what_the_recorder_sees_and_each_its_own() {
        let (mut recorder, mut thresholds) = judged(&[
            ("wait_expired", "count<3", Some(1)),
            ("wait_expired", "count<5", None),
            ("wait_expired", "count<4", Some(4)),
        ]);
        // In the warm-up, then two in each half second.
        for ms in [0, 100, 1_999, 2_000, 2_100, 2_600, 2_700, 3_100] {
            let event = expired(ms);
            recorder.record(&event);
            thresholds.observe(&event, &mut recorder);
        }
        recorder.finish(Instant::from_millis(9_000));
        thresholds.finish(Instant::from_millis(9_000), &mut recorder);
        let judged = thresholds.judge(&recorder.snapshot());
        let told: Vec<String> = judged
            .iter()
            .map(|result| {
                let actual = result.outcome.actual.unwrap_or(f64::NAN);
                let window = result.outcome.window.map(|window| format!(" {window}"));
                format!("{} was {actual}{}", result.threshold, window.unwrap_or_default())
            })
            .collect();
        assert_eq!(
            told,
            [
                "wait_expired: count<3 in every 1s was 4 from 2s to 3s",
                "wait_expired: count<5 was 5",
                "wait_expired: count<4 in every 4s was 5 from 2s to 6s",
            ]
        );
    }

    #[test]
    fn a_window_ends_the_run_as_soon_as_it_is_known() {
        let (mut recorder, mut thresholds) = judged(&[("wait_expired", "count<2", Some(1))]);
        let mut ended = None;
        for ms in (2_000..10_000).step_by(400) {
            let event = expired(ms);
            recorder.record(&event);
            thresholds.observe(&event, &mut recorder);
            let by = thresholds.ends_run(event.at, || panic!("windows need no figures of the run"));
            if let Some(by) = by {
                ended = Some((ms, by.outcome.window.map(|window| window.to_string())));
                break;
            }
        }
        // The window is over at 3 s, a second is left for what is in the dispatcher's queue, and once a second is looked.
        assert_eq!(ended, Some((4_400, Some("from 2s to 3s".to_owned()))));
    }
}
