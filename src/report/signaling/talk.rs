use std::collections::BTreeMap;

use super::row::{Row, Way};
use crate::{
    base::{Instant, PeerId},
    metrics::{DescriptionKind, EventKind, FaultCause, RunEvent},
    plan::FrameWay,
    report::{describe::ignored, redact::redacted, units, what},
};

/// Descriptions whose sending is remembered, to tell how long they took.
const MAX_REMEMBERED: usize = 100_000;

/// Events in, rows out.
#[derive(Debug, Default)]
pub struct Talk {
    /// When and by whom each description was last sent.
    sent: BTreeMap<u64, (PeerId, Instant)>,
    /// How often each was sent.
    times: BTreeMap<u64, u32>,
    /// When an offer came in.
    came: BTreeMap<(PeerId, u64), Instant>,
}

impl Talk {
    /// What an event adds to the story; nothing, if it is none of signaling's.
    pub fn row(&mut self, event: &RunEvent) -> Option<Row> {
        let peer = event.peer?;
        let (way, what, odd) = self.told(peer, event)?;
        // Whose line has the server on it has it once.
        let to_server = |remote: &PeerId| *remote == PeerId::SERVER && way != Way::Here;
        let remote = event.remote.filter(|remote| !to_server(remote));
        Some(Row {
            at: event.at,
            peer: peer.to_string(),
            way,
            remote: remote.map(|remote| remote.to_string()),
            what,
            odd,
        })
    }

    fn told(&mut self, peer: PeerId, event: &RunEvent) -> Option<(Way, String, bool)> {
        use EventKind::*;
        let at = event.at;
        let here = |odd| Some((Way::Here, redacted(&what(&event.kind)), odd));
        match &event.kind {
            SignalingConnected => Some((Way::Here, "socket is open".to_owned(), false)),
            SignalingLost { failure, reason } => {
                let said = format!("socket is lost: {failure}: {}", redacted(reason));
                Some((Way::Here, said, true))
            }
            SignalingError { reason, message } => {
                let said = format!("error {}: {}", redacted(reason), redacted(message));
                Some((Way::Down, said, true))
            }
            JoinStarted {
                incarnation,
                name,
                expect_rejected,
                ..
            } => {
                let hope = if *expect_rejected { ", to be refused" } else { "" };
                let name = redacted(name);
                Some((
                    Way::Up,
                    format!("join as \"{name}\" ({incarnation}){hope}"),
                    false,
                ))
            }
            JoinRelayed { incarnation, .. } => Some((
                Way::Down,
                format!("the relay has passed the join on, and nobody has acted on it ({incarnation})"),
                false,
            )),
            Joined { incarnation } => Some((Way::Down, format!("welcome ({incarnation})"), false)),
            MembershipResumed { incarnation } => {
                let said = format!("welcome back, the membership is taken over ({incarnation})");
                Some((Way::Down, said, false))
            }
            JoinRejected { incarnation, reason } => Some((
                Way::Down,
                format!("refused ({incarnation}): {}", redacted(reason)),
                true,
            )),
            JoinFailed { incarnation, reason } => {
                let said = format!("did not get in ({incarnation}): {}", redacted(reason));
                Some((Way::Here, said, true))
            }
            LeaveStarted { incarnation, .. } => Some((Way::Up, format!("leave ({incarnation})"), false)),
            Crashed { .. } => here(true),
            MemberJoined { again } => {
                let again = if *again { " again" } else { "" };
                Some((Way::Down, format!("member joined{again}"), false))
            }
            MemberLeft { reason } => Some((Way::Down, format!("member left: {}", redacted(reason)), false)),
            RosterSeen { server, believed } => {
                // Who is told a roster is in it.
                let agree = server == believed || server.is_empty();
                let said = match agree {
                    true if server.is_empty() => {
                        format!(
                            "nobody tells a roster; {} are believed to be there",
                            believed.len()
                        )
                    }
                    true => format!("roster of {}, as believed", server.len()),
                    false => redacted(&what(&event.kind)),
                };
                Some((Way::Down, said, !agree))
            }
            DescriptionSent {
                generation,
                description,
                fingerprint,
                answers,
            } => Some((
                Way::Up,
                self.sent(peer, at, *description, *fingerprint, *answers) + &format!(" ({generation})"),
                false,
            )),
            DescriptionReceived {
                description,
                fingerprint,
            } => Some((
                Way::Down,
                self.received(peer, at, *description, *fingerprint),
                false,
            )),
            DescriptionIgnored {
                description,
                fingerprint,
                reason,
            } => {
                let (name, why) = (named(*description, *fingerprint), ignored(*reason));
                Some((Way::Here, format!("{name} is ignored: {why}"), true))
            }
            OfferOverdue { attempt, .. } => {
                let said = format!("no answer in time, the offer goes out again ({attempt})");
                Some((Way::Here, said, true))
            }
            Glare { polite, .. } => {
                let role = match polite {
                    true => "polite, takes its own offer back",
                    false => "impolite, insists on its own offer",
                };
                Some((Way::Here, format!("glare: {role}"), true))
            }
            FrameTreated {
                treatment,
                frame,
                way,
            } => {
                let (treated, frame) = (treated(treatment.name()), frame.name());
                let way = match way {
                    FrameWay::Out => Way::Up,
                    FrameWay::In => Way::Down,
                };
                Some((way, format!("{frame} is {treated} by a fault"), true))
            }
            FrameForged { forgery } => {
                let said = format!("forged by a step: {}", forgery.name().replace('_', " "));
                Some((Way::Up, said, true))
            }
            FaultStarted {
                cause: FaultCause::CutSignaling | FaultCause::ServerRestart | FaultCause::ServerCrash,
                ..
            }
            | ServerRestarted { .. }
            | ServerCrashed { .. }
            | ServerPaused { .. }
            | ServerSlowed { .. } => here(true),
            ServerCommand { failed, .. } => here(failed.is_some()),
            OperationFailed { .. } => here(true),
            _ => None,
        }
    }

    fn sent(
        &mut self,
        peer: PeerId,
        at: Instant,
        description: DescriptionKind,
        number: u64,
        answers: Option<u64>,
    ) -> String {
        let mut said = named(description, number);
        if self.sent.len() < MAX_REMEMBERED || self.sent.contains_key(&number) {
            self.sent.insert(number, (peer, at));
            let times = self.times.entry(number).or_default();
            *times += 1;
            if *times > 1 {
                said += &format!(" once more, {} times by now", times);
            }
        }
        if let Some(offer) = answers {
            said += &format!(" to offer {offer}");
            if let Some(came) = self.came.get(&(peer, offer)) {
                said += &match at == *came {
                    true => ", at once".to_owned(),
                    false => format!(", after {}", took(*came, at)),
                };
            }
        }
        said
    }

    fn received(&mut self, peer: PeerId, at: Instant, description: DescriptionKind, number: u64) -> String {
        if description == DescriptionKind::Offer && self.came.len() < MAX_REMEMBERED {
            self.came.entry((peer, number)).or_insert(at);
        }
        let named = named(description, number);
        match self.sent.get(&number) {
            Some((sender, sent)) if *sender != peer && *sent <= at => {
                format!("{named}, {} on its way", took(*sent, at))
            }
            _ => named,
        }
    }
}

fn named(description: DescriptionKind, number: u64) -> String {
    match description {
        DescriptionKind::Offer => format!("offer {number}"),
        DescriptionKind::Answer => format!("answer {number}"),
    }
}

fn treated(treatment: &str) -> &'static str {
    match treatment {
        "drop" => "dropped",
        "delay" => "delayed",
        "reorder" => "held back behind a later one",
        "duplicate" => "doubled",
        _ => "broken",
    }
}

fn took(from: Instant, until: Instant) -> String {
    units::duration(Some(until.since(from).as_secs_f64() * 1_000.0))
}
