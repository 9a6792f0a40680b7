//! Secrets that a command line says: everybody sees them who can list processes, and a shell keeps them. None is taken.

use super::run::quoted;
use crate::{
    report::redacted,
    scenario::{
        Part, Template, is_scheme, is_secret_name, set_without_secrets, url_without_secrets,
        value_without_secrets,
    },
};

/// A shorter cookie is a setting, not a session, unless its name says otherwise.
const LEAST_COOKIE: usize = 8;

/// What is wrong with a command line of these words.
pub(super) fn mistakes(words: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word.as_str(), words.get(at + 1).map(String::as_str)),
        };
        let Some(value) = value.filter(|_| flag.starts_with("--")) else {
            continue;
        };
        if flag == "--ab" {
            // Two commands follow.
            for line in words[at..].iter().take(3) {
                let line = line.strip_prefix("--ab=").unwrap_or(line);
                all.extend(mistakes(&shlex::split(line).unwrap_or_default()));
            }
        }
        all.extend(said(flag, value).map(|(what, help)| {
            format!(
                "error: {flag}: {what} is a secret that stands on the command line: whoever can list processes sees it, and a shell keeps it\n  help: {help}"
            )
        }));
    }
    all.dedup();
    all
}

/// A command line as it may be told to anybody: what it says of secrets, by flags that are known, is hidden.
pub(super) fn line_without_secrets(line: &str) -> String {
    let Some(words) = shlex::split(line) else {
        return redacted(line);
    };
    let mut flag = "";
    let told = words.iter().map(|word| {
        let before = std::mem::take(&mut flag);
        if let Some((own, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
            return format!("{own}={}", hidden(own, value));
        }
        flag = word;
        hidden(before, word)
    });
    told.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// What a flag says, without secrets.
fn hidden(flag: &str, value: &str) -> String {
    let named = |between: char| {
        let (name, text) = value.split_once(between).unwrap_or((value, ""));
        format!("{name}{between}{}", value_without_secrets(text))
    };
    match flag {
        "--header" => named(':'),
        "--cookie" | "--query" => named('='),
        "--set" => set_without_secrets(value),
        "--subprotocol" => "hidden".to_owned(),
        "--url" | "--proxy" | "--server-metrics" | "--otlp" => url_without_secrets(value),
        "--ice-server" => value.split(',').next().unwrap_or_default().to_owned(),
        _ => redacted(value),
    }
}

/// The secret that a flag says, without itself, and what to do instead.
fn said(flag: &str, value: &str) -> Option<(String, String)> {
    let elsewhere = |example: &str| {
        let variable = format!(
            "RTCSTORM_{}",
            flag.trim_start_matches('-').replace('-', "_").to_uppercase()
        );
        format!(
            "keep it in the environment or in a file, `{example}`, or the whole option in the variable {variable}"
        )
    };
    match flag {
        "--header" => {
            let (name, text) = value.split_once(':').unwrap_or((value, ""));
            let name = name.trim();
            let example = format!("--header '{name}: ${{env:TOKEN}}'");
            is_said(name, text).then(|| (format!("`{name}`"), elsewhere(&example)))
        }
        "--cookie" | "--query" => {
            let (name, text) = value.split_once('=').unwrap_or((value, ""));
            let session = flag == "--cookie" && text.len() >= LEAST_COOKIE && is_said("cookie", text);
            let example = format!("{flag} '{name}=${{env:TOKEN}}'");
            (session || is_said(name, text)).then(|| (format!("`{name}`"), elsewhere(&example)))
        }
        "--url" | "--server-metrics" | "--otlp" | "--proxy" => {
            let what = in_url(value)?;
            let example = match flag {
                "--url" => "--query 'token=${env:TOKEN}'",
                _ => "target: { proxy: { env: PROXY } }",
            };
            Some((what, elsewhere(example)))
        }
        "--ice-server" => {
            let credential = value.split(',').nth(2)?;
            let example = "--ice-server 'turn:host:port,USER,${env:TURN_CREDENTIAL}'";
            is_said("credential", credential).then(|| ("the credential".to_owned(), elsewhere(example)))
        }
        "--set" => {
            let (path, text) = value.split_once('=')?;
            let what = in_set(path, text)?;
            Some((what, elsewhere(&format!("--set '{path}={{env: TOKEN}}'"))))
        }
        _ => None,
    }
}

/// Whether a value of that name says a secret itself, instead of where it is.
fn is_said(name: &str, text: &str) -> bool {
    let Ok(Template(parts)) = Template::parse(text.trim()) else {
        return false;
    };
    if parts.iter().any(|part| !matches!(part, Part::Text(_))) {
        return false;
    }
    let words: Vec<&str> = parts
        .iter()
        .flat_map(|part| match part {
            Part::Text(text) => text.split_whitespace().collect(),
            _ => Vec::new(),
        })
        .collect();
    let by_itself = words
        .first()
        .is_some_and(|word| is_scheme(word) && words.len() > 1);
    let token = words.iter().any(|word| word.starts_with("eyJ"));
    (is_secret_name(name) && words.iter().any(|word| !is_scheme(word))) || by_itself || token
}

/// A password, or a parameter that is named like a secret.
fn in_url(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = before.split('/').next().unwrap_or(before);
    let account = authority.rsplit_once('@').map(|(account, _)| account);
    if account.is_some_and(|account| account.contains(':')) {
        return Some("the password in the URL".to_owned());
    }
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut secret = pairs.filter(|(name, value)| is_said(name, value));
    secret.next().map(|(name, _)| format!("`{name}` in the URL"))
}

/// A value of the scenario.
fn in_set(path: &str, text: &str) -> Option<String> {
    let text = text.trim();
    let name = path.rsplit('.').next().unwrap_or(path);
    // Files, names of variables and modes of the language.
    let harmless = matches!(path, "target.credentials" | "target.tls.key" | "ice.credentials")
        || path.ends_with("ice.credentials")
        || (name == "secret" && !path.starts_with("target"));
    if harmless {
        return None;
    }
    if let Some(what) = in_url(text) {
        return Some(what);
    }
    if !text.starts_with(['{', '[']) {
        let cookie =
            path.starts_with("target.cookies.") && text.len() >= LEAST_COOKIE && is_said("cookie", text);
        return (cookie || is_said(name, text)).then(|| format!("`{path}`"));
    }
    let pieces = text.split(['{', '}', '[', ']', ',']);
    let mut pairs = pieces.filter_map(|piece| piece.split_once(':'));
    let plain = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    pairs.find_map(|(name, value)| {
        let (name, value) = (plain(name), plain(value));
        let of_tls = name == "key" && !path.contains("jwt") && !text.contains("algorithm");
        let file = matches!(
            name.as_str(),
            "credentials" | "secret" | "env" | "file" | "key_id"
        );
        let what = in_url(&value).or_else(|| is_said(&name, &value).then(|| format!("`{name}` in `{path}`")));
        what.filter(|_| !of_tls && !file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Vec<String> {
        mistakes(&shlex::split(line).expect("words"))
    }

    #[test]
    fn a_secret_that_is_said_is_refused_and_not_repeated() {
        for line in [
            "run a --header 'Authorization: Bearer s3cret-word'",
            "run a --header='X-Api-Key: s3cret'",
            "run a --header 'X-Other: Bearer s3cret'",
            "run a --header 'X-Other: eyJhbGciOiJIUzI1NiJ9.s3cret.x'",
            "run a --cookie session=s3cret",
            "run a --cookie c=s3cret-word",
            "check a --query access_token=s3cret",
            "run a --url 'wss://h/ws/?room=1&token=s3cret'",
            "run a --url wss://me:s3cret@h/",
            "run a --proxy http://me:s3cret@proxy:1",
            "run a --ice-server turn:h:1,me,s3cret",
            "run a --set target.headers.Authorization='Bearer s3cret'",
            "run a --set target.jwt.key=s3cret",
            "run a --set 'target.headers={Authorization: Bearer s3cret}'",
            "run a --set 'ice.servers=[{urls: \"turn:h\", username: u, credential: s3cret}]'",
            "run a --set target.url=wss://me:s3cret@h/",
            "capacity a -- --header 'Authorization: Bearer s3cret'",
            "compare --ab 'rtcstorm run a --query token=s3cret' 'rtcstorm run b'",
        ] {
            let told = told(line);
            assert_eq!(told.len(), 1, "{line}: {told:?}");
            assert!(
                !told[0].contains("s3cret") && told[0].contains("help: keep it"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn a_command_that_is_kept_has_no_secret_in_it() {
        let line = "RTC=1 ./old/rtcstorm run 'my file.yaml' --header 'X-Tenant: s3cret' --cookie=a=s3cret --query 'b=${env:B}' \
                    --url wss://me:s3cret@h/ws/?t=s3cret --set target.headers.X=s3cret --ice-server turn:h,u,s3cret --rooms 3";
        assert_eq!(
            line_without_secrets(line),
            "RTC=1 ./old/rtcstorm run 'my file.yaml' --header X-Tenant:hidden --cookie=a=hidden --query 'b=${env:B}' \
             --url wss://h/ws/ --set target.headers.X=hidden --ice-server turn:h --rooms 3"
        );
        assert!(!line_without_secrets("run 'open --header token=s3cret").contains("s3cret"));
    }

    #[test]
    fn what_is_no_secret_or_says_where_it_is_kept_is_taken() {
        for line in [
            "run a --header 'Authorization: Bearer ${env:TOKEN}' --header 'X-Tenant: blue-and-green'",
            "run a --header 'Authorization: Bearer ${jwt}' --cookie lang=en --cookie 's=${file:c.txt}'",
            "run a --query room=1234567890 --query 'token=${credentials.token}'",
            "run a --url wss://rtc.example.org/ws/?room=1 --proxy http://proxy:1",
            "run a --ice-server 'turn:h:1,me,${env:WORD}' --ice-server stun:h:1",
            "run a --set target.credentials=peers.csv --set ice.credentials=wrong --set target.tls.key=me.key",
            "run a --set 'target.jwt={algorithm: HS256, key: {env: JWT_KEY}}' --set 'target.tls={certificate: a.pem, key: a.key}'",
            "run a --set 'ice.servers=[{urls: \"turn:h\", secret: TURN_SECRET}]' --set target.headers.Authorization='{env: TOKEN}'",
            "compare --ab 'rtcstorm run a' 'rtcstorm run b' --pairs 5",
            "run a --set client.resume_membership=false --client-key me.key",
        ] {
            assert_eq!(told(line), Vec::<String>::new(), "{line}");
        }
    }
}
