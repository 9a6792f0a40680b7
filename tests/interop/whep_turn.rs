//! Peers that have nothing but the TURN server that a WHEP server names in its response (RFC 9725, 4.6).

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reference_server::TurnSecret;
use rtcstorm::{net::BundledTurn, scenario::TurnTransport};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    program::{Desk, Output},
    whep_server::{Link, WhepServer},
};

const PEERS: usize = 3;
const SCENARIO: &str = "
name: offered
target: { protocol: { whep: { endpoint: whep/stage } } }
rooms: { peers: 3 }
ice: { servers: offered, policy: relay }
connect_timeout: 8s
steps:
  - join
  - wait: { for: connected, within: 10s }
  - pause: 1s
thresholds:
  connect_failed: ['rate==0']
  operations_failed: ['count==0']
";

/// The bundled TURN server, and the credentials that a signaling server gives out for it.
struct Turn {
    runtime: Runtime,
    server: Arc<BundledTurn>,
    /// Those that it has given out.
    given: Arc<Mutex<Vec<String>>>,
}

impl Turn {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let secret = TurnSecret::new("that of the tests").expect("it is long enough");
        let server = runtime.block_on(BundledTurn::start(secret)).expect("a free port");
        Self {
            runtime,
            server,
            given: Arc::default(),
        }
    }

    /// Says where it is, with time-limited credentials that are signed with that secret.
    fn link(&self, signed_with: &str) -> Link {
        let mut config = self.server.config(Duration::from_secs(60));
        config.secret = TurnSecret::new(signed_with).expect("it is long enough");
        let url = self.server.turn_url(TurnTransport::Udp);
        let given = self.given.clone();
        Box::new(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
            let now_unix_ms = u64::try_from(now.as_millis()).expect("it is not that late");
            let credentials = config.credentials(USER, now_unix_ms);
            let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
            given.push(credentials.credential.clone());
            format!(
                r#"<{url}>; rel="ice-server"; username="{}"; credential="{}"; credential-type="password""#,
                credentials.username, credentials.credential
            )
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.server.shutdown();
    }
}

/// Who the credentials are for.
const USER: &str = "whoever-plays";

fn play(server: &WhepServer, desk: &Desk, more: &[&str]) -> Output {
    desk.write("offered.yaml", SCENARIO);
    let url = server.url();
    let arguments = ["run", "offered.yaml", "--url", &url, "--out", "out"];
    desk.run_with(
        &[("RTCSTORM_LOG", "rtcstorm=trace")],
        &[&arguments, more].concat(),
    )
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["kind"] == kind).count()
}

/// Neither credentials nor whom they are for are in any file of a run, nor in what it has said.
fn assert_hidden(desk: &Desk, output: &Output, turn: &Turn) {
    let given = turn.given.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(given.len() >= PEERS, "{given:?}");
    let mut texts = vec![output.stdout.clone(), output.stderr.clone()];
    texts_below(&desk.path("out"), &mut texts);
    assert!(texts.len() > 5, "{}", texts.len());
    for text in texts {
        for secret in given.iter().map(String::as_str).chain([USER]) {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

fn texts_below(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => texts_below(&path, texts),
            false => texts.push(String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned()),
        }
    }
}

#[test]
fn what_a_server_names_in_its_response_relays_all_that_a_player_has() {
    let turn = Turn::start();
    let server = WhepServer::with_link(None, turn.link("that of the tests"));
    let desk = Desk::new("whep-turn");
    let output = play(&server, &desk, &[]);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let offers = server.offers();
    assert_eq!(offers.len(), PEERS);
    assert!(
        offers.iter().all(|offer| !offer.contains("a=candidate")),
        "servers come with the answer: {offers:?}"
    );
    let answered = server.answered();
    let told = answered.iter().filter(|answer| *answer == "PATCH 204").count();
    assert!(told >= PEERS, "{answered:?}");
    let events = desk.events("out");
    let relayed = events
        .iter()
        .filter(|event| event["kind"] == "channel_opened" && event["pair"] == "relay");
    assert_eq!(relayed.count(), PEERS);
    assert_hidden(&desk, &output, &turn);
}

/// What is offered is no duty.
#[test]
fn a_direct_path_is_taken_where_there_is_one() {
    let turn = Turn::start();
    let server = WhepServer::with_link(None, turn.link("that of the tests"));
    let desk = Desk::new("whep-turn-direct");
    let output = play(&server, &desk, &["--set", "ice.policy=all"]);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let offers = server.offers();
    assert!(
        offers.iter().all(|offer| !offer.contains("a=candidate")),
        "{offers:?}"
    );
    let events = desk.events("out");
    let opened = events.iter().filter(|event| event["kind"] == "channel_opened");
    let pairs: Vec<&str> = opened.filter_map(|event| event["pair"].as_str()).collect();
    assert_eq!(pairs.len(), PEERS);
    assert!(!pairs.contains(&"relay"), "{pairs:?}");
}

#[test]
fn wrong_credentials_connect_nobody_and_the_run_says_why() {
    let turn = Turn::start();
    let server = WhepServer::with_link(None, turn.link("another secret"));
    let desk = Desk::new("whep-turn-wrong");
    let impatient = "client={ice_within: 1s, give_up_after: 1}";
    let output = play(&server, &desk, &["--set", impatient]);
    // Not one link connects: the run proves nothing.
    assert_eq!(output.code, Some(98), "{}", output.stdout);
    let events = desk.events("out");
    assert_eq!(count(&events, "channel_opened"), 0);
    let given_up: Vec<&Value> = events
        .iter()
        .filter(|event| event["kind"] == "link_given_up")
        .collect();
    assert_eq!(given_up.len(), PEERS, "{}", output.stdout);
    for event in given_up {
        // There is no candidate of ours.
        let why = event["why"].as_str().unwrap_or_default();
        assert!(why.contains("none here, host there"), "{why}");
    }
    assert_hidden(&desk, &output, &turn);
}

#[test]
fn a_server_that_names_no_relay_fails_the_operation_that_needs_one() {
    let server = WhepServer::start(None);
    let desk = Desk::new("whep-turn-none");
    let impatient = "client={ice_within: 1s, give_up_after: 1}";
    let output = play(&server, &desk, &["--set", impatient]);
    assert_eq!(output.code, Some(98), "{}", output.stdout);
    let why = "the signaling server has offered no TURN server, and only relays are used";
    assert!(desk.read("out/events.ndjson").contains(why), "{}", output.stdout);
}
