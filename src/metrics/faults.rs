use std::{collections::BTreeMap, time::Duration};

use crate::base::{Instant, PeerId};

use super::{
    FaultCause, OutageKey, OutageLength, RecoveryPath,
    deadlines::{Deadlines, Due},
    fault::{AtEnd, Fault},
    outages::Outages,
    pairs::{PairId, pair_of},
    tally::{Series, Tally},
};

/// The scripted faults on links that stay in the middle of a membership: `reconnect_ms`, `outage_ms` and
/// `detect_ms`. (Crashes and rejoins end memberships; what follows them is an overlap of [`Pairs`].)
///
/// Every `FaultStarted` is exactly one of: a sample, a failure, an abandonment, merged into one that was not
/// over, or unmeasured because there was no open link to tear.
///
/// A fault that is recovered from is kept for as long as events may lie in the dispatcher's queue: the same
/// step may have torn the link at its other end too, and then the later end counts.
///
/// [`Pairs`]: super::pairs::Pairs
#[derive(Debug)]
pub(super) struct Faults {
    faults: BTreeMap<PairId, Fault>,
    outages: Outages,
    timeout: Duration,
}

impl Faults {
    pub(super) fn new(timeout: Duration, message_timeout: Duration) -> Self {
        Self {
            faults: BTreeMap::new(),
            outages: Outages::new(message_timeout),
            timeout,
        }
    }

    /// The earliest beginning of those that are not over.
    pub(super) fn pending_since(&self) -> Option<Instant> {
        self.faults.values().map(|fault| fault.began).min()
    }

    /// Whether the link of this pair is yet to recover from a fault.
    pub(super) fn covers(&self, pair: PairId) -> bool {
        let fault = self.faults.get(&pair);
        fault.is_some_and(|fault| fault.recovered().is_none())
    }

    /// The outage of the link that `at` lies in: from the planned start of its fault until data has flowed, or it
    /// has failed.
    pub(super) fn outage_at(&self, pair: PairId, at: Instant) -> Option<OutageKey> {
        let on = self.faults.get(&pair).filter(|fault| {
            let recovered = fault.recovered();
            fault.start <= at && recovered.is_none_or(|recovered| at <= recovered)
        });
        on.map(Fault::key).or_else(|| self.outages.at(pair, at))
    }

    /// A fault began at `peer`'s end of a link. `open`: its channel was open there.
    pub(super) fn begin(
        &mut self,
        (peer, remote): (PeerId, PeerId),
        (start, end): (Instant, Instant),
        cause: FaultCause,
        open: bool,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let (pair, side) = pair_of(peer, remote);
        let mut before = self.take(pair, deadlines);
        // One that begins in the instant in which the last is over does not overlap it.
        if let Some(over) = before.take_if(|before| before.due(self.timeout) <= start) {
            self.settle(pair, over, tally);
        }
        let mut fault = match before {
            Some(before) => {
                tally
                    .at(start)
                    .count(Series::tagged("faults_merged", [("cause", cause.name())]));
                Fault {
                    start: before.start.min(start),
                    end: before.end.max(end),
                    ..before
                }
            }
            None if open => Fault {
                start,
                began: start,
                end: end.max(start),
                cause,
                length: OutageLength::of(cause, end.since(start)),
                path: RecoveryPath::Resume,
                ends: [AtEnd::Elsewhere; 2],
                detected: None,
            },
            None => return unmeasured(cause, start, tally),
        };
        fault.ends[side] = AtEnd::Began;
        self.put(pair, fault, deadlines);
    }

    /// `peer` noticed that the link is not well.
    pub(super) fn detected(&mut self, (peer, remote): (PeerId, PeerId), at: Instant) {
        if let Some(fault) = self.faults.get_mut(&pair_of(peer, remote).0)
            && fault.start <= at
            && fault.recovered().is_none_or(|recovered| at <= recovered)
        {
            fault.detected = Some(fault.detected.map_or(at, |first| first.min(at)));
        }
    }

    /// `peer` began to do something about it.
    pub(super) fn recovering(&mut self, (peer, remote): (PeerId, PeerId), path: RecoveryPath) {
        if let Some(fault) = self.faults.get_mut(&pair_of(peer, remote).0)
            && fault.recovered().is_none()
        {
            fault.path = fault.path.max(path);
        }
    }

    /// Data has flowed both ways, says `peer`.
    pub(super) fn recovered(
        &mut self,
        (peer, remote): (PeerId, PeerId),
        path: RecoveryPath,
        at: Instant,
        deadlines: &mut Deadlines,
    ) {
        let (pair, side) = pair_of(peer, remote);
        self.recovered_at(pair, &[side], path, at, deadlines);
    }

    /// Data has flowed both ways, over a link that one of the two had to join again for.
    pub(super) fn rejoined(&mut self, pair: PairId, at: Instant, deadlines: &mut Deadlines) {
        self.recovered_at(pair, &[0, 1], RecoveryPath::Rejoin, at, deadlines);
    }

    fn recovered_at(
        &mut self,
        pair: PairId,
        sides: &[usize],
        path: RecoveryPath,
        at: Instant,
        deadlines: &mut Deadlines,
    ) {
        let Some(mut fault) = self.take(pair, deadlines) else {
            return;
        };
        for side in sides {
            if fault.ends[*side] == AtEnd::Began {
                fault.ends[*side] = AtEnd::Recovered(at);
                fault.path = fault.path.max(path);
            }
        }
        self.put(pair, fault, deadlines);
    }

    /// An end has given the link up.
    pub(super) fn failed(
        &mut self,
        (peer, remote): (PeerId, PeerId),
        path: RecoveryPath,
        at: Instant,
        tally: &mut Tally,
        deadlines: &mut Deadlines,
    ) {
        let pair = pair_of(peer, remote).0;
        if self.covers(pair)
            && let Some(mut fault) = self.take(pair, deadlines)
        {
            fault.path = fault.path.max(path);
            self.outages.remember(pair, fault.window(at));
            fault.fail(tally);
        }
    }

    /// The script of one of the two ends its membership.
    pub(super) fn cut(&mut self, pair: PairId, at: Instant, tally: &mut Tally, deadlines: &mut Deadlines) {
        if let Some(fault) = self.take(pair, deadlines) {
            match at.since(fault.end) {
                late if late > self.timeout => self.settle(pair, fault, tally),
                _ => self.settle_or_abandon(pair, fault, at, tally),
            }
        }
    }

    /// Nothing more is to be waited for: it is recovered from, or its time is over.
    pub(super) fn expire(&mut self, pair: PairId, tally: &mut Tally) {
        if let Some(fault) = self.faults.remove(&pair) {
            self.settle(pair, fault, tally);
        }
    }

    /// The run is over.
    pub(super) fn end_of_run(&mut self, pair: PairId, at: Instant, tally: &mut Tally) {
        if let Some(fault) = self.faults.remove(&pair) {
            self.settle_or_abandon(pair, fault, at, tally);
        }
    }

    fn settle(&mut self, pair: PairId, fault: Fault, tally: &mut Tally) {
        let until = fault.due(self.timeout);
        self.outages.remember(pair, fault.window(until));
        fault.settle(self.timeout, tally);
    }

    fn settle_or_abandon(&mut self, pair: PairId, fault: Fault, at: Instant, tally: &mut Tally) {
        let until = fault.recovered().unwrap_or(at);
        self.outages.remember(pair, fault.window(until));
        fault.settle_or_abandon(self.timeout, tally);
    }

    fn take(&mut self, pair: PairId, deadlines: &mut Deadlines) -> Option<Fault> {
        let fault = self.faults.remove(&pair)?;
        deadlines.clear(fault.due(self.timeout), Due::Fault(pair));
        Some(fault)
    }

    fn put(&mut self, pair: PairId, fault: Fault, deadlines: &mut Deadlines) {
        deadlines.set(fault.due(self.timeout), Due::Fault(pair));
        self.faults.insert(pair, fault);
    }
}

/// A fault that no link was torn by, or that is measured otherwise.
pub(super) fn unmeasured(cause: FaultCause, planned: Instant, tally: &mut Tally) {
    tally
        .at(planned)
        .count(Series::tagged("faults_unmeasured", [("cause", cause.name())]));
}

/// Whether links do not outlive a fault of this kind: other events tell of it, and overlaps measure it.
pub(super) fn ends_membership(cause: FaultCause) -> bool {
    match cause {
        FaultCause::Crash | FaultCause::Rejoin => true,
        FaultCause::DropNetwork
        | FaultCause::IceRestart
        | FaultCause::CutSignaling
        | FaultCause::ServerRestart
        | FaultCause::ServerCrash
        | FaultCause::BlockUdp
        | FaultCause::Roam
        | FaultCause::NatRebind
        | FaultCause::Suspend
        | FaultCause::Turn => false,
    }
}
