use std::collections::BTreeSet;

use crate::{
    base::Generation,
    metrics::SignalingState,
    peer::connection::TransportState,
    scenario::SignalingStates,
    signaling::{Candidate, Description, SdpType},
};

/// Descriptions that may wait for the one in process.
pub(super) const MAX_QUEUED_DESCRIPTIONS: usize = 16;
/// Candidates that may wait for their remote description.
pub(super) const MAX_EARLY_CANDIDATES: usize = 64;

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
    /// How often that was sent again for want of an answer.
    pub repeats: u32,
    /// Whether that restarts ICE.
    pub restarts: bool,
    /// The fingerprint of the last offer of the remote's that was ignored for the one that was out here.
    pub ignored_in_glare: Option<u64>,
    /// The fingerprint of the last offer that was answered here, and the answer.
    pub answer: Option<(u64, Description)>,
    /// The ufrag of the local description that is set.
    pub local_ufrag: Option<String>,
    /// Local candidates that came before the description they belong to was sent.
    pub untold: Vec<Candidate>,
    /// Local candidates of the current ICE generation that were trickled.
    pub told: Vec<Candidate>,
    pub open_channels: u32,
    /// Whether ICE and DTLS were ever connected.
    pub was_connected: bool,
    /// Whether a channel was ever open: then an offer of one's own can be rolled back.
    pub was_open: bool,
    /// The path it had when its channel opened went through a relay of this end.
    pub relayed: bool,
    /// `connectionState`.
    pub state: TransportState,
    /// What pairs can be made of.
    pub kinds: CandidateKinds,
}

/// The candidate types (RFC 8839: `host`, `srflx`, `prflx`, `relay`) that each end has told, in the order of
/// their names.
#[derive(Debug, Default)]
pub(super) struct CandidateKinds {
    ours: BTreeSet<&'static str>,
    theirs: BTreeSet<&'static str>,
}

impl CandidateKinds {
    /// Takes what we tell, a candidate or a description with some.
    pub fn told(&mut self, text: &str) {
        self.ours.extend(kinds_in(text));
    }

    /// Takes what the remote tells.
    pub fn heard(&mut self, text: &str) {
        self.theirs.extend(kinds_in(text));
    }

    /// That none of the pairs worked, and which kinds there were.
    pub fn no_pair(&self) -> String {
        let list = |kinds: &BTreeSet<&str>| match kinds.is_empty() {
            true => "none".to_owned(),
            false => kinds.iter().copied().collect::<Vec<_>>().join(", "),
        };
        format!(
            "no candidate pair worked: {} here, {} there",
            list(&self.ours),
            list(&self.theirs)
        )
    }
}

fn kinds_in(text: &str) -> impl Iterator<Item = &'static str> {
    let kinds = ["host", "srflx", "prflx", "relay"];
    let words = text.split_ascii_whitespace();
    let typed = words.clone().zip(words.skip(1)).filter(|(typ, _)| *typ == "typ");
    typed.filter_map(move |(_, kind)| kinds.into_iter().find(|known| *known == kind))
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
            repeats: 0,
            restarts: false,
            ignored_in_glare: None,
            answer: None,
            local_ufrag: None,
            untold: Vec::new(),
            told: Vec::new(),
            open_channels: 0,
            was_connected: false,
            was_open: false,
            relayed: false,
            state: TransportState::New,
            kinds: CandidateKinds::default(),
        }
    }

    /// Remembers a candidate that is trickled, should it have to be told again.
    pub fn tell(&mut self, candidate: &Candidate) {
        self.kinds.told(&candidate.candidate);
        if self.told.len() < MAX_EARLY_CANDIDATES {
            self.told.push(candidate.clone());
        }
    }

    /// Whether ICE or DTLS has given up.
    pub fn is_failed(&self) -> bool {
        self.state == TransportState::Failed
    }

    /// Whether it works, or may yet.
    pub fn is_living(&self) -> bool {
        match self.state {
            TransportState::Connected => self.signaling == SignalingState::Stable,
            TransportState::New | TransportState::Connecting => true,
            _ => false,
        }
    }

    /// Whether it is negotiating.
    pub fn is_unfinished(&self) -> bool {
        self.busy.is_some() || self.signaling != SignalingState::Stable
    }

    /// Whether it is in one of these states.
    pub fn is_in(&self, states: SignalingStates) -> bool {
        match self.signaling {
            SignalingState::Stable => states.stable,
            SignalingState::HaveLocalOffer => states.have_local_offer,
            SignalingState::HaveRemoteOffer => states.have_remote_offer,
            SignalingState::Closed => false,
        }
    }

    /// Whether a description of that type is being taken.
    pub fn is_taking(&self, sdp_type: SdpType) -> bool {
        match self.busy {
            Some(Exchange::TakingOffer | Exchange::Answering) => sdp_type == SdpType::Offer,
            Some(Exchange::TakingAnswer) => sdp_type == SdpType::Answer,
            Some(Exchange::Offering) | None => false,
        }
    }

    /// Whether an offer of ours is on its way to the remote or unanswered.
    pub fn is_offering(&self) -> bool {
        self.signaling == SignalingState::HaveLocalOffer || self.busy == Some(Exchange::Offering)
    }
}
