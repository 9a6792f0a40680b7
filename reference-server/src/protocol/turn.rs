use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InvalidFrame, Name, UserId};

/// Who asks for TURN credentials: the body `{"name": …}` or `{"userId": …}`. The name goes into the
/// username, so that the TURN server's log tells whose allocation it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnRequest {
    /// The name, or else the user id.
    pub name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    name: Option<Name>,
    #[serde(default)]
    user_id: Option<UserId>,
}

impl TurnRequest {
    /// Reads a request's body. Other fields are ignored.
    ///
    /// # Errors
    /// It is no JSON object, or has neither field, or one that is no name.
    pub fn read(body: &[u8]) -> Result<Self, InvalidFrame> {
        let invalid = |error: serde_json::Error| InvalidFrame::new(error.to_string());
        let value: Value = serde_json::from_slice(body).map_err(invalid)?;
        if !value.is_object() {
            return Err(InvalidFrame::new("the body is not a JSON object"));
        }
        let body: Body = serde_json::from_value(value).map_err(invalid)?;
        let name = match (&body.name, &body.user_id) {
            (Some(name), _) => name.as_str(),
            (None, Some(user)) => user.as_str(),
            (None, None) => return Err(InvalidFrame::new("neither `name` nor `userId` is there")),
        };
        Ok(Self { name: name.into() })
    }
}

/// Credentials for a TURN server, as `RTCIceServer` wants them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TurnCredentials {
    /// When they end, in seconds since the Unix epoch, a colon, and the name.
    pub username: String,
    /// The password: base64 of HMAC-SHA1 of the username under the secret.
    pub credential: String,
    /// How long they hold from now, in seconds.
    pub ttl: u64,
    /// The TURN server's URLs.
    pub urls: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_either_field() {
        let read = |body: &str| TurnRequest::read(body.as_bytes()).map(|request| request.name);
        assert_eq!(
            read(r#"{"name":"Alice","userId":"a","more":1}"#),
            Ok("Alice".into())
        );
        assert_eq!(read(r#"{"userId":"a"}"#), Ok("a".into()));
        for (body, told) in [
            ("", "EOF"),
            ("[\"Alice\"]", "not a JSON object"),
            ("{}", "neither `name` nor `userId`"),
            (r#"{"name":""}"#, "empty"),
            (r#"{"name":7}"#, "string"),
            (r#"{"name":"a\nb"}"#, "control character"),
        ] {
            let error = read(body).expect_err("no name").to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
