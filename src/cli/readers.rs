//! Who reads the event stream while a run is under way.

use std::sync::{Arc, Mutex, PoisonError};

use super::artifacts::EventLog;
use crate::{
    base::Instant,
    metrics::{EventKind, Failures, Growth, Recorder, RunEvent, TimelineRecorder},
    net::usage,
    plan::Plan,
    report::Normaliser,
    run::EventReader,
    scenario,
    verdict::{
        Asked, GeneratorUse, Threshold, Thresholds,
        invariants::{Checkers, Visibility},
    },
};

/// What all readers have gathered, for the report.
pub(super) struct Gathered {
    pub recorder: Recorder,
    pub checkers: Checkers,
    pub failures: Failures,
    pub timeline: TimelineRecorder,
    pub thresholds: Thresholds,
    /// The newest instant that an event has told.
    pub now: Instant,
    /// What the generator itself used.
    pub used: GeneratorUse,
    /// The memory of this process, whatever the world: it is no event of a simulation.
    pub memory: Growth,
}

impl Gathered {
    pub fn new(plan: &Plan, sees: Visibility, thresholds: Vec<Asked>, used: GeneratorUse) -> Self {
        let mut recorder = Recorder::new(plan);
        Self {
            thresholds: Thresholds::new(thresholds, plan.warm_up, &mut recorder),
            recorder,
            checkers: Checkers::new(plan, sees),
            failures: Failures::default(),
            timeline: TimelineRecorder::new(plan),
            now: Instant::START,
            used,
            memory: Growth::default(),
        }
    }

    /// For one segment of a merged run, of whose `plan` the others do nothing. Timeline and thresholds are the whole run's,
    /// and are not kept here.
    pub fn of_segment(plan: &Plan, sees: Visibility, used: GeneratorUse) -> Self {
        let nobody = Plan {
            rooms: Vec::new(),
            peers: Vec::new(),
            ..plan.clone()
        };
        Self {
            timeline: TimelineRecorder::new(&nobody),
            ..Self::new(plan, sees, Vec::new(), used)
        }
    }

    /// Takes the next event, of a run that is under way or of a log; whether it is a failure.
    pub fn read(&mut self, event: &RunEvent) -> bool {
        self.now = self.now.max(event.at);
        self.recorder.record(event);
        self.thresholds.observe(event, &mut self.recorder);
        self.used.observe(event);
        self.checkers.observe(event);
        let failure = self.failures.observe(event);
        self.timeline.record(event, failure);
        failure
    }
}

/// Shared between the dispatcher, which writes, and the live view, which looks.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Option<Gathered>>>);

impl Shared {
    pub fn new(
        plan: &Plan,
        sees: Visibility,
        thresholds: &[scenario::Threshold],
        used: GeneratorUse,
    ) -> Self {
        let thresholds = thresholds.iter().map(asked).collect();
        Self(Arc::new(Mutex::new(Some(Gathered::new(
            plan, sees, thresholds, used,
        )))))
    }

    /// Looks at, or changes, what is gathered so far; `None` after [`Shared::take`].
    pub fn with<T>(&self, look: impl FnOnce(&mut Gathered) -> T) -> Option<T> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.as_mut().map(look)
    }

    /// Takes it all, when the run is over.
    pub fn take(&self) -> Option<Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl EventReader for Shared {
    fn read(&mut self, event: &RunEvent) {
        self.with(|gathered| {
            gathered.read(event);
            if let EventKind::Holdings { .. } = event.kind
                && let Some(usage) = usage()
            {
                gathered.memory.sample(event.at, usage.rss_bytes as f64);
            }
        });
    }
}

/// What a threshold of the scenario asks for, and when it ends the run.
pub(super) fn asked(of: &scenario::Threshold) -> Asked {
    let threshold = Threshold::parse(&of.selector, &of.expression).expect("the scenario was checked");
    let delay = of.delay_abort_eval.unwrap_or_default();
    Asked {
        threshold: threshold.in_windows(of.window),
        abort_from: of.abort_on_fail.then(|| Instant::START + delay),
    }
}

/// Hands events on as they are the same in every run of a seed.
pub(super) struct Normal {
    normaliser: Normaliser,
    readers: Vec<Box<dyn EventReader>>,
}

impl Normal {
    pub fn new(readers: Vec<Box<dyn EventReader>>) -> Self {
        Self {
            normaliser: Normaliser::default(),
            readers,
        }
    }
}

impl EventReader for Normal {
    fn read(&mut self, event: &RunEvent) {
        let event = self.normaliser.normal(event);
        for reader in &mut self.readers {
            reader.read(&event);
        }
    }
}

impl EventReader for EventLog {
    fn read(&mut self, event: &RunEvent) {
        self.write(event);
    }
}
