use std::fmt;

use thiserror::Error;

use super::{Action, Plan, RoomPlan};

/// What a connection takes of memory: measured 0.24 MB.
const BYTES_PER_CONNECTION: u64 = 250_000;
/// A peer's signaling socket, and the bundled server's end of it.
const FILES_PER_PEER: u64 = 2;
/// A connection's UDP socket.
const FILES_PER_CONNECTION: u64 = 1;
/// Standard streams, report files, the runtime's own.
const FILES_OF_THE_PROGRAM: u64 = 64;

/// What the machine grants this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// How many files and sockets may be open at a time: the hard limit, if it can be raised to that.
    pub open_files: u64,
    /// How many bytes of memory are free.
    pub memory_bytes: u64,
}

/// Something that a machine has only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Files and sockets.
    OpenFiles,
    /// Bytes.
    Memory,
}

/// A plan that needs more than the machine grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub struct LimitMistake {
    /// Of what.
    pub limit: Limit,
    /// What the plan needs at its height.
    pub needed: u64,
    /// What there is.
    pub available: u64,
}

impl fmt::Display for LimitMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mega = |bytes: u64| bytes.div_ceil(1_000_000);
        match self.limit {
            Limit::OpenFiles => write!(
                f,
                "the plan needs {} open files, this machine allows {}",
                self.needed, self.available
            ),
            Limit::Memory => write!(
                f,
                "the plan needs about {} MB of memory, this machine has {} MB free",
                mega(self.needed),
                self.available / 1_000_000
            ),
        }
    }
}

impl LimitMistake {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self.limit {
            Limit::OpenFiles => "use fewer rooms or peers, or raise the limit (`ulimit -n`)",
            Limit::Memory => "use fewer rooms or peers: every two peers of a room are two connections",
        }
    }
}

/// What of the machine is not enough for the plan; empty if all is. Every two peers of a room hold one
/// connection each to the other. Where peers join again or recover from a fault, a closing connection may
/// still hold its socket when its successor opens: those rooms count their sockets twice.
pub fn check_limits(plan: &Plan, machine: Machine) -> Vec<LimitMistake> {
    let scripts = plan.peers.iter().flat_map(|peer| &peer.script);
    let restarts = scripts.map(|step| &step.action).any(is_restart);
    let mut connections = 0;
    let mut files = FILES_OF_THE_PROGRAM + plan.peers.len() as u64 * FILES_PER_PEER;
    for room in &plan.rooms {
        let peers = room.peers.len() as u64;
        let here = peers * peers.saturating_sub(1);
        let overlap = if restarts || replaces(plan, room) { 2 } else { 1 };
        connections += here;
        files += here * overlap * FILES_PER_CONNECTION;
    }
    let needs = [
        (Limit::OpenFiles, files, machine.open_files),
        (
            Limit::Memory,
            connections * BYTES_PER_CONNECTION,
            machine.memory_bytes,
        ),
    ];
    needs
        .into_iter()
        .filter(|(_, needed, available)| needed > available)
        .map(|(limit, needed, available)| LimitMistake {
            limit,
            needed,
            available,
        })
        .collect()
}

/// Whether connections of the room may be replaced by others.
fn replaces(plan: &Plan, room: &RoomPlan) -> bool {
    let mut steps = room
        .peers
        .iter()
        .flat_map(|peer| &plan.peers[peer.index()].script);
    steps.any(|step| match step.action {
        Action::Join { again, .. } | Action::JoinTwice { again, .. } => again,
        Action::IceRestart { .. }
        | Action::DropNetwork(_)
        | Action::BlockUdp { .. }
        | Action::Roam { .. }
        | Action::NatRebind
        | Action::Suspend { .. }
        | Action::CutSignaling { .. }
        | Action::Turn { .. }
        | Action::Signaling { .. }
        | Action::StaleOffer { .. }
        | Action::SendRaw { .. }
        | Action::Crash => true,
        Action::Leave
        | Action::Wait { .. }
        | Action::Barrier { .. }
        | Action::Chat { .. }
        | Action::DuplicateOffer { .. }
        | Action::DuplicateAnswer { .. }
        | Action::Glare { .. }
        | Action::Network { .. }
        | Action::Server(_) => false,
    })
}

/// What hits every room.
fn is_restart(action: &Action) -> bool {
    matches!(action, Action::Server(_))
}
