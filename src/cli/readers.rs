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
    verdict::invariants::{Checkers, Visibility},
};

/// What all readers have gathered, for the report.
pub(super) struct Gathered {
    pub recorder: Recorder,
    pub checkers: Checkers,
    pub failures: Failures,
    pub timeline: TimelineRecorder,
    /// The newest instant that an event has told.
    pub now: Instant,
    /// The highest use of processor time in any second, and of memory.
    pub cpu_percent: Option<f64>,
    pub rss_bytes: Option<u64>,
    /// The memory of this process, whatever the world: it is no event of a simulation.
    pub memory: Growth,
}

impl Gathered {
    pub fn new(plan: &Plan, sees: Visibility) -> Self {
        Self {
            recorder: Recorder::new(plan),
            checkers: Checkers::new(plan, sees),
            failures: Failures::default(),
            timeline: TimelineRecorder::new(plan),
            now: Instant::START,
            cpu_percent: None,
            rss_bytes: None,
            memory: Growth::default(),
        }
    }

    /// Takes the next event, of a run that is under way or of a log.
    pub fn read(&mut self, event: &RunEvent) {
        self.now = self.now.max(event.at);
        self.recorder.record(event);
        self.checkers.observe(event);
        let failure = self.failures.observe(event);
        self.timeline.record(event, failure);
        if let EventKind::Generator {
            cpu_percent,
            rss_bytes,
        } = event.kind
        {
            let most = self.cpu_percent.map_or(cpu_percent, |most| most.max(cpu_percent));
            self.cpu_percent = Some(most);
            self.rss_bytes = self.rss_bytes.max(Some(rss_bytes));
        }
    }
}

/// Shared between the dispatcher, which writes, and the live view, which looks.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Option<Gathered>>>);

impl Shared {
    pub fn new(plan: &Plan, sees: Visibility) -> Self {
        Self(Arc::new(Mutex::new(Some(Gathered::new(plan, sees)))))
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
