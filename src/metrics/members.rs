use crate::{
    base::{Incarnation, Instant, PeerId, RoomId},
    plan::{Action, JoinOutcome, Plan},
};

/// One membership, from the start of its join on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) incarnation: Incarnation,
    pub(super) planned: Instant,
    /// The script wants the server to refuse it: nobody waits for its links.
    pub(super) expect_rejected: bool,
    /// The membership before it ended in a crash.
    pub(super) after_crash: bool,
}

impl Stay {
    /// The server's side of it: it was there before.
    pub(super) fn of_server(self) -> Self {
        Self {
            planned: Instant::START,
            after_crash: false,
            ..self
        }
    }
}

/// Where a peer is, as its own events tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whereabouts {
    Out { left: bool },
    Joining(Stay),
    In(Stay),
}

/// How a membership (or the attempt at one) came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It was left, or the run ended.
    Left,
    /// The peer crashed, as planned.
    Crashed { planned: Instant },
    /// It was lost with the signaling socket; nobody wanted it to end.
    Lost,
    /// It never came to be.
    JoinFailed,
}

impl Cut {
    /// Whether what was pending has failed, rather than been cut short by the plan.
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Lost | Self::JoinFailed)
    }
}

#[derive(Debug)]
struct Member {
    room: usize,
    /// Its script has a join that is to succeed.
    plans_to_join: bool,
    /// The server has confirmed it as a member before.
    been_member: bool,
    script_ended: bool,
    /// It has told of signaling that came to it.
    signaled: bool,
    /// Its last membership (not: attempt) ended in a crash.
    crashed: bool,
    whereabouts: Whereabouts,
}

/// Who is in which room, who was, and who is still to come.
#[derive(Debug)]
pub(super) struct Members {
    /// Nobody has to do with anybody but the server.
    with_server: bool,
    rooms: Vec<Vec<PeerId>>,
    /// Indexed by [`PeerId`]; events of peers that are not in the plan find nobody.
    members: Vec<Member>,
    inside: u32,
}

impl Members {
    pub(super) fn new(plan: &Plan) -> Self {
        let accepted = |action: &Action| {
            matches!(
                action,
                Action::Join {
                    expect: JoinOutcome::Accepted,
                    ..
                }
            )
        };
        Self {
            with_server: !plan.abilities().topology.has_pairs(),
            rooms: plan.rooms.iter().map(|room| room.peers.clone()).collect(),
            members: plan
                .peers
                .iter()
                .map(|peer| Member {
                    room: peer.room.index(),
                    plans_to_join: peer.script.iter().any(|step| accepted(&step.action)),
                    been_member: false,
                    // Who has nothing to do has done it: in merged runs, another segment plays it.
                    script_ended: peer.script.is_empty(),
                    signaled: false,
                    crashed: false,
                    whereabouts: Whereabouts::Out { left: false },
                })
                .collect(),
            inside: 0,
        }
    }

    /// Peers whose membership the server has confirmed and who have not left.
    pub(super) fn inside(&self) -> u32 {
        self.inside
    }

    pub(super) fn scripts_ended(&self) -> bool {
        self.members.iter().all(|member| member.script_ended)
    }

    /// The room that `peer` is planned into.
    pub(super) fn room(&self, peer: PeerId) -> Option<RoomId> {
        Some(RoomId(u32::try_from(self.get(peer)?.room).ok()?))
    }

    /// The other ends of the links that are planned for `peer`: the other peers of its room, ascending, or the server.
    pub(super) fn mates(&self, peer: PeerId) -> Vec<PeerId> {
        if self.with_server {
            return vec![PeerId::SERVER];
        }
        let room = self.get(peer).and_then(|member| self.rooms.get(member.room));
        room.map_or(Vec::new(), |peers| {
            peers.iter().copied().filter(|mate| *mate != peer).collect()
        })
    }

    /// The membership of `peer` that is not yet over, confirmed or not.
    pub(super) fn stay(&self, peer: PeerId) -> Option<Stay> {
        match self.get(peer)?.whereabouts {
            Whereabouts::Joining(stay) | Whereabouts::In(stay) => Some(stay),
            Whereabouts::Out { .. } => None,
        }
    }

    /// The membership of `peer` whose links are measured.
    pub(super) fn measured(&self, peer: PeerId) -> Option<Stay> {
        self.stay(peer).filter(|stay| !stay.expect_rejected)
    }

    /// The membership of `peer` that waits for the server's word, if it is this one.
    pub(super) fn joining(&self, peer: PeerId, incarnation: Incarnation) -> Option<Stay> {
        match self.get(peer)?.whereabouts {
            Whereabouts::Joining(stay) if stay.incarnation == incarnation => Some(stay),
            _ => None,
        }
    }

    /// The confirmed membership of `peer`.
    pub(super) fn confirmed(&self, peer: PeerId) -> Option<Stay> {
        match self.get(peer)?.whereabouts {
            Whereabouts::In(stay) => Some(stay),
            _ => None,
        }
    }

    /// Whether the last membership of `peer` ended in a crash.
    pub(super) fn has_crashed(&self, peer: PeerId) -> bool {
        self.get(peer).is_some_and(|member| member.crashed)
    }

    /// Whether `peer` has been a member and, by its script, is none now.
    pub(super) fn has_left(&self, peer: PeerId) -> bool {
        self.get(peer)
            .is_some_and(|member| member.whereabouts == Whereabouts::Out { left: true })
    }

    /// Whether a link to `peer` is to be expected at some time: it is in the room, or may come.
    pub(super) fn is_expected(&self, peer: PeerId) -> bool {
        peer == PeerId::SERVER && self.with_server
            || self.get(peer).is_some_and(|member| match member.whereabouts {
                Whereabouts::Joining(stay) | Whereabouts::In(stay) => !stay.expect_rejected,
                Whereabouts::Out { .. } => member.plans_to_join && !member.script_ended,
            })
    }

    /// A join began. Tells whether the peer has been a member before.
    pub(super) fn join(&mut self, peer: PeerId, stay: Stay) -> bool {
        let Some(member) = self.members.get_mut(peer.index()) else {
            return false;
        };
        member.whereabouts = Whereabouts::Joining(stay);
        member.been_member
    }

    pub(super) fn confirm(&mut self, peer: PeerId, stay: Stay) {
        if let Some(member) = self.members.get_mut(peer.index()) {
            member.whereabouts = Whereabouts::In(stay);
            member.been_member = true;
            self.inside += 1;
        }
    }

    pub(super) fn out(&mut self, peer: PeerId, cut: Cut) {
        if let Some(member) = self.members.get_mut(peer.index()) {
            self.inside -= u32::from(matches!(member.whereabouts, Whereabouts::In(_)));
            member.whereabouts = Whereabouts::Out {
                left: matches!(cut, Cut::Left | Cut::Crashed { .. }),
            };
            if cut != Cut::JoinFailed {
                member.crashed = matches!(cut, Cut::Crashed { .. });
            }
        }
    }

    /// Signaling has come to `peer`. Tells whether that is the first of it.
    pub(super) fn signaled(&mut self, peer: PeerId) -> bool {
        let member = self.members.get_mut(peer.index());
        member.is_some_and(|member| !std::mem::replace(&mut member.signaled, true))
    }

    pub(super) fn script_ended(&mut self, peer: PeerId) {
        if let Some(member) = self.members.get_mut(peer.index()) {
            member.script_ended = true;
        }
    }

    fn get(&self, peer: PeerId) -> Option<&Member> {
        self.members.get(peer.index())
    }
}
