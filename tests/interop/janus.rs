//! Janus: its VideoRoom and its TextRoom.

use crate::server::{PEERS, Server, assert_held, assert_joined};

/// Another plugin than the one that is meant if nothing is said.
const TEXTROOM: &str = "{janus: {plugin: textroom}}";

/// Nothing is left after a leave, and operations come in states that allow them: judged wherever somebody is linked.
const JUDGED: [u64; 2] = [2, 5];

#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn members_of_a_videoroom_have_what_the_others_publish() {
    let server = Server::start("janus");
    let summary = server.passes("janus", "media/smoke", 3, &[]);
    assert_held(&summary, &JUDGED);
    let repeat = summary["repeat"].as_str().expect("how to play it again");
    assert!(repeat.contains("--protocol janus"), "{repeat}");
}

#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn publishers_leave_a_videoroom_and_come_again() {
    let server = Server::start("janus");
    // In rooms of four each return makes seven connections, and 60 peers that come and go take two cores to their end.
    let summary = server.passes("janus", "media/leave-rejoin", 2, &[]);
    assert_held(&summary, &JUDGED);
}

#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn fifteen_videorooms_of_four_fill_at_once() {
    let server = Server::start("janus");
    let summary = server.passes("janus", "media/join-storm", 4, &[]);
    assert_held(&summary, &JUDGED);
    assert_joined(&summary, PEERS);
}

/// Nothing lives on: media went through the server that is gone.
#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn publishers_are_back_when_the_server_is() {
    let server = Server::start("janus");
    let summary = server.survives("media/server-restart", "janus", &[]);
    assert_held(&summary, &JUDGED);
}

#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn members_of_a_textroom_hear_one_another() {
    let server = Server::start("janus");
    let summary = server.passes(TEXTROOM, "smoke", 3, &[]);
    assert_held(&summary, &JUDGED);
}

#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn members_leave_a_textroom_and_come_again() {
    let server = Server::start("janus");
    let summary = server.passes(TEXTROOM, "leave-rejoin", 4, &[]);
    assert_held(&summary, &JUDGED);
}

/// Twelve rooms, and then all in one.
#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn textrooms_of_five_and_one_of_sixty_fill_at_once() {
    let server = Server::start("janus");
    for room in [5, PEERS] {
        let summary = server.passes(TEXTROOM, "join-storm", room, &[]);
        assert_held(&summary, &JUDGED);
        assert_joined(&summary, PEERS);
    }
}

#[test]
#[ignore = "needs Janus: tests/interop/run"]
fn members_of_a_textroom_are_back_when_the_server_is() {
    let server = Server::start("janus");
    // In a mesh links live on without their server; here they are the server's.
    let torn = ["--set", "thresholds.faults_started=['count>=6']"];
    let summary = server.survives_restart(TEXTROOM, &torn);
    assert_held(&summary, &JUDGED);
}
