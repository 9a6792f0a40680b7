//! What somebody answers who gives ICE servers and their credentials out.

use serde_json::{Map, Value};

use crate::{
    base::{IceScheme, IceUrl, SignalingEnd, SignalingFailure},
    scenario::{IceAccount, IceServer},
};

/// The most servers of an answer, and the most URLs of one of them.
const MAX_SERVERS: usize = 16;
/// A number of fewer digits before a user name's colon is no time.
const TIME_DIGITS: usize = 9;

/// Servers that were fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedServers {
    /// As a connection is told.
    pub servers: Vec<IceServer>,
    /// Until when their credentials hold, in seconds since 1970; `None`: nobody has said.
    pub ends_unix_s: Option<u64>,
}

/// Reads the answer: that of the TURN REST API (draft-uberti-behave-turn-rest-00: `username`, `password`, `ttl`,
/// `uris`), or W3C's `RTCIceServer`, one, a list, or either below `iceServers`. `own`: the URLs that the credentials are
/// for, if the scenario names them.
///
/// # Errors
/// It is no JSON, has nothing in it that can be used, or what it has is over by `now_unix_s`.
pub(super) fn read(body: &[u8], own: &[IceUrl], now_unix_s: u64) -> Result<FetchedServers, SignalingEnd> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| {
        let why = format!(
            "the answer is no JSON: line {}: {:?}",
            error.line(),
            error.classify()
        );
        SignalingEnd::new(SignalingFailure::IceServersNotJson, why)
    })?;
    let listed = ["iceServers", "ice_servers"]
        .iter()
        .find_map(|key| answer.get(key));
    let found: Vec<Found> = match listed.unwrap_or(&answer) {
        Value::Array(all) => all
            .iter()
            .filter_map(Value::as_object)
            .take(MAX_SERVERS)
            .map(Found::in_object)
            .collect(),
        Value::Object(one) => vec![Found::in_object(one)],
        _ => Vec::new(),
    };
    let servers = match own {
        [] => with_their_urls(&found)?,
        urls => {
            let account = found.iter().find_map(Found::account);
            let account =
                account.ok_or_else(|| missing("no `username` with a `credential` in the answer"))?;
            vec![IceServer {
                urls: urls.to_vec(),
                account,
            }]
        }
    };
    let lasts = ["ttl", "lifetimeDuration"]
        .iter()
        .find_map(|key| seconds(answer.get(key)?));
    let by_name = servers
        .iter()
        .filter_map(|server| end_in_name(&server.account))
        .min();
    let ends = lasts.map(|lasts| now_unix_s.saturating_add(lasts));
    let ends_unix_s = ends.into_iter().chain(by_name).min();
    match ends_unix_s {
        Some(ends) if ends <= now_unix_s => {
            let over = now_unix_s - ends;
            let why = match lasts {
                Some(0) => "the credentials in the answer have a `ttl` of 0".to_owned(),
                _ => format!("the credentials in the answer have ended {over} s ago by this machine's clock"),
            };
            Err(SignalingEnd::new(SignalingFailure::IceServersExpired, why))
        }
        _ => Ok(FetchedServers { servers, ends_unix_s }),
    }
}

/// What a connection can be told, of servers that say where they are. A URL of another scheme is nobody's.
fn with_their_urls(found: &[Found]) -> Result<Vec<IceServer>, SignalingEnd> {
    let mut servers = Vec::new();
    for one in found {
        let urls: Vec<IceUrl> = one.urls.iter().filter_map(|url| url.parse().ok()).collect();
        let turn = urls.iter().find(|url| url.scheme == IceScheme::Turn);
        let account = match (turn, one.account()) {
            (Some(turn), None) => {
                return Err(missing(&format!(
                    "`{turn}` in the answer without `username` and `credential`"
                )));
            }
            (Some(_), Some(account)) => account,
            (None, _) => IceAccount::None,
        };
        if !urls.is_empty() {
            servers.push(IceServer { urls, account });
        }
    }
    match servers.is_empty() {
        true => Err(missing("no `urls` of STUN or TURN servers in the answer")),
        false => Ok(servers),
    }
}

fn missing(why: &str) -> SignalingEnd {
    SignalingEnd::new(SignalingFailure::IceServersMissing, why)
}

/// One server of an answer.
struct Found {
    urls: Vec<String>,
    username: Option<String>,
    credential: Option<String>,
}

impl Found {
    fn in_object(of: &Map<String, Value>) -> Self {
        let word = |keys: [&str; 2]| {
            let word = keys.iter().find_map(|key| of.get(*key)?.as_str());
            word.filter(|word| !word.is_empty()).map(str::to_owned)
        };
        let urls = ["urls", "uris", "url"].iter().find_map(|key| of.get(*key));
        let urls = match urls {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => {
                let texts = all.iter().filter_map(Value::as_str);
                texts.take(MAX_SERVERS).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Self {
            urls,
            username: word(["username", "user"]),
            credential: word(["credential", "password"]),
        }
    }

    fn account(&self) -> Option<IceAccount> {
        Some(IceAccount::LongTerm {
            username: self.username.clone()?,
            credential: self.credential.clone()?,
        })
    }
}

/// `86400`, `"86400"` or `"86400s"`; what is below zero is over.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim_end_matches('s').parse::<f64>().ok(),
        other => other.as_f64(),
    }
    .map(|seconds| seconds as u64)
}

/// `1795473642:alice`: the draft's name says when it ends.
fn end_in_name(account: &IceAccount) -> Option<u64> {
    let IceAccount::LongTerm { username, .. } = account else {
        return None;
    };
    let times = username.split(':').filter(|part| part.len() >= TIME_DIGITS);
    times.filter_map(|part| part.parse().ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_470_000;

    fn said(answer: &str, own: &[&str]) -> Result<(Vec<String>, Option<u64>), SignalingFailure> {
        let own: Vec<IceUrl> = own.iter().map(|url| url.parse().expect("a URL")).collect();
        let read = read(answer.as_bytes(), &own, NOW).map_err(|end| end.failure)?;
        let shown = read.servers.iter().map(|server| {
            let urls: Vec<String> = server.urls.iter().map(ToString::to_string).collect();
            match &server.account {
                IceAccount::LongTerm { username, credential } => {
                    format!("{} {username} {credential}", urls.join(" "))
                }
                _ => urls.join(" "),
            }
        });
        Ok((shown.collect(), read.ends_unix_s.map(|ends| ends - NOW)))
    }

    /// The forms that the services of the field answer.
    #[test]
    fn each_form_of_an_answer_is_read() {
        let draft = r#"{"username":"1795473600:ann","password":"pw","ttl":86400,"uris":["turn:1.2.3.4:9991?transport=udp","turns:1.2.3.4:443?transport=tcp"]}"#;
        let one = r#"{"iceServers":{"urls":["stun:stun.example.org:3478","turn:turn.example.org:3478?transport=udp"],"username":"u","credential":"c"}}"#;
        let many = r#"{"iceServers":[{"urls":["stun:a:3478"]},{"urls":["turn:b:3478?transport=udp"],"username":"u","credential":"c"}]}"#;
        let twilio = r#"{"username":"u","password":"c","ttl":"86400","ice_servers":[{"url":"stun:a:3478","urls":"stun:a:3478"},{"url":"turn:b:3478?transport=udp","urls":"turn:b:3478?transport=udp","username":"u","credential":"c"}]}"#;
        let list = r#"[{"urls":"stun:a:80"},{"urls":"turn:b:80","username":"u","credential":"c"}]"#;
        let ours = r#"{"username":"1795473600:ann","credential":"c","ttl":60,"urls":["turn:b:3478"]}"#;
        let google = r#"{"lifetimeDuration":"300s","iceServers":[{"urls":["turn:b:19305?transport=udp"],"username":"u","credential":"c"}]}"#;
        for (answer, servers, ends) in [
            (
                draft,
                &["turn:1.2.3.4:9991 turns:1.2.3.4:443?transport=tcp 1795473600:ann pw"][..],
                Some(3_600),
            ),
            (
                one,
                &["stun:stun.example.org:3478 turn:turn.example.org:3478 u c"],
                None,
            ),
            (many, &["stun:a:3478", "turn:b:3478 u c"], None),
            (twilio, &["stun:a:3478", "turn:b:3478 u c"], Some(86_400)),
            (list, &["stun:a:80", "turn:b:80 u c"], None),
            (ours, &["turn:b:3478 1795473600:ann c"], Some(60)),
            (google, &["turn:b:19305 u c"], Some(300)),
        ] {
            let servers = servers.iter().map(ToString::to_string).collect();
            assert_eq!(said(answer, &[]), Ok((servers, ends)), "{answer}");
        }
        let own = ["turn:mine:1?transport=tcp"];
        for answer in [draft, one, many, twilio, list] {
            let (servers, _) = said(answer, &own).expect(answer);
            assert!(
                servers.len() == 1 && servers[0].starts_with(own[0]),
                "{servers:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_by_its_name() {
        use SignalingFailure::{IceServersExpired, IceServersMissing, IceServersNotJson};
        for (answer, failure) in [
            ("", IceServersNotJson),
            ("<html>", IceServersNotJson),
            ("{\"username\":\"s3cret", IceServersNotJson),
            ("{}", IceServersMissing),
            ("null", IceServersMissing),
            ("[[], 7]", IceServersMissing),
            (r#"{"iceServers":[]}"#, IceServersMissing),
            (r#"{"username":"u","password":"c"}"#, IceServersMissing),
            (r#"{"urls":"turn:b"}"#, IceServersMissing),
            (
                r#"{"urls":"turn:b","username":"u","credential":""}"#,
                IceServersMissing,
            ),
            (
                r#"{"urls":"https://b","username":"u","credential":"c"}"#,
                IceServersMissing,
            ),
            (
                r#"{"uris":["turn:b"],"username":"u","password":"c","ttl":0}"#,
                IceServersExpired,
            ),
            (
                r#"{"uris":["turn:b"],"username":"u","password":"c","ttl":-5}"#,
                IceServersExpired,
            ),
            (
                r#"{"uris":["turn:b"],"username":"1795469999:u","password":"c","ttl":60}"#,
                IceServersExpired,
            ),
            (
                r#"{"uris":["turn:b"],"username":"u:1795469999","password":"c"}"#,
                IceServersExpired,
            ),
        ] {
            assert_eq!(said(answer, &[]).expect_err(answer), failure, "{answer}");
        }
        assert_eq!(
            said(r#"{"urls":["stun:a"]}"#, &["turn:b"]),
            Err(IceServersMissing)
        );
        let told = read(b"{\"username\":\"s3cret", &[], NOW).expect_err("no JSON");
        assert!(!told.why.contains("s3cret"), "{told}");
    }
}
