use std::collections::VecDeque;

use crate::{
    base::Generation,
    metrics::SignalingState,
    signaling::{Candidate, Description},
};

/// Descriptions that may wait for the one in process.
pub(super) const MAX_QUEUED_DESCRIPTIONS: usize = 16;
/// Candidates that may wait for their remote description.
pub(super) const MAX_EARLY_CANDIDATES: usize = 64;
/// Descriptions of each kind that are remembered to drop repetitions.
const MAX_REMEMBERED: usize = 16;

/// What a link knows of its current `RTCPeerConnection`.
#[derive(Debug)]
pub(super) struct Connection {
    pub generation: Generation,
    pub signaling: SignalingState,
    /// The description in process; nothing else is started meanwhile.
    pub busy: Option<Exchange>,
    /// The DTLS fingerprint and ICE ufrag of the remote description that is set.
    pub remote: Option<RemoteIdentity>,
    /// Whether that was an answer to ours.
    pub answered: bool,
    /// The last offer that was made here.
    pub offer: Option<Description>,
    /// Our last answer.
    pub answer: Option<Description>,
    /// The ufrag of the local description that is set.
    pub local_ufrag: Option<String>,
    /// Local candidates that came before the description they belong to was sent.
    pub untold: Vec<Candidate>,
    /// Local candidates of the current ICE generation that were trickled.
    pub told: Vec<Candidate>,
    pub open_channels: u32,
    /// Whether a channel was ever open: then an offer of one's own can be rolled back.
    pub was_open: bool,
    /// Whether ICE or DTLS has given up.
    pub failed: bool,
}

/// The step of an offer/answer exchange (RFC 3264) that is being carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// Making and setting our offer.
    Offering,
    /// Setting their offer.
    TakingOffer,
    /// Making and setting our answer.
    Answering,
    /// Setting their answer.
    TakingAnswer,
}

/// Whose connection a remote description speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteIdentity {
    pub dtls: Option<String>,
    pub ufrag: Option<String>,
}

impl RemoteIdentity {
    pub fn of(description: &Description) -> Self {
        Self {
            dtls: description.dtls_fingerprint().map(str::to_owned),
            ufrag: description.ufrag().map(str::to_owned),
        }
    }

    /// Whether a candidate belongs to this ICE generation; one that doesn't say so does.
    pub fn takes(&self, candidate: &Candidate) -> bool {
        match (&candidate.username_fragment, &self.ufrag) {
            (Some(theirs), Some(ours)) => theirs == ours,
            _ => true,
        }
    }
}

impl Connection {
    pub fn new(generation: Generation) -> Self {
        Self {
            generation,
            signaling: SignalingState::Stable,
            busy: None,
            remote: None,
            answered: false,
            offer: None,
            answer: None,
            local_ufrag: None,
            untold: Vec::new(),
            told: Vec::new(),
            open_channels: 0,
            was_open: false,
            failed: false,
        }
    }

    /// Remembers a candidate that is trickled, should it have to be told again.
    pub fn tell(&mut self, candidate: &Candidate) {
        if self.told.len() < MAX_EARLY_CANDIDATES {
            self.told.push(candidate.clone());
        }
    }

    /// Whether an offer of ours is on its way to the remote or unanswered.
    pub fn is_offering(&self) -> bool {
        self.signaling == SignalingState::HaveLocalOffer || self.busy == Some(Exchange::Offering)
    }
}

/// The last few fingerprints of descriptions that were taken.
#[derive(Debug, Default)]
pub(super) struct Remembered(VecDeque<u64>);

impl Remembered {
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.0.contains(&fingerprint)
    }

    pub fn insert(&mut self, fingerprint: u64) {
        if self.0.len() == MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(fingerprint);
    }
}
