//! Whole runs against the tests' own WHEP server, in a process of its own.

use serde_json::Value;

use crate::server::{PEERS, Server, assert_held, assert_joined};

/// Each peer has a session at the one stream there is.
const PROTOCOL: &str = "{whep: {endpoint: alias/live}}";

/// Nothing is left after a leave, and operations come in states that allow them.
const JUDGED: [u64; 2] = [2, 5];

fn passes(scenario: &str, room: u64) -> Value {
    let summary = Server::start("whep").passes(PROTOCOL, scenario, room, &[]);
    assert_held(&summary, &JUDGED);
    summary
}

#[test]
#[ignore = "plays whole runs: tests/interop/run"]
fn sixty_have_the_stream() {
    passes("media/smoke", 3);
}

#[test]
#[ignore = "plays whole runs: tests/interop/run"]
fn viewers_leave_and_come_again() {
    passes("media/leave-rejoin", 4);
}

#[test]
#[ignore = "plays whole runs: tests/interop/run"]
fn sixty_want_the_stream_at_once() {
    let summary = passes("media/join-storm", 4);
    assert_joined(&summary, PEERS);
}

#[test]
#[ignore = "plays whole runs: tests/interop/run"]
fn viewers_are_back_when_the_server_is() {
    let server = Server::start("whep");
    let summary = server.survives("media/server-restart", PROTOCOL, &[]);
    assert_held(&summary, &JUDGED);
}
