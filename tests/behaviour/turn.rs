//! Links through the STUN and TURN server that comes with the program.

use rtcstorm::metrics::{CandidateKind, EventKind};

use crate::local::play;

/// Through which kind of candidate channels opened, in a room of two whose `ice` is that.
async fn pairs(ice: &str) -> Vec<CandidateKind> {
    let text = format!(
        "{{ name: x, rooms: {{ peers: 2 }}, ice: {ice}, connect_timeout: 5s, \
         steps: [join, {{ wait: {{ for: connected, within: 20s }} }}] }}"
    );
    let played = play(&text).await;
    let opened = |kind: &EventKind| match kind {
        EventKind::ChannelOpened { pair, .. } => Some(*pair),
        _ => None,
    };
    played
        .events
        .iter()
        .filter_map(|event| opened(&event.kind))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_go_through_the_bundled_server_over_udp_tcp_and_tls() {
    for transport in ["udp", "tcp", "tls"] {
        let pairs = pairs(&format!("{{ policy: relay, transport: {transport} }}")).await;
        assert_eq!(pairs, [CandidateKind::Relay; 2], "{transport}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_path_is_taken_where_there_is_one() {
    let pairs = pairs("all").await;
    assert!(
        pairs.len() == 2 && !pairs.contains(&CandidateKind::Relay),
        "{pairs:?}"
    );
}

#[test]
#[ignore = "the interop tests need coturn: run tests/interop/turn"]
fn interop_with_coturn() {
    let root = env!("CARGO_MANIFEST_DIR");
    let played = std::process::Command::new(format!("{root}/tests/interop/turn"))
        .env("RTCSTORM", env!("CARGO_BIN_EXE_rtcstorm"))
        .status();
    assert!(played.expect("it starts").success());
}
