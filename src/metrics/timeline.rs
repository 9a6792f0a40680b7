use std::{collections::BTreeMap, time::Duration};

use super::{EventKind, FaultCause, RunEvent};
use crate::{
    base::{Generation, Instant, PeerId, RoomId},
    plan::Plan,
};

/// The most slices that a run is cut into: when it gets longer, two become one.
const MAX_SLICES: usize = 240;
/// How long a slice is at first.
const FIRST_SLICE: Duration = Duration::from_millis(250);
/// Faults that are kept; the rest are counted.
const MAX_FAULTS: usize = 500;

/// The end of a fault that has none.
const ENDLESS: Instant = Instant::from_micros(u64::MAX);

/// What a run looked like from slice to slice of its time. Its memory is bounded: by the plan, and by the slices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// How long a slice is.
    pub slice: Duration,
    /// From the run's start on, without gaps.
    pub slices: Vec<Slice>,
    /// The rooms, each with as many cells as there are slices, by id.
    pub rooms: Vec<RoomLine>,
    /// The scripted faults, in the order in which they began.
    pub faults: Vec<FaultBand>,
    /// How many more there were.
    pub more_faults: u64,
}

/// The whole run in a slice of its time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slice {
    /// Confirmed members at its end.
    pub peers_joined: u32,
    /// Pairs whose both ends have an open channel, at its end.
    pub links_open: u32,
    /// Messages that came in.
    pub messages: u64,
    /// Failures that were told: expired waits, failed joins, links that did not recover, …
    pub failures: u64,
    /// The generator's highest use of processor time, 100 for one core.
    pub cpu_percent: Option<f64>,
    /// Its highest resident memory.
    pub rss_bytes: Option<u64>,
    /// How late the latest step began.
    pub lag_ms: Option<f64>,
}

/// One room.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomLine {
    /// Which.
    pub room: RoomId,
    /// What it was like, slice by slice.
    pub cells: Vec<RoomCell>,
}

/// One room in a slice of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoomCell {
    /// Members at its end.
    pub members: u32,
    /// Links that are open at its end.
    pub links_open: u32,
    /// How many its members could have: one between every two, or one with the server each.
    pub links_possible: u32,
    /// Failures that were told.
    pub failures: u32,
    /// Whether a scripted fault was on, or began.
    pub faulty: bool,
}

/// A scripted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultBand {
    /// The step.
    pub cause: FaultCause,
    /// Its room; `None`: everybody's.
    pub room: Option<RoomId>,
    /// When it began.
    pub from: Instant,
    /// When it was planned to be over; of what has no length, when it began; of what has no end, the run's so far.
    pub until: Instant,
}

/// The events of a run → its timeline.
#[derive(Debug)]
pub struct TimelineRecorder {
    timeline: Timeline,
    /// Links are between a peer and the server, which tells nothing of its end.
    with_server: bool,
    /// By peer, each an index.
    room_of: Vec<usize>,
    joined: Vec<bool>,
    /// The connection whose channel is open, by end.
    open: BTreeMap<(PeerId, PeerId), Generation>,
    members: Vec<u32>,
    links: Vec<u32>,
    all_members: u32,
    all_links: u32,
}

impl TimelineRecorder {
    /// For one run of `plan`.
    pub fn new(plan: &Plan) -> Self {
        let mut room_of = vec![0; plan.peers.len()];
        for (index, room) in plan.rooms.iter().enumerate() {
            for peer in &room.peers {
                if let Some(of) = room_of.get_mut(peer.0 as usize) {
                    *of = index;
                }
            }
        }
        let line = |room: &crate::plan::RoomPlan| RoomLine {
            room: room.id,
            cells: Vec::new(),
        };
        Self {
            timeline: Timeline {
                slice: FIRST_SLICE,
                slices: Vec::new(),
                rooms: plan.rooms.iter().map(line).collect(),
                faults: Vec::new(),
                more_faults: 0,
            },
            with_server: !plan.abilities().topology.has_pairs(),
            joined: vec![false; plan.peers.len()],
            room_of,
            open: BTreeMap::new(),
            members: vec![0; plan.rooms.len()],
            links: vec![0; plan.rooms.len()],
            all_members: 0,
            all_links: 0,
        }
    }

    /// Takes one event into account. `failure`: whether it is one.
    pub fn record(&mut self, event: &RunEvent, failure: bool) {
        let at = self.reach(event.at);
        let room = event.peer.and_then(|peer| self.room_index(peer));
        self.follow(event);
        self.note(at, room);
        let slice = &mut self.timeline.slices[at];
        match event.kind {
            EventKind::MessageReceived { .. } => slice.messages += 1,
            EventKind::Generator {
                cpu_percent,
                rss_bytes,
                ..
            } => {
                slice.cpu_percent = Some(
                    slice
                        .cpu_percent
                        .map_or(cpu_percent, |most| most.max(cpu_percent)),
                );
                slice.rss_bytes = slice.rss_bytes.max(Some(rss_bytes));
            }
            EventKind::StepStarted { planned, .. } => {
                let lag = event.at.since(planned).as_secs_f64() * 1_000.0;
                slice.lag_ms = Some(slice.lag_ms.map_or(lag, |most| most.max(lag)));
            }
            _ => {}
        }
        if failure {
            slice.failures += 1;
            if let Some(room) = room {
                self.timeline.rooms[room].cells[at].failures += 1;
            }
        }
        if let Some(band) = self.band(event) {
            if self.timeline.faults.len() < MAX_FAULTS {
                self.timeline.faults.push(band);
            } else {
                self.timeline.more_faults += 1;
            }
        }
    }

    /// The timeline so far.
    pub fn timeline(&self) -> Timeline {
        let mut timeline = self.timeline.clone();
        let slice = micros(timeline.slice);
        let end = Instant::from_micros(slice.saturating_mul(timeline.slices.len() as u64));
        for band in &mut timeline.faults {
            if band.until == ENDLESS {
                band.until = end.max(band.from);
            }
        }
        for band in &timeline.faults {
            let from = band.from.as_micros() / slice;
            let until = band.until.as_micros() / slice;
            let rooms = timeline.rooms.iter_mut();
            for line in rooms.filter(|line| band.room.is_none_or(|room| room == line.room)) {
                let cells = line.cells.iter_mut().enumerate();
                for (_, cell) in cells.filter(|(index, _)| (from..=until).contains(&(*index as u64))) {
                    cell.faulty = true;
                }
            }
        }
        timeline
    }

    /// Makes the slice of an instant, and all before it; returns its place.
    fn reach(&mut self, at: Instant) -> usize {
        while at.as_micros() / micros(self.timeline.slice) >= MAX_SLICES as u64 {
            self.halve();
        }
        let index = (at.as_micros() / micros(self.timeline.slice)) as usize;
        while self.timeline.slices.len() <= index {
            self.timeline.slices.push(Slice::default());
            for line in &mut self.timeline.rooms {
                line.cells.push(RoomCell::default());
            }
            let newest = self.timeline.slices.len() - 1;
            for room in 0..self.timeline.rooms.len() {
                self.note(newest, Some(room));
            }
            self.note(newest, None);
        }
        index
    }

    /// Two slices become one.
    fn halve(&mut self) {
        self.timeline.slice *= 2;
        let slices = std::mem::take(&mut self.timeline.slices);
        self.timeline.slices = slices.chunks(2).map(Slice::joined).collect();
        for line in &mut self.timeline.rooms {
            line.cells = line.cells.chunks(2).map(RoomCell::joined).collect();
        }
    }

    /// Writes down how things stand; later slices begin so, too.
    fn note(&mut self, at: usize, room: Option<usize>) {
        let last = self.timeline.slices.len() - 1;
        for at in at..=last {
            let slice = &mut self.timeline.slices[at];
            slice.peers_joined = self.all_members;
            slice.links_open = self.all_links;
            if let Some(room) = room {
                let members = self.members[room];
                let cell = &mut self.timeline.rooms[room].cells[at];
                cell.members = members;
                cell.links_open = self.links[room];
                cell.links_possible = match self.with_server {
                    true => members,
                    false => members.saturating_mul(members.saturating_sub(1)) / 2,
                };
            }
        }
    }

    fn room_index(&self, peer: PeerId) -> Option<usize> {
        self.room_of.get(peer.0 as usize).copied()
    }

    fn follow(&mut self, event: &RunEvent) {
        let Some(peer) = event.peer else { return };
        match (&event.kind, event.remote) {
            (EventKind::Joined { .. }, _) => self.set_joined(peer, true),
            (EventKind::LeaveStarted { .. } | EventKind::Left { .. } | EventKind::Crashed { .. }, _) => {
                self.set_joined(peer, false);
                let own: Vec<_> = self
                    .open
                    .range((peer, PeerId(0))..=(peer, PeerId(u32::MAX)))
                    .map(|(ends, _)| *ends)
                    .collect();
                own.into_iter().for_each(|ends| self.set_open(ends, None));
            }
            (EventKind::ChannelOpened { generation, .. }, Some(remote)) => {
                self.set_open((peer, remote), Some(*generation));
            }
            (
                EventKind::ChannelClosed { generation } | EventKind::ConnectionClosed { generation, .. },
                Some(remote),
            ) if self.open.get(&(peer, remote)) == Some(generation) => self.set_open((peer, remote), None),
            _ => {}
        }
    }

    fn set_joined(&mut self, peer: PeerId, joined: bool) {
        let Some(room) = self.room_index(peer) else { return };
        let was = std::mem::replace(&mut self.joined[peer.0 as usize], joined);
        match (was, joined) {
            (false, true) => {
                self.members[room] += 1;
                self.all_members += 1;
            }
            (true, false) => {
                self.members[room] -= 1;
                self.all_members -= 1;
            }
            _ => {}
        }
    }

    fn set_open(&mut self, ends: (PeerId, PeerId), generation: Option<Generation>) {
        let Some(room) = self.room_index(ends.0) else {
            return;
        };
        let other = match ends.1 {
            PeerId::SERVER => self.with_server,
            remote => self.open.contains_key(&(remote, ends.0)),
        };
        let was = match generation {
            Some(generation) => self.open.insert(ends, generation),
            None => self.open.remove(&ends),
        };
        match (was.is_some(), generation.is_some()) {
            (false, true) if other => {
                self.links[room] += 1;
                self.all_links += 1;
            }
            (true, false) if other => {
                self.links[room] -= 1;
                self.all_links -= 1;
            }
            _ => {}
        }
    }

    fn band(&self, event: &RunEvent) -> Option<FaultBand> {
        let room = event.peer.and_then(|peer| self.room_index(peer));
        let room = room.map(|index| self.timeline.rooms[index].room);
        let (cause, room, planned, until) = match event.kind {
            EventKind::FaultStarted { cause, planned, .. } if event.kind.is_endless() => {
                (cause, room, planned, ENDLESS)
            }
            EventKind::FaultStarted { cause, planned, ends } => (cause, room, planned, ends),
            EventKind::Crashed { planned, .. } => (FaultCause::Crash, room, planned, planned),
            EventKind::ServerRestarted { planned, ends } => (FaultCause::ServerRestart, None, planned, ends),
            EventKind::ServerCrashed { planned, ends } => {
                (FaultCause::ServerCrash, None, planned, ends.unwrap_or(ENDLESS))
            }
            _ => return None,
        };
        let band = FaultBand {
            cause,
            room,
            from: planned,
            until,
        };
        // A fault is told for each link that it is on.
        let known = self
            .timeline
            .faults
            .iter()
            .rev()
            .take(64)
            .any(|known| *known == band);
        (!known).then_some(band)
    }
}

impl Slice {
    fn joined(parts: &[Self]) -> Self {
        let last = parts[parts.len() - 1];
        let most = |of: fn(&Self) -> Option<f64>| parts.iter().filter_map(of).reduce(f64::max);
        Self {
            messages: parts.iter().map(|part| part.messages).sum(),
            failures: parts.iter().map(|part| part.failures).sum(),
            cpu_percent: most(|part| part.cpu_percent),
            rss_bytes: parts.iter().filter_map(|part| part.rss_bytes).max(),
            lag_ms: most(|part| part.lag_ms),
            ..last
        }
    }
}

impl RoomCell {
    fn joined(parts: &[Self]) -> Self {
        let last = parts[parts.len() - 1];
        Self {
            failures: parts.iter().map(|part| part.failures).sum(),
            ..last
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::Incarnation,
        metrics::story::{A, B, ingest, ms, plan, sfu},
    };

    fn event(at: u64, peer: PeerId, remote: Option<PeerId>, kind: EventKind) -> RunEvent {
        RunEvent {
            at: ms(at),
            peer: Some(peer),
            remote,
            kind,
        }
    }

    fn opened(generation: u32) -> EventKind {
        EventKind::ChannelOpened {
            generation: Generation(generation),
            incarnation: Incarnation(1),
            pair: crate::metrics::CandidateKind::Host,
        }
    }

    fn joined() -> EventKind {
        EventKind::Joined {
            incarnation: Incarnation(1),
        }
    }

    #[test]
    fn a_link_is_open_while_both_ends_say_so_and_a_member_is_one_until_it_leaves() {
        let mut recorder = TimelineRecorder::new(&plan(1, 2));
        let closed = EventKind::ChannelClosed {
            generation: Generation(1),
        };
        let events = [
            event(10, A, None, joined()),
            event(20, B, None, joined()),
            event(300, A, Some(B), opened(1)),
            event(600, B, Some(A), opened(2)),
            // Of an older connection: it changes nothing.
            event(800, B, Some(A), closed.clone()),
            event(1_300, A, Some(B), closed),
        ];
        for (index, event) in events.iter().enumerate() {
            recorder.record(event, index == 5);
        }
        let timeline = recorder.timeline();
        let links: Vec<u32> = timeline.slices.iter().map(|slice| slice.links_open).collect();
        assert_eq!(links, [0, 0, 1, 1, 1, 0]);
        assert!(timeline.slices.iter().all(|slice| slice.peers_joined == 2));
        let failures: Vec<u32> = timeline.rooms[0].cells.iter().map(|cell| cell.failures).collect();
        assert_eq!(failures, [0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_connection_to_the_server_is_a_link_where_each_has_to_do_with_that_alone() {
        let links = |plan| {
            let mut recorder = TimelineRecorder::new(&plan);
            recorder.record(&event(10, A, None, joined()), false);
            recorder.record(&event(20, A, Some(PeerId::SERVER), opened(1)), false);
            let cells = recorder.timeline().rooms.remove(0).cells;
            (cells[0].links_open, cells[0].links_possible)
        };
        assert_eq!(links(ingest(1, 2)), (1, 1));
        assert_eq!(links(sfu(1, 2)), (0, 0), "nobody else is there");
    }

    #[test]
    fn a_long_run_has_wider_slices_and_keeps_its_sums() {
        let mut recorder = TimelineRecorder::new(&plan(1, 2));
        recorder.record(&event(0, A, None, joined()), false);
        let received = EventKind::MessageReceived {
            generation: Generation(1),
            incarnation: Incarnation(1),
            seq: 1,
            bytes: 1,
        };
        for second in 0..86_400 {
            recorder.record(
                &event(second * 1_000, A, Some(B), received.clone()),
                second % 2 == 0,
            );
        }
        let timeline = recorder.timeline();
        assert!(timeline.slices.len() <= MAX_SLICES && timeline.slices.len() > MAX_SLICES / 2);
        assert_eq!(timeline.rooms[0].cells.len(), timeline.slices.len());
        assert_eq!(
            timeline.slices.iter().map(|slice| slice.messages).sum::<u64>(),
            86_400
        );
        assert_eq!(
            timeline.slices.iter().map(|slice| slice.failures).sum::<u64>(),
            43_200
        );
    }

    #[test]
    fn a_fault_of_several_links_is_one_band_and_marks_its_room() {
        let mut recorder = TimelineRecorder::new(&plan(2, 2));
        let fault = EventKind::FaultStarted {
            cause: FaultCause::DropNetwork,
            planned: ms(300),
            ends: ms(900),
        };
        recorder.record(&event(300, A, Some(B), fault.clone()), false);
        recorder.record(&event(300, B, Some(A), fault), false);
        recorder.record(&event(2_000, A, None, joined()), false);
        let timeline = recorder.timeline();
        assert_eq!(timeline.faults.len(), 1);
        let faulty = |room: usize| -> Vec<bool> {
            timeline.rooms[room]
                .cells
                .iter()
                .map(|cell| cell.faulty)
                .collect()
        };
        assert_eq!(faulty(0)[..5], [false, true, true, true, false]);
        assert!(faulty(1).iter().all(|faulty| !faulty));
    }
}
