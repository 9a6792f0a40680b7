//! How a target is reached, said on the command line: each flag is a key of `target:`.

use crate::scenario::{Override, value_without_secrets};

/// What lets peers into somebody's deployment. A value that is a secret stands in the environment or a file: whoever
/// can list processes sees command lines.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "The way to the target (each is a key of `target:`, see docs/SCENARIOS.md)")]
pub(super) struct TargetArgs {
    /// Authorities (PEM) that `wss://` is trusted by, beside the system's
    #[arg(long, env = "RTCSTORM_CA", value_name = "FILE")]
    pub ca: Option<String>,

    /// The peers' certificate (PEM), its own first
    #[arg(
        long,
        env = "RTCSTORM_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub client_cert: Option<String>,

    /// Its private key (PEM)
    #[arg(
        long,
        env = "RTCSTORM_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    pub client_key: Option<String>,

    /// Take whoever answers for the target: no certificate is checked, and everybody on the way can read along
    #[arg(long, env = "RTCSTORM_INSECURE", value_parser = clap::builder::FalseyValueParser::new())]
    pub insecure: bool,

    /// The page that peers come from, like https://app.example.org
    #[arg(long, env = "RTCSTORM_ORIGIN", value_name = "ORIGIN")]
    pub origin: Option<String>,

    /// A header of the opening handshake, like 'Authorization: Bearer ${env:TOKEN}'; repeatable, in the environment one
    /// a line
    #[arg(
        long,
        env = "RTCSTORM_HEADER",
        value_name = "NAME: VALUE",
        value_delimiter = '\n'
    )]
    pub header: Vec<String>,

    /// A cookie, like 'session=${env:SESSION}'; repeatable, in the environment one a line
    #[arg(
        long,
        env = "RTCSTORM_COOKIE",
        value_name = "NAME=VALUE",
        value_delimiter = '\n'
    )]
    pub cookie: Vec<String>,

    /// A parameter behind those of the URL, like 'token=${file:token.txt}'; repeatable, in the environment one a line
    #[arg(
        long,
        env = "RTCSTORM_QUERY",
        value_name = "NAME=VALUE",
        value_delimiter = '\n'
    )]
    pub query: Vec<String>,

    /// Subprotocols that the server may choose from, with commas
    #[arg(long, env = "RTCSTORM_SUBPROTOCOL", value_name = "NAME")]
    pub subprotocol: Option<String>,

    /// Proxy to go through: http://host:port or socks5://host:port, with user:password@ if it wants them
    #[arg(long, env = "RTCSTORM_PROXY", value_name = "URL")]
    pub proxy: Option<String>,

    /// Where a host is, instead of looking it up; repeatable, with commas
    #[arg(
        long,
        env = "RTCSTORM_RESOLVE",
        value_name = "HOST:PORT:ADDR",
        value_delimiter = ','
    )]
    pub resolve: Vec<String>,

    /// Whom to ask to stop, for the User-Agent
    #[arg(long, env = "RTCSTORM_CONTACT", value_name = "ADDRESS")]
    pub contact: Option<String>,

    /// A row of tokens for each peer (.csv or .jsonl), used as ${credentials.COLUMN}
    #[arg(long, env = "RTCSTORM_CREDENTIALS", value_name = "FILE")]
    pub credentials: Option<String>,
}

impl TargetArgs {
    /// What they change in a scenario.
    pub fn overrides(&self) -> Vec<Override> {
        let mut all = Vec::new();
        let mut put = |flag: &str, path: &[&str], value: &str| all.push(Override::at(flag, path, value));
        for (flag, path, value) in [
            ("--ca", &["target", "tls", "ca"][..], &self.ca),
            (
                "--client-cert",
                &["target", "tls", "certificate"],
                &self.client_cert,
            ),
            ("--client-key", &["target", "tls", "key"], &self.client_key),
            ("--origin", &["target", "origin"], &self.origin),
            ("--proxy", &["target", "proxy"], &self.proxy),
            ("--contact", &["target", "contact"], &self.contact),
            ("--credentials", &["target", "credentials"], &self.credentials),
        ] {
            if let Some(value) = value {
                put(flag, path, value);
            }
        }
        if self.insecure {
            put("--insecure", &["target", "tls", "insecure"], "true");
        }
        for (flag, key, between, values) in [
            ("--header", "headers", ':', &self.header),
            ("--cookie", "cookies", '=', &self.cookie),
            ("--query", "query", '=', &self.query),
        ] {
            for text in values {
                let (name, value) = text.split_once(between).unwrap_or((text, ""));
                put(flag, &["target", key, name.trim()], value.trim());
            }
        }
        // What is one text in the language is one flag's; a list is one value of YAML.
        for (flag, key, items) in [
            (
                "--subprotocol",
                "subprotocols",
                self.subprotocol.iter().flat_map(|all| all.split(',')).collect(),
            ),
            (
                "--resolve",
                "resolve",
                self.resolve.iter().map(String::as_str).collect::<Vec<_>>(),
            ),
        ] {
            if !items.is_empty() {
                all.push(Override::list(flag, &["target", key], &items));
            }
        }
        all
    }

    /// The flags that say the same again, without what may be a secret.
    pub fn repeat(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
        for (flag, value) in [
            ("--ca", &self.ca),
            ("--client-cert", &self.client_cert),
            ("--client-key", &self.client_key),
            ("--origin", &self.origin),
            ("--contact", &self.contact),
            ("--credentials", &self.credentials),
        ] {
            if let Some(value) = value {
                add(flag, value);
            }
        }
        for (flag, between, values) in [
            ("--header", ": ", &self.header),
            ("--cookie", "=", &self.cookie),
            ("--query", "=", &self.query),
        ] {
            for text in values {
                let (name, value) = text.split_once([':', '=']).unwrap_or((text, ""));
                let value = value_without_secrets(value.trim());
                add(flag, &format!("{}{between}{value}", name.trim()));
            }
        }
        if let Some(proxy) = &self.proxy {
            add("--proxy", &crate::scenario::url_without_secrets(proxy));
        }
        for pin in &self.resolve {
            add("--resolve", pin);
        }
        if self.subprotocol.is_some() {
            add("--subprotocol", "hidden");
        }
        if self.insecure {
            words.push("--insecure".to_owned());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::load::Grammar, scenario::Scenario};

    const TEXT: &str =
        "name: t\ntarget: { url: \"wss://rtc.example.org/\" }\nrooms: { peers: 2 }\nsteps: [join]\n";

    #[test]
    fn a_flag_says_what_its_key_says_and_the_command_to_repeat_hides_it() {
        let args = TargetArgs {
            ca: Some("ca.pem".to_owned()),
            insecure: true,
            header: vec!["X-Token: a: {b}".to_owned(), "X-Two: ${env:TWO}".to_owned()],
            query: vec!["k=v=w".to_owned()],
            subprotocol: Some("one,two".to_owned()),
            resolve: vec!["rtc.example.org:443:10.0.0.7".to_owned()],
            proxy: Some("http://me:pass1@proxy:1".to_owned()),
            ..TargetArgs::default()
        };
        let read = Scenario::with_overrides("t", TEXT, &args.overrides(), &Grammar);
        let yaml = read.unwrap_or_else(|e| panic!("{}", e.listing())).to_yaml();
        for line in [
            "tls: { ca: ca.pem, insecure: true }",
            "headers: { X-Token: \"a: {b}\", X-Two: \"${env:TWO}\" }",
            "query: { k: \"v=w\" }",
            "subprotocols: [one, two]",
            "resolve: [\"rtc.example.org:443:10.0.0.7\"]",
            "proxy: \"http://me:pass1@proxy:1\"",
        ] {
            assert!(yaml.contains(line), "{line}: {yaml}");
        }
        let repeat = args.repeat().join(" ");
        assert!(repeat.contains("--header X-Two: ${env:TWO}"), "{repeat}");
        assert!(repeat.contains("--header X-Token: hidden") && repeat.contains("--proxy http://proxy:1"));
        assert!(
            !repeat.contains("pass1") && !repeat.contains("{b}") && !repeat.contains("v=w"),
            "{repeat}"
        );
    }

    #[test]
    fn a_header_without_its_colon_is_told_with_the_flag() {
        let args = TargetArgs {
            header: vec!["X-Token".to_owned()],
            ..TargetArgs::default()
        };
        let told = Scenario::with_overrides("t", TEXT, &args.overrides(), &Grammar);
        let told = told.expect_err("no value").listing();
        assert!(told.contains("--header"), "{told}");
    }
}
