use serde::{Deserialize, Serialize};

/// How a scripted peer negotiates: the rules of the `reference` profile, each of which can be switched
/// off to get a mutant that the invariants must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientRules {
    /// Colliding offers are resolved as W3C "perfect negotiation" does: the lower id is polite and takes
    /// the remote's (by rolling back, or before the first channel was open by a new connection), the other ignores the offer that collides with its own.
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

impl ClientRules {
    /// The names of the rules, as scenarios write them.
    pub const NAMES: [&str; 9] = [
        "perfect_negotiation",
        "dedupe_offers",
        "dedupe_answers",
        "queue_descriptions",
        "keep_early_candidates",
        "check_generation",
        "replace_stale",
        "offer_fallback",
        "close_on_leave",
    ];

    /// The rules that differ from the reference's, as a scenario writes them: name and value.
    pub fn changes(&self) -> Vec<(&'static str, String)> {
        let (mut own, mut reference) = (*self, Self::default());
        let rules = Self::NAMES.into_iter().filter_map(|name| {
            let value = *own.rule_mut(name)?;
            (value != *reference.rule_mut(name)?).then(|| (name, value.to_string()))
        });
        rules.collect()
    }

    /// Makes the rule of that name the reference's.
    pub fn reset(&mut self, name: &str) {
        if let (Some(rule), Some(reference)) = (self.rule_mut(name), Self::default().rule_mut(name)) {
            *rule = *reference;
        }
    }

    /// The rule of that name, to be switched.
    pub fn rule_mut(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "perfect_negotiation" => &mut self.perfect_negotiation,
            "dedupe_offers" => &mut self.dedupe_offers,
            "dedupe_answers" => &mut self.dedupe_answers,
            "queue_descriptions" => &mut self.queue_descriptions,
            "keep_early_candidates" => &mut self.keep_early_candidates,
            "check_generation" => &mut self.check_generation,
            "replace_stale" => &mut self.replace_stale,
            "offer_fallback" => &mut self.offer_fallback,
            "close_on_leave" => &mut self.close_on_leave,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_can_be_switched_by_its_name() {
        let serde_json::Value::Object(fields) = serde_json::json!(ClientRules::default()) else {
            panic!("rules are a map");
        };
        assert_eq!(fields.len(), ClientRules::NAMES.len());
        for name in ClientRules::NAMES {
            assert!(fields.contains_key(name), "{name}");
            let mut rules = ClientRules::default();
            *rules.rule_mut(name).expect("a rule") = false;
            assert_eq!(serde_json::json!(rules)[name], false, "{name}");
        }
    }
}
