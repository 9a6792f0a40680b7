//! What of an SDP we look at or change: two attributes for the rules of negotiation, and the origin.

/// Digits of the largest session id, 2^63 - 1 (RFC 9429, 5.2.1).
const SESSION_ID_DIGITS: usize = 19;
/// Digits of a session version: the stack begins with nanoseconds of the clock and counts up.
const SESSION_VERSION_DIGITS: usize = 10;

/// The description with an origin (`o=`) whose numbers are padded with zeros: both are a matter of chance, and
/// so would be the length of the whole. A numeric string may begin with zeros (RFC 8866, 5.2).
pub fn with_steady_origin(sdp: &str) -> String {
    let lines = sdp.split_inclusive('\n').map(|line| {
        let mut fields = line.splitn(4, ' ');
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(user), Some(id), Some(version), Some(rest)) if user.starts_with("o=") => {
                format!("{user} {id:0>SESSION_ID_DIGITS$} {version:0>SESSION_VERSION_DIGITS$} {rest}")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect()
}

/// The value of the first `a=<name>:<value>` line.
pub(super) fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| {
        let value = line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')?;
        Some(value.trim_end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_length_and_nothing_else_changes() {
        let with = |origin: &str| format!("v=0\r\no=- {origin} IN IP4 0.0.0.0\r\ns=- 7 8 9\r\n");
        assert_eq!(
            with_steady_origin(&with("77 5")),
            with("0000000000000000077 0000000005")
        );
        let full = with("9223372036854775807 1999999999");
        assert_eq!(with_steady_origin(&full), full);
        assert_eq!(with_steady_origin("v=0\r\no=-"), "v=0\r\no=-");
    }

    #[test]
    fn the_first_attribute_of_that_very_name_is_found() {
        let sdp = "v=0\r\na=ice-ufragment:no\r\na=ice-ufrag:abcd\r\na=ice-ufrag:efgh\r\n";
        assert_eq!(attribute(sdp, "ice-ufrag"), Some("abcd"));
        assert_eq!(attribute(sdp, "fingerprint"), None);
    }
}
