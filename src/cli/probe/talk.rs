//! The conversation, line by line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::shown::shown;
use crate::{
    base::{Instant, PeerId},
    cli::print_data,
    metrics::{EventKind, RunEvent},
    net::Tap,
    plan::Plan,
    run::EventReader,
    scenario::{Target, url_without_secrets},
    signaling::{Abilities, Capability, Codec, Message, Reading, RosterBy, SdpType, Waste},
};

/// Members of a list that are named.
const MAX_NAMED: usize = 4;

/// What is shown first: whom, how and what the protocol carries.
pub(super) fn heading(plan: &Plan, target: &Target) -> String {
    let url = target.url.as_deref().map(url_without_secrets).unwrap_or_default();
    let abilities = plan.abilities();
    let room = plan.rooms.first().map_or("", |room| room.wire_id.as_str());
    format!(
        "probe of {url}, which is to speak `{}`, in the room {room}\n{}",
        plan.protocol.title(),
        carried(&abilities)
    )
}

fn carried(abilities: &Abilities) -> String {
    let who = match abilities.roster_by {
        RosterBy::Server => "the server tells who is there",
        RosterBy::ServerOnce => "the server tells a newcomer who is there",
        RosterBy::Members => "the members tell each other who is there",
        RosterBy::Harness => "nobody tells who is there but this harness",
        RosterBy::Nobody => "nobody tells who is there, for each has to do with the server alone",
    };
    let all = Capability::ALL.iter();
    let (carried, lacking): (Vec<_>, Vec<_>) = all.partition(|(_, one)| abilities.carries(*one));
    let words = |list: Vec<&(&str, Capability)>| match list.is_empty() {
        true => "nothing".to_owned(),
        false => list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
    };
    format!(
        "{who}; carried: {}; not carried: {}",
        words(carried),
        words(lacking)
    )
}

/// What has been said and done so far.
pub(super) struct Talk {
    plan: Arc<Plan>,
    full: bool,
    /// To be told when nobody can join any more.
    over: Arc<Notify>,
    /// Reads what each peer reads, beside it.
    codecs: BTreeMap<PeerId, Box<dyn Codec>>,
    joined: BTreeSet<PeerId>,
    failed: BTreeSet<PeerId>,
    links: BTreeSet<(PeerId, PeerId)>,
    unread: u64,
    frames: [u64; 2],
}

/// The socket's and the events' end of it.
pub(super) struct Listener(pub Arc<Mutex<Talk>>);

impl Tap for Listener {
    fn opened(&self, at: Instant, peer: PeerId) {
        let mut talk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(codec) = talk.codecs.get_mut(&peer) {
            codec.opened();
        }
        talk.line(at, peer, "*", "the socket is open");
    }

    fn frame(&self, at: Instant, peer: PeerId, comes_in: bool, text: &str, shown: &str) {
        let mut talk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        talk.frame(at, peer, comes_in, text, shown);
    }
}

impl EventReader for Listener {
    fn read(&mut self, event: &RunEvent) {
        let mut talk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        talk.event(event);
    }
}

impl Talk {
    pub(super) fn new(plan: Arc<Plan>, full: bool, over: Arc<Notify>) -> Self {
        let codecs = plan.peers.iter();
        let codecs = codecs.map(|peer| (peer.id, plan.protocol.codec(plan.client(peer))));
        Self {
            codecs: codecs.collect(),
            plan,
            full,
            over,
            joined: BTreeSet::new(),
            failed: BTreeSet::new(),
            links: BTreeSet::new(),
            unread: 0,
            frames: [0; 2],
        }
    }

    pub(super) fn everybody_joined(&self) -> bool {
        self.joined.len() == self.plan.peers.len()
    }

    /// What it came to.
    pub(super) fn end(&self) -> String {
        let peers = self.plan.peers.len();
        let [out, into] = self.frames;
        let mut text = format!(
            "{} of {peers} joined, {out} frames out, {into} in",
            self.joined.len()
        );
        let all = match self.has_pairs() {
            true => peers * (peers - 1) / 2,
            false => peers,
        };
        if all > 0 {
            text += &format!(", {} of {all} links open", self.links.len());
        }
        match self.unread {
            0 => {}
            1 => text += "; 1 frame was not understood",
            unread => text += &format!("; {unread} frames were not understood"),
        }
        text
    }

    /// Whether links are those of two peers, and not of each with the server.
    fn has_pairs(&self) -> bool {
        self.plan.abilities().topology.has_pairs()
    }

    fn line(&self, at: Instant, peer: PeerId, sign: &str, what: &str) {
        let who = match self.plan.peers.len() {
            1 => String::new(),
            _ => format!("{} ", peer.0 + 1),
        };
        print_data(format!(
            "{:>9.3}s {who}{sign} {what}\n",
            at.as_millis_f64() / 1_000.0
        ));
    }

    fn frame(&mut self, at: Instant, peer: PeerId, comes_in: bool, text: &str, told: &str) {
        self.frames[usize::from(comes_in)] += 1;
        let sign = if comes_in { "<-" } else { "->" };
        self.line(at, peer, sign, &shown(told, self.full));
        let Some(codec) = self.codecs.get_mut(&peer) else {
            return;
        };
        if !comes_in {
            return codec.overheard(text);
        }
        if !codec.is_read_by_others() {
            return;
        }
        let unread = codec.unread(text);
        let reading = codec.read(text);
        self.unread += u64::from(unread.is_some());
        let what = match unread {
            Some(why) => format!("not understood: {}", shown(&why, self.full)),
            None => reading_told(&reading),
        };
        print_data(format!("{:14}= {what}\n", ""));
    }

    fn event(&mut self, event: &RunEvent) {
        if let Some(peer) = event.peer
            && let Some(what) = self.event_told(peer, event)
        {
            self.line(event.at, peer, "*", &what);
        }
    }

    /// What has happened to a peer, if that is shown.
    fn event_told(&mut self, peer: PeerId, event: &RunEvent) -> Option<String> {
        let other = event.remote.map_or_else(String::new, called);
        Some(match &event.kind {
            EventKind::Joined { .. } => {
                self.joined.insert(peer);
                "joined".to_owned()
            }
            EventKind::JoinRejected { reason, .. } => {
                self.not_joined(peer, format!("the join is refused: {reason}"))
            }
            EventKind::JoinFailed { reason, .. } => {
                self.not_joined(peer, format!("the join has failed: {reason}"))
            }
            EventKind::SignalingLost { failure, reason } => {
                format!("the socket is lost ({failure}): {reason}")
            }
            EventKind::SignalingError { reason, message } => format!("the server says: {reason} {message}"),
            EventKind::MemberJoined { .. } if !other.is_empty() => format!("learns that {other} has joined"),
            EventKind::MemberLeft { reason } if !other.is_empty() => {
                format!("learns that {other} has left ({reason})")
            }
            EventKind::ChannelOpened { .. } => {
                if let Some(remote) = event.remote
                    && (remote != PeerId::SERVER || !self.has_pairs())
                {
                    self.links.insert((peer.min(remote), peer.max(remote)));
                }
                format!("the link to {other} is open")
            }
            EventKind::LeaveStarted { .. } => "leaves".to_owned(),
            _ => return None,
        })
    }

    fn not_joined(&mut self, peer: PeerId, what: String) -> String {
        self.failed.insert(peer);
        if self.failed.len() == self.plan.peers.len() {
            self.over.notify_one();
        }
        what
    }
}

/// What the protocol makes of a frame.
fn reading_told(reading: &Reading) -> String {
    let waste = reading.waste.map(|waste| match waste {
        Waste::OtherRoom => "another room's".to_owned(),
        Waste::OtherMember => "for another member".to_owned(),
        Waste::Server => "for everybody on the server".to_owned(),
    });
    let messages = reading.messages.iter().map(message_told);
    let replies = reading
        .replies
        .iter()
        .map(|reply| format!("answered with {}", shown(reply, false)));
    let all: Vec<String> = messages.chain(waste).chain(replies).collect();
    match all.is_empty() {
        true => "nothing to this client".to_owned(),
        false => all.join("; "),
    }
}

fn message_told(message: &Message) -> String {
    let named = |members: &[crate::signaling::Member]| {
        let names: Vec<&str> = members
            .iter()
            .take(MAX_NAMED)
            .map(|m| m.user_id.as_str())
            .collect();
        match members.len() {
            0 => "nobody".to_owned(),
            n if n > MAX_NAMED => format!("{} and {} more", names.join(", "), n - MAX_NAMED),
            _ => names.join(", "),
        }
    };
    match message {
        Message::Welcome {
            members,
            token,
            resumed,
            user_id,
        } => {
            let mut text = format!("welcome; there: {}", named(members));
            if let Some(id) = user_id {
                text += &format!(", and we are {id}");
            }
            if token.is_some() {
                text += ", with a token";
            }
            if *resumed {
                text += ", taken over";
            }
            text
        }
        Message::JoinRejected { reason, message } => format!("rejected: {reason} {message}"),
        Message::MemberJoined { member, again, .. } => {
            let again = if *again { " again" } else { "" };
            format!("{} (`{}`) has joined{again}", member.user_id, member.name)
        }
        Message::MemberLeft { user_id, reason } => format!("{user_id} has left ({reason})"),
        Message::Roster { members } => format!("roster: {}", named(members)),
        Message::IceServers { servers } => match servers.len() {
            1 => "1 ICE server".to_owned(),
            n => format!("{n} ICE servers"),
        },
        Message::Pong => "pong".to_owned(),
        Message::Error { reason, message, .. } => format!("error: {reason} {message}"),
        Message::Other { kind } => format!("`{kind}`, which links do not need"),
        Message::Description { remote, description } => match description.sdp_type {
            SdpType::Offer => format!("offer from {}", end(remote)),
            SdpType::Answer => format!("answer from {}", end(remote)),
        },
        Message::Candidate { remote, candidate } => match candidate.candidate.is_empty() {
            true => format!("end of candidates from {}", end(remote)),
            false => format!("candidate from {}", end(remote)),
        },
        Message::LimitHit { limit } => format!("dropped: {limit}, and no more are kept"),
        Message::Published { user_id } => format!("{user_id} publishes"),
        Message::Unpublished { user_id } => format!("{user_id} publishes no more"),
        Message::Ended { remote, reason } => {
            format!("the connection for {} has ended: {reason}", end(remote))
        }
        Message::Relayed { remote, .. } => {
            format!("a message from {}", remote.as_deref().map_or("nobody", end))
        }
        Message::Join { .. } | Message::Leave | Message::Ping | Message::RequestOffer { .. } => {
            "what only clients say".to_owned()
        }
    }
}

/// Who is at the other end of a link: peers are counted from 1.
fn called(remote: PeerId) -> String {
    match remote {
        PeerId::SERVER => remote.to_string(),
        remote => (remote.0 + 1).to_string(),
    }
}

/// The same by the id on the wire.
fn end(remote: &str) -> &str {
    match remote {
        Message::SERVER => "the server",
        remote => remote,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{Generation, Incarnation},
        cli::load::Grammar,
        metrics::CandidateKind,
        plan::{Options, expand},
        scenario::parse,
    };

    /// Two peers, what is told of the links that they open, and the end.
    fn told(target: &str, opened: &[(u32, PeerId)]) -> (Vec<String>, String) {
        let text = format!("{{ name: probe, rooms: {{ peers: 2 }}, target: {target}, steps: [join] }}");
        let scenario = parse("probe", &text, &Grammar).expect("it is sound");
        let plan = Arc::new(expand(&scenario, 1, &Options::default()));
        let mut talk = Talk::new(plan, false, Arc::default());
        let lines = opened.iter().map(|(peer, remote)| {
            let kind = EventKind::ChannelOpened {
                generation: Generation(1),
                incarnation: Incarnation(1),
                pair: CandidateKind::Host,
            };
            let event = RunEvent {
                at: Instant::START,
                peer: Some(PeerId(*peer)),
                remote: Some(*remote),
                kind,
            };
            talk.event_told(PeerId(*peer), &event).unwrap_or_default()
        });
        (lines.collect(), talk.end())
    }

    #[test]
    fn a_link_to_the_server_is_named_and_is_none_of_two_peers() {
        let target = "{ url: 'ws://127.0.0.1/', protocol: janus }";
        let (lines, end) = told(
            target,
            &[(0, PeerId::SERVER), (1, PeerId::SERVER), (0, PeerId(1))],
        );
        assert_eq!(lines[0], "the link to the server is open");
        assert_eq!(lines[2], "the link to 2 is open");
        assert!(end.ends_with(", 1 of 1 links open"), "{end}");
    }

    #[test]
    fn where_each_has_to_do_with_the_server_alone_its_links_are_counted() {
        let target = "{ url: 'http://127.0.0.1/', protocol: whip }";
        let (lines, end) = told(target, &[(1, PeerId::SERVER)]);
        assert_eq!(lines, ["the link to the server is open"]);
        assert!(end.ends_with(", 1 of 2 links open"), "{end}");
    }
}
