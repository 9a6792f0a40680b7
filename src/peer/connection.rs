use std::fmt;

use crate::{
    metrics::{CandidateKind, SignalingState},
    signaling::{Candidate, ChannelData, Description, SdpType},
};

/// What a [`Link`](super::Link) wants done with one of its `RTCPeerConnection`s. Commands of one
/// connection are carried out in order, one at a time (W3C's operations chain).
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectionCommand {
    /// Make it. `offerer`: with what it carries, so that its first offer contains that.
    Create { offerer: bool, carries: Carries },
    /// Call an operation; an [`ConnectionEvent::OperationDone`] answers it.
    Perform(ConnectionOperation),
    /// Send a message on the data channel.
    Transmit(ChannelData),
    /// Tell when the next packet of the other end's has come in, of media or about what is published, by [`ConnectionEvent::PacketArrived`] with that number.
    AwaitPacket(u32),
    /// Close it; [`ConnectionEvent::Closed`] answers when nothing of it is left.
    Close,
}

/// What the connections of a link carry, and with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carries {
    /// The data channel of two peers. Either of them may offer.
    #[default]
    Channel,
    /// A data channel to the server, which offers. The channel is this end's, under that label.
    ServerChannel(&'static str),
    /// Media that this end publishes to the server. This end offers.
    Published,
    /// Media that the server sends and offers.
    Subscribed,
    /// Media that the server sends. This end offers.
    Received,
    /// Nothing of its own: what is sent goes to the server over the channel there is, which passes it on.
    Relayed,
}

impl Carries {
    /// Whether the other end is the server, which is never asked to make up for anything.
    pub fn is_with_server(self) -> bool {
        self != Self::Channel
    }

    /// Whether this end can only ask for an offer.
    pub fn is_offered_by_server(self) -> bool {
        matches!(self, Self::ServerChannel(_) | Self::Subscribed)
    }

    /// Whether nothing that is sent to the other end is ever answered.
    pub fn is_unproven(self) -> bool {
        matches!(self, Self::ServerChannel(_))
    }

    /// Whether it is media.
    pub fn is_media(self) -> bool {
        matches!(self, Self::Published | Self::Subscribed | Self::Received)
    }
}

/// An operation that takes its turn in the chain.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectionOperation {
    /// `createOffer`, with `iceRestart` or not, + `setLocalDescription`.
    Offer { ice_restart: bool },
    /// `createAnswer` + `setLocalDescription`, to the offer with that fingerprint.
    Answer { answers: u64 },
    /// `setRemoteDescription`; an offer in `have-local-offer` rolls the local one back first, as W3C
    /// WebRTC 1.0 §4.4.1.5 has it.
    SetRemote(Description),
    /// `addIceCandidate`.
    AddCandidate(Candidate),
}

impl ConnectionOperation {
    /// Whether W3C WebRTC 1.0 allows the call in `state`. `has_remote`: a remote description is set.
    pub fn allowed_in(&self, state: SignalingState, has_remote: bool) -> bool {
        use SignalingState::{Closed, HaveLocalOffer, HaveRemoteOffer, Stable};
        match (self, state) {
            (_, Closed) => false,
            (Self::Offer { .. }, state) => matches!(state, Stable | HaveLocalOffer),
            (Self::Answer { .. }, state) => state == HaveRemoteOffer,
            (Self::SetRemote(d), state) => match d.sdp_type {
                SdpType::Offer => matches!(state, Stable | HaveRemoteOffer | HaveLocalOffer),
                SdpType::Answer => state == HaveLocalOffer,
            },
            (Self::AddCandidate(_), _) => has_remote,
        }
    }
}

/// What an `RTCPeerConnection` tells.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectionEvent {
    /// It could not be made.
    CreateFailed(String),
    /// An operation ended.
    OperationDone(Done),
    /// A local candidate was gathered.
    LocalCandidate(Candidate),
    /// `iceConnectionState` changed.
    IceState(TransportState),
    /// `connectionState` changed.
    State(TransportState),
    /// A data channel is open; or DTLS is connected for what is published, or the first packet of media has come in.
    ChannelOpened { pair: CandidateKind },
    /// A data channel is closed.
    ChannelClosed,
    /// A message came in on the data channel.
    Received(ChannelData),
    /// A packet has come in after that was asked for.
    PacketArrived(u32),
    /// A message could not be handed to the data channel.
    TransmitFailed(String),
    /// The lost-flight repair sent the last DTLS flight again.
    FlightRepeated,
    /// It is closed and nothing of it is left.
    Closed,
}

/// The end of a [`ConnectionOperation`].
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Which.
    pub operation: ConnectionOperation,
    /// The signaling state in which it was called.
    pub before: SignalingState,
    /// Whether it may be called in that state.
    pub allowed: bool,
    /// The local description it made, if it makes one; or the stack's error.
    pub result: Result<Option<Description>, String>,
}

/// `RTCIceConnectionState` or `RTCPeerConnectionState`, as far as rules depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportState {
    New,
    /// ICE only.
    Checking,
    /// Connection only.
    Connecting,
    Connected,
    /// ICE only.
    Completed,
    Disconnected,
    Failed,
    Closed,
}

impl fmt::Display for TransportState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Checking => "checking",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Completed => "completed",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}
