use std::{borrow::Cow, fmt, sync::Arc};

use super::{
    ChannelFormat, ChannelMessage, Codec, Custom, Dashboard, Described, Janus, JanusOptions, JanusPlugin,
    PeerJs, PeerJsOptions, SimpleWebRtc, Whep, Whip, WhipOptions,
};

/// A signaling protocol, with what a user can choose of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Described by its user.
    Custom(Arc<Custom>),
    /// The WebRTC Dashboard's frames, which the bundled reference server speaks.
    #[default]
    Dashboard,
    /// Janus's, over its WebSocket transport.
    Janus(JanusOptions),
    /// PeerJS's, which npm's `peer` serves.
    PeerJs(PeerJsOptions),
    /// SimpleWebRTC's events over Socket.IO, as `signal-master` speaks them.
    SimpleWebRtc,
    /// WebRTC-HTTP egress (draft-ietf-wish-whep): each peer has what one resource sends.
    Whep(WhipOptions),
    /// WebRTC-HTTP ingestion (RFC 9725): each peer publishes to a resource.
    Whip(WhipOptions),
}

/// What carries a protocol's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carrier {
    /// Text messages of a WebSocket (RFC 6455).
    #[default]
    WebSocket,
    /// Requests and responses of HTTP, one exchange after the other. A frame is a whole message of HTTP/1.1, as text. A
    /// request's header `Exchange` does not cross the network: the response has it again.
    Http,
}

/// Which client of a protocol it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client<'a> {
    /// Its room's id on the wire.
    pub room_id: &'a str,
    /// Its own.
    pub user_id: &'a str,
    /// Its number in the whole run, from 0.
    pub number: u32,
}

/// How the ends of links are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Every two members of a room have a connection of their own.
    Mesh,
    /// Each member has a connection on which it publishes media to the server, and one for what each other member
    /// publishes.
    Sfu,
    /// Each member has one connection, to the server, which passes messages on between them.
    Hub,
    /// Each member has one connection, on which it publishes media to the server, and knows of nobody else.
    Ingest,
    /// Each member has one connection, on which it has media from the server, and knows of nobody else.
    Egress,
}

impl Topology {
    /// Whether the members of a room are linked in pairs, by a connection of their own or through the server.
    pub fn has_pairs(self) -> bool {
        matches!(self, Self::Mesh | Self::Sfu | Self::Hub)
    }

    /// Whether each member has a connection whose other end is the server itself.
    pub fn has_server_link(self) -> bool {
        self != Self::Mesh
    }

    /// Whether those pairs are linked through the server, to which each member has a connection beside them.
    pub fn is_through_server(self) -> bool {
        self.has_pairs() && self.has_server_link()
    }

    /// The most connections that a room of so many members has to the server.
    pub fn server_connections(self, members: usize) -> usize {
        match self {
            Self::Mesh => 0,
            Self::Sfu => members * members,
            Self::Hub | Self::Ingest | Self::Egress => members,
        }
    }

    /// Whether connections carry media, and no messages.
    pub fn is_media(self) -> bool {
        matches!(self, Self::Sfu | Self::Ingest | Self::Egress)
    }

    /// Its word in the documentation's table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Sfu => "SFU",
            Self::Hub => "hub",
            Self::Ingest => "ingest",
            Self::Egress => "egress",
        }
    }
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
    /// Nobody, and nobody has to know: each member has to do with the server alone.
    Nobody,
}

/// When a server offers its clients STUN and TURN servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffersIce {
    /// Never.
    Never,
    /// Before it lets a client into a room: connections begin with them.
    BeforeJoin,
    /// With its answer to a client's offer: a connection that has made a first offer begins without.
    WithAnswer,
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
    /// When STUN and TURN servers are offered.
    pub offers_ice: OffersIce,
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
        offers_ice: OffersIce::Never,
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
        offers_ice: OffersIce::BeforeJoin,
    };

    /// Rooms of Janus's VideoRoom plugin.
    pub const JANUS_VIDEOROOM: Self = Self {
        topology: Topology::Sfu,
        roster_by: RosterBy::Server,
        ids_by_server: false,
        socket_is_membership: false,
        refuses_joins: true,
        resumes: false,
        pings: true,
        trickles: true,
        tells_departures: true,
        tells_rosters: false,
        misplaced: false,
        offers_ice: OffersIce::Never,
    };

    /// Rooms of Janus's TextRoom plugin: after the first exchange all is said over the data channel.
    pub const JANUS_TEXTROOM: Self = Self {
        topology: Topology::Hub,
        ..Self::JANUS_VIDEOROOM
    };

    /// A resource of HTTP is created by an offer, which is the join.
    pub const WHIP: Self = Self {
        topology: Topology::Ingest,
        roster_by: RosterBy::Nobody,
        ids_by_server: false,
        socket_is_membership: false,
        refuses_joins: true,
        resumes: false,
        pings: false,
        trickles: true,
        tells_departures: false,
        tells_rosters: false,
        misplaced: false,
        offers_ice: OffersIce::WithAnswer,
    };

    /// The same the other way.
    pub const WHEP: Self = Self {
        topology: Topology::Egress,
        ..Self::WHIP
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
            Self::Janus(_) => "janus",
            Self::PeerJs(_) => "peerjs",
            Self::SimpleWebRtc => "simplewebrtc",
            Self::Whep(_) => "whep",
            Self::Whip(_) => "whip",
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
            Self::Janus(options) => match options.plugin {
                JanusPlugin::VideoRoom => Abilities::JANUS_VIDEOROOM,
                JanusPlugin::TextRoom => Abilities::JANUS_TEXTROOM,
            },
            Self::PeerJs(_) => Abilities::PEERJS,
            Self::SimpleWebRtc => Abilities::SIMPLEWEBRTC,
            Self::Whep(_) => Abilities::WHEP,
            Self::Whip(_) => Abilities::WHIP,
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
            Self::Janus(_) | Self::PeerJs(_) | Self::SimpleWebRtc | Self::Whep(_) | Self::Whip(_) => {
                Some("its frames are other ones".to_owned())
            }
        }
    }

    /// The label of a data channel: the one between two peers, or the one to the server.
    pub fn channel_label(&self) -> &'static str {
        match self {
            Self::Janus(_) => JanusPlugin::CHANNEL_LABEL,
            _ => ChannelMessage::LABEL,
        }
    }

    /// What carries its frames.
    pub fn carrier(&self) -> Carrier {
        match self {
            Self::Whep(_) | Self::Whip(_) => Carrier::Http,
            _ => Carrier::WebSocket,
        }
    }

    /// That client's end.
    pub fn codec(&self, client: Client<'_>) -> Box<dyn Codec> {
        let Client { room_id, user_id, .. } = client;
        match self {
            Self::Custom(custom) => Box::new(Described::new(custom.clone(), room_id, user_id)),
            Self::Dashboard => Box::new(Dashboard::new(room_id, user_id)),
            Self::Janus(options) => Box::new(Janus::new(options, room_id, user_id)),
            Self::PeerJs(options) => Box::new(PeerJs::new(options, user_id)),
            Self::SimpleWebRtc => Box::new(SimpleWebRtc::new(room_id)),
            Self::Whep(options) => Box::new(Whep::new(options, client)),
            Self::Whip(options) => Box::new(Whip::new(options, client)),
        }
    }

    /// What frames have for a user's id.
    pub fn id_on_wire(&self, user_id: &str) -> String {
        match self {
            Self::Janus(options) => options.plugin.id_on_wire(user_id),
            _ => user_id.to_owned(),
        }
    }

    /// How its clients write on data channels.
    pub fn channel_format(&self) -> ChannelFormat {
        match self {
            Self::Custom(_)
            | Self::Dashboard
            | Self::Janus(_)
            | Self::SimpleWebRtc
            | Self::Whep(_)
            | Self::Whip(_) => ChannelFormat::Text,
            Self::PeerJs(options) => options.serialization.format(),
        }
    }

    /// Where such a client's socket is opened.
    pub fn address(&self, client: Client<'_>) -> Address {
        let Client { room_id, user_id, .. } = client;
        match self {
            Self::Custom(custom) => Described::new(custom.clone(), room_id, user_id).address(),
            // A resource's path is in each request.
            Self::Dashboard | Self::Whep(_) | Self::Whip(_) => Address::default(),
            Self::Janus(_) => Address {
                subprotocol: Some("janus-protocol".into()),
                ..Address::default()
            },
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
