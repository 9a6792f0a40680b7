//! A protocol of JSON over a WebSocket that its user has described: no code, but what is sent and what comes in.

mod codec;
mod frame;
mod matcher;
mod pointer;
mod speaks;
mod text;
mod tree;

use std::time::Duration;

pub use codec::Described;
pub use frame::{Frame, Json};
pub use matcher::{Condition, Field, InItem, Kind, Literal, Matcher, Members, Says, Source};
pub use pointer::{Place, Pointer, PointerError};
pub use text::{Part, Text, TextError, VARIABLES, Variable};
pub use tree::Tree;

use super::{Abilities, OffersIce, RosterBy, Topology};

/// A described protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Custom {
    /// Its name, for reports.
    pub name: Option<String>,
    /// A line for people.
    pub about: Option<String>,
    /// What a socket is opened with.
    pub connect: Connect,
    /// What is sent.
    pub send: Send,
    /// What comes in: the first that fits counts.
    pub receive: Vec<Matcher>,
    /// What is said from time to time.
    pub keepalive: Option<(Duration, Frame)>,
    /// Without a ping: after so long, everything that was sent is taken for processed.
    pub settles_within: Option<Duration>,
}

/// What a socket is opened with, behind what the target's URL says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    /// The last segments of the path.
    pub path: Option<String>,
    /// Parameters.
    pub query: Vec<(String, Text)>,
    /// The subprotocol.
    pub subprotocol: Option<String>,
}

/// What is sent, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Send(pub Vec<(When, Vec<Frame>)>);

/// When something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// As soon as the socket is open.
    Open,
    /// To become a member.
    Join,
    /// To be none any more.
    Leave,
    /// To know that everything before it has been processed.
    Ping,
    /// An offer.
    Offer,
    /// An answer.
    Answer,
    /// A candidate.
    Candidate,
    /// What a server has to refuse, each.
    Misplaced,
}

impl When {
    /// All, with their keys.
    pub const ALL: [(&'static str, Self); 8] = [
        ("open", Self::Open),
        ("join", Self::Join),
        ("leave", Self::Leave),
        ("ping", Self::Ping),
        ("offer", Self::Offer),
        ("answer", Self::Answer),
        ("candidate", Self::Candidate),
        ("misplaced", Self::Misplaced),
    ];

    /// The variables that have a value then, beside those that always have.
    pub fn knows(self, variable: &Variable) -> bool {
        use Variable as V;
        let of_candidate = matches!(
            variable,
            V::Candidate | V::SdpMid | V::SdpMLineIndex | V::UsernameFragment
        );
        match variable {
            V::Room | V::User | V::N | V::Saved(_) => true,
            V::UnixMs | V::Name => !matches!(self, Self::Open | Self::Misplaced),
            V::Token | V::Capacity | V::MemberId | V::MemberName => self == Self::Join,
            V::Remote => matches!(self, Self::Offer | Self::Answer | Self::Candidate),
            V::Sdp => matches!(self, Self::Offer | Self::Answer),
            V::Frame(_) => false,
            _ => of_candidate && self == Self::Candidate,
        }
    }
}

impl Send {
    /// The frames that are sent then; `None`: nothing is said of it.
    pub fn get(&self, when: When) -> Option<&[Frame]> {
        let found = self.0.iter().find(|(other, _)| *other == when);
        found.map(|(_, frames)| frames.as_slice())
    }
}

impl Custom {
    /// What it carries, as far as it is described.
    pub fn abilities(&self) -> Abilities {
        let says = |says| self.receive.iter().any(|matcher| matcher.says == says);
        let welcome = |field| {
            let mut welcomes = self.receive.iter().filter(|one| one.says == Says::Welcome);
            welcomes.any(|one| one.source(field).is_some())
        };
        let mut errors = self.receive.iter().filter(|one| one.says == Says::Error);
        let about_join = |one: &Matcher| match one.source(Field::About) {
            Some(Source::Is(text)) => text.fixed() == Some("join"),
            _ => false,
        };
        let roster_by = match (says(Says::Welcome), says(Says::Joined), welcome(Field::Members)) {
            (false, _, _) => RosterBy::Members,
            (true, true, _) => RosterBy::Server,
            (true, false, true) => RosterBy::ServerOnce,
            (true, false, false) => RosterBy::Harness,
        };
        let token = |frame: &Frame| {
            let mut variables = frame.texts().into_iter().flat_map(Text::variables);
            variables.any(|variable| *variable == Variable::Token)
        };
        let join = self.send.get(When::Join);
        Abilities {
            topology: Topology::Mesh,
            roster_by,
            ids_by_server: welcome(Field::OwnId),
            socket_is_membership: join.is_none() || self.send.get(When::Leave).is_none(),
            refuses_joins: says(Says::Rejected) || errors.any(about_join),
            resumes: welcome(Field::Token) && join.is_some_and(|frames| frames.iter().any(token)),
            pings: self.send.get(When::Ping).is_some(),
            trickles: self.send.get(When::Candidate).is_some(),
            tells_departures: says(Says::Left),
            tells_rosters: roster_by == RosterBy::Server && says(Says::Roster),
            misplaced: self.send.get(When::Misplaced).is_some(),
            offers_ice: OffersIce::Never,
        }
    }
}
