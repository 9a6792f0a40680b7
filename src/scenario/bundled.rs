macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".yaml")))),*]
    };
}

/// The scenarios that ship with the program, name and text, in the order to read them in. Each is a file of
/// `scenarios/`, so that a name works where no file is at hand.
pub fn bundled() -> &'static [(&'static str, &'static str)] {
    scenarios![
        "smoke",
        "leave-rejoin",
        "join-storm",
        "chat-load",
        "username-taken",
        "duplicate-offers",
        "ice-restart",
        "network-drops",
        "crash-and-return",
        "outage-matrix",
        "outage-matrix-short",
        "dashboard-slo",
        "soak",
    ]
}

/// The known races, which ship with the program, too: each has `mutants` that it breaks, and the reference
/// survives it.
pub fn races() -> &'static [(&'static str, &'static str)] {
    scenarios![
        "races/register-late",
        "races/duplicate-offer",
        "races/duplicate-answer",
        "races/stale-timeout",
        "races/close-unfinished",
        "races/glare",
        "races/early-candidate",
        "races/stale-connection",
        "races/rejoin-lock",
        "races/leave-under-way",
        "races/ice-restart",
        "races/late-answer",
        "races/server-restart",
        "races/ghost",
    ]
}

/// One scenario for each thing that a network or a server does to people in a call; they ship with the program, too.
pub fn faults() -> &'static [(&'static str, &'static str)] {
    scenarios![
        "faults/partition",
        "faults/one-way-drop",
        "faults/split-room",
        "faults/roam",
        "faults/roam-unnoticed",
        "faults/nat-rebind",
        "faults/suspend",
        "faults/suspend-clock-jumps",
        "faults/signaling-drop",
        "faults/block-udp",
        "faults/block-udp-turn-tcp",
        "faults/server-restart",
        "faults/server-pause",
        "faults/server-crash",
        "faults/server-slow",
        "faults/relay-only",
        "faults/turn-tcp",
        "faults/turn-tls",
        "faults/turn-dies",
        "faults/turn-away",
        "faults/turn-refused",
        "faults/turn-credentials-expire",
        "faults/turn-wrong-credentials",
        "faults/nat-full-cone",
        "faults/nat-port-restricted",
        "faults/nat-symmetric-relay",
        "faults/nat-impossible",
        "faults/lost-offer",
        "faults/lost-answer",
        "faults/late-answer",
        "faults/glare",
        "faults/reordered-candidates",
        "faults/corrupt-frames",
        "faults/duplicate-descriptions",
        "faults/stale-offer",
        "faults/rolled-back-offer",
        "faults/join-twice",
        "faults/raw-frames",
        "faults/half-open",
        "faults/cut-signaling",
        "faults/slow-signaling",
        "faults/lossy-link",
        "faults/bursty-loss",
        "faults/reordering",
        "faults/duplication",
        "faults/corruption",
        "faults/bufferbloat",
        "faults/asymmetric-link",
        "faults/link-gets-worse",
        "faults/satellite",
        "faults/give-up",
        "faults/join-while-degraded",
        "faults/reconnect-storm",
    ]
}

/// Scenarios in which nothing is said over links, so that they also play where links carry media alone
/// (docs/PROTOCOLS.md).
pub fn media() -> &'static [(&'static str, &'static str)] {
    scenarios![
        "media/smoke",
        "media/leave-rejoin",
        "media/join-storm",
        "media/server-restart",
    ]
}

/// Protocols that are described (docs/PROTOCOLS.md): they stand in for the name of one.
pub fn described_protocols() -> &'static [(&'static str, &'static str)] {
    scenarios!["protocols/dashboard", "protocols/signal-master"]
}

/// All scenarios.
pub fn shipped() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    bundled().iter().chain(media()).chain(races()).chain(faults())
}
