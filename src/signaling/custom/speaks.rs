//! What a description makes of frames, for people; and whether it is the bundled server's.

use std::sync::Arc;

use serde_json::Value;

use super::{Condition, Custom, Described, Literal, Matcher};
use crate::signaling::{Candidate, Codec, Dashboard, Description, Message, Received, RosterBy, SdpType};

/// What is shown of a value.
const MAX_SHOWN: usize = 60;

/// Why nothing was made of a frame: the matcher that came nearest and what it lacked. `None`: it was read.
pub(super) fn unread(codec: &Described, text: &str) -> Option<String> {
    if let Some((matcher, frame)) = codec.fits(text) {
        let lacking = codec.lacking(&matcher, &frame);
        return (!lacking.is_empty()).then(|| {
            let number = 1 + codec
                .custom()
                .receive
                .iter()
                .position(|one| *one == matcher)
                .unwrap_or(0);
            format!(
                "fits `{}` ({number}), but has {}",
                matcher.says,
                lacking.join(", ")
            )
        });
    }
    let nearest = codec
        .custom()
        .receive
        .iter()
        .enumerate()
        .map(|(at, matcher)| (distance(codec, matcher, text), at, matcher))
        .min_by_key(|((share, lacking), at, _)| (*share, lacking.len(), *at));
    let Some(((_, lacking), at, matcher)) = nearest else {
        return Some("nothing is received".to_owned());
    };
    let number = at + 1;
    Some(format!(
        "nearest is `{}` ({number}): {}",
        matcher.says,
        lacking.join(", ")
    ))
}

/// How far a frame is from a matcher: how many thousandths of what it asks for are missing, and what.
fn distance(codec: &Described, matcher: &Matcher, text: &str) -> (usize, Vec<String>) {
    if let Some(wanted) = &matcher.text {
        return (1_000, vec![format!("it is not `{wanted}`")]);
    }
    let Some(rest) = text.strip_prefix(matcher.prefix.as_str()) else {
        return (
            1_000,
            vec![format!("it does not begin with `{}`", matcher.prefix)],
        );
    };
    let Ok(frame) = serde_json::from_str::<Value>(rest) else {
        return (999, vec!["it is no JSON".to_owned()]);
    };
    let (far, unmet): (Vec<usize>, Vec<String>) = codec.unmet(matcher, &frame).into_iter().unzip();
    let far: usize = far.into_iter().sum();
    (far / (matcher.when.len() + 1), unmet)
}

/// How many thousandths of a text another one differs from it by, at the nearest of those that it may be.
pub(super) fn apart(value: Option<&Value>, condition: &Condition) -> usize {
    let Some(Value::String(value)) = value else {
        return 1_000;
    };
    let texts = condition.is.iter().filter_map(|literal| match literal {
        Literal::Text(text) => text.fixed(),
        _ => None,
    });
    let share = texts.map(|text| {
        let longest = text.chars().count().max(value.chars().count()).max(1);
        1_000 * strsim::osa_distance(text, value) / longest
    });
    share.min().unwrap_or(1_000)
}

/// A text with its beginning alone, if it is long.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Custom {
    /// Which of its messages the bundled server, which speaks the dashboard's frames, does not understand as they are
    /// meant; `None`: it does.
    ///
    /// Seen by two clients of a room: what one writes by the description, the other one has to read as the dashboard's;
    /// and what the dashboard's server answers, the first one has to read by the description. `relays_all`: it is
    /// started as the deployed one, which answers no join.
    pub fn foreign_to_dashboard(&self, relays_all: bool) -> Option<&'static str> {
        let (room, me, other) = ("room-1", "user-a", "user-b");
        let mut own = Described::new(Arc::new(self.clone()), room, me);
        let theirs = Dashboard::new(room, other);
        let parsed = |frames: Vec<String>| -> Vec<Option<Value>> {
            frames
                .iter()
                .map(|frame| serde_json::from_str(frame).ok())
                .collect()
        };
        if parsed(own.opened()) != parsed(Dashboard::new(room, me).hello()) {
            return Some("open");
        }
        let join = Message::Join {
            name: "Ann".to_owned(),
            token: None,
            capacity: 10,
            present: Vec::new(),
        };
        let description = |sdp_type| Message::Description {
            remote: other.to_owned(),
            description: Description {
                sdp_type,
                sdp: "v=0\r\n".into(),
            },
        };
        let candidate = Message::Candidate {
            remote: other.to_owned(),
            candidate: Candidate {
                candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".to_owned(),
                sdp_mid: Some("0".to_owned()),
                sdp_m_line_index: Some(0),
                username_fragment: None,
            },
        };
        for (key, message) in [
            ("join", join),
            ("leave", Message::Leave),
            ("offer", description(SdpType::Offer)),
            ("answer", description(SdpType::Answer)),
            ("candidate", candidate),
        ] {
            let dashboard = Dashboard::new(room, me).encode(&message, 1);
            let heard = dashboard.map(|frame| theirs.read(&frame));
            let frames = own.encode(&message, 1);
            let [frame] = frames.as_slice() else {
                return Some(key);
            };
            if heard != Some(theirs.read(frame)) || !matches!(heard, Some(Received::Message(_))) {
                return Some(key);
            }
        }
        let ping = own.encode(&Message::Ping, 1);
        let is_ping = |frame: &String| {
            serde_json::from_str::<Value>(frame).ok() == Some(serde_json::json!({"type": "ping"}))
        };
        if self.settles_within.is_none() && !ping.iter().any(is_ping) {
            return Some("ping");
        }
        if relays_all {
            // Nobody confirms a join.
            return (self.abilities().roster_by != RosterBy::Members).then_some("receive");
        }
        let welcome = r#"{"type":"existing-participants","data":{"roomId":"room-1","participants":[{"id":"user-b","name":"Bob"}]}}"#;
        let read = own.read(welcome).messages;
        match matches!(read.as_slice(), [Message::Welcome { members, .. }] if members.iter().any(|m| m.user_id == other))
        {
            true => None,
            false => Some("receive"),
        }
    }
}
