use std::{fmt, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::rule::{Rule, SignalingStates};

/// The rules of a client, one entry each: what it does (a line of Markdown, shown by editors, too), name, kind
/// and the value of the `reference` profile. Everything that knows rules by name is made from this table.
macro_rules! rules {
    ($(#[doc = $about:literal] $name:ident: $kind:ty = $reference:expr;)*) => {
        /// How a scripted peer negotiates. The default is the `reference` profile: what the invariants hold
        /// for. A client with other values is one that they may accuse.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct ClientRules {
            $(#[doc = $about] pub $name: $kind,)*
        }

        impl Default for ClientRules {
            fn default() -> Self {
                Self { $($name: $reference,)* }
            }
        }

        impl ClientRules {
            /// The names of the rules, as scenarios write them.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// What the rule of that name does.
            pub fn about(name: &str) -> Option<&'static str> {
                match name {
                    $(stringify!($name) => Some($about.trim_ascii()),)*
                    _ => None,
                }
            }

            /// Makes the rule of that name what it is in another client.
            pub fn take(&mut self, name: &str, from: &Self) {
                match name {
                    $(stringify!($name) => self.$name = from.$name,)*
                    _ => {}
                }
            }

            pub(super) fn rule(&self, name: &str) -> Option<&dyn Rule> {
                match name {
                    $(stringify!($name) => Some(&self.$name),)*
                    _ => None,
                }
            }

            pub(super) fn rule_mut(&mut self, name: &str) -> Option<&mut dyn Rule> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

rules! {
    // ---- offers and answers
    /// Colliding offers are resolved as W3C "perfect negotiation" does: the lower id is polite and yields, the other ignores the offer that collides with its own
    perfect_negotiation: bool = true;
    /// Before a link was ever open, yielding means a new connection: rolled back, the old one's data channel would open as well
    replace_in_glare: bool = true;
    /// The signaling states in which a connection, found or just made, takes an offer
    offers_in: SignalingStates = SignalingStates::ALL;
    /// After an offer from a remote, later ones from it are dropped while it is in process and for so long afterwards, whatever became of it; `0s` is no lock
    offer_lock: Duration = Duration::ZERO;
    /// The same for answers
    answer_lock: Duration = Duration::ZERO;
    /// An offer that was taken before is dropped
    dedupe_offers: bool = true;
    /// An answer that was taken before is dropped
    dedupe_answers: bool = true;
    /// How many characters of a description's JSON, `{"type":"offer","sdp":"…"}`, tell it from others; `none` is all
    dedupe_prefix: Option<u32> = None;
    /// How long an offer is remembered; `none` is for as long as nothing is forgotten otherwise. With a time, it counts from when the offer came, even if that was dropped
    dedupe_for: Option<Duration> = None;
    /// An answer for which no offer is open is dropped
    expect_answers: bool = true;
    /// One description is in process at a time; later ones wait their turn
    queue_descriptions: bool = true;
    /// How long a description waits for the candidates of its own end and takes them along; later ones are trickled. `0s` trickles all
    gather_within: Duration = Duration::from_millis(10);
    /// Candidates that come before their remote description are kept until it is set
    keep_early_candidates: bool = true;
    /// What may be lost is sent again: an offer or an answer over a new signaling socket, an impolite side's offer to who offers instead of answering, an answer to who offers the same again
    repeat_unanswered: bool = true;
    /// How long an offer may be without an answer; then it is sent again, after twice as long each further time (8 s at most, and up to a quarter more by chance). A connection that never opened is replaced after 4 times; one that was open keeps its data, and goes on asking. `none` is for ever, as it is without `repeat_unanswered`
    answer_within: Option<Duration> = Some(seconds(2));
    /// A description is dropped that was cut off on the way: whose last line does not end, or that names no certificate
    refuse_broken: bool = true;
    /// An offer is dropped that was taken from the remote in an earlier membership
    refuse_stale: bool = true;
    /// An offer is dropped that its maker has rolled back: a description with a higher session version (`o=`, RFC 8866, 5.2) has come from it
    refuse_rolled_back: bool = true;
    /// A newcomer to whom a member has not offered in time offers itself
    offer_fallback: bool = true;
    /// How long it waits for that offer
    offer_fallback_after: Duration = seconds(1);
    // ---- connections
    /// A connection is known from the moment it is made, not only once its first offer is
    register_first: bool = true;
    /// Callbacks and timers of a connection that was replaced are ignored
    check_generation: bool = true;
    /// An offer with another DTLS fingerprint than the current remote's belongs to a new client: the connection is replaced
    replace_stale: bool = true;
    /// When a member joins or an offer comes, a connection that is connected and stable, or not connected yet, is kept (and nothing offered); any other is replaced
    keep_living: bool = false;
    /// When the server has forgotten everybody, links that are open live on: who joins anew over a new socket finds them as they were
    survive_restart: bool = true;
    /// Connections to a member that left or was evicted are closed, and one's own on leaving
    close_on_leave: bool = true;
    /// They are closed even while they negotiate
    close_unfinished: bool = true;
    /// With a membership's connections, what was remembered of its remotes is forgotten: locks, descriptions, restarts
    forget_on_leave: bool = true;
    // ---- recovery
    /// How long ICE may be disconnected before it is restarted; `none` is for ever
    restart_ice_after: Option<Duration> = Some(seconds(2));
    /// Who has come to another network restarts ICE on every link at once; otherwise once it is seen to be disconnected
    restart_on_roam: bool = true;
    /// How much longer the impolite side waits with that, should the polite one be unable to
    impolite_restart_after: Duration = seconds(3);
    /// ICE that has failed is restarted, and at once; a client that replaces connections does that if no restart was made since ICE was last connected
    restart_failed: bool = true;
    /// How long a restart may take until ICE is connected, counted from the end of its exchange of descriptions, or from when ICE has failed; then the connection is replaced. `none` is until ICE fails
    restart_within: Option<Duration> = Some(seconds(5));
    /// How often ICE is restarted without being connected in between; `none` is without end
    max_restarts: Option<u32> = None;
    /// How long ICE may check on a new connection before it connects; then the connection is replaced. `none` is until ICE fails
    ice_within: Option<Duration> = Some(seconds(15));
    /// How long DTLS may take after ICE has connected, and the channel after DTLS has; then the connection is replaced. `none` is for ever
    open_within: Option<Duration> = Some(seconds(10));
    /// A connection that has failed, whose channel is closed or through which no data comes is replaced
    replace_failed: bool = true;
    /// How long a probe may take there and back once ICE is back; then no data comes through
    data_within: Duration = seconds(3);
    /// How long a channel may be closed before its connection is replaced: the remote may be leaving, and its word of it still on the way
    replace_closed_after: Duration = seconds(2);
    /// How much longer than the impolite side the polite one waits before it replaces a connection, should the other do so
    polite_replace_after: Duration = seconds(2);
    /// How long the second replacement in a row waits, one that follows another without data having flowed in between; each later one waits twice as long
    retry_first: Duration = seconds(1);
    /// How long a replacement waits at most
    retry_max: Duration = seconds(10);
    /// How many replacements in a row may be in vain before the link is given up; only an offer of the remote's makes another then. `none` is without end
    give_up_after: Option<u32> = Some(5);
    /// How much longer each wait for a restart or for a later replacement may be; drawn anew each time, so that those who lost something in the same instant do not come back in the same
    recovery_jitter: Duration = Duration::from_millis(200);
    /// A connection that has failed, and for so long, is closed if its channel is; `none` is never
    remove_after_failed: Option<Duration> = None;
    /// The same for one that is disconnected
    remove_after_disconnected: Option<Duration> = None;
    // ---- signaling
    /// A join is confirmed by its own answer, not by that to an earlier one
    count_answers: bool = true;
    /// A new signaling socket takes the membership over; without, it says nothing of it
    resume_membership: bool = true;
    /// How long the first attempt to get a lost signaling socket back waits; each later one waits twice as long
    reconnect_first: Duration = Duration::from_millis(250);
    /// How long an attempt waits at most
    reconnect_max: Duration = seconds(10);
    /// Each attempt waits between half of that and all of it, at random: who has lost the same server does not come back in one instant
    reconnect_jitter: bool = true;
    /// How many attempts there are
    reconnect_attempts: u32 = 7;
    /// How long an attempt may take until the socket is open; then it has failed, and the next one is waited for
    socket_within: Duration = seconds(10);
    /// How often the server is asked whether it is still there. `none` is never: a half-open socket is not noticed
    heartbeat_every: Option<Duration> = Some(seconds(5));
    /// How long it has to answer; then the socket is as good as lost
    heartbeat_within: Duration = seconds(4);
}

impl ClientRules {
    /// The rule of that name, if it is one that is on or off.
    pub fn switch(&mut self, name: &str) -> Option<&mut bool> {
        self.rule_mut(name)?.switch()
    }

    /// The value of the rule of that name, as a scenario writes it.
    pub fn value(&self, name: &str) -> Option<String> {
        self.rule(name).map(Rule::show)
    }

    /// The rules that are other than in `base`, as a scenario writes them: name and value.
    pub fn changes_from(&self, base: &Self) -> Vec<(&'static str, String)> {
        let changed = |name: &&'static str| self.value(name) != base.value(name);
        let told = |name: &'static str| Some((name, self.value(name)?));
        Self::NAMES
            .iter()
            .copied()
            .filter(changed)
            .filter_map(told)
            .collect()
    }
}

/// What is other than in the reference, as scenarios write it.
impl fmt::Debug for ClientRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("ClientRules");
        for (name, value) in self.changes_from(&Self::default()) {
            told.field(name, &format_args!("{value}"));
        }
        told.finish_non_exhaustive()
    }
}

/// A map of rules; times are numbers of milliseconds under names that end in `_ms`.
impl Serialize for ClientRules {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(Self::NAMES.len()))?;
        for name in Self::NAMES {
            let rule = self.rule(name).expect("it is in the table");
            map.serialize_entry(&format!("{name}{}", rule.unit()), &rule.wire())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_by_its_name_and_says_what_it_does() {
        let mut rules = ClientRules::default();
        for name in ClientRules::NAMES {
            assert!(rules.rule_mut(name).is_some(), "{name}");
            assert!(
                ClientRules::about(name).is_some_and(|about| !about.is_empty()),
                "{name}"
            );
        }
        assert!(rules.rule_mut("qqqq").is_none());
    }

    #[test]
    fn a_plan_tells_switches_and_milliseconds() {
        let rules = ClientRules {
            offer_lock: seconds(2),
            ..ClientRules::default()
        };
        let told = serde_json::json!(rules);
        for (name, value) in [
            ("dedupe_offers", serde_json::json!(true)),
            ("offer_lock_ms", serde_json::json!(2_000.0)),
            ("remove_after_failed_ms", serde_json::Value::Null),
            ("reconnect_attempts", serde_json::json!(7)),
            (
                "offers_in",
                serde_json::json!(["stable", "have-local-offer", "have-remote-offer"]),
            ),
        ] {
            assert_eq!(told[name], value, "{name}");
        }
        assert_eq!(
            told.as_object().map(|map| map.len()),
            Some(ClientRules::NAMES.len())
        );
    }
}
