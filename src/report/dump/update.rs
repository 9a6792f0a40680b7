use std::borrow::Cow;

use crate::{
    base::Instant,
    metrics::{DescriptionKind, EventKind, Operation, RunEvent},
    report::{describe::call, events::kind_name, redact::redacted, what},
};

/// What begins the types of entries that no browser makes: the event's kind follows.
pub const OWN: &str = "rtcstorm.";

/// One entry of a connection's `updateLog`.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub at: Instant,
    /// As Chrome names it, or [`OWN`] and the kind of the event.
    pub kind: Cow<'static, str>,
    /// Never begins like JSON without being JSON: viewers parse it.
    pub value: String,
}

impl Update {
    pub fn new(at: Instant, kind: &'static str, value: impl Into<String>) -> Self {
        Self {
            at,
            kind: kind.into(),
            value: value.into(),
        }
    }

    /// What no browser tells, in words.
    pub fn own(event: &RunEvent) -> Self {
        // By these words viewers of older dumps know a description.
        let text = redacted(&what(&event.kind)).replace(", sdp: ", ", sdp ");
        // What begins with one of these is taken for JSON.
        let value = match text.starts_with(['{', '[', '"']) {
            true => format!("- {text}"),
            false => text,
        };
        Self {
            at: event.at,
            kind: format!("{OWN}{}", kind_name(event)).into(),
            value,
        }
    }

    /// A call that the stack has refused, as Chrome tells it: `createOfferOnFailure`. Viewers paint it red.
    pub fn refused(event: &RunEvent) -> Option<Self> {
        let EventKind::OperationFailed { operation, .. } = event.kind else {
            return None;
        };
        let kind = match operation {
            Operation::CreateConnection | Operation::Send => return None,
            call_of => format!("{}OnFailure", call(call_of)),
        };
        Some(Self {
            kind: kind.into(),
            ..Self::own(event)
        })
    }
}

/// An `RTCSessionDescription` as JSON. The text of the description isn't kept; what stands for it is SDP that says which one
/// it was, so that viewers see when two are the same.
pub fn description(kind: DescriptionKind, number: u64) -> String {
    let kind = match kind {
        DescriptionKind::Offer => "offer",
        DescriptionKind::Answer => "answer",
    };
    let sdp = format!(
        "v=0\r\no=- {number} 0 IN IP4 0.0.0.0\r\ns={kind} {number}, its text is not kept\r\nt=0 0\r\n"
    );
    session_description(kind, &sdp)
}

/// The description that takes an offer back.
pub fn rollback() -> String {
    session_description("rollback", "")
}

/// `type` comes first: by that viewers know it.
fn session_description(kind: &str, sdp: &str) -> String {
    let sdp = serde_json::Value::from(sdp);
    format!(r#"{{"type":"{kind}","sdp":{sdp}}}"#)
}
