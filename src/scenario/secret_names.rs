//! What of a text is a secret, by the name that it has.

use super::{
    secret::HIDDEN,
    template::{Part, Template},
};

/// A name with one of these in it is a secret's.
const SECRET_PARTS: [&str; 13] = [
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "authorization",
    "cookie",
    "signature",
    "ticket",
    "jwt",
    "apikey",
    "api_key",
    "api-key",
];
/// Names of secrets that are parts of harmless words.
const SECRET_NAMES: [&str; 8] = ["auth", "key", "pass", "pwd", "sid", "session", "ice-pwd", "x-key"];
/// Words before a secret (RFC 9110, section 11.1): none themselves.
const SCHEMES: [&str; 7] = [
    "bearer",
    "basic",
    "digest",
    "negotiate",
    "token",
    "apikey",
    "hmac",
];

/// Whether what has that name is a secret: `Authorization`, `access_token`, `key`, …
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// Whether a word is the name of an authentication scheme.
pub fn is_scheme(word: &str) -> bool {
    SCHEMES.contains(&word.to_ascii_lowercase().as_str())
}

/// A value as it may be told to anybody: `Bearer ${env:TOKEN}` as it is, and `hidden` for words that may be secrets.
pub fn value_without_secrets(text: &str) -> String {
    let Ok(Template(parts)) = Template::parse(text) else {
        return HIDDEN.to_owned();
    };
    let told = parts.into_iter().map(|part| match part {
        Part::Text(text) if !text.split_whitespace().all(is_scheme) => Part::Text(HIDDEN.to_owned()),
        other => other,
    });
    Template(told.collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_without_what_may_be_a_secret() {
        for (value, told) in [
            ("Bearer ${env:TOKEN}", "Bearer ${env:TOKEN}"),
            ("Bearer abc", "hidden"),
            ("abc-${jwt}", "hidden${jwt}"),
            ("${file:a", "hidden"),
        ] {
            assert_eq!(value_without_secrets(value), told);
        }
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "X-Api-Key",
            "access_token",
            "KEY",
            "sid",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["X-Tenant", "monkey", "lang", "room"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
