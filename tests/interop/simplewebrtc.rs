//! signal-master, SimpleWebRTC's server.

use crate::server::Server;

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
    for scenario in ["smoke", "leave-rejoin"] {
        server.passes("protocols/signal-master", scenario, 4, &[]);
    }
    server.survives_restart("protocols/signal-master", &[]);
}
