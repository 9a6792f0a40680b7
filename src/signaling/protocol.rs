use std::{borrow::Cow, fmt, sync::Arc};

use super::{ChannelFormat, Codec, Custom, Dashboard, Described, PeerJs, PeerJsOptions, SimpleWebRtc};

/// A signaling protocol, with what a user can choose of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Described by its user.
    Custom(Arc<Custom>),
    /// The WebRTC Dashboard's frames, which the bundled reference server speaks.
    #[default]
    Dashboard,
    /// PeerJS's, which npm's `peer` serves.
    PeerJs(PeerJsOptions),
    /// SimpleWebRTC's events over Socket.IO, as `signal-master` speaks them.
    SimpleWebRtc,
}

/// How the ends of links are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Every two members of a room have a connection of their own.
    Mesh,
}

/// Who tells a member of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RosterBy {
    /// The server: a newcomer who is there, and everybody each change. It confirms joins.
    Server,
    /// The server tells a newcomer who is there, and everybody who leaves. Who is there hears of a newcomer by its
    /// offer.
    ServerOnce,
    /// The members themselves: a join is an announcement that a relay passes on, and no server answers it.
    Members,
    /// Nobody: there are no rooms. An application has a list of its own of who is there; here it is the harness's.
    Harness,
}

/// What a protocol carries. A scenario that asks for more is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// How the ends of links are found.
    pub topology: Topology,
    /// Who tells a member of the others.
    pub roster_by: RosterBy,
    /// The server gives a client its id, another one on each socket. Otherwise the client chooses it.
    pub ids_by_server: bool,
    /// A membership is a socket: who leaves closes it, who joins opens one.
    pub socket_is_membership: bool,
    /// The server may refuse a join, and says so.
    pub refuses_joins: bool,
    /// A client whose socket is lost takes its membership over with another one.
    pub resumes: bool,
    /// The server answers pings, in order with all else. Without, what was sent is taken for processed after a while.
    pub pings: bool,
    /// Candidates are told one by one (RFC 8838).
    pub trickles: bool,
    /// Members are told who has left.
    pub tells_departures: bool,
    /// The server tells members, after each change, everybody who is there.
    pub tells_rosters: bool,
    /// There are sound frames that a server has to refuse.
    pub misplaced: bool,
}

impl Abilities {
    /// Who is in the room is known from the server alone.
    pub const DASHBOARD: Self = Self {
        topology: Topology::Mesh,
        roster_by: RosterBy::Server,
        ids_by_server: false,
        socket_is_membership: false,
        refuses_joins: true,
        resumes: true,
        pings: true,
        trickles: true,
        tells_departures: true,
        tells_rosters: true,
        misplaced: true,
    };

    /// An id is taken by opening a socket for it.
    pub const PEERJS: Self = Self {
        roster_by: RosterBy::Harness,
        socket_is_membership: true,
        tells_rosters: false,
        ..Self::DASHBOARD
    };

    /// Whether the harness has to tell its peers who is who on the wire, or who is back on another socket.
    pub fn is_introduced(&self) -> bool {
        self.ids_by_server || matches!(self.roster_by, RosterBy::Harness | RosterBy::ServerOnce)
    }

    /// The dashboard as it is deployed.
    pub const DEPLOYED: Self = Self {
        roster_by: RosterBy::Members,
        refuses_joins: false,
        tells_rosters: false,
        ..Self::DASHBOARD
    };

    /// Rooms of Socket.IO: who comes is told by nobody, and the server gives ids.
    pub const SIMPLEWEBRTC: Self = Self {
        topology: Topology::Mesh,
        roster_by: RosterBy::ServerOnce,
        ids_by_server: true,
        socket_is_membership: false,
        refuses_joins: true,
        resumes: false,
        pings: true,
        trickles: true,
        tells_departures: true,
        tells_rosters: false,
        misplaced: false,
    };
}

/// What a client's socket is opened with, behind what the target's URL says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The last segments of the path, unless the URL ends with them already: `peerjs`.
    pub path: Option<Cow<'static, str>>,
    /// Parameters of the query, not yet encoded.
    pub query: Vec<(Cow<'static, str>, String)>,
    /// The subprotocol (RFC 6455, section 1.9).
    pub subprotocol: Option<Cow<'static, str>>,
}

impl Protocol {
    /// Its name in a scenario.
    pub fn name(&self) -> &str {
        match self {
            Self::Custom(_) => "custom",
            Self::Dashboard => "dashboard",
            Self::PeerJs(_) => "peerjs",
            Self::SimpleWebRtc => "simplewebrtc",
        }
    }

    /// The same with the name that a description gives itself.
    pub fn title(&self) -> String {
        match self {
            Self::Custom(custom) => match &custom.name {
                Some(name) => format!("{} ({name})", self.name()),
                None => self.name().to_owned(),
            },
            _ => self.name().to_owned(),
        }
    }

    /// What it carries.
    pub fn abilities(&self) -> Abilities {
        match self {
            Self::Custom(custom) => custom.abilities(),
            Self::Dashboard => Abilities::DASHBOARD,
            Self::PeerJs(_) => Abilities::PEERJS,
            Self::SimpleWebRtc => Abilities::SIMPLEWEBRTC,
        }
    }

    /// The same where its server relays everything to everybody, if that makes a difference.
    pub fn abilities_with(&self, relays_all: bool) -> Abilities {
        match self {
            Self::Dashboard if relays_all => Abilities::DEPLOYED,
            _ => self.abilities(),
        }
    }

    /// What of it the bundled server does not understand, in words; `None`: it speaks it. `relays_all`: as it is
    /// started.
    pub fn foreign_to_bundled(&self, relays_all: bool) -> Option<String> {
        match self {
            Self::Custom(custom) => {
                let key = custom.foreign_to_dashboard(relays_all)?;
                Some(format!("its `{key}` is not what docs/PROTOCOL.md says"))
            }
            Self::Dashboard => None,
            Self::PeerJs(_) | Self::SimpleWebRtc => Some("its frames are other ones".to_owned()),
        }
    }

    /// The end of a client that is `user_id` in the room `room_id`.
    pub fn codec(&self, room_id: &str, user_id: &str) -> Box<dyn Codec> {
        match self {
            Self::Custom(custom) => Box::new(Described::new(custom.clone(), room_id, user_id)),
            Self::Dashboard => Box::new(Dashboard::new(room_id, user_id)),
            Self::PeerJs(options) => Box::new(PeerJs::new(options, user_id)),
            Self::SimpleWebRtc => Box::new(SimpleWebRtc::new(room_id)),
        }
    }

    /// How its clients write on data channels.
    pub fn channel_format(&self) -> ChannelFormat {
        match self {
            Self::Custom(_) | Self::Dashboard | Self::SimpleWebRtc => ChannelFormat::Text,
            Self::PeerJs(options) => options.serialization.format(),
        }
    }

    /// Where such a client's socket is opened.
    pub fn address(&self, room_id: &str, user_id: &str) -> Address {
        match self {
            Self::Custom(custom) => Described::new(custom.clone(), room_id, user_id).address(),
            Self::Dashboard => Address::default(),
            Self::PeerJs(options) => options.address(room_id, user_id),
            Self::SimpleWebRtc => Address {
                path: Some("socket.io/".into()),
                query: vec![
                    ("EIO".into(), "3".to_owned()),
                    ("transport".into(), "websocket".to_owned()),
                ],
                subprotocol: None,
            },
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
