use std::{collections::VecDeque, time::Duration};

use crate::{
    base::Instant,
    scenario::ClientRules,
    signaling::{Description, SdpType, SessionVersions},
};

/// Descriptions of each kind that are remembered to drop repetitions.
const MAX_REMEMBERED: usize = 16;

/// What is remembered of a remote from one exchange to the next. It ends with the membership, or, without
/// `forget_on_leave`, is handed to the next link to that remote.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) offers: Remembered,
    pub(super) answers: Remembered,
    /// How far the remote's descriptions have come.
    pub(super) versions: SessionVersions,
    pub(super) offer_lock: Lock,
    pub(super) answer_lock: Lock,
    /// ICE restarts since it was connected.
    pub(super) restarts: u32,
}

impl Memory {
    pub(super) fn lock_of(&mut self, sdp_type: SdpType) -> &mut Lock {
        match sdp_type {
            SdpType::Offer => &mut self.offer_lock,
            SdpType::Answer => &mut self.answer_lock,
        }
    }

    /// The offers that are remembered.
    pub(super) fn offers_taken(&self) -> impl Iterator<Item = u64> + '_ {
        self.offers.0.iter().map(|(fingerprint, _)| *fingerprint)
    }

    /// Nothing is in process any more.
    pub(super) fn release(&mut self, rules: &ClientRules, now: Instant) {
        self.offer_lock.release(rules.offer_lock, now);
        self.answer_lock.release(rules.answer_lock, now);
    }
}

/// Drops the descriptions of one kind while one of them is in process, and for a time afterwards.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    #[default]
    Free,
    /// One is in process.
    Held,
    /// None is, but it was not long ago.
    Until(Instant),
}

impl Lock {
    pub fn is_held(self, now: Instant) -> bool {
        match self {
            Self::Free => false,
            Self::Held => true,
            Self::Until(at) => now < at,
        }
    }

    /// What held it is over.
    pub fn release(&mut self, after: Duration, now: Instant) {
        if *self == Self::Held {
            *self = Self::Until(now + after);
        }
    }
}

/// The last few fingerprints of descriptions, with the instants they came at.
#[derive(Debug, Default)]
pub(super) struct Remembered(VecDeque<(u64, Instant)>);

impl Remembered {
    /// `within`: what is older does not count.
    pub fn contains(&self, fingerprint: u64, within: Option<Duration>, now: Instant) -> bool {
        let counts = |at: Instant| within.is_none_or(|within| now < at + within);
        self.0.iter().any(|(had, at)| *had == fingerprint && counts(*at))
    }

    pub fn insert(&mut self, fingerprint: u64, now: Instant) {
        if self.0.len() == MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((fingerprint, now));
    }
}

/// What tells a description from others.
pub(super) fn fingerprint(description: &Description, rules: &ClientRules) -> u64 {
    match rules.dedupe_prefix {
        None => description.fingerprint(),
        Some(characters) => description.fingerprint_of_json(characters as usize),
    }
}
