use std::time::Duration;

use crate::{
    base::Instant,
    metrics::{EventKind, RunEvent},
};

use super::{CPU_SUSTAINED, OPEN_FILES_LIMIT_PERCENT, Saturation};

/// What the machine grants the generator; `None` where that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grants {
    /// Cores that it may use.
    pub cores: Option<usize>,
    /// Files that it may have open at a time.
    pub open_files: Option<u64>,
}

/// What the generator used in a run, as its own events tell it. What it used in the warm-up is no saturation.
#[derive(Debug, Clone, Default)]
pub struct GeneratorUse {
    grants: Grants,
    warm_until: Instant,
    /// The highest of any second.
    cpu_percent: Option<f64>,
    rss_bytes: Option<u64>,
    open_files: Option<u64>,
    /// Seconds in which it used much, one after the other, and the longest such time.
    busy: Option<Busy>,
    busiest: Option<Busy>,
    /// How much of all cores is much.
    cpu_limit_percent: f64,
    last: Instant,
}

/// A time in which nearly all cores were used.
#[derive(Debug, Clone, Copy, Default)]
struct Busy {
    lasted: Duration,
    /// Of the processor's time: seconds times percent.
    used: f64,
}

impl GeneratorUse {
    /// Of a run that has not begun. `cpu_limit_percent`: how much of all cores it may use for long.
    pub fn new(grants: Grants, warm_up: Duration, cpu_limit_percent: f64) -> Self {
        Self {
            grants,
            warm_until: Instant::START + warm_up,
            cpu_limit_percent,
            ..Self::default()
        }
    }

    pub fn observe(&mut self, event: &RunEvent) {
        match event.kind {
            EventKind::Generator {
                cpu_percent,
                rss_bytes,
                open_files,
            } => {
                let most = self.cpu_percent.map_or(cpu_percent, |most| most.max(cpu_percent));
                self.cpu_percent = Some(most);
                self.rss_bytes = self.rss_bytes.max(Some(rss_bytes));
                self.open_files = self.open_files.max(open_files);
                self.second(event.at, cpu_percent);
            }
            EventKind::Holdings { open_files, .. } => self.open_files = self.open_files.max(open_files),
            _ => {}
        }
    }

    /// The highest use of processor time in any second, 100 for one core.
    pub fn cpu_percent(&self) -> Option<f64> {
        self.cpu_percent
    }

    /// The highest resident memory.
    pub fn rss_bytes(&self) -> Option<u64> {
        self.rss_bytes
    }

    /// The most files that were open.
    pub fn open_files(&self) -> Option<u64> {
        self.open_files
    }

    /// What the machine grants.
    pub fn grants(&self) -> Grants {
        self.grants
    }

    fn second(&mut self, at: Instant, cpu_percent: f64) {
        let lasted = at.since(self.last.max(self.warm_until));
        self.last = at;
        let cores = self.grants.cores.unwrap_or(usize::MAX) as f64;
        if cpu_percent < self.cpu_limit_percent * cores || lasted.is_zero() {
            self.busy = None;
            return;
        }
        let busy = self.busy.get_or_insert_default();
        busy.lasted += lasted;
        busy.used += lasted.as_secs_f64() * cpu_percent;
        if self.busiest.is_none_or(|longest| longest.lasted < busy.lasted) {
            self.busiest = Some(*busy);
        }
    }

    pub(super) fn cpu_over(&self) -> Option<Saturation> {
        let busy = self.busiest.filter(|busy| busy.lasted >= CPU_SUSTAINED)?;
        let cores = self.grants.cores?;
        Some(Saturation::Cpu {
            percent: busy.used / busy.lasted.as_secs_f64() / cores as f64,
            cores,
            lasted: busy.lasted,
        })
    }

    pub(super) fn open_files_over(&self) -> Option<Saturation> {
        let (most, allowed) = (self.open_files?, self.grants.open_files?);
        let over = most as f64 >= allowed as f64 * OPEN_FILES_LIMIT_PERCENT / 100.0;
        over.then_some(Saturation::OpenFiles { most, allowed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::CPU_LIMIT_PERCENT;

    const TWO_CORES: Grants = Grants {
        cores: Some(2),
        open_files: Some(1_000),
    };

    /// A run whose generator used so much in each second of it.
    fn used(grants: Grants, warm_up_s: u64, percents: impl IntoIterator<Item = f64>) -> GeneratorUse {
        let mut used = GeneratorUse::new(grants, Duration::from_secs(warm_up_s), CPU_LIMIT_PERCENT);
        for (second, cpu_percent) in (1..).zip(percents) {
            used.observe(&RunEvent {
                at: Instant::from_millis(second * 1_000),
                peer: None,
                remote: None,
                kind: EventKind::Generator {
                    cpu_percent,
                    rss_bytes: second * 10,
                    open_files: Some(second * 50),
                },
            });
        }
        used
    }

    fn cpu(used: &GeneratorUse) -> Option<String> {
        used.cpu_over().map(|over| over.to_string())
    }

    #[test]
    fn nearly_all_cores_for_ten_seconds_on_end_are_too_much() {
        let over = used(TWO_CORES, 0, [20.0].into_iter().chain([190.0; 11]).chain([20.0]));
        assert_eq!(cpu(&over).as_deref(), Some("it used 95 % of all 2 cores for 11s"));
        assert_eq!(cpu(&used(TWO_CORES, 0, [190.0; 9])), None, "not for long enough");
        let with_a_pause = [190.0; 9].into_iter().chain([100.0]).chain([190.0; 9]);
        assert_eq!(cpu(&used(TWO_CORES, 0, with_a_pause)), None, "not on end");
        assert_eq!(cpu(&used(TWO_CORES, 0, [179.0; 60])), None, "not nearly all");
        assert_eq!(cpu(&used(TWO_CORES, 5, [200.0; 14])), None, "not in the warm-up");
        let unknown = Grants {
            cores: None,
            ..TWO_CORES
        };
        assert_eq!(cpu(&used(unknown, 0, [200.0; 60])), None);
        let one = Grants {
            cores: Some(1),
            ..TWO_CORES
        };
        let over = cpu(&used(one, 0, [100.0; 12]));
        assert_eq!(over.as_deref(), Some("it used 100 % of the only core for 12s"));
    }

    #[test]
    fn files_near_the_limit_of_the_process_are_too_many() {
        let near = used(TWO_CORES, 0, [0.0; 18]);
        let over = near.open_files_over().map(|over| over.to_string());
        assert_eq!(
            over.as_deref(),
            Some("it had 900 of the 1000 files open that the process may have")
        );
        assert_eq!(used(TWO_CORES, 0, [0.0; 17]).open_files_over(), None);
        let no_limit = Grants {
            open_files: None,
            ..TWO_CORES
        };
        assert_eq!(used(no_limit, 0, [0.0; 99]).open_files_over(), None);
    }

    #[test]
    fn the_most_of_any_second_is_told() {
        let used = used(TWO_CORES, 0, [10.0, 70.0, 30.0]);
        assert_eq!((used.cpu_percent(), used.rss_bytes()), (Some(70.0), Some(30)));
        assert_eq!(used.open_files(), Some(150));
    }
}
