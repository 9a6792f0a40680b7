//! ICE servers and credentials that peers fetch before they come in.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reference_server::TurnSecret;
use rtcstorm::{net::BundledTurn, scenario::TurnTransport};
use serde_json::{Value, json};

use super::{
    door::{Door, Paper, answer, hold},
    program::{Desk, Output},
    secure::secure,
};

/// A TURN server in this process, for as long as this is held.
struct Turn {
    server: Arc<BundledTurn>,
    _runtime: tokio::runtime::Runtime,
}

impl Turn {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let secret = TurnSecret::new("s3cret of the TURN server").expect("it is not empty");
        let server = runtime.block_on(BundledTurn::start(secret)).expect("a free port");
        Self {
            server,
            _runtime: runtime,
        }
    }

    /// What the TURN REST API answers.
    fn draft(&self, user: &str, ttl: u64) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let config = self.server.config(Duration::from_secs(ttl));
        let credentials = config.credentials(user, now.as_millis() as u64);
        json!({
            "username": credentials.username, "password": credentials.credential, "ttl": ttl,
            "uris": [self.server.turn_url(TurnTransport::Udp)],
        })
    }
}

fn say(stream: &mut TcpStream, body: &str) {
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}

/// A parameter of a request's first line.
fn parameter(head: &str, name: &str) -> String {
    let first = head.lines().next().unwrap_or_default();
    let query = first.split(['?', ' ']).nth(2).unwrap_or_default();
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    value.unwrap_or_default().to_owned()
}

/// The body of a request whose head has been read.
fn body(stream: &mut TcpStream, head: &str) -> String {
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("the body comes");
    String::from_utf8(bytes).expect("a text")
}

fn url(door: &Door) -> String {
    door.url().replace("ws://", "http://")
}

/// Relay-only peers, who fetch: the pairs that they connected by.
fn relayed(desk: &Desk) -> Vec<String> {
    let opened = desk.events("out").into_iter();
    let opened = opened.filter(|event| event["kind"] == "channel_opened");
    opened
        .map(|event| event["pair"].as_str().expect("a pair").to_owned())
        .collect()
}

fn scenario(servers: &str, steps: &str) -> String {
    format!(
        "name: fetch\nrooms: {{ peers: 2 }}\nconnect_timeout: 10s\nice: {{ policy: relay, servers: [{servers}] }}\n\
         steps: {steps}\nthresholds: {{ connect_failed: ['rate<0.01'] }}\n"
    )
}

const MEET: &str = "[join, { wait: { for: connected, within: 20s } }]";

#[test]
fn relayed_peers_connect_with_credentials_that_each_has_fetched() {
    let turn = Arc::new(Turn::start());
    let there = turn.clone();
    let door = Door::new(move |stream, head| {
        let user = parameter(head, "username");
        say(stream, &there.draft(&user, 3_600).to_string());
    });
    let desk = Desk::new("fetch-draft");
    let servers = format!(
        "{{ fetch: {{ url: '{}?service=turn', query: {{ username: '${{user}}', key: {{ env: API_KEY }} }} }} }}",
        url(&door)
    );
    desk.write("fetch.yaml", &scenario(&servers, MEET));
    let env = [("API_KEY", "s3cret-key"), ("RTCSTORM_LOG", "trace")];
    let report = "html,junit,markdown,csv,json,dump,trace,signaling";
    let output = desk.run_with(&env, &["run", "fetch.yaml", "--out", "out", "--report", report]);
    output.assert_code(0).assert_sane();
    assert_eq!(relayed(&desk), ["relay", "relay"]);
    let knocks = door.knocks();
    assert_eq!(knocks.len(), 2, "once for each peer: {knocks:?}");
    for user in ["p0000", "p0001"] {
        let first = format!("GET /ws/?service=turn&username={user}&key=s3cret-key HTTP/1.1\r\n");
        assert!(knocks.iter().any(|head| head.starts_with(&first)), "{knocks:?}");
    }
    let now = turn.draft("p0000", 3_600);
    let word = now["password"].as_str().expect("a word");
    assert!(word.len() > 20);
    // Of the last minute, whichever second it was.
    let words: Vec<String> = (0..60)
        .flat_map(|ago| [("p0000", ago), ("p0001", ago)])
        .map(|(user, ago)| {
            turn.draft(user, 3_600 - ago)["password"]
                .as_str()
                .expect("a word")
                .to_owned()
        })
        .collect();
    nowhere(&desk, &output, &[&["s3cret".to_owned()], &words[..]].concat());
}

/// None of the secrets is in the run's folder, or was said.
fn nowhere(desk: &Desk, output: &Output, secrets: &[String]) {
    fn files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => files(&path, into),
                path => into.push((path.display().to_string(), fs::read(&path).expect("a file"))),
            }
        }
    }
    let mut all = vec![
        ("stdout".to_owned(), output.stdout.clone().into_bytes()),
        ("stderr".to_owned(), output.stderr.clone().into_bytes()),
    ];
    files(&desk.path("out"), &mut all);
    assert!(all.len() > 8, "{}", all.len());
    for (place, bytes) in all {
        let text = String::from_utf8_lossy(&bytes);
        for secret in secrets {
            let at = text.find(secret.as_str());
            let near = at.map(|at| {
                text[at.saturating_sub(200)..]
                    .chars()
                    .take(260)
                    .collect::<String>()
            });
            assert!(at.is_none(), "{secret} is in {place}: {near:?}");
        }
    }
}

/// What W3C calls `RTCIceServer`, in a list below `iceServers`, posted for, with a bearer; STUN is there without credentials.
#[test]
fn a_list_of_ice_servers_is_posted_for_with_a_token() {
    let turn = Arc::new(Turn::start());
    let there = turn.clone();
    let door = Door::new(move |stream, head| {
        let asked: Value = serde_json::from_str(&body(stream, head)).expect("JSON");
        if !head.contains("authorization: Bearer s3cret-token\r\n") || asked["ttl"] != 600 {
            return answer(stream, "401 Unauthorized", "");
        }
        let draft = there.draft(asked["user"].as_str().expect("a user"), 600);
        let servers = json!({ "iceServers": [
            { "urls": ["stun:127.0.0.1:9"] },
            { "urls": draft["uris"], "username": draft["username"], "credential": draft["password"] },
        ] });
        say(stream, &servers.to_string());
    });
    let desk = Desk::new("fetch-list");
    desk.write("token.txt", "s3cret-token\n");
    let servers = format!(
        "{{ fetch: {{ url: '{}', headers: {{ Authorization: 'Bearer ${{file:token.txt}}' }}, body: '{{\"ttl\":600,\"user\":\"${{user}}\"}}' }} }}",
        url(&door)
    );
    desk.write("fetch.yaml", &scenario(&servers, MEET));
    desk.run(&["run", "fetch.yaml", "--out", "out", "--quiet"])
        .assert_code(0)
        .assert_sane();
    assert_eq!(relayed(&desk), ["relay", "relay"]);
    assert!(
        door.knocks()
            .iter()
            .all(|head| head.starts_with("POST /ws/ HTTP/1.1\r\n"))
    );
    desk.write("token.txt", "s3cret-other\n");
    desk.run(&["run", "fetch.yaml", "--out", "no", "--quiet"])
        .assert_code(99)
        .assert_sane();
    assert!(desk.read("no/summary.json").contains("ice_servers_http_401"));
}

#[test]
fn credentials_are_fetched_for_urls_that_the_scenario_names_and_again_when_they_end() {
    for (ttl, least, most) in [(3_600, 2, 2), (5, 4, 12)] {
        let turn = Arc::new(Turn::start());
        let there = turn.clone();
        let door = Door::new(move |stream, _| {
            let mut draft = there.draft("anybody", ttl);
            draft["uris"] = json!(["turn:192.0.2.1:3478"]);
            say(stream, &draft.to_string());
        });
        let desk = Desk::new(&format!("fetch-again-{ttl}"));
        let own = turn.server.turn_url(TurnTransport::Tcp);
        let servers = format!("{{ urls: '{own}', fetch: '{}' }}", url(&door));
        let steps = "[join, { wait: connected }, { barrier: met }, leave, { pause: 200ms }, join, { wait: connected }]";
        desk.write("fetch.yaml", &scenario(&servers, steps));
        desk.run(&["run", "fetch.yaml", "--out", "out", "--quiet"])
            .assert_code(0)
            .assert_sane();
        assert!(relayed(&desk).iter().all(|pair| pair == "relay"));
        let asked = door.knocks().len();
        assert!((least..=most).contains(&asked), "{ttl} s: asked {asked} times");
    }
}

/// Each peer tries twice, and none comes in.
#[track_caller]
fn kept_out(test: &str, fetch: &str, more: &[&str], name: &str) -> Desk {
    let desk = Desk::new(test);
    let text = scenario(
        &format!("{{ fetch: {fetch} }}"),
        "[join, { wait: { for: connected, within: 3s } }]",
    )
    .replace(
        "connect_timeout: 10s",
        "connect_timeout: 3s\nclient: { reconnect_attempts: 1, socket_within: 1s }",
    );
    desk.write("fetch.yaml", &text);
    let args = [
        "run",
        "fetch.yaml",
        "--out",
        "out",
        "--quiet",
        "--report",
        "html,junit,markdown",
    ];
    let output = desk.run(&[&args[..], &["--lag-limit", "1h", "--cpu-limit", "100%"], more].concat());
    output.assert_code(99).assert_sane();
    let summary = desk.json("out/summary.json");
    let reasons = summary["reasons"].to_string();
    assert!(reasons.contains(&format!("4 {name}")), "{name}: {reasons}");
    for file in ["out/report.md", "out/junit.xml", "out/report.html"] {
        assert!(desk.read(file).contains(name), "{name} is not in {file}");
    }
    let lost = desk.events("out").into_iter();
    let lost: Vec<Value> = lost.filter(|event| event["kind"] == "signaling_lost").collect();
    assert!(
        lost.len() == 4 && lost.iter().all(|event| event["failure"] == name),
        "{lost:?}"
    );
    desk
}

#[test]
fn who_is_refused_ice_servers_does_not_come_in_and_says_why() {
    for (status, name) in [
        ("401 Unauthorized", "ice_servers_http_401"),
        ("403 Forbidden", "ice_servers_http_403"),
        ("404 Not Found", "ice_servers_http_404"),
        ("429 Too Many Requests", "ice_servers_http_429"),
        ("500 Oops", "ice_servers_http_other"),
        ("302 Found", "ice_servers_http_other"),
    ] {
        let door = Door::new(move |stream, _| answer(stream, status, "Location: /ws/?token=pass1\r\n"));
        let desk = kept_out(
            &format!("{name}-{}", &status[..3]),
            &format!("'{}'", url(&door)),
            &[],
            name,
        );
        assert_eq!(door.knocks().len(), 4, "no redirect is followed");
        assert!(!desk.read("out/events.ndjson").contains("pass1"));
    }
}

#[test]
fn an_answer_that_has_nothing_of_use_in_it_is_told() {
    let long = format!("[\"{}\"]", "a".repeat(300_000));
    for (said, name) in [
        ("<p>s3cret", "ice_servers_not_json"),
        (&long, "ice_servers_not_json"),
        ("{}", "ice_servers_missing"),
        (
            r#"{"username":"s3cret:user","password":"s3cret-word"}"#,
            "ice_servers_missing",
        ),
        (
            r#"{"username":"1000000000:s3cret","password":"s3cret-word","ttl":600,"uris":["turn:127.0.0.1"]}"#,
            "ice_servers_expired",
        ),
    ] {
        let said = said.to_owned();
        let door = Door::new(move |stream, _| say(stream, &said));
        let test = format!("{name}-{}", door.port());
        let desk = kept_out(&test, &format!("'{}'", url(&door)), &[], name);
        assert!(!desk.read("out/events.ndjson").contains("s3cret"));
    }
    let garbage = Door::new(|stream, _| drop(stream.write_all(b"SSH-2.0-what?\r\n\r\n")));
    kept_out(
        "fetch-garbage",
        &format!("'{}'", url(&garbage)),
        &[],
        "ice_servers_not_json",
    );
}

#[test]
fn one_that_never_answers_or_is_not_there_is_given_up_in_time() {
    let name = "ice_servers_unanswered";
    let silent = Door::new(|stream, _| hold(stream));
    kept_out(
        "fetch-silent",
        &format!("{{ url: '{}', within: 300ms }}", url(&silent)),
        &[],
        name,
    );
    // The client's own patience with its socket is shorter.
    kept_out(
        "fetch-patient",
        &format!("{{ url: '{}', within: 1m }}", url(&silent)),
        &[],
        name,
    );
    let slow = Door::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{");
        hold(stream);
    });
    kept_out(
        "fetch-slow",
        &format!("{{ url: '{}', within: 300ms }}", url(&slow)),
        &[],
        name,
    );
    let port = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        gone.local_addr().expect("bound").port()
    };
    let name = "ice_servers_unreachable";
    kept_out("fetch-gone", &format!("'http://127.0.0.1:{port}/'"), &[], name);
    let paper = Paper::new("localhost", false);
    let door = secure(&paper, false);
    let url = format!("'https://localhost:{}/'", door.port());
    let desk = kept_out("fetch-untrusted", &url, &[], name);
    assert!(desk.read("out/events.ndjson").contains("tls_untrusted"));
    desk.write("ca.pem", &paper.ca);
    let ca = desk.path("ca.pem").display().to_string();
    kept_out("fetch-trusted", &url, &["--ice-ca", &ca], "ice_servers_http_403");
}

/// The target's own host is shown what the target is shown; nobody else is.
#[test]
fn the_targets_token_goes_to_its_own_host_and_to_nobody_else() {
    let door = Door::new(|stream, _| answer(stream, "403 Forbidden", ""));
    let port = door.port();
    for (host, known) in [("127.0.0.1", true), ("localhost", false)] {
        let desk = Desk::new(&format!("fetch-token-{host}"));
        let text = format!(
            "target:\n  url: 'ws://127.0.0.1:{port}/ws/'\n  origin: https://app.example.org\n  \
             headers: {{ Authorization: 'Bearer ${{jwt}}' }}\n  cookies: {{ session: {{ env: SESSION }} }}\n  \
             jwt: {{ algorithm: HS256, key: {{ env: KEY }}, claims: {{ sub: '${{user}}' }} }}\n"
        );
        let servers =
            format!("{{ fetch: {{ url: 'http://{host}:{port}/turn', query: {{ token: '${{jwt}}' }} }} }}");
        desk.write("fetch.yaml", &(scenario(&servers, MEET) + &text));
        let env = [("KEY", "s3cret-signing-key"), ("SESSION", "s3cret-session")];
        let more = [
            "--set",
            "client.reconnect_attempts=1",
            "--set",
            "connect_timeout=2s",
            "--set",
            "steps.1.wait.within=2s",
        ];
        let args = [&["run", "fetch.yaml", "--out", "out", "--quiet"][..], &more].concat();
        let output = desk.run_with(&env, &args);
        output.assert_code(99).assert_sane();
        let heads = door.knocks();
        let head = heads.last().expect("somebody has knocked");
        assert!(head.starts_with("GET /turn?token=eyJ"), "{head}");
        assert!(head.contains("origin: https://app.example.org\r\n"), "{head}");
        assert_eq!(head.contains("authorization: Bearer eyJ"), known, "{head}");
        assert_eq!(head.contains("cookie: session=s3cret-session"), known, "{head}");
    }
}

#[test]
fn whoever_is_asked_for_ice_servers_has_to_be_ones_own() {
    let desk = Desk::new("fetch-guard");
    let servers = "{ fetch: 'https://turn.example.org/ice?key=s3cret-key' }";
    desk.write("fetch.yaml", &scenario(servers, MEET));
    let output = desk.run(&["run", "fetch.yaml", "--dry-run"]);
    output
        .assert_code(104)
        .assert_says("the host that `fetch` asks for ICE servers, `turn.example.org` is not this machine")
        .assert_says("--allow-target turn.example.org");
    let allow = ["--allow-target", "turn.example.org"];
    let output = desk.run(&[&["run", "fetch.yaml", "--dry-run"][..], &allow].concat());
    output.assert_code(0);
    for told in [
        "each peer asks https://turn.example.org/ice before it comes in",
        "20/s joins",
    ] {
        assert!(output.stdout.contains(told), "{}", output.stdout);
    }
    assert!(!output.stdout.contains("s3cret"), "{}", output.stdout);
    // A pinned name is wherever it is pinned to.
    let pinned = "target: { url: 'ws://localhost:1/', resolve: 'localhost:2:192.0.2.1' }\n";
    let servers = "{ fetch: 'http://localhost:2/' }";
    desk.write("fetch.yaml", &(scenario(servers, MEET) + pinned));
    desk.run(&["run", "fetch.yaml", "--dry-run"])
        .assert_code(104)
        .assert_says("--allow-target localhost");
    // In a simulation nobody is asked.
    desk.write(
        "fetch.yaml",
        &scenario("{ fetch: 'https://turn.example.org/ice' }", "[join]"),
    );
    desk.run(&["run", "fetch.yaml", "--sim", "--quiet", "--set", "rooms.peers=1"])
        .assert_says("named are out of reach");
}

#[test]
fn mistakes_in_fetch_are_told_with_their_place() {
    let desk = Desk::new("fetch-mistakes");
    for (servers, says) in [
        (
            "{ fetch: 'turn:turn.example.org' }",
            "is no URL that can be asked for ICE servers",
        ),
        ("{ fetch: { method: GET } }", "`url` is missing"),
        ("{ fetch: { url: 'http://a/', method: PUT } }", "PUT"),
        (
            "{ fetch: { url: 'http://a/', method: GET, body: b } }",
            "`body` beside `method: GET`",
        ),
        (
            "{ fetch: { url: 'http://a/', header: {} } }",
            "did you mean `headers`?",
        ),
        (
            "{ fetch: { url: 'http://a/', headers: { Host: b } } }",
            "`Host` can't stand in `headers`",
        ),
        (
            "{ fetch: { url: 'http://a/', query: { t: '${jwt}' } } }",
            "`${jwt}` without `jwt`",
        ),
        (
            "{ fetch: { url: 'http://a/', query: { t: '${credentials.t}' } } }",
            "`${credentials.t}` without `credentials`",
        ),
        ("{ fetch: 'http://a/', secret: A }", "`secret` beside `fetch`"),
        ("{}", "`urls` is missing"),
        ("{ urls: 'turn:a' }", "the URL to `fetch` them from"),
    ] {
        desk.write("fetch.yaml", &scenario(servers, MEET));
        desk.run(&["check", "fetch.yaml"])
            .assert_code(104)
            .assert_says(says);
    }
    let servers = "{ fetch: { url: 'http://a/', headers: { X-Key: { env: NOT_THERE_AT_ALL } } } }";
    desk.write("fetch.yaml", &scenario(servers, MEET));
    desk.run(&["run", "fetch.yaml", "--allow-target", "a", "--out", "out"])
        .assert_code(104)
        .assert_says("put it into the variable NOT_THERE_AT_ALL");
}
