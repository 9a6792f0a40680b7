//! What a peer is behind: `nat`, of the scenario and of a group.

use super::{
    fields::Reader,
    print::with,
    tree::{Entry, Value},
};
use crate::{
    base::show_duration,
    impair::{Nat, NatKind},
};

/// The keys of a `nat` written long.
pub(super) const NAT_KEYS: [&str; 5] = ["type", "lifetime", "hairpinning", "ports", "shared"];
/// How a mapping gets its port; `true` preserves the inner one.
pub(super) const NAT_PORTS: [(&str, bool); 2] = [("random", false), ("preserved", true)];

/// Every word for a NAT, `none` first.
pub(super) fn nat_words() -> impl Iterator<Item = &'static str> {
    std::iter::once("none").chain(NatKind::NAMES.map(|(word, _)| word))
}

/// A word, or a map of one and what differs. The inner `None`: behind nothing.
pub(super) fn read_nat(reader: &mut Reader<'_>, entry: &Entry) -> Option<Option<Nat>> {
    let words: Vec<(&str, Option<NatKind>)> = std::iter::once(("none", None))
        .chain(NatKind::NAMES.map(|(word, kind)| (word, Some(kind))))
        .collect();
    if let Value::Scalar(_) = &entry.value.value {
        return Some(reader.choice(entry, &words)?.map(Nat::of));
    }
    let wants = "a word like `port_restricted`, or a map like `{type: symmetric, lifetime: 30s}`";
    let mut fields = reader.map(&entry.value, "`nat`", wants)?;
    let kind = fields
        .need(
            reader,
            "type",
            entry.key_span,
            "nat: {type: symmetric, lifetime: 30s}",
        )
        .map(|entry| (entry, reader.choice(entry, &words)));
    let lifetime = fields
        .take("lifetime")
        .map(|entry| reader.positive_duration(entry));
    let hairpinning = fields.take("hairpinning").map(|entry| reader.flag(entry));
    let ports = fields.take("ports").map(|entry| reader.choice(entry, &NAT_PORTS));
    let shared = fields.take("shared").map(|entry| reader.flag(entry));
    fields.finish(reader, &NAT_KEYS);
    let (entry, kind) = kind?;
    let Some(kind) = kind? else {
        let says_more = lifetime.is_some() || hairpinning.is_some() || ports.is_some() || shared.is_some();
        if says_more {
            reader.mistake_help(
                entry.value.span,
                "where there is no NAT, nothing can be said of it",
                "write `nat: none`, or name the type that is meant",
            );
            return None;
        }
        return Some(None);
    };
    let nat = Nat::of(kind);
    Some(Some(Nat {
        kind,
        lifetime: or(lifetime, nat.lifetime)?,
        hairpinning: or(hairpinning, nat.hairpinning)?,
        preserves_ports: or(ports, nat.preserves_ports)?,
        shared: or(shared, nat.shared)?,
    }))
}

/// What is not said has its default; broken stays broken.
fn or<T>(said: Option<Option<T>>, default: T) -> Option<T> {
    said.unwrap_or(Some(default))
}

/// As [`read_nat`] reads it: `nat: symmetric`.
pub(super) fn show_nat(nat: &Nat) -> String {
    let default = Nat::of(nat.kind);
    let parts = [
        (nat.lifetime != default.lifetime).then(|| format!("lifetime: {}", show_duration(nat.lifetime))),
        (nat.hairpinning != default.hairpinning).then(|| format!("hairpinning: {}", nat.hairpinning)),
        (nat.preserves_ports != default.preserves_ports).then(|| {
            let named = NAT_PORTS
                .iter()
                .find(|(_, preserves)| *preserves == nat.preserves_ports);
            format!("ports: {}", named.map_or("random", |(word, _)| word))
        }),
        (nat.shared != default.shared).then(|| format!("shared: {}", nat.shared)),
    ];
    if parts.iter().all(Option::is_none) {
        return format!("nat: {}", nat.kind);
    }
    let all: Vec<_> = std::iter::once(Some(format!("type: {}", nat.kind)))
        .chain(parts)
        .collect();
    with("nat", &all)
}
