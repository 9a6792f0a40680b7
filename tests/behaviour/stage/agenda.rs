use std::{collections::BTreeMap, time::Duration};

use reference_server::room::ClientId;
use rtcstorm::{
    base::{Generation, Instant, PeerId},
    peer::{ConnectionCommand, ConnectionEvent, PeerInput},
};

use super::far_ends::{FarEnds, FarServer};

/// One end of a connection: whose it is, to whom, and which of them.
pub type End = (PeerId, PeerId, Generation);

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A signaling socket to open.
    Opening,
    /// A frame to the server.
    Up,
    /// A frame from the server.
    Down,
    /// A command that is carried out on a connection.
    Call,
    /// What a call gives back.
    Return,
    /// A local candidate, after its description was made.
    Gathering,
    /// A callback of a connection, a message on its channel included.
    Callback,
    /// The end of a connection, until nothing of it is left.
    Closing,
}

/// How long each takes, asked once for each.
pub type Latency = Box<dyn FnMut(Way) -> Duration>;

/// What a test does to the server.
pub type Deed = Box<dyn FnOnce(&mut dyn FarServer, &mut FarEnds)>;

/// One way between a peer and the server, or between two peers.
pub const HOP: Duration = Duration::from_millis(1);
/// What a call on a connection takes.
pub const CALL: Duration = Duration::from_micros(100);

/// A day on which everything takes as long as it always does.
pub fn calm() -> Latency {
    Box::new(|way| match way {
        Way::Opening | Way::Up | Way::Down | Way::Callback => HOP,
        Way::Call | Way::Return | Way::Gathering | Way::Closing => CALL,
    })
}

/// What keeps its order, however long each part of it takes: sockets are streams, and the calls and the
/// callbacks of a connection come one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Up(ClientId),
    Down(ClientId),
    Calls(End),
    Callbacks(End),
}

pub enum Delivery {
    ToServer(ClientId, String),
    /// The server sees the socket's end.
    Disconnect(ClientId),
    /// A frame from the server, or that the socket is open.
    FromServer(PeerId, ClientId, PeerInput),
    ToPeer(PeerId, PeerInput),
    /// Something happens at the server's end of a connection.
    ToFarEnd(End, ConnectionEvent),
    Perform(End, ConnectionCommand),
    Deed(Deed),
    /// A server that was away is there again.
    ServerBack,
    /// Every connection that is open fails.
    FailAll,
    /// One of the open connections fails: the n-th, counted round.
    FailOne(usize),
    /// The signaling socket of a peer breaks.
    Cut(PeerId),
    /// The far end has been silent for so long that this one notices.
    Silent(End),
    /// The connections of a peer fall silent.
    FallSilent(PeerId),
    /// ICE gives up, unless the connection is open by now.
    GiveUp(End),
}

/// What is due when; ties go by the order of entry.
#[derive(Default)]
pub struct Agenda {
    due: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    lanes: BTreeMap<Lane, Instant>,
}

impl Agenda {
    pub fn push(&mut self, at: Instant, delivery: Delivery) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), delivery);
    }

    /// At `at`, or as soon after it as what is ahead in its lane has come.
    pub fn follow(&mut self, lane: Lane, at: Instant, delivery: Delivery) {
        let last = self.lanes.entry(lane).or_default();
        *last = at.max(*last);
        let at = *last;
        self.push(at, delivery);
    }

    pub fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn pop(&mut self) -> Option<Delivery> {
        self.due.pop_first().map(|(_, delivery)| delivery)
    }
}
