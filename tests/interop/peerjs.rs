//! A PeerJS server: npm's `peer`.

use serde_json::Value;

use crate::{program::Desk, server::Server};

const ROOM: u64 = 3;
const STORM: u64 = 5;

/// What nothing of a run at such a server shows: rosters, which no server without rooms has, and what grows in minutes.
const HIDDEN: [u64; 2] = [6, 8];
/// The same where nobody chats.
const HIDDEN_IN_SILENCE: [u64; 3] = [3, 6, 8];

/// Every other invariant has been judged, and held.
fn assert_judged(summary: &Value, hidden: &[u64]) {
    let invariants = summary["invariants"].as_array().expect("they are listed");
    for invariant in invariants {
        let status = invariant["status"].as_str();
        let is_hidden = invariant["number"]
            .as_u64()
            .is_some_and(|number| hidden.contains(&number));
        let expected = if is_hidden { "not_applicable" } else { "held" };
        assert_eq!(status, Some(expected), "{invariant}");
    }
    assert_eq!(invariants.len(), 8);
}

#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn smoke() {
    let server = Server::start("peerjs");
    let summary = server.passes("peerjs", "smoke", ROOM, &[]);
    assert_judged(&summary, &HIDDEN);
    let repeat = summary["repeat"].as_str().expect("how to play it again");
    assert!(repeat.contains("--protocol peerjs"), "{repeat}");
}

#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn json_is_carried_too() {
    let server = Server::start("peerjs");
    let summary = server.passes("{peerjs: {serialization: json}}", "smoke", ROOM, &[]);
    assert_judged(&summary, &HIDDEN);
    let repeat = summary["repeat"].as_str().expect("how to play it again");
    assert!(repeat.contains("serialization: json"), "{repeat}");
}

#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn leave_and_rejoin() {
    let server = Server::start("peerjs");
    let summary = server.passes("peerjs", "leave-rejoin", ROOM, &[]);
    assert_judged(&summary, &HIDDEN_IN_SILENCE);
}

#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn join_storm() {
    let server = Server::start("peerjs");
    let summary = server.passes("peerjs", "join-storm", STORM, &[]);
    assert_judged(&summary, &HIDDEN_IN_SILENCE);
}

#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn a_server_that_is_killed_and_started_again() {
    let server = Server::start("peerjs");
    assert_judged(&server.survives_restart("peerjs", &[]), &HIDDEN);
}

/// One socket ends, or falls silent while the server holds it: the next one takes the id over, which the server
/// confirms in the first case alone.
#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn sockets_that_are_cut_and_sockets_that_fall_silent() {
    let server = Server::start("peerjs");
    for scenario in ["faults/cut-signaling", "faults/half-open"] {
        let desk = Desk::new(&format!("peerjs-{scenario}").replace('/', "-"));
        let arguments = [
            "run",
            scenario,
            "--protocol",
            "peerjs",
            "--url",
            &server.url,
            "--out",
            "out",
        ];
        let run = desk.run(&arguments);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        assert_judged(&desk.json("out/summary.json"), &HIDDEN);
    }
}

/// Both are told to call themselves the same: who comes second is refused, in the server's words.
#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn an_id_that_is_taken() {
    let server = Server::start("peerjs");
    let scenario = "
name: taken
groups:
  - name: first
    peers: 1
    steps: [join, wait: joined, barrier: in, barrier: over]
  - name: second
    peers: 1
    steps: [barrier: in, join: { expect: rejected }, wait: rejected, barrier: over]
thresholds:
  wait_expired: ['count==0']
  joins_confirmed: ['count==1']
";
    let run = run(
        &server,
        "taken",
        scenario,
        &["--protocol", "peerjs", "--query", "id=taken"],
    );
    assert_eq!(run.0, Some(0), "{}", run.1);
    assert!(run.2.contains(r#""kind":"join_rejected""#) && run.2.contains("ID-TAKEN"));
}

#[test]
#[ignore = "needs a PeerJS server: tests/interop/run"]
fn a_wrong_key() {
    let server = Server::start("peerjs");
    let scenario = "
name: key
rooms: { peers: 2 }
steps: [join: { expect: rejected }, wait: rejected]
thresholds:
  wait_expired: ['count==0']
  joins_confirmed: ['count==0']
";
    let key = ["--set", "target.protocol={peerjs: {key: wrong}}"];
    let run = run(&server, "key", scenario, &key);
    assert_eq!(run.0, Some(0), "{}", run.1);
    assert!(run.2.contains("Invalid key provided"), "the server's own words");
}

/// Code, what was printed, and the events.
fn run(server: &Server, name: &str, scenario: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let desk = Desk::new(&format!("peerjs-{name}"));
    desk.write("own.yaml", scenario);
    let mut arguments = vec!["run", "own.yaml", "--url", &server.url, "--out", "out"];
    arguments.extend(more);
    let run = desk.run(&arguments);
    (run.code, run.stdout + &run.stderr, desk.read("out/events.ndjson"))
}
