//! What a scenario can ask of a protocol, and which protocol carries it.

use super::{Abilities, RosterBy};

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
}

impl Capability {
    /// All, by their names, in the order of the documentation's table.
    pub const ALL: [(&'static str, Self); 9] = [
        ("confirmed joins", Self::ConfirmedJoins),
        ("refused joins", Self::RefusedJoins),
        ("newcomers", Self::Newcomers),
        ("departures", Self::Departures),
        ("rosters", Self::Rosters),
        ("resumption", Self::Resumption),
        ("pings", Self::Pings),
        ("candidates", Self::Candidates),
        ("misplaced frames", Self::Misplaced),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, capability)| *capability == self);
        found.map_or("", |(name, _)| name)
    }
}

impl Abilities {
    /// Every built-in form of a protocol, by the name that the documentation's table gives it.
    pub const ROWS: [(&'static str, Self); 4] = [
        ("dashboard", Self::DASHBOARD),
        ("dashboard, deployed", Self::DEPLOYED),
        ("peerjs", Self::PEERJS),
        ("simplewebrtc", Self::SIMPLEWEBRTC),
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
        let cells: Vec<&str> = [who, ids, leaving].into_iter().chain(carried).collect();
        format!("| `{name}` | {} |", cells.join(" | "))
    }

    /// The head of that table.
    pub fn head() -> String {
        let names = Capability::ALL.iter().map(|(name, _)| *name);
        let cells: Vec<&str> = [
            "protocol",
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
