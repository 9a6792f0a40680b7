use std::{collections::BTreeSet, fmt, str::FromStr};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use thiserror::Error;

use crate::answer;

/// An origin as browsers send it (RFC 6454 section 6.2): scheme, host, and the port unless it is the
/// scheme's own, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no origin: write it as `https://host` or `http://host:port`, without a path; or leave the option out to allow any"
)]
pub struct NotAnOrigin(String);

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let not = || NotAnOrigin(text.into());
        let lower = text.trim().to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://").ok_or_else(not)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = authority.strip_suffix(default_port).unwrap_or(authority);
        let is_fair = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let is_scheme = !scheme.is_empty()
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !is_scheme || host.is_empty() || host.starts_with(':') || !host.chars().all(is_fair) {
            return Err(not());
        }
        Ok(Self(format!("{scheme}://{host}")))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose pages may open a socket and ask for credentials. Requests without an `Origin` do not come from a
/// page, and pass: the list keeps foreign pages out, not programs, which can send any `Origin` they like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowOrigins(BTreeSet<Origin>);

impl FromIterator<Origin> for AllowOrigins {
    /// None: any may.
    fn from_iter<I: IntoIterator<Item = Origin>>(origins: I) -> Self {
        Self(origins.into_iter().collect())
    }
}

/// The request comes from a page of another origin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ForeignOrigin;

impl AllowOrigins {
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ForeignOrigin> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let is_listed = || {
            let origin = origin.to_str().ok()?;
            self.0.iter().find(|listed| listed.0 == origin)
        };
        match self.0.is_empty() || is_listed().is_some() {
            true => Ok(()),
            false => Err(ForeignOrigin),
        }
    }

    /// What `Access-Control-Allow-Origin` says to a request that has passed.
    pub(crate) fn allowed(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.0.is_empty() => origin.clone(),
            _ => HeaderValue::from_static("*"),
        }
    }
}

impl From<ForeignOrigin> for Response {
    fn from(_: ForeignOrigin) -> Self {
        answer::error(
            StatusCode::FORBIDDEN,
            "origin-not-allowed",
            "pages of this origin may not use this server (see --allow-origin)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&'static str>) -> HeaderMap {
        let origin = origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin)));
        origin.into_iter().collect()
    }

    #[test]
    fn an_origin_is_read_as_browsers_write_it() {
        for (text, origin) in [
            ("https://App.Example.org", "https://app.example.org"),
            ("https://app.example.org:443/", "https://app.example.org"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://app.example.org:80", "https://app.example.org:80"),
        ] {
            assert_eq!(text.parse::<Origin>().expect("an origin").to_string(), origin);
        }
        for text in [
            "",
            "*",
            "null",
            "app.example.org",
            "https://",
            "https://*.example.org",
            "https://a/b",
            "https://:80",
        ] {
            let error = text.parse::<Origin>().expect_err("no origin");
            assert!(error.to_string().contains("https://host"), "{error}");
        }
    }

    #[test]
    fn a_list_lets_its_own_pages_in_and_whoever_is_no_page() {
        let list: AllowOrigins = ["https://a.example".parse().expect("fair")].into_iter().collect();
        assert_eq!(list.check(&headers(Some("https://a.example"))), Ok(()));
        assert_eq!(list.check(&headers(None)), Ok(()));
        for foreign in [
            "https://b.example",
            "https://a.example.b.example",
            "http://a.example",
            "null",
            "https://a.example:8443",
        ] {
            assert_eq!(
                list.check(&headers(Some(foreign))),
                Err(ForeignOrigin),
                "{foreign}"
            );
        }
        assert_eq!(AllowOrigins::default().check(&headers(Some("null"))), Ok(()));
    }
}
