//! simple-whip-server, WHIP in front of Janus: each peer publishes to an endpoint of its own.

use serde_json::Value;

use crate::{
    program::{Desk, Output},
    server::{PEERS, Server, assert_held, assert_joined},
};

const TOKEN: &str = "INTEROP_WHIP_TOKEN";

const BEARER: [&str; 2] = ["--header", "Authorization: Bearer ${env:INTEROP_WHIP_TOKEN}"];

/// The endpoints are those that the server's script has made.
const PROTOCOL: &str = "{whip: {endpoint: 'whip/endpoint/peer-${peer}'}}";

/// Nothing is left after a leave, and operations come in states that allow them: judged wherever somebody is linked.
const JUDGED: [u64; 2] = [2, 5];

fn start(token: &'static str) -> Server {
    Server::start("whip").with_variable(TOKEN, token)
}

fn passes(scenario: &str, room: u64) -> Value {
    let summary = start("verysecret").passes(PROTOCOL, scenario, room, &BEARER);
    assert_held(&summary, &JUDGED);
    summary
}

#[test]
#[ignore = "needs simple-whip-server: tests/interop/run"]
fn sixty_publish() {
    let summary = passes("media/smoke", 3);
    let repeat = summary["repeat"].as_str().expect("how to play it again");
    assert!(
        repeat.contains(TOKEN) && !repeat.contains("verysecret"),
        "{repeat}"
    );
}

/// An endpoint takes one publisher: who is back has ended the last session.
#[test]
#[ignore = "needs simple-whip-server: tests/interop/run"]
fn publishers_leave_and_come_again() {
    passes("media/leave-rejoin", 4);
}

#[test]
#[ignore = "needs simple-whip-server: tests/interop/run"]
fn sixty_publish_at_once() {
    let summary = passes("media/join-storm", 4);
    assert_joined(&summary, PEERS);
}

#[test]
#[ignore = "needs simple-whip-server: tests/interop/run"]
fn publishers_are_back_when_the_server_is() {
    let server = start("verysecret");
    let summary = server.survives("media/server-restart", PROTOCOL, &BEARER);
    assert_held(&summary, &JUDGED);
}

#[test]
#[ignore = "needs simple-whip-server: tests/interop/run"]
fn a_wrong_token_is_refused() {
    let server = start("another-one");
    let scenario = "
name: token
rooms: { peers: 2 }
steps: [join: { expect: rejected }, wait: rejected]
thresholds:
  wait_expired: ['count==0']
  joins_confirmed: ['count==0']
";
    let desk = Desk::new("whip-token");
    desk.write("token.yaml", scenario);
    let run = publish(&server, &desk, "token.yaml");
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let events = desk.read("out/events.ndjson");
    assert!(events.contains(r#""kind":"join_rejected""#), "{events}");
    assert!(events.contains("403"), "the server's status");
    assert!(!events.contains("another-one"), "the token is in no report");
}

/// Where nobody expects it, not one link connects: the run proves nothing, and says why.
#[test]
#[ignore = "needs simple-whip-server: tests/interop/run"]
fn a_wrong_token_lets_nobody_in() {
    let server = start("another-one");
    let desk = Desk::new("whip-refused");
    let run = publish(&server, &desk, "media/smoke");
    assert_eq!(run.code, Some(98), "{}\n{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("403"), "{}", run.stdout);
}

/// They have no other way: the server's response names it (RFC 9725, 4.6).
#[test]
#[ignore = "needs simple-whip-server and coturn: tests/interop/run"]
fn a_turn_server_that_the_server_offers_relays_all_that_is_published() {
    let turn = ("INTEROP_WHIP_TURN", "publisher:its-own-password");
    let server = Server::start_with("whip", &[turn]).with_variable(TOKEN, "verysecret");
    let scenario = "
name: offered
rooms: { peers: 3 }
ice: { servers: offered, policy: relay }
steps: [join, wait: connected, pause: 1s]
thresholds:
  wait_expired: ['count==0']
  operations_failed: ['count==0']
";
    let desk = Desk::new("whip-turn");
    desk.write("offered.yaml", scenario);
    let run = publish(&server, &desk, "offered.yaml");
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let events = desk.events("out");
    let opened = events.iter().filter(|event| event["kind"] == "channel_opened");
    let pairs: Vec<&str> = opened.filter_map(|event| event["pair"].as_str()).collect();
    assert_eq!(pairs, ["relay"; 3]);
    for text in [
        &run.stdout,
        &run.stderr,
        &desk.read("out/events.ndjson"),
        &desk.read("out/run.json"),
    ] {
        assert!(!text.contains("its-own-password"), "{text}");
    }
}

fn publish(server: &Server, desk: &Desk, scenario: &str) -> Output {
    let protocol = format!("target.protocol={PROTOCOL}");
    let arguments = [
        "run",
        scenario,
        "--set",
        &protocol,
        "--url",
        &server.url,
        "--out",
        "out",
    ];
    server.run(desk, &[&arguments[..], &BEARER].concat())
}
