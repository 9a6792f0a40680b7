use std::collections::BTreeMap;

use super::close_code;
use crate::protocol::Reason;

/// Why a frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalCause {
    /// It was answered with this reason.
    Reason(Reason),
    /// It is not JSON, and was answered with `echo`, as the deployment does.
    NotJson,
    /// It closed its socket.
    Violation(Violation),
}

/// What closes the socket that it came from: nothing that follows could be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A frame breaks the rules of WebSocket (RFC 6455 section 5).
    BrokenFrame,
    /// A text frame is not UTF-8.
    NotUtf8,
    /// A frame is longer than this server's limit.
    TooBig,
}

impl RefusalCause {
    /// The word for it in logs and metrics; for a reason, the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reason(reason) => reason.as_str(),
            Self::NotJson => "not-json",
            Self::Violation(violation) => violation.as_str(),
        }
    }

    /// Whether it tells of a limit that was hit, rather than of a mistake.
    pub fn is_limit(self) -> bool {
        matches!(
            self,
            Self::Reason(Reason::LimitReached | Reason::RateLimited | Reason::RecipientAway)
                | Self::Violation(Violation::TooBig)
        )
    }
}

impl Violation {
    /// The word for it in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BrokenFrame => "broken-frame",
            Self::NotUtf8 => "not-utf8",
            Self::TooBig => "too-big",
        }
    }

    pub(super) fn close(self) -> (u16, &'static str) {
        match self {
            Self::BrokenFrame => (close_code::PROTOCOL_ERROR, "the frame breaks the protocol"),
            Self::NotUtf8 => (close_code::NOT_UTF8, "the frame is not UTF-8"),
            Self::TooBig => (close_code::TOO_BIG, "the frame is too long"),
        }
    }
}

/// How many frames were refused, by cause.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusals(BTreeMap<RefusalCause, u64>);

impl Refusals {
    /// How many for that cause.
    pub fn of(&self, cause: RefusalCause) -> u64 {
        self.0.get(&cause).copied().unwrap_or(0)
    }

    /// How many were answered with that reason.
    pub fn with(&self, reason: Reason) -> u64 {
        self.of(RefusalCause::Reason(reason))
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The causes that there were.
    pub fn iter(&self) -> impl Iterator<Item = (RefusalCause, u64)> {
        self.0.iter().map(|(cause, count)| (*cause, *count))
    }

    pub(super) fn count(&mut self, cause: RefusalCause) {
        *self.0.entry(cause).or_default() += 1;
    }
}
