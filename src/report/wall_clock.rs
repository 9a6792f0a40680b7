//! The run's instants as times of day.

use time::OffsetDateTime;

use super::Launch;
use crate::base::Instant;

/// When a run's own clock began, by the wall clock. In the simulated world the two go at different speeds: a time of day is
/// then when it would have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallClock {
    started_at_unix_ms: u64,
}

impl WallClock {
    pub fn of(launch: &Launch) -> Self {
        Self {
            started_at_unix_ms: launch.started_at_unix_ms,
        }
    }

    /// Milliseconds since the Unix epoch, with fractions.
    pub fn unix_ms(self, at: Instant) -> f64 {
        self.started_at_unix_ms as f64 + at.as_millis_f64()
    }

    /// As ECMAScript writes and reads it (ISO 8601): `2026-11-28T18:00:00.250Z`.
    pub fn iso(self, at: Instant) -> String {
        let millis = i128::from(self.started_at_unix_ms) + i128::from(at.as_micros() / 1_000);
        // Later than the year 9999 no clock of ours is.
        let time = OffsetDateTime::from_unix_timestamp_nanos(millis.saturating_mul(1_000_000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_so_long_after_the_start_by_the_wall_clock() {
        let clock = WallClock {
            started_at_unix_ms: 1_777_888_800_000,
        };
        assert_eq!(clock.iso(Instant::START), "2026-05-04T10:00:00.000Z");
        assert_eq!(
            clock.iso(Instant::from_micros(250_999)),
            "2026-05-04T10:00:00.250Z"
        );
        assert_eq!(clock.unix_ms(Instant::from_micros(250_500)), 1_777_888_800_250.5);
        let end = WallClock {
            started_at_unix_ms: u64::MAX,
        };
        assert_eq!(
            end.iso(Instant::from_micros(u64::MAX)),
            "1970-01-01T00:00:00.000Z"
        );
    }
}
