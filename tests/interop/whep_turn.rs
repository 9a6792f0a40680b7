//! Peers that have nothing but the TURN server that a WHEP server names in its response (RFC 9725, 4.6).

use std::path::Path;

use serde_json::Value;

use crate::{
    program::{Desk, Output},
    turn_server::{SECRET, Turn, USER},
    whep_server::WhepServer,
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

fn play(server: &WhepServer, desk: &Desk, more: &[&str]) -> Output {
    desk.write("offered.yaml", SCENARIO);
    let url = server.url();
    let arguments = ["run", "offered.yaml", "--url", &url, "--out", "out"];
    desk.run_with(&[("RTCSTORM_LOG", "trace")], &[&arguments, more].concat())
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["kind"] == kind).count()
}

/// Neither credentials nor whom they are for are in any file of a run, nor in what it has said.
fn assert_hidden(desk: &Desk, output: &Output, turn: &Turn) {
    let given = turn.given();
    assert!(given.len() >= PEERS, "{given:?}");
    assert!(output.stderr.contains("TRACE"), "all is logged");
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
    let server = WhepServer::with_link(None, turn.link(SECRET));
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
    let server = WhepServer::with_link(None, turn.link(SECRET));
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
    let output = play(
        &server,
        &desk,
        &[
            "--set",
            impatient,
            "--set",
            "duration=5s",
            "--set",
            "connect_timeout=2s",
        ],
    );
    assert!(matches!(output.code, Some(98 | 99)), "{}", output.stdout);
    assert!(
        output.stdout.contains("not one link connected"),
        "{}",
        output.stdout
    );
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
    let output = play(&server, &desk, &["--set", "duration=2s"]);
    assert!(matches!(output.code, Some(98 | 99)), "{}", output.stdout);
    let why = "the signaling server has offered no TURN server, and only relays are used";
    assert!(desk.read("out/events.ndjson").contains(why), "{}", output.stdout);
}
