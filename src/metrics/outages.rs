use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    FaultCause, Rate, RecoveryPath, Trend,
    pairs::PairId,
    recorder::LATENESS,
    tally::{Series, Tally},
};
use crate::base::Instant;

/// Outages of one link that are remembered for the messages that fell into them.
const MAX_REMEMBERED: usize = 64;

/// What outages are put together by: the table of a report has a row for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutageKey {
    /// The fault's cause; of several that overlap, the first one's.
    pub cause: FaultCause,
    /// How long it was planned to last; of several that overlap, the first one's.
    pub length: OutageLength,
}

/// How long a fault was planned to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutageLength {
    /// It has no length: it is over at once (a move, a restart of ICE), or never (a TURN server that stops for good).
    Without,
    /// So long. Nothing at all is a length, too: a network that is away for 0 s.
    Planned(Duration),
    /// One of more lengths than there are rows for.
    Other,
}

impl OutageLength {
    /// Of a fault by that step, planned to end so long after its start.
    pub(super) fn of(cause: FaultCause, length: Duration) -> Self {
        match cause {
            FaultCause::IceRestart
            | FaultCause::CutSignaling
            | FaultCause::Roam
            | FaultCause::NatRebind
            | FaultCause::BlockUdp
            | FaultCause::Turn
            | FaultCause::Crash
            | FaultCause::Rejoin
                if length.is_zero() =>
            {
                Self::Without
            }
            _ => Self::Planned(length),
        }
    }
}

/// What the faults of one cause and one planned length came to, each once for each link that it tore.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outage {
    /// Links over which data flowed both ways again within `connect_timeout`, by the path of `reconnect_ms`.
    pub recovered: BTreeMap<RecoveryPath, u64>,
    /// Links over which it did not.
    pub failed: u64,
    /// Links that a leave, a crash or the run's end cut short before either.
    pub abandoned: u64,
    /// `reconnect_ms` of these links.
    pub reconnect: Trend,
    /// Chat messages due in these outages, and how many of them were unsent or lost.
    pub messages: Rate,
}

impl Outage {
    /// All links that were torn.
    pub fn faults(&self) -> u64 {
        self.recovered.values().sum::<u64>() + self.failed + self.abandoned
    }

    /// Links that came back by this path.
    pub fn recovered_by(&self, path: RecoveryPath) -> u64 {
        self.recovered.get(&path).copied().unwrap_or_default()
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (path, count) in &other.recovered {
            *self.recovered.entry(*path).or_default() += count;
        }
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.reconnect.merge(&other.reconnect);
        self.messages.hits += other.messages.hits;
        self.messages.total += other.messages.total;
    }
}

/// The outages that are over, for as long as the fate of a message that was due in one may be open.
#[derive(Debug)]
pub(super) struct Outages {
    over: BTreeMap<PairId, VecDeque<Window>>,
    /// How long after its planned instant a message may turn out to be lost.
    keep: Duration,
}

/// From a fault's planned start until data flowed again, or the link was given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) key: OutageKey,
    pub(super) start: Instant,
    pub(super) until: Instant,
}

impl Outages {
    pub(super) fn new(message_timeout: Duration) -> Self {
        Self {
            over: BTreeMap::new(),
            keep: message_timeout + 2 * LATENESS,
        }
    }

    /// An outage is over.
    pub(super) fn remember(&mut self, pair: PairId, window: Window) {
        let windows = self.over.entry(pair).or_default();
        windows.retain(|old| window.start <= old.until + self.keep);
        if windows.len() == MAX_REMEMBERED {
            windows.pop_front();
        }
        windows.push_back(window);
    }

    /// The one that `at` lies in, at its ends included; the last where they touch.
    pub(super) fn at(&self, pair: PairId, at: Instant) -> Option<OutageKey> {
        let windows = self.over.get(&pair)?;
        let holds = |window: &&Window| window.start <= at && at <= window.until;
        windows.iter().rev().find(holds).map(|window| window.key)
    }
}

/// A message that was due in this outage, at `planned`, has come, or has not.
pub(super) fn message(key: OutageKey, planned: Instant, lost: bool, tally: &mut Tally) {
    let mut tally = tally.at(planned);
    tally.case(
        Series::tagged("outage_message_failed", [("cause", key.cause.name())]),
        lost,
    );
    tally.outage(key, |outage| {
        outage.messages.hits += u64::from(lost);
        outage.messages.total += 1;
    });
}
