//! A server that is the other end of connections: what it is told, what it has, and what it says.

use std::{any::Any, collections::BTreeMap};

use reference_server::room::ClientId;
use rtcstorm::{
    base::{Generation, PeerId},
    peer::{Carries, ConnectionEvent, ConnectionOperation},
    signaling::{Candidate, Description, SdpType},
};

use super::{agenda::End, connection::Connection};

/// A server in memory whose clients have connections to it.
pub trait FarServer {
    /// A socket of that peer's is open.
    fn connect(&mut self, socket: ClientId, of: PeerId);
    /// One is closed.
    fn disconnect(&mut self, socket: ClientId, ends: &mut FarEnds);
    fn frame(&mut self, socket: ClientId, text: &str, ends: &mut FarEnds);
    /// Something has happened at an end of its own.
    fn happened(&mut self, end: End, event: ConnectionEvent, ends: &mut FarEnds);
    /// Whether what a peer subscribes to at that end of the server's flows.
    fn flows(&self, _end: End, _ends: &BTreeMap<End, Connection>) -> bool {
        true
    }
    /// Its process is gone, and another one starts that knows nothing.
    fn die(&mut self);
    /// Sessions, handles and whatever else it still has of clients.
    fn left_over(&self) -> usize;
    fn as_any(&mut self) -> &mut dyn Any;
}

/// What a server has said or done, in order.
pub enum Did {
    Said(ClientId, String),
    Told(End, String),
    /// Something of that end has changed.
    Changed(End),
    Ended(End),
}

/// The ends of connections that are the server's.
pub struct FarEnds<'a> {
    pub(super) connections: &'a mut BTreeMap<End, Connection>,
    pub(super) certificates: &'a mut u32,
    pub(super) did: Vec<Did>,
}

impl FarEnds<'_> {
    pub fn say(&mut self, socket: ClientId, frame: impl ToString) {
        self.did.push(Did::Said(socket, frame.to_string()));
    }

    pub fn tell(&mut self, end: End, text: impl ToString) {
        self.did.push(Did::Told(end, text.to_string()));
    }

    /// A connection of the server's with that peer.
    pub fn create(&mut self, with: PeerId) -> End {
        *self.certificates += 1;
        let end = (PeerId::SERVER, with, Generation(*self.certificates));
        let connection = Connection::new(*self.certificates, true).carrying(Carries::Published);
        self.connections.insert(end, connection);
        end
    }

    pub fn offer(&mut self, end: End, ice_restart: bool) -> String {
        self.made(end, ConnectionOperation::Offer { ice_restart })
    }

    /// Takes an offer; the answer.
    pub fn answer(&mut self, end: End, offer: &str) -> String {
        self.set(end, SdpType::Offer, offer);
        let answer = self.made(end, ConnectionOperation::Answer { answers: 0 });
        // It tells its candidates in its descriptions.
        self.did.push(Did::Changed(end));
        answer
    }

    /// One more answer than there are offers is none.
    pub fn take_answer(&mut self, end: End, answer: &str) {
        if !self.connections[&end].is_offering() {
            return;
        }
        self.set(end, SdpType::Answer, answer);
        self.did.push(Did::Changed(end));
    }

    /// A candidate of the peer's has come in.
    pub fn candidate(&mut self, end: End) {
        let candidate = Candidate {
            candidate: String::new(),
            sdp_mid: None,
            sdp_m_line_index: None,
            username_fragment: None,
        };
        self.perform(end, ConnectionOperation::AddCandidate(candidate));
        self.did.push(Did::Changed(end));
    }

    pub fn close(&mut self, end: End) {
        self.did.push(Did::Ended(end));
    }

    fn set(&mut self, end: End, sdp_type: SdpType, sdp: &str) {
        let sdp = sdp.into();
        self.perform(end, ConnectionOperation::SetRemote(Description { sdp_type, sdp }));
    }

    fn made(&mut self, end: End, operation: ConnectionOperation) -> String {
        let made = self.perform(end, operation);
        made.expect("it makes a description").sdp.to_string()
    }

    fn perform(&mut self, end: End, operation: ConnectionOperation) -> Option<Description> {
        let connection = self.connections.get_mut(&end).expect("the server has made it");
        connection
            .perform(operation)
            .into_iter()
            .find_map(|event| match event {
                ConnectionEvent::OperationDone(done) => done.result.expect("the server knows what it may do"),
                _ => None,
            })
    }
}
