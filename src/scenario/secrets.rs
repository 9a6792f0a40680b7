//! What of a scenario nobody has to see who sees its report.

use super::{
    ice::{Ice, IceAccount, IceServers},
    secret::HIDDEN,
    types::{CommandLine, Scenario},
};

impl Scenario {
    /// The same, as it may be kept with a report: no user information and query in URLs, no credentials and no
    /// command lines. It expands to the same plan but for these.
    pub fn without_secrets(&self) -> Self {
        let mut scenario = self.clone();
        let target = &mut scenario.target;
        for url in [&mut target.url, &mut target.metrics].into_iter().flatten() {
            *url = url_without_secrets(url);
        }
        if let Some(access) = &mut target.access {
            **access = access.without_secrets();
        }
        if let Some(control) = &mut target.control {
            let hidden = || CommandLine::Words(vec![HIDDEN.to_owned()]);
            for command in [
                &mut control.start,
                &mut control.stop,
                &mut control.pause,
                &mut control.resume,
                &mut control.slow,
                &mut control.restore,
            ]
            .into_iter()
            .flatten()
            {
                *command = hidden();
            }
        }
        for group in &mut scenario.groups {
            hide_credentials(&mut group.ice);
        }
        scenario
    }
}

fn hide_credentials(ice: &mut Ice) {
    if let IceServers::Named(servers) = &mut ice.servers {
        for server in servers {
            match &mut server.account {
                IceAccount::LongTerm { credential, .. } => HIDDEN.clone_into(credential),
                IceAccount::Fetched(fetch) => **fetch = fetch.without_secrets(),
                IceAccount::None | IceAccount::Secret { .. } => {}
            }
        }
    }
}

/// `path=value` of `--set`, as it may be told to anybody. Of a target and of ICE servers only what can be no secret is
/// shown.
pub fn set_without_secrets(set: &str) -> String {
    let Some((path, value)) = set.split_once('=') else {
        return set.to_owned();
    };
    let mut keys = path.split('.');
    let (first, second) = (keys.next().unwrap_or_default(), keys.next().unwrap_or_default());
    let kept_outside = |value: &str| {
        let inside = value
            .trim()
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let key = inside
            .and_then(|inside| inside.split_once(':'))
            .map(|(key, _)| key.trim());
        matches!(key, Some("env" | "file"))
    };
    let value = match (first, second) {
        ("target", "url" | "metrics") => url_without_secrets(value),
        ("target", "proxy") if value.contains("://") => url_without_secrets(value),
        ("target", "tls" | "origin" | "resolve" | "contact" | "protocol" | "relay_mode") => value.to_owned(),
        ("target", "credentials") => value.to_owned(),
        ("target", _) | ("ice" | "groups", _) if !kept_outside(value) && may_be_secret(path) => {
            HIDDEN.to_owned()
        }
        _ => value.to_owned(),
    };
    format!("{path}={value}")
}

/// Whether a value at that path may be one, or hold one.
fn may_be_secret(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let named = ["credential", "fetch"].iter().any(|part| path.contains(part));
    path.starts_with("target") || named || matches!(last, "ice" | "servers" | "groups")
}

/// A URL without what may be a credential: user information and the query.
pub fn url_without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let path = path.split('?').next().unwrap_or(path);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use crate::scenario::{ThresholdCheck, ThresholdMistake, parse};

    struct Any;

    impl ThresholdCheck for Any {
        fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
            Ok(())
        }
    }

    #[test]
    fn what_is_kept_with_a_report_has_no_secret_and_is_a_scenario() {
        let text = "
name: secrets
target:
  url: wss://me:pass1@rtc.example.org/ws/?token=pass2
  metrics: http://rtc.example.org/metrics?key=pass3
  control: { stop: stop --key pass4, start: [start, pass5] }
rooms: { peers: 2 }
ice: { servers: [{ urls: \"turn:rtc.example.org\", username: u, credential: pass6 }, { fetch: { url: \"https://rtc.example.org/?key=pass7\", headers: { X-Key: pass8 }, body: pass9 } }] }
steps: [join, { server: restart }]
";
        let scenario = parse("secrets", text, &Any).unwrap_or_else(|e| panic!("{}", e.listing()));
        let told = scenario.without_secrets().to_yaml();
        assert!(scenario.to_yaml().contains("pass6"), "{told}");
        assert!(!told.contains("pass"), "{told}");
        assert!(told.contains("wss://rtc.example.org/ws/"), "{told}");
        for set in [
            "ice.servers.0.fetch.headers.X-Key=pass7",
            "ice.servers.0.fetch=https://rtc.example.org/?key=pass7",
            "target.headers.X-Key=pass7",
        ] {
            assert!(!super::set_without_secrets(set).contains("pass7"), "{set}");
        }
        let read = parse("again", &told, &Any).unwrap_or_else(|e| panic!("{told}\n{}", e.listing()));
        assert_eq!(read.to_yaml(), told);
    }
}
