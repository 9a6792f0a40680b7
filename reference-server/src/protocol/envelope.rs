use serde_json::{Map, Value};
use thiserror::Error;

/// A text frame taken apart as far as every frame is alike.
///
/// A frame is *enveloped* when its `data` is an object, and *flat* otherwise: then its fields stand at the
/// top level beside `type` and `channel`.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    top: Map<String, Value>,
}

/// Why a text is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAFrame {
    /// It is not JSON.
    #[error("the frame is not JSON")]
    NotJson,
    /// It is nested deeper than a frame has any use for: 128 levels.
    #[error("the frame is nested too deeply")]
    TooDeep,
    /// It is the JSON value `null`.
    #[error("the frame is null")]
    Null,
    /// It is JSON, but no object.
    #[error("the frame is not a JSON object")]
    NotAnObject,
}

impl Envelope {
    /// Takes a text frame apart. Of a key that is there twice the last counts.
    pub fn parse(text: &str) -> Result<Self, NotAFrame> {
        match serde_json::from_str(text) {
            Ok(Value::Object(top)) => Ok(Self { top }),
            Ok(Value::Null) => Err(NotAFrame::Null),
            Ok(_) => Err(NotAFrame::NotAnObject),
            // The parser gives this case no kind of its own.
            Err(error) if error.to_string().starts_with("recursion limit exceeded") => {
                Err(NotAFrame::TooDeep)
            }
            Err(_) => Err(NotAFrame::NotJson),
        }
    }

    /// `type`, if it is a string.
    pub fn kind(&self) -> Option<&str> {
        self.top.get("type").and_then(Value::as_str)
    }

    /// `channel`, if it is a string.
    pub fn channel(&self) -> Option<&str> {
        self.top.get("channel").and_then(Value::as_str)
    }

    /// The id that a client gives itself, so that it can tell its own frames.
    pub fn sender(&self) -> Option<&Value> {
        self.top.get("sender")
    }

    /// The fields at the top level, whatever `data` is: all that the deployment's registry reads.
    pub fn flat_fields(&self) -> &Map<String, Value> {
        &self.top
    }

    /// The fields of the frame: those of `data` in an enveloped frame, those at the top level in a flat one.
    pub fn fields(&self) -> &Map<String, Value> {
        match self.top.get("data") {
            Some(Value::Object(data)) => data,
            _ => &self.top,
        }
    }

    /// The fields that other clients may see: no envelope, no token.
    pub fn public_fields(&self) -> Map<String, Value> {
        let mut fields = self.fields().clone();
        for private in [
            "token",
            "create",
            "type",
            "channel",
            "sender",
            "timestamp",
            "data",
        ] {
            fields.remove(private);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_both_forms() {
        for text in [
            r#"{"type":"t","channel":"c","roomId":"r"}"#,
            r#"{"type":"t","channel":"c","data":{"roomId":"r"},"sender":"tab"}"#,
            r#"{"type":"t","channel":"c","data":7,"roomId":"r"}"#,
        ] {
            let envelope = Envelope::parse(text).expect("an object");
            assert_eq!((envelope.kind(), envelope.channel()), (Some("t"), Some("c")));
            assert_eq!(envelope.fields()["roomId"], "r");
        }
    }

    #[test]
    fn what_is_no_object_is_told_apart() {
        assert_eq!(Envelope::parse("not json"), Err(NotAFrame::NotJson));
        assert_eq!(Envelope::parse(""), Err(NotAFrame::NotJson));
        assert_eq!(Envelope::parse("null"), Err(NotAFrame::Null));
        assert_eq!(Envelope::parse("[1]"), Err(NotAFrame::NotAnObject));
        assert_eq!(Envelope::parse(&"[".repeat(100_000)), Err(NotAFrame::TooDeep));
    }

    #[test]
    fn tokens_are_not_public() {
        let envelope = Envelope::parse(r#"{"type":"t","data":{"token":"secret","roomId":"r"}}"#);
        assert!(!envelope.expect("an object").public_fields().contains_key("token"));
    }
}
