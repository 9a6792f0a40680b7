use rtcstorm::{
    metrics::SignalingState,
    peer::{Carries, ConnectionEvent, ConnectionOperation, Done},
    signaling::{Candidate, Description, SdpType},
};

use super::agenda::End;

/// A model of an `RTCPeerConnection`: the signaling state machine of W3C WebRTC 1.0, and descriptions that
/// name their connection and ICE generation. It opens when both ends have each other's description and a
/// candidate.
#[derive(Debug)]
pub struct Connection {
    /// Unique: stands for the DTLS certificate.
    certificate: u32,
    signaling: SignalingState,
    local: Option<Description>,
    remote: Option<Description>,
    versions: u32,
    candidates: u32,
    /// The remote certificate of the first description: the DTLS association is with that one.
    associated: Option<String>,
    pub offerer: bool,
    pub carries: Carries,
    /// Media has come in, or may go out.
    pub flowing: bool,
    pub open: bool,
    /// The end that it opened with.
    pub far: Option<End>,
    pub closed: bool,
    /// ICE or DTLS has given up.
    pub failed: bool,
    /// ICE is disconnected until it is restarted.
    pub silent: bool,
    /// ICE has failed.
    pub lost: Option<Lost>,
    /// ICE restarts that this end has described, and those of them after which it was told to be connected.
    restarts: u32,
    told: u32,
    /// The offer that is set restarts ICE.
    answers_restart: bool,
}

/// What it takes to bring ICE back that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// A restart after so many.
    UntilRestart(u32),
    /// Nothing.
    ForGood,
}

impl Connection {
    pub fn new(certificate: u32, offerer: bool) -> Self {
        Self {
            certificate,
            signaling: SignalingState::Stable,
            local: None,
            remote: None,
            versions: 0,
            candidates: 0,
            associated: None,
            offerer,
            carries: Carries::Channel,
            flowing: false,
            open: false,
            far: None,
            closed: false,
            failed: false,
            silent: false,
            lost: None,
            restarts: 0,
            told: 0,
            answers_restart: false,
        }
    }

    /// The same, where it is no data channel between two peers.
    pub fn carrying(self, carries: Carries) -> Self {
        Self { carries, ..self }
    }

    /// ICE fails; `for_good`: a restart does not bring it back.
    pub fn lose(&mut self, for_good: bool) {
        self.lost = Some(match for_good {
            true => Lost::ForGood,
            false => Lost::UntilRestart(self.restarts),
        });
    }

    /// Whether ICE has been restarted since it failed, here and at the other end, with each other.
    pub fn finds_again(&self, other: &Self) -> bool {
        let restarted = |c: &Self| match c.lost {
            Some(Lost::UntilRestart(before)) => c.restarts > before && c.is_complete() && !c.closed,
            _ => false,
        };
        restarted(self) && restarted(other) && self.tells(other) && other.tells(self)
    }

    /// Whether ICE was restarted while it was connected, here and at the other end, with each other; and not told so yet.
    pub fn is_restarted(&self, other: &Self) -> bool {
        let ready = |c: &Self| c.restarts > c.told && c.is_complete() && c.open && c.lost.is_none();
        ready(self) && ready(other) && self.tells(other) && other.tells(self)
    }

    /// It is told to be connected.
    pub fn tell_restarted(&mut self) {
        self.told = self.restarts;
    }

    /// Whether the other has this end's last description, of the certificate that it began with.
    fn tells(&self, to: &Self) -> bool {
        let told = self.local.as_ref();
        told.is_some()
            && told.and_then(Description::ufrag) == to.remote.as_ref().and_then(Description::ufrag)
            && told.and_then(Description::dtls_fingerprint) == to.associated.as_deref()
    }

    /// Carries an operation out; what it tells, in order.
    pub fn perform(&mut self, operation: ConnectionOperation) -> Vec<ConnectionEvent> {
        let before = self.signaling;
        let allowed = operation.allowed_in(before, self.remote.is_some());
        let result = if allowed {
            Ok(self.call(&operation))
        } else {
            Err("InvalidStateError".to_owned())
        };
        let gathered = matches!(&result, Ok(Some(_)));
        let mut events = vec![ConnectionEvent::OperationDone(Done {
            operation,
            before,
            allowed,
            result,
        })];
        if gathered {
            events.push(ConnectionEvent::LocalCandidate(Candidate {
                candidate: format!("candidate:{} 1 udp 1 127.0.0.1 9 typ host", self.certificate),
                sdp_mid: None,
                sdp_m_line_index: Some(0),
                username_fragment: None,
            }));
        }
        events
    }

    fn call(&mut self, operation: &ConnectionOperation) -> Option<Description> {
        match operation {
            ConnectionOperation::Offer { ice_restart } => {
                self.restarts += u32::from(*ice_restart);
                self.signaling = SignalingState::HaveLocalOffer;
                Some(self.describe(SdpType::Offer))
            }
            ConnectionOperation::Answer { .. } => {
                self.restarts += u32::from(std::mem::take(&mut self.answers_restart));
                self.signaling = SignalingState::Stable;
                Some(self.describe(SdpType::Answer))
            }
            ConnectionOperation::SetRemote(description) => {
                self.signaling = match description.sdp_type {
                    SdpType::Offer => SignalingState::HaveRemoteOffer,
                    SdpType::Answer => SignalingState::Stable,
                };
                let ufrag = self.remote.as_ref().and_then(Description::ufrag);
                self.answers_restart = description.sdp_type == SdpType::Offer
                    && ufrag.is_some_and(|ufrag| description.ufrag() != Some(ufrag));
                let theirs = description.dtls_fingerprint().map(str::to_owned);
                self.associated = self.associated.take().or(theirs);
                self.remote = Some(description.clone());
                None
            }
            ConnectionOperation::AddCandidate(_) => {
                self.candidates += 1;
                None
            }
        }
    }

    fn describe(&mut self, sdp_type: SdpType) -> Description {
        self.versions += 1;
        let mut sdp = format!(
            "v=0\r\no=- {0} {1} IN IP4 127.0.0.1\r\na=ice-ufrag:u{0}x{2}\r\na=fingerprint:sha-256 {0:08x}\r\n",
            self.certificate, self.versions, self.restarts
        );
        if self.carries.is_with_server() {
            // Fragments of it are told by themselves.
            sdp += "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-pwd:p\r\n";
        }
        let description = Description {
            sdp_type,
            sdp: sdp.into(),
        };
        self.local = Some(description.clone());
        description
    }

    /// Whether its offer waits for an answer.
    pub fn is_offering(&self) -> bool {
        self.signaling == SignalingState::HaveLocalOffer
    }

    /// Whether it has negotiated: ICE has begun.
    pub fn is_complete(&self) -> bool {
        self.signaling == SignalingState::Stable && self.local.is_some() && self.remote.is_some()
    }

    /// Whether two ends reach each other: each has the other's description, of the certificate that it
    /// began with; one has offered and the other answered; a candidate has come in at one of them.
    pub fn matches(&self, other: &Self) -> bool {
        let ready = |c: &Self| c.signaling == SignalingState::Stable && !c.closed && !c.open && !c.failed;
        let role = |c: &Self| c.local.as_ref().map(|d| d.sdp_type);
        self.tells(other)
            && other.tells(self)
            && ready(self)
            && ready(other)
            && role(self) != role(other)
            // One candidate is enough: who is checked learns where from.
            && self.candidates + other.candidates > 0
            // One of them has made the data channel.
            && (self.offerer || other.offerer)
    }
}
