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
        "dashboard-slo",
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
        "faults/nat-full-cone",
        "faults/nat-port-restricted",
        "faults/nat-symmetric-relay",
        "faults/nat-impossible",
        "faults/relay-only",
        "faults/turn-tcp",
        "faults/turn-tls",
        "faults/turn-dies",
        "faults/turn-away",
        "faults/turn-refused",
        "faults/turn-credentials-expire",
    ]
}

/// All of them.
pub fn shipped() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    bundled().iter().chain(races()).chain(faults())
}
