use std::{fmt, sync::Arc};

use super::sdp;
use crate::base::Fnv1a;

/// What a peer and a signaling server say to each other, whatever the protocol. Outgoing, `remote` is
/// who it is for; incoming, who it is from.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    // ---- to the server
    /// Become a member of the room under `name`; `token` takes an earlier membership over. `present`: other
    /// members whom this peer knows and is connected to, which those told of the join can go by.
    Join {
        name: String,
        token: Option<String>,
        capacity: u32,
        present: Vec<Member>,
    },
    /// Give the membership up.
    Leave,
    /// Ask for a [`Message::Pong`]: everything sent before is then known to be processed.
    Ping,
    /// Have the server offer what `remote` publishes, on a connection that is new to it; `ice_restart`: on the present
    /// one, with new ICE credentials. Only a server that is the other end of links is asked for that.
    RequestOffer { remote: String, ice_restart: bool },

    // ---- from the server
    /// The join is confirmed: who is there already, and the token of the membership. `resumed`: it was one
    /// before, and nobody is told of it. `user_id`: the id that the server has given this peer, where it gives any.
    Welcome {
        members: Vec<Member>,
        token: Option<String>,
        resumed: bool,
        user_id: Option<String>,
    },
    /// The join is refused; nothing has changed. `reason` is the protocol's code for it.
    JoinRejected { reason: String, message: String },
    /// Somebody else became a member; `again`: was one before; `knows_me`: names this peer among those whom it is
    /// connected to.
    MemberJoined {
        member: Member,
        again: bool,
        knows_me: bool,
    },
    /// What a member publishes can be had from the server from now on.
    Published { user_id: String },
    /// It publishes nothing any more, and may still be a member.
    Unpublished { user_id: String },
    /// The server has ended the connection for `remote`, or will not make it.
    Ended { remote: String, reason: String },
    /// Somebody else is no member any more.
    MemberLeft { user_id: String, reason: LeaveReason },
    /// Everybody who is a member now, oneself included.
    Roster { members: Vec<Member> },
    /// STUN and TURN servers that this peer may use.
    IceServers { servers: Vec<OfferedIceServer> },
    /// The answer to a [`Message::Ping`].
    Pong,
    /// The server could not do what a frame asked for; `about_join`: that frame was a join, so there is no
    /// membership; `about_membership`: this very peer is no member of its room.
    Error {
        reason: String,
        message: String,
        about_join: bool,
        about_membership: bool,
    },
    /// A frame that says nothing to this peer (`client_count`, another room's list).
    Other { kind: String },

    // ---- of neither
    /// The codec has dropped something, for it keeps no more.
    LimitHit { limit: String },

    // ---- both ways
    /// An offer or answer.
    Description {
        remote: String,
        description: Description,
    },
    /// A trickled candidate (RFC 8838).
    Candidate { remote: String, candidate: Candidate },
    /// A text that the server passes on, outgoing without a `remote` to everybody else in the room.
    Relayed { remote: Option<String>, text: String },
}

impl Message {
    /// Stands for the server where a `remote` is asked for: what is to be had from it, or is told to it, is a link's other
    /// end. No member has it for an id.
    pub const SERVER: &'static str = "";
}

/// What a frame is to the client that it has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// It says something to it, or answers it.
    Message(Message),
    /// Nobody of its room has sent it to it or to the room.
    Waste(Waste),
    /// It is not this protocol, or is one's own.
    Nothing,
}

/// Whose a frame is that is no use to the client that it has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waste {
    /// It is another room's.
    OtherRoom,
    /// A member of the room has sent it to another.
    OtherMember,
    /// The server tells it to everybody, whatever the room: counts of clients, lists of rooms; or sends back what
    /// it does not understand.
    Server,
}

/// A member of a room, as the server names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id on the wire.
    pub user_id: String,
    /// The name it joined under.
    pub name: String,
}

/// A STUN or TURN server that a signaling server offers (W3C's `RTCIceServer`).
#[derive(Clone, PartialEq, Eq)]
pub struct OfferedIceServer {
    /// As they came.
    pub urls: Vec<String>,
    /// Whose its credential is.
    pub username: Option<String>,
    /// A secret.
    pub credential: Option<String>,
}

impl fmt::Debug for OfferedIceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfferedIceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .field("credential", &self.credential.as_ref().map(|_| "[hidden]"))
            .finish()
    }
}

/// Why a member is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveReason {
    /// It said so.
    Left,
    /// Its socket closed and did not come back in the grace time.
    Closed,
    /// The server removed it.
    Evicted,
}

impl fmt::Display for LeaveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
        })
    }
}

/// `RTCSdpType` without the provisional ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpType {
    Offer,
    Answer,
}

/// `RTCSessionDescription`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Offer or answer.
    pub sdp_type: SdpType,
    /// The SDP text (RFC 8866).
    pub sdp: Arc<str>,
}

impl Description {
    /// A hash of type and whole text: equal for a frame repeated verbatim, different otherwise.
    /// FNV-1a, 64 bits: stable over runs and machines.
    pub fn fingerprint(&self) -> u64 {
        hash([self.kind(), &self.sdp])
    }

    /// The same for the first `characters` of its JSON, `{"type":"offer","sdp":"v=0\r\n…"}`, as browsers write
    /// it: what some clients tell descriptions apart by.
    pub fn fingerprint_of_json(&self, characters: usize) -> u64 {
        // Of the characters of an SDP, JSON escapes the ends of lines, quotes and backslashes.
        let escaped = self.sdp.chars().take(characters).flat_map(|c| {
            let (escape, c) = match c {
                '\r' => (Some('\\'), 'r'),
                '\n' => (Some('\\'), 'n'),
                '"' | '\\' => (Some('\\'), c),
                c => (None, c),
            };
            escape.into_iter().chain([c])
        });
        let start = format!(r#"{{"type":"{}","sdp":""#, self.kind());
        let json: String = start.chars().chain(escaped).take(characters).collect();
        hash([json.as_str()])
    }

    fn kind(&self) -> &'static str {
        match self.sdp_type {
            SdpType::Offer => "offer",
            SdpType::Answer => "answer",
        }
    }

    /// The first `a=fingerprint` (RFC 8122): it names the sender's DTLS certificate, so its connection.
    pub fn dtls_fingerprint(&self) -> Option<&str> {
        sdp::attribute(&self.sdp, "fingerprint")
    }

    /// Whether its last line ends (RFC 8866, 9) and it names a certificate (RFC 8827, 5.6.4). One that was cut off on
    /// the way does not.
    pub fn is_whole(&self) -> bool {
        self.sdp.ends_with('\n') && self.dtls_fingerprint().is_some()
    }

    /// Whether the description itself tells the candidate.
    pub fn has_candidate(&self, candidate: &Candidate) -> bool {
        let line = format!("a={}", candidate.candidate);
        self.sdp.lines().any(|l| l.trim_end() == line)
    }

    /// The first `a=ice-ufrag` (RFC 8839): it names the ICE generation.
    pub fn ufrag(&self) -> Option<&str> {
        sdp::attribute(&self.sdp, "ice-ufrag")
    }
}

/// Of all parts as one text.
fn hash<const N: usize>(parts: [&str; N]) -> u64 {
    let mut hash = Fnv1a::default();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hash.value()
}

/// `RTCIceCandidateInit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The candidate attribute (RFC 8839); empty at the end of candidates.
    pub candidate: String,
    /// Which m-section, by its `mid`.
    pub sdp_mid: Option<String>,
    /// Which m-section, by its index.
    pub sdp_m_line_index: Option<u16>,
    /// The ICE generation it belongs to.
    pub username_fragment: Option<String>,
}
