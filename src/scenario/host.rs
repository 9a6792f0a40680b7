//! The steps that something happens to a peer's machine in, or to the network that it is in.

use std::time::Duration;

use super::{
    fields::Reader,
    tree::Entry,
    types::{SleepingClock, SocketOnRoam, StepKind, Ways},
};

/// The keys of a `roam`.
pub(super) const ROAM_KEYS: [&str; 1] = ["signaling"];
/// The keys of a `suspend`.
pub(super) const SUSPEND_KEYS: [&str; 2] = ["for", "clock"];
/// The keys of a `block_udp`.
pub(super) const BLOCK_KEYS: [&str; 1] = ["for"];

/// What `signaling` can be when a peer roams.
pub(super) const SOCKETS_ON_ROAM: [(&str, SocketOnRoam); 3] = [
    ("broken", SocketOnRoam::Broken),
    ("silent", SocketOnRoam::Silent),
    ("kept", SocketOnRoam::Kept),
];
/// What `clock` can be.
pub(super) const CLOCKS: [(&str, SleepingClock); 2] =
    [("stops", SleepingClock::Stops), ("jumps", SleepingClock::Jumps)];
/// What `direction` can be.
pub(super) const WAYS: [(&str, Ways); 3] = [("both", Ways::Both), ("out", Ways::Out), ("in", Ways::In)];
/// What `server` can be beside `with`: whether it is lost.
pub(super) const SERVER: [(&str, bool); 2] = [("kept", false), ("lost", true)];

/// The word that stands for a value.
pub(super) fn word_of<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    let found = words.iter().find(|(_, other)| *other == value);
    found.map_or("", |(word, _)| word)
}

pub(super) fn read_roam(reader: &mut Reader<'_>, given: Option<&Entry>) -> Option<StepKind> {
    let mut signaling = Some(SocketOnRoam::Broken);
    if let Some(entry) = given {
        let wants = "nothing, or a map like `{signaling: silent}`";
        let mut fields = reader.map(&entry.value, "`roam`", wants)?;
        if let Some(entry) = fields.take("signaling") {
            signaling = reader.choice(entry, &SOCKETS_ON_ROAM);
        }
        fields.finish(reader, &ROAM_KEYS);
    }
    Some(StepKind::Roam {
        signaling: signaling?,
    })
}

pub(super) fn read_suspend(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    let wants = "a map like `{for: 5s, clock: jumps}`";
    let mut fields = reader.map(&entry.value, "`suspend`", wants)?;
    let lasting = fields.need(reader, "for", entry.key_span, "for: 5s");
    let lasting = lasting.and_then(|entry| reader.positive_duration(entry));
    let clock = fields.take("clock");
    let clock = clock.map_or(Some(SleepingClock::Stops), |entry| reader.choice(entry, &CLOCKS));
    fields.finish(reader, &SUSPEND_KEYS);
    Some(StepKind::Suspend {
        lasting: lasting?,
        clock: clock?,
    })
}

pub(super) fn read_block(reader: &mut Reader<'_>, given: Option<&Entry>) -> Option<StepKind> {
    let mut lasting: Option<Option<Duration>> = Some(None);
    if let Some(entry) = given {
        let wants = "nothing, or a map like `{for: 10s}`";
        let mut fields = reader.map(&entry.value, "`block_udp`", wants)?;
        if let Some(entry) = fields.take("for") {
            lasting = reader.positive_duration(entry).map(Some);
        }
        fields.finish(reader, &BLOCK_KEYS);
    }
    Some(StepKind::BlockUdp { lasting: lasting? })
}
