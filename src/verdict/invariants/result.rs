use crate::{
    base::{Instant, PeerId},
    metrics::RunEvent,
    plan::{Abilities, RosterBy, Topology},
};

/// How many findings of one invariant are kept with their events; the rest are counted.
pub const MAX_FINDINGS: usize = 20;

/// What the run can see of its rooms. An invariant that needs more is not applicable, and says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visibility {
    /// The server's own roster comes as [`ServerRoster`](crate::metrics::EventKind::ServerRoster): only
    /// the bundled server tells it.
    pub server_roster: bool,
    /// The protocol tells members the roster, so that `RosterSeen.server` means something.
    pub rosters_told: bool,
    /// How the ends of links are found: whether there are any between members, and whether those carry messages.
    pub topology: Topology,
}

impl Visibility {
    /// The bundled server: everything can be seen.
    pub const BUNDLED: Self = Self {
        server_roster: true,
        rosters_told: true,
        topology: Topology::Mesh,
    };
    /// A foreign server whose protocol tells members the roster, and whose clients form a mesh.
    pub const FOREIGN_MESH: Self = Self {
        server_roster: false,
        rosters_told: true,
        topology: Topology::Mesh,
    };
    /// A server that tells nobody who is in a room: a deployed dashboard, ours or another, whose registry is not what its
    /// rooms are and whose ghosts are its own; or one that has no rooms.
    pub const UNTOLD: Self = Self {
        server_roster: false,
        rosters_told: false,
        topology: Topology::Mesh,
    };
    /// A foreign SFU.
    pub const FOREIGN_SFU: Self = Self {
        server_roster: false,
        rosters_told: false,
        topology: Topology::Sfu,
    };

    /// What a run against a server of that form sees; `own`: it was started for the run.
    pub fn of(abilities: Abilities, own: bool) -> Self {
        let seen = match (abilities.roster_by, own) {
            (RosterBy::Server, true) => Self::BUNDLED,
            (RosterBy::Server, false) => Self::FOREIGN_MESH,
            _ => Self::UNTOLD,
        };
        Self {
            rosters_told: abilities.tells_rosters,
            topology: abilities.topology,
            ..seen
        }
    }

    /// The members of a room have links to one another, each over a connection of its own or through the server.
    pub fn pairs(&self) -> bool {
        self.topology.has_pairs()
    }

    /// Those links carry messages.
    pub fn messages(&self) -> bool {
        self.pairs() && !self.topology.is_media()
    }

    /// What goes from one member to another goes through the server: each of them has a connection to it.
    pub fn through_server(&self) -> bool {
        self.topology.has_server_link()
    }
}

/// What became of one invariant.
#[derive(Debug, Clone, PartialEq)]
pub struct InvariantResult {
    /// 1 to 8, as in the documentation.
    pub number: u8,
    /// What has to hold, in a few words.
    pub name: &'static str,
    /// Whether it did.
    pub status: InvariantStatus,
    /// How many cases were looked at. A held invariant has looked at one at least.
    pub cases: u64,
    /// What a case is, in the plural: `pairs`, `messages`, …
    pub cases_are: &'static str,
    /// The first [`MAX_FINDINGS`] breaches, in the order in which they were found.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub more_findings: u64,
    /// What was not looked at, and why: rooms that had not settled, a limit that was hit.
    pub note: Option<String>,
}

impl InvariantResult {
    /// Whether it fails the run.
    pub fn is_broken(&self) -> bool {
        self.status == InvariantStatus::Broken
    }
}

/// Held, broken, or not to be judged here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvariantStatus {
    /// It held in every case that was looked at.
    Held,
    /// It did not: see the findings.
    Broken,
    /// The topology or the visibility hides it, or there was no case to look at.
    NotApplicable {
        /// Which of them, in words.
        why: String,
    },
}

/// One breach of an invariant.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Whose it is; `None` where it is the server's or the run's.
    pub peer: Option<PeerId>,
    /// The other end of the link, if it concerns one.
    pub remote: Option<PeerId>,
    /// When it happened or, for what is judged in the settled room, when the room settled.
    pub at: Instant,
    /// What is wrong.
    pub what: String,
    /// The last events of the link (of the peer, without a remote) up to the breach, oldest first.
    pub last_events: Vec<RunEvent>,
}

/// What one checker has found: bounded findings and the number of cases.
#[derive(Debug, Default)]
pub(super) struct Findings {
    cases: u64,
    kept: Vec<Finding>,
    more: u64,
    note: Option<String>,
}

/// Which kept finding to amend later; `None` inside is one that was only counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct FindingId(Option<usize>);

impl Findings {
    /// One case was looked at.
    pub fn case(&mut self) {
        self.cases += 1;
    }

    pub fn note(&mut self, note: String) {
        self.note = Some(match self.note.take() {
            Some(earlier) => format!("{earlier}; {note}"),
            None => note,
        });
    }

    /// A breach. `finding` is made only if there is room for it: its events are costly to collect.
    pub fn breach(&mut self, finding: impl FnOnce() -> Finding) -> FindingId {
        if self.kept.len() == MAX_FINDINGS {
            self.more += 1;
            return FindingId(None);
        }
        self.kept.push(finding());
        FindingId(Some(self.kept.len() - 1))
    }

    /// Says more exactly what a breach was, now that it is known.
    pub fn amend(&mut self, id: FindingId, what: impl FnOnce() -> String) {
        if let Some(finding) = id.0.and_then(|index| self.kept.get_mut(index)) {
            finding.what = what();
        }
    }

    pub fn into_result(self, about: About) -> InvariantResult {
        let status = if !self.kept.is_empty() {
            InvariantStatus::Broken
        } else if self.cases == 0 {
            let why = self.note.clone().unwrap_or_else(|| about.no_case.to_owned());
            return InvariantResult::not_applicable(about, why);
        } else {
            InvariantStatus::Held
        };
        InvariantResult {
            number: about.number,
            name: about.name,
            status,
            cases: self.cases,
            cases_are: about.cases_are,
            findings: self.kept,
            more_findings: self.more,
            note: self.note,
        }
    }
}

impl InvariantResult {
    /// Adds the result of another segment of the run: cases and findings add up, and what is broken in one is broken.
    pub fn merge(&mut self, other: Self) {
        let rank = |status: &InvariantStatus| match status {
            InvariantStatus::Broken => 0,
            InvariantStatus::Held => 1,
            InvariantStatus::NotApplicable { .. } => 2,
        };
        if rank(&other.status) < rank(&self.status) {
            self.status = other.status;
        }
        self.cases += other.cases;
        self.findings.extend(other.findings);
        self.findings.sort_by_key(|finding| finding.at);
        let over = self.findings.len().saturating_sub(MAX_FINDINGS);
        self.findings.truncate(MAX_FINDINGS);
        self.more_findings += other.more_findings + over as u64;
        self.note = match (self.note.take(), other.note) {
            (Some(note), Some(more)) if note != more => Some(format!("{note}; {more}")),
            (note, more) => note.or(more),
        };
    }

    pub(super) fn not_applicable(about: About, why: String) -> Self {
        Self {
            number: about.number,
            name: about.name,
            status: InvariantStatus::NotApplicable { why },
            cases: 0,
            cases_are: about.cases_are,
            findings: Vec::new(),
            more_findings: 0,
            note: None,
        }
    }
}

/// The fixed words of an invariant.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub number: u8,
    pub name: &'static str,
    pub cases_are: &'static str,
    /// Why it is not applicable when no case came by.
    pub no_case: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_past_the_limit_are_counted() {
        let mut findings = Findings::default();
        for n in 0..MAX_FINDINGS + 3 {
            findings.breach(|| Finding {
                peer: None,
                remote: None,
                at: Instant::START,
                what: n.to_string(),
                last_events: Vec::new(),
            });
        }
        let result = findings.into_result(About {
            number: 4,
            name: "",
            cases_are: "",
            no_case: "",
        });
        assert_eq!((result.findings.len(), result.more_findings), (MAX_FINDINGS, 3));
        assert!(result.is_broken());
    }

    #[test]
    fn segments_add_up_and_the_first_findings_of_all_are_kept() {
        let result = |cases, found: &[u64], note: Option<&str>| {
            let mut findings = Findings::default();
            (0..cases).for_each(|_| findings.case());
            for at in found {
                findings.breach(|| Finding {
                    peer: None,
                    remote: None,
                    at: Instant::from_millis(*at),
                    what: at.to_string(),
                    last_events: Vec::new(),
                });
            }
            note.into_iter().for_each(|note| findings.note(note.to_owned()));
            findings.into_result(About {
                number: 4,
                name: "",
                cases_are: "",
                no_case: "nobody came",
            })
        };
        let mut nothing = result(0, &[], None);
        nothing.merge(result(0, &[], None));
        assert!(matches!(nothing.status, InvariantStatus::NotApplicable { .. }));
        nothing.merge(result(2, &[], Some("a room had not settled")));
        assert_eq!(
            (nothing.status.clone(), nothing.cases),
            (InvariantStatus::Held, 2)
        );
        let early: Vec<u64> = (0..15).map(|n| n * 2).collect();
        let late: Vec<u64> = (0..15).map(|n| n * 2 + 1).collect();
        nothing.merge(result(3, &late, Some("a room had not settled")));
        nothing.merge(result(4, &early, None));
        assert!(nothing.is_broken());
        assert_eq!((nothing.cases, nothing.more_findings), (9, 10));
        let kept: Vec<String> = nothing
            .findings
            .iter()
            .map(|finding| finding.what.clone())
            .collect();
        let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(kept, expected);
        assert_eq!(nothing.note.as_deref(), Some("a room had not settled"));
    }
}
