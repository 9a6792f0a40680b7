//! signal-master, SimpleWebRTC's server.

use crate::{
    program::Desk,
    server::Server,
    turn_server::{SECRET, Turn},
};

const PROTOCOL: &str = "simplewebrtc";

#[test]
#[ignore = "needs signal-master: tests/interop/run"]
fn sixty_peers_meet_leave_and_meet_again() {
    let server = Server::start("signalmaster");
    server.passes(PROTOCOL, "smoke", 4, &[]);
    server.passes(PROTOCOL, "leave-rejoin", 4, &[]);
    server.passes(PROTOCOL, "join-storm", 4, &[]);
}

#[test]
#[ignore = "needs signal-master: tests/interop/run"]
fn a_room_talks_on_while_the_server_is_killed_and_comes_back() {
    let server = Server::start("signalmaster");
    server.survives_restart(PROTOCOL, &[]);
}

/// The same server by a description, without a line of code for it.
#[test]
#[ignore = "needs signal-master: tests/interop/run"]
fn a_description_speaks_to_it_as_well() {
    let server = Server::start("signalmaster");
    for scenario in ["smoke", "leave-rejoin", "join-storm"] {
        server.passes("protocols/signal-master", scenario, 4, &[]);
    }
    server.survives_restart("protocols/signal-master", &[]);
}

/// It makes the credentials when a socket opens.
#[test]
#[ignore = "needs signal-master: tests/interop/run"]
fn the_turn_server_that_it_offers_relays_all_that_is_said() {
    let turn = Turn::start();
    let named = [
        ("INTEROP_SIGNALMASTER_TURN", turn.url()),
        ("INTEROP_SIGNALMASTER_TURN_SECRET", SECRET.to_owned()),
    ];
    let named = named.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start_with("signalmaster", &named);
    let scenario = "
name: offered
target: { protocol: simplewebrtc }
rooms: { count: 3, peers: 4 }
ice: { servers: offered, policy: relay }
steps:
  - join
  - wait: connected
  - barrier: everybody is here
  - chat: { every: 100ms, count: 5, size: 64 }
thresholds:
  connect_failed: ['rate==0']
  messages_lost: ['count==0']
";
    let desk = Desk::new("simplewebrtc-turn");
    desk.write("offered.yaml", scenario);
    let run = server.run(
        &desk,
        &["run", "offered.yaml", "--url", &server.url, "--out", "out"],
    );
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let events = desk.events("out");
    let opened = events.iter().filter(|event| event["kind"] == "channel_opened");
    let pairs: Vec<&str> = opened.filter_map(|event| event["pair"].as_str()).collect();
    assert_eq!(pairs, ["relay"; 3 * 4 * 3]);
}
