use std::collections::BTreeSet;

use crate::{
    base::{BarrierId, PeerId, RoomId},
    peer::PeerInput,
    plan::Plan,
};

/// Lines peers up: barriers, and the three steps in which a room ends. Pure: who has arrived in, whom to
/// tell out.
#[derive(Debug)]
pub struct Coordinator {
    barriers: Vec<Line>,
    rooms: Vec<RoomEnd>,
    room_of: Vec<RoomId>,
}

/// Who is still missing, and whom to tell.
#[derive(Debug)]
struct Line {
    missing: BTreeSet<PeerId>,
    parties: Vec<PeerId>,
}

/// The lines at which the peers of a room wait for each other in the end.
#[derive(Debug)]
struct RoomEnd {
    scripts: Line,
    settled: Line,
    gone: Line,
}

/// What follows from a peer's arrival.
#[derive(Debug, Default, PartialEq)]
pub struct Release {
    /// Whom to tell what.
    pub inputs: Vec<(PeerId, PeerInput)>,
    /// This room has settled: the server's roster can be asked for.
    pub settled: Option<RoomId>,
    /// This room's last member is gone.
    pub ended: Option<RoomId>,
}

impl Line {
    fn new(parties: &[PeerId]) -> Self {
        Self {
            missing: parties.iter().copied().collect(),
            parties: parties.to_vec(),
        }
    }

    /// Whether the line is complete by `peer`'s arrival.
    fn reach(&mut self, peer: PeerId) -> bool {
        self.missing.remove(&peer) && self.missing.is_empty()
    }

    fn tell(&self, input: &PeerInput) -> Vec<(PeerId, PeerInput)> {
        self.parties.iter().map(|peer| (*peer, input.clone())).collect()
    }
}

impl Coordinator {
    /// Nobody has arrived anywhere.
    pub fn new(plan: &Plan) -> Self {
        Self {
            barriers: plan.barriers.iter().map(|b| Line::new(&b.parties)).collect(),
            rooms: plan
                .rooms
                .iter()
                .map(|room| RoomEnd {
                    scripts: Line::new(&room.peers),
                    settled: Line::new(&room.peers),
                    gone: Line::new(&room.peers),
                })
                .collect(),
            room_of: plan.peers.iter().map(|peer| peer.room).collect(),
        }
    }

    /// `peer` waits at a barrier.
    pub fn reach_barrier(&mut self, peer: PeerId, barrier: BarrierId) -> Release {
        let line = &mut self.barriers[barrier.index()];
        let mut release = Release::default();
        if line.reach(peer) {
            release.inputs = line.tell(&PeerInput::BarrierReleased(barrier));
        }
        release
    }

    /// The script of `peer` has ended.
    pub fn script_ended(&mut self, peer: PeerId) -> Release {
        let line = &mut self.rooms[self.room_of[peer.index()].index()].scripts;
        let mut release = Release::default();
        if line.reach(peer) {
            release.inputs = line.tell(&PeerInput::RoomEnded);
        }
        release
    }

    /// `peer` has settled.
    pub fn settled(&mut self, peer: PeerId) -> Release {
        let room = self.room_of[peer.index()];
        let line = &mut self.rooms[room.index()].settled;
        let mut release = Release::default();
        if line.reach(peer) {
            release.settled = Some(room);
            release.inputs = line.tell(&PeerInput::Leave);
        }
        release
    }

    /// `peer` is gone.
    pub fn gone(&mut self, peer: PeerId) -> Release {
        let room = self.room_of[peer.index()];
        Release {
            ended: self.rooms[room.index()].gone.reach(peer).then_some(room),
            ..Release::default()
        }
    }
}
