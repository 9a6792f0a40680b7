use serde::{Deserialize, Serialize};

/// How a scripted peer negotiates: the rules of the `reference` profile, each of which can be switched
/// off to get a mutant that the invariants must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientRules {
    /// Colliding offers are resolved as W3C "perfect negotiation" does: the lower id is polite and rolls
    /// back, the other ignores the offer that collides with its own.
    pub perfect_negotiation: bool,
    /// An offer that was already taken (same whole description) is dropped.
    pub dedupe_offers: bool,
    /// An answer that was already taken (same whole description) is dropped.
    pub dedupe_answers: bool,
    /// One description is in process at a time; later ones wait their turn.
    pub queue_descriptions: bool,
    /// Candidates that come before the remote description are kept until it is set.
    pub keep_early_candidates: bool,
    /// Callbacks and timers of a connection that was replaced are ignored.
    pub check_generation: bool,
    /// An offer from another incarnation of the remote (other DTLS fingerprint) replaces the connection.
    pub replace_stale: bool,
    /// A newcomer to whom nobody has offered within 1 s offers itself.
    pub offer_fallback: bool,
    /// Connections to a member that left (or was evicted) are closed, and one's own on leaving.
    pub close_on_leave: bool,
}

impl Default for ClientRules {
    fn default() -> Self {
        Self {
            perfect_negotiation: true,
            dedupe_offers: true,
            dedupe_answers: true,
            queue_descriptions: true,
            keep_early_candidates: true,
            check_generation: true,
            replace_stale: true,
            offer_fallback: true,
            close_on_leave: true,
        }
    }
}
