//! The steps that break something, or negotiate anew.

use std::time::Duration;

use super::{
    fields::{Fields, Reader},
    host::{SERVER, WAYS},
    steps::MAX_NAME,
    tree::{Entry, Node, Value},
    types::{Cut, DropNetwork, MAX_COPIES, Party, RestartLinks, Scope, StepKind, Ways},
};

/// The keys of a `duplicate_offer`.
pub(super) const OFFER_KEYS: [&str; 3] = ["copies", "within", "as"];
/// The keys of a `duplicate_answer`.
pub(super) const ANSWER_KEYS: [&str; 4] = ["copies", "within", "for", "as"];
/// The keys of an `ice_restart`.
pub(super) const RESTART_KEYS: [&str; 2] = ["links", "both"];
/// The keys of a `drop_network`.
pub(super) const DROP_KEYS: [&str; 5] = ["scope", "for", "with", "direction", "server"];

/// What a copy of a description can be: the same frame to the byte, or another one with the same description.
pub(super) const COPIES: [(&str, bool); 2] = [("same_frame", false), ("another_frame", true)];
/// What `links` can be.
pub(super) const LINKS: [(&str, RestartLinks); 2] = [("all", RestartLinks::All), ("one", RestartLinks::One)];
/// What `scope` can be.
pub(super) const SCOPES: [(&str, Scope); 3] = [
    ("media", Scope::Media),
    ("signaling", Scope::Signaling),
    ("both", Scope::Both),
];
/// How a socket can be cut.
pub(super) const CUTS: [(&str, Cut); 3] = [
    ("closed", Cut::Closed),
    ("reset", Cut::Reset),
    ("silent", Cut::Silent),
];

pub(super) fn read_duplicate_offer(reader: &mut Reader<'_>, given: Option<&Entry>) -> Option<StepKind> {
    let Some(entry) = given else {
        return Some(StepKind::DuplicateOffer {
            copies: 1,
            within: Duration::ZERO,
            afresh: false,
        });
    };
    let wants = "nothing, or a map like `{copies: 3, within: 50ms}`";
    let mut fields = reader.map(&entry.value, "`duplicate_offer`", wants)?;
    let (copies, within) = read_copies(reader, &mut fields);
    let afresh = read_afresh(reader, &mut fields);
    fields.finish(reader, &OFFER_KEYS);
    Some(StepKind::DuplicateOffer {
        copies: copies?,
        within: within?,
        afresh: afresh?,
    })
}

pub(super) fn read_duplicate_answer(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    let wants = "a map like `{for: 5s, copies: 3, within: 50ms}`";
    let mut fields = reader.map(&entry.value, "`duplicate_answer`", wants)?;
    let (copies, within) = read_copies(reader, &mut fields);
    let lasting = read_lasting(reader, &mut fields, entry);
    let afresh = read_afresh(reader, &mut fields);
    fields.finish(reader, &ANSWER_KEYS);
    Some(StepKind::DuplicateAnswer {
        copies: copies?,
        within: within?,
        lasting: lasting?,
        afresh: afresh?,
    })
}

/// `as`: the same frame if nothing is said.
fn read_afresh(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<bool> {
    let entry = fields.take("as");
    entry.map_or(Some(false), |entry| reader.choice(entry, &COPIES))
}

/// `copies` and `within`: one copy at once if nothing is said.
fn read_copies(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> (Option<u32>, Option<Duration>) {
    let copies = fields.take("copies");
    let within = fields.take("within");
    (
        copies.map_or(Some(1), |entry| reader.count(entry, MAX_COPIES)),
        within.map_or(Some(Duration::ZERO), |entry| reader.positive_duration(entry)),
    )
}

/// `for`, without which a fault has no end.
fn read_lasting(reader: &mut Reader<'_>, fields: &mut Fields<'_>, step: &Entry) -> Option<Duration> {
    let entry = fields.need(reader, "for", step.key_span, "for: 5s")?;
    reader.positive_duration(entry)
}

pub(super) fn read_restart(reader: &mut Reader<'_>, given: Option<&Entry>) -> Option<StepKind> {
    let (mut links, mut both) = (Some(RestartLinks::All), Some(false));
    if let Some(entry) = given {
        let wants = "nothing, or a map like `{links: one, both: true}`";
        let mut fields = reader.map(&entry.value, "`ice_restart`", wants)?;
        if let Some(entry) = fields.take("links") {
            links = reader.choice(entry, &LINKS);
        }
        if let Some(entry) = fields.take("both") {
            both = reader.flag(entry);
        }
        fields.finish(reader, &RESTART_KEYS);
    }
    Some(StepKind::IceRestart {
        links: links?,
        both: both?,
    })
}

pub(super) fn read_drop(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    let wants = "a map like `{for: 5s, scope: media}`";
    let mut fields = reader.map(&entry.value, "`drop_network`", wants)?;
    let scope = fields.take("scope");
    let scope = scope.map_or(Some(Scope::Both), |entry| reader.choice(entry, &SCOPES));
    // None at all is the fault that others are compared with.
    let lasting = fields
        .need(reader, "for", entry.key_span, "for: 5s")
        .and_then(|entry| reader.duration(entry));
    let with_entry = fields.take("with");
    let with = with_entry.map_or(Some(Vec::new()), |entry| read_with(reader, entry));
    let direction = fields.take("direction");
    let direction = direction.map_or(Some(Ways::Both), |entry| reader.choice(entry, &WAYS));
    let server_entry = fields.take("server");
    let server_lost = server_entry.map_or(Some(false), |entry| reader.choice(entry, &SERVER));
    fields.finish(reader, &DROP_KEYS);
    if let Some(server) = server_entry.filter(|_| with_entry.is_none() || scope == Some(Scope::Media)) {
        let (message, help) = match with_entry {
            None => (
                "`server` without `with`",
                "towards everybody, `scope` says whether the server is lost: `media` keeps it",
            ),
            Some(_) => (
                "`server` beside `scope: media`",
                "media has nothing to do with the server: say `scope: both`, or leave `server` out",
            ),
        };
        reader.mistake_help(server.key_span, message, help);
        return None;
    }
    if let (Some(Scope::Signaling), Some(with)) = (scope, with_entry) {
        let help = "signaling goes to the server alone: say `scope: media`, or leave `with` out";
        reader.mistake_help(with.key_span, "`with` beside `scope: signaling`", help);
        return None;
    }
    Some(StepKind::DropNetwork(DropNetwork {
        scope: scope?,
        direction: direction?,
        lasting: lasting?,
        with: with?,
        server_lost: server_lost?,
    }))
}

/// One name, or a list of them.
pub(super) fn read_with(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Party>> {
    let wants = "names of groups or peers of the room, like `[host, guest-1]`";
    let name = |reader: &mut Reader<'_>, node: &Node| {
        let text = reader.scalar(node, "a name in `with`", "a text")?;
        let party = Party {
            name: text.to_owned(),
            span: node.span,
        };
        // Longer ones are nobody's; the limit keeps them out of every search for what was meant.
        if text.chars().count() > 2 * MAX_NAME {
            reader.mistake(node.span, "this name is longer than any in a room");
            return None;
        }
        Some(party)
    };
    if let Value::Scalar(_) = entry.value.value {
        return Some(vec![name(reader, &entry.value)?]);
    }
    let items = reader.list(&entry.value, "`with`", wants)?;
    if items.is_empty() {
        let help = "leave it out for everybody, or name somebody: `with: [host, guest-1]`";
        reader.mistake_help(entry.value.span, "`with` is empty", help);
        return None;
    }
    let names: Vec<Option<Party>> = items.iter().map(|item| name(reader, item)).collect();
    names.into_iter().collect()
}

pub(super) fn read_cut(reader: &mut Reader<'_>, entry: &Entry) -> Option<Cut> {
    reader.choice(entry, &CUTS)
}
