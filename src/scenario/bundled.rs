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
