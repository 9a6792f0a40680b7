use std::collections::BTreeSet;

use super::{launch::Launch, model::RunReport};
use crate::{
    base::{PeerId, RoomId},
    metrics::RunEvent,
    plan::Plan,
};

/// What is known of a run when it is over: all formats are made from it, whether the run has just ended or its folder is
/// read years later.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// What it was begun with.
    pub launch: Launch,
    /// The scenario as YAML, without secrets.
    pub scenario: String,
    /// What every peer was to do.
    pub plan: Plan,
    /// Figures, verdict, timeline.
    pub report: RunReport,
    /// The events that the format asked for, in their order.
    pub events: Vec<RunEvent>,
}

/// Events of one run that a format can be made from, unless it asks for fewer kinds of them: some 300 MB of memory, and
/// as much of a file as its viewers open.
pub const MAX_EVENTS: usize = 1_000_000;

/// Which events of a run a format wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// None: the figures are enough.
    Figures,
    /// Those of links and peers that failed, and the run's own.
    Failures,
    /// Those of the link between two peers, their own, and the run's.
    Link(PeerId, PeerId),
    /// Those of a room, and the run's.
    Room(RoomId),
    /// All.
    All,
}

impl Wanted {
    /// What would be kept of a run that was found to be so.
    pub fn of<'a>(&'a self, plan: &'a Plan, report: &RunReport) -> impl Fn(&RunEvent) -> bool + 'a {
        let failing: BTreeSet<PeerId> = match self {
            Self::Failures => failing(report).collect(),
            _ => BTreeSet::new(),
        };
        move |event| {
            let Some(peer) = event.peer else { return true };
            match self {
                Self::All => true,
                Self::Figures => false,
                Self::Failures => {
                    failing.contains(&peer) && event.remote.is_none_or(|remote| failing.contains(&remote))
                }
                Self::Link(a, b) => {
                    let is_end = |peer| peer == *a || peer == *b;
                    is_end(peer) && event.remote.is_none_or(is_end)
                }
                Self::Room(room) => plan
                    .peers
                    .get(peer.0 as usize)
                    .is_some_and(|peer| peer.room == *room),
            }
        }
    }
}

/// Who has a failure or a finding, as far as the report tells.
fn failing(report: &RunReport) -> impl Iterator<Item = PeerId> {
    let failures = report.failures.iter().map(|line| (line.peer, line.remote));
    let findings = report.invariants.iter().flat_map(|invariant| &invariant.findings);
    let findings = findings.map(|finding| (finding.peer, finding.remote));
    failures
        .chain(findings)
        .flat_map(|(peer, remote)| [peer, remote])
        .flatten()
}
