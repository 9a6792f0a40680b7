use std::{fmt::Write, time::Duration};

use super::{
    Action, Condition, Cut, FrameRule, JoinOutcome, PeerPlan, Plan, RawFrames, RawSet, RestartLinks, Scope,
};
use crate::{
    base::{Fraction, PeerId, Size, show_duration},
    impair::{Corruption, Treatment},
};

/// A plan for people: per room its barriers, per peer what it does and when. An instant that is known is
/// told from the run's start (`1.25s`), others from what they wait for (`wait 1 + 2s`).
pub fn show(plan: &Plan) -> String {
    let mut text = String::new();
    let count = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    };
    let (rooms, peers) = (count(plan.rooms.len(), "room"), count(plan.peers.len(), "peer"));
    let mut line = |indent: usize, words: &str| {
        writeln!(text, "{:indent$}{words}", "").expect("a string takes everything");
    };
    line(
        0,
        &format!("{}, seed {}: {rooms}, {peers}", plan.scenario, plan.seed),
    );
    if let Some(duration) = plan.duration {
        line(0, &format!("everybody leaves after {}", show_duration(duration)));
    }
    for room in &plan.rooms {
        line(0, "");
        line(0, &room.wire_id);
        for barrier in plan.barriers.iter().filter(|barrier| barrier.room == room.id) {
            let parties: Vec<&str> = barrier
                .parties
                .iter()
                .map(|peer| plan.peers[peer.index()].user_id.as_str())
                .collect();
            line(2, &format!("barrier {}: {}", barrier.name, parties.join(" ")));
        }
        for peer in room.peers.iter().map(|peer| &plan.peers[peer.index()]) {
            let group = peer
                .group
                .as_ref()
                .map(|group| format!(" ({group})"))
                .unwrap_or_default();
            let arrival = show_duration(peer.arrive_at.elapsed());
            let network = match peer.network.is_none() {
                true => String::new(),
                false => format!(", network: {}", peer.network),
            };
            line(
                2,
                &format!("{}{group} arrives at {arrival}{network}", peer.user_id),
            );
            let rows = rows(plan, peer);
            let width = rows
                .iter()
                .map(|(when, _)| when.chars().count())
                .max()
                .unwrap_or(0);
            for (when, what) in rows {
                line(4, &format!("{when:<width$}  {what}"));
            }
        }
    }
    text
}

fn rows(plan: &Plan, peer: &PeerPlan) -> Vec<(String, String)> {
    // What the next offsets count from: the arrival, while its instant is known.
    let mut anchor: Option<String> = None;
    let mut waits = 0;
    let mut rows = Vec::new();
    let when = |anchor: &Option<String>, after| match anchor {
        None => show_duration(peer.arrive_at.elapsed() + after),
        Some(name) => format!("{name} + {}", show_duration(after)),
    };
    for step in &peer.script {
        let instant = when(&anchor, step.after);
        let what = match &step.action {
            Action::Join { name, expect, again } => {
                let again = if *again { " again" } else { "" };
                match expect {
                    JoinOutcome::Accepted => format!("join{again} as \"{name}\""),
                    JoinOutcome::Rejected => format!("join{again} as \"{name}\", to be rejected"),
                }
            }
            Action::JoinTwice { name, again } => {
                let again = if *again { " again" } else { "" };
                format!("join{again} as \"{name}\", twice at once")
            }
            Action::Leave => "leave".to_owned(),
            Action::Wait { condition, within } => {
                waits += 1;
                anchor = Some(format!("wait {waits}"));
                let condition = match condition {
                    Condition::Connected => "connected",
                    Condition::ConnectedToPresent => "connected to those present",
                    Condition::Joined => "joined",
                    Condition::Rejected => "rejected",
                    Condition::Recovered => "recovered",
                };
                format!(
                    "wait {waits}: until {condition}, at most {}",
                    show_duration(*within)
                )
            }
            Action::Barrier { barrier, within } => {
                let name = &plan.barriers[barrier.index()].name;
                anchor = Some(name.clone());
                format!("barrier {name}, at most {}", show_duration(*within))
            }
            Action::Chat { every, count, size } => {
                let size = Size(u64::from(*size));
                format!(
                    "chat: {count} messages of {size}, every {}",
                    show_duration(*every)
                )
            }
            other => fault(plan, other),
        };
        rows.push((instant, what));
    }
    rows.push((when(&anchor, peer.ends_after), "end".to_owned()));
    rows
}

/// A step that breaks something, or negotiates anew.
fn fault(plan: &Plan, action: &Action) -> String {
    match action {
        Action::DuplicateOffer {
            copies,
            within,
            afresh,
        } => format!("offer anew, {}", again(*copies, *within, *afresh)),
        Action::DuplicateAnswer {
            copies,
            within,
            lasting,
            afresh,
        } => format!(
            "for {} send every answer with {}",
            show_duration(*lasting),
            again(*copies, *within, *afresh)
        ),
        Action::Signaling { rule, lasting } => signaling(plan, rule, *lasting),
        Action::Glare { with } => format!("offer together with the other end{}", towards(plan, with)),
        Action::StaleOffer { with } => {
            format!("send offers of the last membership{}", towards(plan, with))
        }
        Action::SendRaw { frames } => match frames {
            RawFrames::Text { text, times: 1 } => format!("send {text:?} as it is"),
            RawFrames::Text { text, times } => format!("send {text:?} as it is, {times} times"),
            RawFrames::Set(RawSet::Garbage) => "send garbage".to_owned(),
            RawFrames::Set(RawSet::Misplaced) => "send misplaced frames".to_owned(),
            RawFrames::Set(RawSet::Oversized) => "send an oversized frame".to_owned(),
        },
        Action::IceRestart { links, both } => {
            let which = match links {
                RestartLinks::All => "every link",
                RestartLinks::One => "one link",
            };
            let ends = if *both { ", both ends" } else { "" };
            format!("restart ICE on {which}{ends}")
        }
        Action::DropNetwork { scope, lasting, with } => {
            let what = match scope {
                Scope::Media => "media",
                Scope::Signaling => "signaling",
                Scope::Both => "signaling and media",
            };
            let whom = towards(plan, with);
            format!("drop the network ({what}{whom}) for {}", show_duration(*lasting))
        }
        Action::Network { profile } => format!("network: {profile}"),
        Action::CutSignaling { how } => {
            let how = match how {
                Cut::Closed => "closed",
                Cut::Reset => "reset",
                Cut::Silent => "silent",
            };
            format!("cut the signaling socket: {how}")
        }
        Action::Crash => "crash".to_owned(),
        Action::RestartServer { away } => match away.is_zero() {
            true => "restart the server".to_owned(),
            false => format!("restart the server, away for {}", show_duration(*away)),
        },
        Action::Join { .. }
        | Action::JoinTwice { .. }
        | Action::Leave
        | Action::Wait { .. }
        | Action::Barrier { .. }
        | Action::Chat { .. } => unreachable!("shown where the anchors are"),
    }
}

fn towards(plan: &Plan, with: &[PeerId]) -> String {
    let named = with.iter().map(|peer| plan.peers[peer.index()].user_id.as_str());
    match named.collect::<Vec<_>>()[..] {
        [] => String::new(),
        ref some => format!(" towards {}", some.join(" ")),
    }
}

fn signaling(plan: &Plan, rule: &FrameRule, lasting: Option<Duration>) -> String {
    let what = match rule.treatment {
        Treatment::Drop => "drop".to_owned(),
        Treatment::Delay(range) => format!("delay by {range}"),
        Treatment::Reorder => "reorder".to_owned(),
        Treatment::Duplicate => "duplicate".to_owned(),
        Treatment::Corrupt(Corruption::Text) => "break the text of".to_owned(),
        Treatment::Corrupt(Corruption::Sdp) => "break the description in".to_owned(),
    };
    let kinds: Vec<&str> = rule.of.iter().map(|kind| kind.name()).collect();
    let which = match kinds[..] {
        [] => "frame".to_owned(),
        _ => format!("{} frame", kinds.join(" and ")),
    };
    let share = match rule.share == Fraction::WHOLE {
        true => "every".to_owned(),
        false => format!("{} of every", rule.share),
    };
    let way = rule
        .way
        .map(|way| format!(" going {}", way.name()))
        .unwrap_or_default();
    let whom = towards(plan, &rule.with).replace("towards", "of");
    let time = lasting
        .map(|time| format!(" for {}", show_duration(time)))
        .unwrap_or_default();
    let count = rule.count.map(|n| format!(", {n} at most")).unwrap_or_default();
    format!("{what} {share} {which}{way}{whom}{time}{count}")
}

/// `3 copies within 50ms`.
fn again(copies: u32, within: Duration, afresh: bool) -> String {
    let as_frames = if afresh { " as other frames" } else { "" };
    let copies = match copies {
        1 => format!("1 copy{as_frames}"),
        _ => format!("{copies} copies{as_frames}"),
    };
    match within {
        Duration::ZERO => format!("{copies} at once"),
        _ => format!("{copies} within {}", show_duration(within)),
    }
}
