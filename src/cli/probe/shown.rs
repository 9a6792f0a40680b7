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

/// Headers that say nothing of a protocol.
const COMMON: [&str; 10] = [
    "access-control-",
    "connection",
    "content-length",
    "date",
    "exchange",
    "keep-alive",
    "server",
    "transfer-encoding",
    "vary",
    "x-powered-by",
];

/// A message of HTTP in one line.
fn shown_http(frame: &str, full: bool) -> Option<String> {
    let (head, body) = frame.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let first = lines.next()?;
    let first = first
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| first.strip_suffix(" HTTP/1.1"))?;
    let mut parts = vec![cut(first.trim(), full)];
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let small = name.to_ascii_lowercase();
        if !full && COMMON.iter().any(|common| small.starts_with(common)) {
            continue;
        }
        let is_secret = SECRETS.iter().any(|secret| small.contains(secret));
        let value = match is_secret {
            true => HIDDEN.to_owned(),
            false => cut(&without_credentials(value.trim()), full),
        };
        parts.push(format!("{name}: {value}"));
    }
    if !body.is_empty() {
        parts.push(cut(body, full));
    }
    Some(parts.join(" | "))
}

/// A `Link` without the credentials in it (RFC 9725, 4.6).
fn without_credentials(value: &str) -> String {
    const BEFORE: &str = "credential=";
    let mut told = String::new();
    let mut rest = value;
    while let Some(at) = rest.find(BEFORE) {
        let (before, after) = rest.split_at(at + BEFORE.len());
        told += before;
        told += HIDDEN;
        rest = match after.strip_prefix('"') {
            Some(quoted) => string(quoted).1,
            None => &after[after.find([';', ',']).unwrap_or(after.len())..],
        };
    }
    told + rest
}

/// Works on the text, not on its value: what a frame looks like is what matters. `full`: long texts, too.
pub(super) fn shown(frame: &str, full: bool) -> String {
    let without_controls = |text: &str| {
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    match shown_http(frame, full) {
        Some(told) => without_controls(&told),
        None => without_controls(&shown_json(frame, full)),
    }
}

fn shown_json(frame: &str, full: bool) -> String {
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
    fn a_message_of_http_is_one_line_without_its_credentials() {
        let frame = "HTTP/1.1 201 Created\r\nDate: now\r\nX-Token: abcd\r\nLink: <turn:a>; rel=\"ice-server\"; username=\"u\"; credential=\"s3\\\"c\"; credential-type=\"password\", <b>; credential=x;\r\n\r\nv=0\r\ns=-\r\n";
        let told = shown(frame, false);
        assert_eq!(
            told.replace("  ", " "),
            "201 Created | X-Token: [hidden] | Link: <turn:a>; rel=\"ice-serve… (116 characters) | v=0 s=- "
        );
        let full = shown(frame, true);
        assert!(full.contains("Date: now") && full.contains("credential=[hidden]; credential-type"));
        assert!(full.ends_with("<b>; credential=[hidden]; | v=0  s=-  "), "{full}");
        assert!(!full.contains("s3"), "{full}");
        assert_eq!(shown("POST  HTTP/1.1\r\n\r\n", false), "POST");
        assert_eq!(
            shown("DELETE /r/1 HTTP/1.1\r\nIf-Match: *\r\n\r\n", false),
            "DELETE /r/1 | If-Match: *"
        );
    }

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
