use std::{fmt, str::FromStr};

use crate::sim::Schedule;

/// `--schedule`, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ScheduleArg(Schedule);

/// Why a text is no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `fifo` or `random`")]
pub(super) struct ScheduleError;

impl From<Schedule> for ScheduleArg {
    fn from(schedule: Schedule) -> Self {
        Self(schedule)
    }
}

impl From<ScheduleArg> for Schedule {
    fn from(arg: ScheduleArg) -> Self {
        arg.0
    }
}

impl fmt::Display for ScheduleArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Schedule::Fifo => "fifo",
            Schedule::Random => "random",
        })
    }
}

impl FromStr for ScheduleArg {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fifo" => Ok(Self(Schedule::Fifo)),
            "random" => Ok(Self(Schedule::Random)),
            _ => Err(ScheduleError),
        }
    }
}
