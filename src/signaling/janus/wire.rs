//! The parts of frames that mean the same in all of them.

use serde_json::{Value, json};

use crate::signaling::{Candidate, Description, SdpType};

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: String,
    pub message: String,
}

/// What a plugin says.
#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    pub data: Value,
    pub jsep: Option<Description>,
}

/// What a plugin says is in `plugindata`, what Janus itself says in `data`.
pub(super) fn event(frame: &mut Value) -> Event {
    let jsep = description(&frame["jsep"]);
    let own = frame.get_mut("data").map(Value::take);
    let data = own.or_else(|| frame.pointer_mut("/plugindata/data").map(Value::take));
    Event {
        data: data.unwrap_or_default(),
        jsep,
    }
}

fn description(jsep: &Value) -> Option<Description> {
    let sdp_type = match jsep["type"].as_str()? {
        "offer" => SdpType::Offer,
        "answer" => SdpType::Answer,
        _ => return None,
    };
    Some(Description {
        sdp_type,
        sdp: jsep["sdp"].as_str()?.into(),
    })
}

pub(super) fn sdp_type(description: &Description) -> &'static str {
    match description.sdp_type {
        SdpType::Offer => "offer",
        SdpType::Answer => "answer",
    }
}

/// A code is a number, and a word in ours.
pub(super) fn refusal(code: &Value, message: &Value) -> Refusal {
    Refusal {
        code: id_text(code).unwrap_or_else(|| "error".to_owned()),
        message: message.as_str().unwrap_or_default().to_owned(),
    }
}

/// An id is a number, or a text where Janus was told to have such (`string_ids`).
pub(super) fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn reason(frame: &Value, otherwise: &str) -> String {
    frame["reason"].as_str().unwrap_or(otherwise).to_owned()
}

pub(super) fn read_candidate(candidate: &Value) -> Option<Candidate> {
    let end = candidate["completed"] == true;
    Some(Candidate {
        candidate: match end {
            true => String::new(),
            false => candidate["candidate"].as_str()?.to_owned(),
        },
        sdp_mid: candidate["sdpMid"].as_str().map(str::to_owned),
        sdp_m_line_index: candidate["sdpMLineIndex"]
            .as_u64()
            .and_then(|index| index.try_into().ok()),
        username_fragment: None,
    })
}

pub(super) fn candidate_frame(candidate: &Candidate) -> Value {
    if candidate.candidate.is_empty() {
        return json!({ "completed": true });
    }
    let mut frame = json!({ "candidate": candidate.candidate });
    // Janus takes no `null` for a mid that is not told.
    if let Some(mid) = &candidate.sdp_mid {
        frame["sdpMid"] = mid.as_str().into();
    }
    if let Some(index) = candidate.sdp_m_line_index {
        frame["sdpMLineIndex"] = index.into();
    }
    frame
}
