//! How a plan's times are written in JSON: numbers of milliseconds, with fractions to the microsecond, under
//! names that end in `_ms`.

use std::{num::NonZeroU64, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    base::{DurationRange, Instant, PeerId},
    impair::{Corruption, FrameKind, FrameRule, FrameWay, Loss, Nat, Profile, Treated, Treatment},
    scenario::{Ice, RelayMode, ServerFault},
    signaling::Protocol,
};

/// Milliseconds since the run's start.
pub(super) fn instant<S: Serializer>(at: &Instant, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(at.as_millis_f64())
}

/// Milliseconds.
pub(super) fn duration<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    // By way of whole microseconds, the finest that a plan knows: 0.1 s is 100, not 100.00000000000001.
    to.serialize_f64(duration.as_micros() as f64 / 1_000.0)
}

/// Milliseconds, or `null`.
pub(super) fn optional_duration<S: Serializer>(
    duration: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => self::duration(duration, to),
        None => to.serialize_none(),
    }
}

/// `{"restart": {"for_ms": 500}}`; the `for_ms` of a crash is `null` where it is for good.
pub(super) fn server_fault<S: Serializer>(fault: &ServerFault, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Arguments {
        #[serde(skip_serializing_if = "Duration::is_zero", serialize_with = "self::duration")]
        by_ms: Duration,
        #[serde(serialize_with = "self::optional_duration")]
        for_ms: Option<Duration>,
    }
    let (word, by_ms, for_ms) = match *fault {
        ServerFault::Restart { away } => ("restart", Duration::ZERO, Some(away)),
        ServerFault::Pause { lasting } => ("pause", Duration::ZERO, Some(lasting)),
        ServerFault::Crash { away } => ("crash", Duration::ZERO, away),
        ServerFault::Slow { by, lasting } => ("slow", by, Some(lasting)),
    };
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry(word, &Arguments { by_ms, for_ms })?;
    map.end()
}

/// Whether what is said in a room stays in it.
pub(super) fn keeps_rooms_apart(relay_mode: &RelayMode) -> bool {
    *relay_mode == RelayMode::Rooms
}

/// Whether it is what peers speak where a scenario does not say so.
pub(super) fn is_dashboard(protocol: &Protocol) -> bool {
    *protocol == Protocol::Dashboard
}

/// A protocol's name.
pub(super) fn protocol<S: Serializer>(protocol: &Protocol, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(protocol.name())
}

/// Whether there is nothing to say about it: no server, every candidate.
pub(super) fn is_plain(ice: &Ice) -> bool {
    *ice == Ice::default()
}

/// A link, one way. Bits are per second; `null` is no limit.
pub(super) fn profile<S: Serializer>(profile: &Profile, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Way {
        #[serde(serialize_with = "self::duration")]
        delay_ms: Duration,
        #[serde(serialize_with = "self::duration")]
        jitter_ms: Duration,
        distribution: String,
        /// In the long run.
        loss_ratio: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        bursts: Option<Bursts>,
        duplicate_ratio: f64,
        reorder_ratio: f64,
        corrupt_ratio: f64,
        rate_bits_per_s: Option<NonZeroU64>,
        #[serde(serialize_with = "self::duration")]
        queue_ms: Duration,
    }
    #[derive(Serialize)]
    struct Bursts {
        good_to_bad_ratio: f64,
        bad_to_good_ratio: f64,
        in_good_ratio: f64,
        in_bad_ratio: f64,
    }
    Way {
        delay_ms: profile.delay,
        jitter_ms: profile.jitter,
        distribution: profile.distribution.to_string(),
        loss_ratio: profile.loss.mean(),
        bursts: match &profile.loss {
            Loss::Independent(_) => None,
            Loss::Bursts(model) => Some(Bursts {
                good_to_bad_ratio: model.good_to_bad.as_f64(),
                bad_to_good_ratio: model.bad_to_good.as_f64(),
                in_good_ratio: model.in_good.as_f64(),
                in_bad_ratio: model.in_bad.as_f64(),
            }),
        },
        duplicate_ratio: profile.duplicate.as_f64(),
        reorder_ratio: profile.reorder.as_f64(),
        corrupt_ratio: profile.corrupt.as_f64(),
        rate_bits_per_s: profile.rate_bits_per_s,
        queue_ms: profile.queue,
    }
    .serialize(to)
}

/// A NAT in the terms of RFC 4787.
pub(super) fn nat<S: Serializer>(nat: &Option<Nat>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(serialize_with = "self::duration")]
        lifetime_ms: Duration,
        hairpinning: bool,
        preserves_ports: bool,
        shared: bool,
    }
    let told = nat.map(|nat| Told {
        kind: nat.kind.name(),
        lifetime_ms: nat.lifetime,
        hairpinning: nat.hairpinning,
        preserves_ports: nat.preserves_ports,
        shared: nat.shared,
    });
    told.serialize(to)
}

/// What happens to which frames; empty lists and `null` are no condition.
pub(super) fn frame_rule<S: Serializer>(rule: &FrameRule, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Rule<'a> {
        treatment: Treated,
        #[serde(serialize_with = "self::optional_duration")]
        delay_min_ms: Option<Duration>,
        #[serde(serialize_with = "self::optional_duration")]
        delay_max_ms: Option<Duration>,
        corruption: Option<&'static str>,
        share_ratio: f64,
        of: &'a [FrameKind],
        way: Option<FrameWay>,
        with: &'a [PeerId],
        count: Option<u32>,
    }
    let delay = match rule.treatment {
        Treatment::Delay(range) => Some(range),
        _ => None,
    };
    Rule {
        treatment: rule.treatment.kind(),
        delay_min_ms: delay.map(DurationRange::min),
        delay_max_ms: delay.map(DurationRange::max),
        corruption: match rule.treatment {
            Treatment::Corrupt(Corruption::Text) => Some("json"),
            Treatment::Corrupt(Corruption::Sdp) => Some("sdp"),
            _ => None,
        },
        share_ratio: rule.share.as_f64(),
        of: &rule.of,
        way: rule.way,
        with: &rule.with,
        count: rule.count,
    }
    .serialize(to)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        base::{BarrierId, Instant, PeerId, PeerNumber, RoomId},
        plan::*,
        scenario::ClientRules,
    };

    use super::*;

    fn step(after_ms: u64, action: Action) -> PlannedStep {
        PlannedStep {
            after: Duration::from_millis(after_ms),
            action,
        }
    }

    fn plan() -> Plan {
        let within = Duration::from_secs(30);
        Plan {
            scenario: "smoke".to_owned(),
            seed: 7,
            rooms: vec![RoomPlan {
                id: RoomId(0),
                wire_id: "room-0000".to_owned(),
                peers: vec![PeerId(0)],
            }],
            peers: vec![PeerPlan {
                id: PeerId(0),
                number: PeerNumber(0),
                room: RoomId(0),
                group: None,
                user_id: "p0000".to_owned(),
                arrive_at: Instant::from_micros(83_333),
                rules: ClientRules::default(),
                network: AccessLink::named("3g").expect("there is one").into(),
                nat: None,
                ice: Ice::default(),
                script: vec![
                    step(
                        0,
                        Action::Join {
                            name: "peer-1".to_owned(),
                            expect: JoinOutcome::Accepted,
                            again: false,
                        },
                    ),
                    step(
                        0,
                        Action::Wait {
                            condition: Condition::Connected,
                            within,
                        },
                    ),
                    step(
                        1,
                        Action::Barrier {
                            barrier: BarrierId(0),
                            within,
                        },
                    ),
                    step(
                        250,
                        Action::Chat {
                            every: Duration::from_micros(33_300),
                            count: 3,
                            size: 256,
                        },
                    ),
                    step(350, Action::Leave),
                    step(
                        350,
                        Action::Network {
                            network: Network::default(),
                        },
                    ),
                ],
                ends_after: Duration::from_micros(100_100),
            }],
            barriers: vec![BarrierPlan {
                id: BarrierId(0),
                room: RoomId(0),
                name: "ready".to_owned(),
                parties: vec![PeerId(0)],
            }],
            duration: None,
            warm_up: Duration::from_millis(2_500),
            burst: Some(Burst {
                from: Instant::START,
                until: Instant::from_millis(5_000),
            }),
            connect_timeout: within,
            relay_mode: RelayMode::Rooms,
            protocol: Protocol::Dashboard,
            message_timeout: Duration::from_millis(1_500),
        }
    }

    #[test]
    fn every_time_is_a_number_of_milliseconds_and_says_so_in_its_name() {
        let json = json!(plan());
        let told = |path: &str| json.pointer(path).cloned().unwrap_or(json!("(absent)"));
        for (path, ms) in [
            ("/duration_ms", Value::Null),
            ("/warm_up_ms", json!(2_500.0)),
            ("/burst/from_ms", json!(0.0)),
            ("/burst/until_ms", json!(5_000.0)),
            ("/connect_timeout_ms", json!(30_000.0)),
            ("/message_timeout_ms", json!(1_500.0)),
            ("/peers/0/arrive_at_ms", json!(83.333)),
            ("/peers/0/ends_after_ms", json!(100.1)),
            ("/peers/0/network/up/delay_ms", json!(150.0)),
            ("/peers/0/network/up/jitter_ms", json!(50.0)),
            ("/peers/0/network/up/distribution", json!("normal")),
            ("/peers/0/network/up/loss_ratio", json!(0.005)),
            ("/peers/0/network/up/rate_bits_per_s", json!(768_000)),
            ("/peers/0/network/down/rate_bits_per_s", json!(1_600_000)),
            ("/peers/0/network/up/queue_ms", json!(500.0)),
            ("/peers/0/network/up/bursts", json!("(absent)")),
            (
                "/peers/0/script/5/action/network/down/rate_bits_per_s",
                Value::Null,
            ),
            ("/peers/0/script/3/after_ms", json!(250.0)),
            ("/peers/0/script/1/action/wait/within_ms", json!(30_000.0)),
            ("/peers/0/script/2/action/barrier/within_ms", json!(30_000.0)),
            ("/peers/0/script/3/action/chat/every_ms", json!(33.3)),
            ("/peers/0/script/3/action/chat/size_bytes", json!(256)),
        ] {
            assert_eq!(told(path), ms, "{path}");
        }
        let deadline = Plan {
            duration: Some(Duration::from_secs(60)),
            ..plan()
        };
        assert_eq!(json!(deadline)["duration_ms"], 60_000.0);
    }

    #[test]
    fn no_time_is_left_in_seconds_and_nanoseconds() {
        let text = json!(plan()).to_string();
        assert!(!text.contains("nanos") && !text.contains("secs"), "{text}");
    }

    #[test]
    fn steps_are_told_by_their_words() {
        let json = json!(plan());
        let script = json["peers"][0]["script"].as_array().expect("a list");
        let words: Vec<&str> = script
            .iter()
            .map(|step| match &step["action"] {
                Value::String(word) => word,
                Value::Object(word) => word.keys().next().expect("one key"),
                other => panic!("{other}"),
            })
            .map(|word| &**word)
            .collect();
        assert_eq!(words, ["join", "wait", "barrier", "chat", "leave", "network"]);
        assert_eq!(script[0]["action"]["join"]["expect"], "accepted");
    }
}
