//! A frame as people read it: secrets hidden, long texts cut short.

/// A longer text is cut short.
const MAX_TEXT: usize = 72;
/// Of a longer one its beginning is shown.
const BEGINNING: usize = 24;
/// What stands where a secret was.
const HIDDEN: &str = "[hidden]";
/// A key with one of these in it is a secret's.
const SECRETS: [&str; 8] = [
    "token",
    "secret",
    "password",
    "credential",
    "authorization",
    "cookie",
    "jwt",
    "apikey",
];

/// Works on the text, not on its value: what a frame looks like is what matters. `full`: long texts, too.
pub(super) fn shown(frame: &str, full: bool) -> String {
    let mut told = String::with_capacity(frame.len());
    let mut rest = frame;
    let mut is_secret = false;
    while let Some(at) = rest.find('"') {
        told += &rest[..at];
        let (inside, after) = string(&rest[at + 1..]);
        let is_key = after.trim_start().starts_with(':');
        told.push('"');
        if is_secret && !is_key && !inside.is_empty() {
            told += HIDDEN;
        } else {
            told += &cut(inside, full);
        }
        told.push('"');
        is_secret = is_key && {
            let key = inside.to_ascii_lowercase();
            SECRETS.iter().any(|secret| key.contains(secret))
        };
        rest = after;
    }
    // A text that is no JSON may be long, too.
    match told.is_empty() {
        true => cut(rest, full),
        false => told + rest,
    }
    .chars()
    .map(|c| if c.is_control() { ' ' } else { c })
    .collect()
}

/// What is inside of a JSON string, and what is behind it.
fn string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

fn cut(text: &str, full: bool) -> String {
    let length = text.chars().count();
    match text.char_indices().nth(BEGINNING) {
        Some((end, _)) if length > MAX_TEXT && !full => {
            format!("{}… ({length} characters)", &text[..end])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_long_texts_cut_where_they_stand() {
        let sdp = "v=0\\r\\n".repeat(40);
        for (frame, full, expected) in [
            (
                r#"42["message",{"token":"abc","n":1,"name":"token"}]"#.to_owned(),
                false,
                r#"42["message",{"token":"[hidden]","n":1,"name":"token"}]"#.to_owned(),
            ),
            (
                r#"{"authToken" : "a\"b","b":null}"#.to_owned(),
                true,
                r#"{"authToken" : "[hidden]","b":null}"#.to_owned(),
            ),
            (
                format!(r#"{{"sdp":"{sdp}","to":"x"}}"#),
                false,
                format!(r#"{{"sdp":"{}… (280 characters)","to":"x"}}"#, &sdp[..24]),
            ),
            (
                format!(r#"{{"sdp":"{sdp}"}}"#),
                true,
                format!(r#"{{"sdp":"{sdp}"}}"#),
            ),
            ("2".to_owned(), false, "2".to_owned()),
            ("\"open".to_owned(), false, "\"open\"".to_owned()),
            ("a\nb".to_owned(), false, "a b".to_owned()),
        ] {
            assert_eq!(shown(&frame, full), expected, "{frame}");
        }
    }
}
