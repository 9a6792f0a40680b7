//! Frames as they arrive when something on the way has broken them.

use serde_json::Value;

/// The text without its second half: no JSON any more.
pub fn broken_text(frame: &str) -> String {
    frame[..middle(frame)].to_owned()
}

/// The same frame, but each description in it ends in the middle; unchanged if there is none.
pub fn broken_sdp(frame: &str) -> String {
    let Ok(mut value) = serde_json::from_str(frame) else {
        return broken_body(frame).unwrap_or_else(|| frame.to_owned());
    };
    match cut(&mut value) {
        true => value.to_string(),
        false => frame.to_owned(),
    }
}

/// The same of a message of HTTP whose body is a description, or a fragment of one.
fn broken_body(frame: &str) -> Option<String> {
    let (head, body) = frame.split_once("\r\n\r\n")?;
    let is_sdp = ["v=0", "a=", "m="].iter().any(|start| body.starts_with(start));
    let body = is_sdp.then(|| body[..middle(body)].trim_end())?;
    Some(format!("{head}\r\n\r\n{body}"))
}

/// Whether there was a description to cut.
fn cut(value: &mut Value) -> bool {
    let Value::Object(fields) = value else {
        return false;
    };
    let mut found = false;
    for (name, field) in fields {
        match field {
            Value::String(text) if name == "sdp" => {
                text.truncate(middle(text));
                // In the middle of a line, too: whole lines could be a description.
                text.truncate(text.trim_end().len());
                found = true;
            }
            field => found |= cut(field),
        }
    }
    found
}

/// A boundary of characters, not after the middle.
fn middle(text: &str) -> usize {
    text.floor_char_boundary(text.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::{Dashboard, Description, Message, SdpType};

    #[test]
    fn a_frame_with_a_broken_description_is_still_a_frame() {
        let ann = Dashboard::new("room-1", "user-a");
        let bob = Dashboard::new("room-1", "user-b");
        let offer = Message::Description {
            remote: "user-b".into(),
            description: Description {
                sdp_type: SdpType::Offer,
                sdp: "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n".into(),
            },
        };
        let frame = ann.encode(&offer, 1).expect("peers send these");
        let Some(Message::Description { description, .. }) = bob.decode(&broken_sdp(&frame)) else {
            panic!("it is no offer any more");
        };
        assert_eq!(&*description.sdp, "v=0\r\no=- 1 2 I");
        assert!(!description.is_whole());
        assert_eq!(bob.decode(&broken_text(&frame)), None);
        assert_eq!(broken_sdp(r#"{"type":"ping"}"#), r#"{"type":"ping"}"#);
        assert_eq!(broken_text("äö"), "ä");
        let post = |body: &str| format!("POST /whip HTTP/1.1\r\nA: b\r\n\r\n{body}");
        assert_eq!(broken_sdp(&post("v=0\r\no=- 1 2\r\n")), post("v=0\r\no="));
        assert_eq!(broken_sdp(&post("a=ice-ufrag:1")), post("a=ice-"));
        assert_eq!(broken_sdp(&post("who are you?")), post("who are you?"));
    }
}
