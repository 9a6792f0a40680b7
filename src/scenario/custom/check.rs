//! Whether a description is whole: what peers rely on, and what it means together.

use std::collections::BTreeSet;

use super::super::{fields::Reader, source::Span, tree::Entry};
use crate::signaling::{
    RosterBy,
    custom::{Custom, Field, Frame, Literal, Says, Source, Text, Variable, When},
};

/// Reports what is missing or goes nowhere. `true`: nothing is.
pub(super) fn check_whole(
    reader: &mut Reader<'_>,
    custom: &Custom,
    whole: &Entry,
    send: &Entry,
    receive: &Entry,
    settles: Option<&Entry>,
) -> bool {
    let before = reader.mistakes.len();
    for (word, when) in [("offer", When::Offer), ("answer", When::Answer)] {
        if custom.send.get(when).is_none() {
            let message = format!("`send` has no `{word}`: no two peers could connect");
            let help = format!("for example `{word}: {{type: {word}, to: '${{remote}}', sdp: '${{sdp}}'}}`");
            reader.mistake_help(send.key_span, message, help);
        }
        let of = |frame: &Frame| {
            frame
                .texts()
                .into_iter()
                .flat_map(Text::variables)
                .any(|v| *v == Variable::Sdp)
        };
        if custom.send.get(when).is_some_and(|frames| !frames.iter().any(of)) {
            let message = format!("`{word}` says nothing of its `${{sdp}}`");
            reader.mistake_help(
                send.key_span,
                message,
                "the description has to be somewhere in the frame",
            );
        }
    }
    for (word, says) in [("offer", Says::Offer), ("answer", Says::Answer)] {
        need(
            reader,
            custom,
            says,
            receive.key_span,
            &format!(
                "no two peers could connect: `{{when: {{/type: {word}}}, as: {word}, remote: /from, sdp: /sdp}}`"
            ),
        );
    }
    if custom.send.get(When::Candidate).is_some() {
        need(
            reader,
            custom,
            Says::Candidate,
            receive.key_span,
            "`send` has a `candidate`: `{when: {/type: candidate}, as: candidate, remote: /from, candidate: /candidate}`",
        );
    }
    check_pings(reader, custom, whole, receive, settles);
    check_rosters(reader, custom, send, receive);
    check_saved(reader, custom, receive);
    reader.mistakes.len() == before
}

fn has(custom: &Custom, says: Says) -> bool {
    custom.receive.iter().any(|matcher| matcher.says == says)
}

fn need(reader: &mut Reader<'_>, custom: &Custom, says: Says, at: Span, help: &str) {
    if !has(custom, says) {
        reader.mistake_help(at, format!("`receive` has no `{says}`"), help);
    }
}

/// Without a sign that all is processed, no script and no room ends.
fn check_pings(
    reader: &mut Reader<'_>,
    custom: &Custom,
    whole: &Entry,
    receive: &Entry,
    settles: Option<&Entry>,
) {
    let pings = custom.send.get(When::Ping).is_some();
    if pings {
        need(
            reader,
            custom,
            Says::Pong,
            receive.key_span,
            "`send` has a `ping`: its answer is a `pong`",
        );
    }
    match settles {
        None if !pings => {
            let message =
                "neither `ping` in `send` nor `settles_within`: nobody could tell when a script is over";
            let help = "a message to oneself that comes back is a ping; without any, say after how long a frame is taken for processed: `settles_within: 500ms`";
            reader.mistake_help(whole.key_span, message, help);
        }
        Some(entry) if pings => {
            let message = "`settles_within` beside a `ping`";
            reader.mistake_help(
                entry.key_span,
                message,
                "the answers to pings tell it: leave it out",
            );
        }
        _ => {}
    }
    if !pings && has(custom, Says::Pong) {
        let message = "a `pong`, and no `ping` in `send` that it answers";
        reader.mistake_help(
            receive.key_span,
            message,
            "leave it out: a server's own pings are answered with `reply`",
        );
    }
}

fn check_rosters(reader: &mut Reader<'_>, custom: &Custom, send: &Entry, receive: &Entry) {
    let abilities = custom.abilities();
    let at = receive.key_span;
    if !has(custom, Says::Welcome) && !has(custom, Says::Joined) {
        let message = "`receive` has neither `welcome` nor `joined`: no join is ever confirmed";
        let help = "`welcome` is the server's answer to a join; where a relay passes joins on to the others, `joined` is theirs";
        reader.mistake_help(at, message, help);
        return;
    }
    match abilities.roster_by {
        RosterBy::Server | RosterBy::ServerOnce => {
            need(
                reader,
                custom,
                Says::Left,
                at,
                "the server tells who is there: `{when: {/type: left}, as: left, id: /id}`",
            );
        }
        RosterBy::Members => {
            for (word, when) in [("join", When::Join), ("leave", When::Leave), ("ping", When::Ping)] {
                if custom.send.get(when).is_none() {
                    let message = format!("no `welcome` in `receive` and no `{word}` in `send`");
                    let help = "where the members tell each other that they join and leave, both are frames, and a ping shows that the relay has passed them on";
                    reader.mistake_help(send.key_span, message, help);
                }
            }
        }
        RosterBy::Harness => {
            if has(custom, Says::Roster) {
                let message = "a `roster`, but `welcome` has no `members` and there is no `joined`";
                let help = "a server that tells who is there tells newcomers, too: `members: {list: /members, id: /id}` in `welcome`";
                reader.mistake_help(at, message, help);
            }
        }
        // No description says so.
        RosterBy::Nobody => {}
    }
    let joined_without_welcome = abilities.roster_by == RosterBy::Server;
    let names_those_there = custom.receive.iter().any(|matcher| {
        matcher.says == Says::Roster
            || matcher.says == Says::Welcome && matcher.source(Field::Members).is_some()
    });
    if joined_without_welcome && !names_those_there {
        let message =
            "`welcome` has no `members`, and there is no `roster`: a newcomer could not know who is there";
        reader.mistake_help(at, message, "for example `members: {list: /members, id: /id}`");
    }
}

/// What is used has to be kept somewhere.
fn check_saved(reader: &mut Reader<'_>, custom: &Custom, receive: &Entry) {
    let kept: BTreeSet<&str> = custom
        .receive
        .iter()
        .flat_map(|matcher| matcher.save.iter().map(|(name, _)| name.as_str()))
        .collect();
    let of_send = custom.send.0.iter().flat_map(|(_, frames)| frames);
    let of_replies = custom.receive.iter().flat_map(|matcher| &matcher.reply);
    let of_keepalive = custom.keepalive.iter().map(|(_, frame)| frame);
    let frames = of_send.chain(of_replies).chain(of_keepalive);
    let fields = custom.receive.iter().flat_map(|matcher| {
        matcher.fields.iter().filter_map(|(_, source)| match source {
            Source::Is(text) => Some(text),
            _ => None,
        })
    });
    let conditions = custom.receive.iter().flat_map(|matcher| &matcher.when);
    let literals = conditions.flat_map(|(_, condition)| condition.is.iter().chain(&condition.not));
    let compared = literals.filter_map(|literal| match literal {
        Literal::Text(text) => Some(text),
        _ => None,
    });
    let texts = frames.flat_map(Frame::texts).chain(fields).chain(compared);
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    for variable in texts.flat_map(Text::variables) {
        if let Variable::Saved(name) = variable
            && !kept.contains(name.as_str())
        {
            unknown.insert(name);
        }
    }
    for name in unknown {
        let message = format!("`${{saved.{name}}}` is used, and nothing is kept under that name");
        let help = format!("an entry of `receive` keeps it: `save: {{{name}: /data/{name}}}`");
        reader.mistake_help(receive.key_span, message, help);
    }
}
