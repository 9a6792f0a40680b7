//! Words of servers and stacks, without what may be a secret.

use crate::scenario::{is_secret_name, url_without_secrets};

/// What stands where a secret was.
const HIDDEN: &str = "[hidden]";
/// How the text of a JSON Web Token begins: `{"` in base64.
const JWT_BEGIN: &str = "eyJ";
/// Shorter ones are words.
const JWT_CHARS: usize = 20;

/// The text, on one line: of URLs without user information, query and fragment, and with `[hidden]` for the values of
/// what is named like a secret (`token=…`, `"password": "…"`), for bearers and for JSON Web Tokens.
pub fn redacted(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut before = Before::Nothing;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_between = is_between(first);
        let end = rest.find(|c| self::is_between(c) != is_between);
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        if is_between {
            clean.extend(part.chars().map(|c| if c.is_control() { ' ' } else { c }));
        } else {
            let (told, next) = word(part, before);
            clean += &told;
            before = next;
        }
    }
    clean
}

/// What the word before means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// The name of a secret.
    Name,
    /// That and a colon or an equals sign, or `Bearer`: the secret follows.
    Secret,
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`()[]{}<>,;|".contains(c)
}

fn word(word: &str, before: Before) -> (String, Before) {
    if before == Before::Secret || (word.starts_with(JWT_BEGIN) && word.len() >= JWT_CHARS) {
        return (HIDDEN.to_owned(), Before::Nothing);
    }
    if word == ":" || word == "=" {
        let follows = if before == Before::Name {
            Before::Secret
        } else {
            Before::Nothing
        };
        return (word.to_owned(), follows);
    }
    if word.contains("://") {
        let url = word.split('#').next().unwrap_or(word);
        return (url_without_secrets(url), Before::Nothing);
    }
    if word.eq_ignore_ascii_case("bearer") {
        return (word.to_owned(), Before::Secret);
    }
    let parts: Vec<&str> = word.split('&').collect();
    if let [one] = parts[..] {
        return assignment(one);
    }
    let parts: Vec<String> = parts.into_iter().map(|part| assignment(part).0).collect();
    (parts.join("&"), Before::Nothing)
}

/// `name=value` or `name:value`, or only one of both.
fn assignment(text: &str) -> (String, Before) {
    let Some(at) = text.find(['=', ':']) else {
        let next = if is_secret_name(text) {
            Before::Name
        } else {
            Before::Nothing
        };
        return (text.to_owned(), next);
    };
    let (name, value) = (&text[..at], &text[at + 1..]);
    match (is_secret_name(name), value.is_empty()) {
        // `Authorization: Bearer …`: the next word is the scheme.
        (true, true) if name.eq_ignore_ascii_case("authorization") => (text.to_owned(), Before::Nothing),
        (true, true) => (text.to_owned(), Before::Secret),
        (true, false) => (format!("{}{HIDDEN}", &text[..=at]), Before::Nothing),
        (false, true) => (text.to_owned(), Before::Nothing),
        (false, false) => {
            let (value, next) = word(value, Before::Nothing);
            (format!("{}{value}", &text[..=at]), next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_what_is_none_stays() {
        for (text, expected) in [
            (
                "can't reach wss://me:pass1@rtc.example.org/ws/?token=pass2#pass3: refused",
                "can't reach wss://rtc.example.org/ws/ refused",
            ),
            ("no answer within 30 s", "no answer within 30 s"),
            ("the token expired", "the token expired"),
            ("token=abc&room=1", "token=[hidden]&room=1"),
            (
                r#"{"access_token":"abc","n":1}"#,
                r#"{"access_token":"[hidden]","n":1}"#,
            ),
            ("password : 'a b'", "password : '[hidden] b'"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
            ("a=ice-pwd:abcdef", "a=ice-pwd:[hidden]"),
            ("got eyJhbGciOiJIUzI1NiJ9.e30.x here", "got [hidden] here"),
            ("line\nbreak\u{1b}[31m", "line break [31m"),
            ("127.0.0.1:80: os error 24", "127.0.0.1:80: os error 24"),
            ("", ""),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }

    #[test]
    fn names_of_secrets_at_the_end_hide_nothing_and_break_nothing() {
        for text in ["token", "token=", "token:", "=", "é=ü", "&&", "a=b=c", ":::"] {
            assert_eq!(redacted(text), text);
        }
    }
}
