use std::{fmt, str::FromStr};

use thiserror::Error;

use super::{
    Diagnostics,
    fields::Reader,
    source::Sources,
    tree::{self, Entry},
};

/// The keys of the user's configuration.
const KEYS: [&str; 1] = ["allowed_targets"];
/// The most hosts that it may name.
const MAX_HOSTS: usize = 1_000;
/// The longest name of a host (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 253;

/// What holds for every run of one user, whatever the scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserConfig {
    /// Hosts that are the user's own to load.
    pub allowed_targets: Vec<HostPattern>,
}

impl UserConfig {
    /// Reads a configuration. `name` is shown in diagnostics. An empty text configures nothing.
    ///
    /// # Errors
    /// Every mistake in the text at once.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let mut sources = Sources::default();
        let file = sources.add(name, text);
        let mut mistakes = Vec::new();
        let root = tree::read(&sources, file, &mut mistakes);
        let mut reader = Reader {
            sources: &sources,
            mistakes,
        };
        let mut config = Self::default();
        let wants = "a map like `{allowed_targets: [rtc.example.org]}`";
        if let Some(root) = root
            && let Some(mut fields) = reader.map(&root, "the configuration", wants)
        {
            if let Some(entry) = fields.take("allowed_targets") {
                config.allowed_targets = read_hosts(&mut reader, entry);
            }
            fields.finish(&mut reader, &KEYS);
        }
        match Diagnostics::new(reader.mistakes) {
            Some(mistakes) => Err(mistakes),
            None => Ok(config),
        }
    }
}

fn read_hosts(reader: &mut Reader<'_>, entry: &Entry) -> Vec<HostPattern> {
    let wants = "a list of hosts like `[rtc.example.org, '*.test.example.org']`";
    let Some(items) = reader.list(&entry.value, "`allowed_targets`", wants) else {
        return Vec::new();
    };
    if items.len() > MAX_HOSTS {
        reader.mistake(
            entry.key_span,
            format!("`allowed_targets` names more than {MAX_HOSTS} hosts"),
        );
        return Vec::new();
    }
    let mut hosts = Vec::new();
    for item in items {
        let Some(text) = reader.scalar(item, "a host", "a name like `rtc.example.org`") else {
            continue;
        };
        match text.parse::<HostPattern>() {
            Ok(host) => hosts.push(host),
            Err(error) => reader.mistake_help(item.span, error.to_string(), HostPattern::HELP),
        }
    }
    hosts
}

/// A host, or all below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// In small letters, without brackets.
    host: String,
    /// It is a domain, and what is meant lies below it.
    below: bool,
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not the name of a host")]
pub struct HostError(String);

impl HostPattern {
    /// What to write.
    pub const HELP: &'static str = "write the name alone, without scheme, port and path: `rtc.example.org`, or `*.example.org` for all below it";

    /// Whether that host is meant. Case does not matter (RFC 4343).
    pub fn matches(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        match self.below {
            false => host == self.host,
            true => host
                .strip_suffix(&self.host)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|below| !below.is_empty()),
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let name = bracketed.unwrap_or(name);
        let is_v4 = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
        let is_v6 = name.matches(':').count() >= 2
            && name
                .chars()
                .all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
        let is_ip = is_v4 || is_v6;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let is_label = |label: &str| !label.is_empty() && label.chars().all(plain);
        let is_name = name.len() <= MAX_HOST && name.split('.').all(is_label);
        // Everybody below `org` is nobody's own.
        let is_sound = match below {
            true => is_name && !is_ip && name.contains('.'),
            false => is_ip || (is_name && bracketed.is_none()),
        };
        match is_sound {
            true => Ok(Self {
                host: name.to_ascii_lowercase(),
                below,
            }),
            false => Err(HostError(text.to_owned())),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_name_is_that_host_and_a_star_all_below_a_domain() {
        let host = pattern("RTC.example.org");
        assert!(host.matches("rtc.example.org") && host.matches("rtc.EXAMPLE.org"));
        assert!(!host.matches("example.org") && !host.matches("x.rtc.example.org"));
        let below = pattern("*.example.org");
        assert!(below.matches("rtc.example.org") && below.matches("a.b.example.org"));
        for other in [
            "example.org",
            ".example.org",
            "badexample.org",
            "example.org.evil.net",
        ] {
            assert!(!below.matches(other), "{other}");
        }
        assert!(pattern("[2001:db8::1]").matches("2001:db8::1"));
        assert!(pattern("10.0.0.7").matches("10.0.0.7"));
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.org",
            "a..b",
            "wss://a.org",
            "a.org:443",
            "a.org/x",
            "*.10.0.0.7",
            "abc:80",
            "a b",
            "x.*.org",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    fn told(text: &str) -> String {
        let mistakes = UserConfig::parse("config.yaml", text).expect_err("it is wrong");
        mistakes.listing()
    }

    #[test]
    fn a_configuration_is_read_and_each_mistake_told_with_its_place() {
        let config = UserConfig::parse(
            "c",
            "allowed_targets:\n  - rtc.example.org\n  - '*.test.example.org'\n",
        );
        let hosts: Vec<String> = config
            .expect("it is sound")
            .allowed_targets
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(hosts, ["rtc.example.org", "*.test.example.org"]);
        for nothing in ["", "# nobody\n", "{}"] {
            assert_eq!(
                UserConfig::parse("c", nothing).expect("sound"),
                UserConfig::default()
            );
        }
        let mistakes = told("allowed_target: [a.org]\n");
        assert!(
            mistakes.contains("config.yaml:1:1: unknown key `allowed_target`")
                && mistakes.contains("did you mean `allowed_targets`?"),
            "{mistakes}"
        );
        let mistakes = told("allowed_targets:\n  - wss://a.org\n  - a.org:1\n");
        assert!(
            mistakes.contains("config.yaml:2:5: `wss://a.org` is not the name of a host")
                && mistakes.contains("config.yaml:3:5: "),
            "{mistakes}"
        );
        assert!(told("allowed_targets: all\n").contains("can't be"));
        assert!(told("[a.org]").contains("the configuration can't be"));
    }
}
