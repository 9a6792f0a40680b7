use std::{collections::BTreeMap, time::Duration};

/// Lines of one kind that are logged in one window; further ones are only counted.
const LINES_PER_WINDOW_MAX: u32 = 20;
/// The window.
const WINDOW: Duration = Duration::from_secs(10);

/// What a client can cause as often as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    /// A frame was refused.
    Refused,
    /// A frame hit a limit.
    FrameLimit,
    /// A client does not read what it is sent.
    SlowClient,
    /// No WebSocket for this request.
    Upgrade,
    /// No connection: no TLS, or nothing that is HTTP.
    Connection,
    /// No credentials for this request.
    Credentials,
}

/// Keeps the log readable, whoever is at the other end.
#[derive(Debug, Default)]
pub(crate) struct LogGate(BTreeMap<Line, Window>);

#[derive(Debug, Default)]
struct Window {
    opened: Duration,
    lines: u32,
    suppressed: u64,
}

impl LogGate {
    /// Whether the line may be logged; then with how many like it were left out before.
    pub(crate) fn pass(&mut self, line: Line, since_start: Duration) -> Option<u64> {
        let window = self.0.entry(line).or_insert_with(|| Window {
            opened: since_start,
            ..Window::default()
        });
        if since_start.saturating_sub(window.opened) >= WINDOW {
            window.opened = since_start;
            window.lines = 0;
        }
        if window.lines >= LINES_PER_WINDOW_MAX {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_becomes_a_few_and_a_number() {
        let mut gate = LogGate::default();
        let mut flood = |at_s, lines| {
            (0..lines)
                .filter_map(|_| gate.pass(Line::Refused, Duration::from_secs(at_s)))
                .collect::<Vec<_>>()
        };
        assert_eq!(flood(3, 1_000), [0; 20]);
        assert!(flood(12, 5).is_empty());
        assert_eq!(flood(13, 2), [985, 0]);
        assert_eq!(gate.pass(Line::SlowClient, Duration::from_secs(13)), Some(0));
    }
}
