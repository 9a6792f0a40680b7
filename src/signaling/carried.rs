//! What a scenario can ask of a protocol, and which protocol carries it.

use super::{Abilities, OffersIce, RosterBy, Topology};

/// What a scenario can ask of a protocol beyond links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// A server confirms joins.
    ConfirmedJoins,
    /// A server may refuse them.
    RefusedJoins,
    /// Members are told of newcomers.
    Newcomers,
    /// Members are told who has left.
    Departures,
    /// Members are told everybody who is there.
    Rosters,
    /// A client whose socket is lost takes its membership over.
    Resumption,
    /// A server answers pings.
    Pings,
    /// Candidates are told one by one.
    Candidates,
    /// There are sound frames that a server has to refuse.
    Misplaced,
    /// Members say something to one another over their links.
    Messages,
    /// Members have to do with one another, and not with the server alone.
    Members,
    /// A description is made by one member for another.
    MutualOffers,
    /// Datagrams go from member to member.
    MutualPaths,
    /// Who is not in the plan can be a member whom peers link to.
    Externals,
    /// Members are linked through the server, to which each has a connection beside these links.
    ThroughServer,
    /// A server offers its clients STUN and TURN servers.
    IceServers,
}

impl Capability {
    /// All, by their names, in the order of the documentation's table.
    pub const ALL: [(&'static str, Self); 16] = [
        ("confirmed joins", Self::ConfirmedJoins),
        ("refused joins", Self::RefusedJoins),
        ("newcomers", Self::Newcomers),
        ("departures", Self::Departures),
        ("rosters", Self::Rosters),
        ("resumption", Self::Resumption),
        ("pings", Self::Pings),
        ("candidates", Self::Candidates),
        ("misplaced frames", Self::Misplaced),
        ("messages", Self::Messages),
        ("members", Self::Members),
        ("offers between members", Self::MutualOffers),
        ("paths between members", Self::MutualPaths),
        ("externals", Self::Externals),
        ("links through the server", Self::ThroughServer),
        ("ICE servers", Self::IceServers),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, capability)| *capability == self);
        found.map_or("", |(name, _)| name)
    }
}

impl Abilities {
    /// Every built-in form of a protocol, by the name that the documentation's table gives it.
    pub const ROWS: [(&'static str, Self); 8] = [
        ("dashboard", Self::DASHBOARD),
        ("dashboard, deployed", Self::DEPLOYED),
        ("janus, textroom", Self::JANUS_TEXTROOM),
        ("janus, videoroom", Self::JANUS_VIDEOROOM),
        ("peerjs", Self::PEERJS),
        ("simplewebrtc", Self::SIMPLEWEBRTC),
        ("whep", Self::WHEP),
        ("whip", Self::WHIP),
    ];

    /// Whether it carries that.
    pub fn carries(&self, capability: Capability) -> bool {
        match capability {
            Capability::ConfirmedJoins => self.roster_by != RosterBy::Members,
            Capability::RefusedJoins => self.refuses_joins,
            Capability::Newcomers => matches!(self.roster_by, RosterBy::Server | RosterBy::Members),
            Capability::Departures => self.tells_departures,
            Capability::Rosters => self.tells_rosters,
            Capability::Resumption => self.resumes,
            Capability::Pings => self.pings,
            Capability::Candidates => self.trickles,
            Capability::Misplaced => self.misplaced,
            Capability::Messages => !self.topology.is_media(),
            Capability::Members => self.topology.has_pairs(),
            Capability::MutualOffers | Capability::MutualPaths | Capability::Externals => {
                self.topology == Topology::Mesh
            }
            Capability::ThroughServer => self.topology.is_through_server(),
            Capability::IceServers => self.offers_ice != OffersIce::Never,
        }
    }

    /// Its row of the documentation's table (Markdown).
    pub fn row(&self, name: &str) -> String {
        let who = match self.roster_by {
            RosterBy::Server => "the server",
            RosterBy::ServerOnce => "the server, once",
            RosterBy::Members => "the members",
            RosterBy::Harness => "the harness",
            RosterBy::Nobody => "nobody",
        };
        let ids = if self.ids_by_server {
            "the server"
        } else {
            "the client"
        };
        let leaving = if self.socket_is_membership {
            "closes the socket"
        } else {
            "a frame"
        };
        let carried = Capability::ALL
            .iter()
            .map(|(_, capability)| match self.carries(*capability) {
                true => "yes",
                false => "no",
            });
        let links = self.topology.name();
        let cells: Vec<&str> = [links, who, ids, leaving].into_iter().chain(carried).collect();
        format!("| `{name}` | {} |", cells.join(" | "))
    }

    /// The head of that table.
    pub fn head() -> String {
        let names = Capability::ALL.iter().map(|(name, _)| *name);
        let cells: Vec<&str> = [
            "protocol",
            "links",
            "who is there is told by",
            "ids are chosen by",
            "leaving is",
        ]
        .into_iter()
        .chain(names)
        .collect();
        format!("| {} |\n|{}", cells.join(" | "), " --- |".repeat(cells.len()))
    }
}
