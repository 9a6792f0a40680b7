use std::{fmt, str::FromStr};

use crate::sim::Schedule;

/// The most ordered items that a race may take. Races are shallow; a deeper search only spreads thinner.
const DEPTH_MAX: u8 = 10;

/// `--schedule`, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ScheduleArg(Schedule);

/// Why a text is no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScheduleError {
    #[error("expected `fifo`, `random` or `pct:DEPTH`, like pct:3")]
    Unknown,
    #[error("a depth is a number from 1 to {DEPTH_MAX}, like pct:3")]
    Depth,
}

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
        match self.0 {
            Schedule::Fifo => f.write_str("fifo"),
            Schedule::Random => f.write_str("random"),
            Schedule::Pct { depth } => write!(f, "pct:{depth}"),
        }
    }
}

impl FromStr for ScheduleArg {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let schedule = match text.split_once(':') {
            None if text == "fifo" => Schedule::Fifo,
            None if text == "random" => Schedule::Random,
            None if text == "pct" => return Err(ScheduleError::Depth),
            Some(("pct", depth)) => match depth.parse() {
                Ok(depth @ 1..=DEPTH_MAX) => Schedule::Pct { depth },
                _ => return Err(ScheduleError::Depth),
            },
            _ => return Err(ScheduleError::Unknown),
        };
        Ok(Self(schedule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["fifo", "random", "pct:1", "pct:10"] {
            let read: ScheduleArg = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_schedule_is_told_why() {
        for text in ["pct", "pct:", "pct:0", "pct:11", "pct:-1", "pct:x", "pct:999"] {
            assert_eq!(text.parse::<ScheduleArg>(), Err(ScheduleError::Depth), "{text}");
        }
        for text in ["", "lifo", "random:3", "fifo:1"] {
            assert_eq!(text.parse::<ScheduleArg>(), Err(ScheduleError::Unknown), "{text}");
        }
    }
}
