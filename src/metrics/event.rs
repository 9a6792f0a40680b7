use serde::{Deserialize, Serialize};

use crate::{
    base::{BarrierId, Generation, Incarnation, Instant, PeerId, SignalingFailure},
    plan::{FrameKind, FrameWay, Treated},
};

/// One thing that happened in a run. The dispatcher puts events in order: `at` never decreases by more
/// than the time an event spends in its queue, and one peer's events come in the order it made them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// When it happened.
    pub at: Instant,
    /// Whose event it is; `None` for the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerId>,
    /// The other end of the link it concerns, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<PeerId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of event, by subject. `planned` is the instant the plan (or the anchor of a satisfied wait)
/// asked for; latencies start there, not where the action began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    // ---- the script of a peer
    /// A scripted action began; `at - planned` is the generator's lag.
    StepStarted { planned: Instant, step: String },
    /// A `wait` began to hold.
    WaitSatisfied { condition: String },
    /// A `wait` ran out of time; one event for each missing link (`remote`), or one without a remote if
    /// what is missing is not a link.
    WaitExpired { condition: String },
    /// A barrier let this peer go.
    BarrierReleased { barrier: BarrierId },
    /// A barrier ran out of time for this peer.
    BarrierExpired { barrier: BarrierId },
    /// The script has no step left (the peer stays in its room until the room's last script ends).
    ScriptEnded,

    // ---- membership
    /// A join was asked for. `expect_rejected`: the script wants the server to refuse it.
    JoinStarted {
        planned: Instant,
        incarnation: Incarnation,
        name: String,
        expect_rejected: bool,
    },
    /// Nobody of the room was heard to act on the join before it counted as confirmed, as nobody is there whom
    /// the first one could hear: `relayed` is when the relay had shown that it has passed the join on. Where a
    /// server answers joins there is no such event.
    JoinRelayed {
        incarnation: Incarnation,
        relayed: Instant,
    },
    /// The server confirmed the membership, or where none does that, another member.
    Joined { incarnation: Incarnation },
    /// The server refused the join (`DUPLICATE_USERNAME`, `room-full`, …).
    JoinRejected {
        incarnation: Incarnation,
        reason: String,
    },
    /// The join ended without the server's word: no socket, a time-out, an error frame.
    JoinFailed {
        incarnation: Incarnation,
        reason: String,
    },
    /// The peer began to leave. `scripted`: a step of its script, not the end of the run.
    LeaveStarted {
        planned: Instant,
        incarnation: Incarnation,
        scripted: bool,
    },
    /// The leave is complete on this side. What is left over must be zero.
    Left {
        incarnation: Incarnation,
        connections: u32,
        timers: u32,
    },
    /// The server told this peer of another member (`remote`) joining.
    MemberJoined { again: bool },
    /// The server told this peer that `remote` left (`left`, `closed`, `evicted`).
    MemberLeft { reason: String },
    /// The roster as the server last told it to this peer (peers of the plan, ascending), taken when the
    /// room has settled. `believed` is what the peer itself holds links to, with itself.
    RosterSeen {
        server: Vec<PeerId>,
        believed: Vec<PeerId>,
    },

    // ---- signaling
    /// The signaling socket is open.
    SignalingConnected,
    /// The signaling socket was lost or could not be opened.
    SignalingLost {
        /// Missing in logs of versions that named none.
        #[serde(default)]
        failure: SignalingFailure,
        reason: String,
    },
    /// The server answered with an error frame.
    SignalingError { reason: String, message: String },
    /// What has come in over the peer's signaling sockets since the last such event, in frames and in bytes of
    /// their text. Of them, nobody of the peer's room has sent to it or to the room: those of other rooms, those
    /// of a member for another, and what the server tells everybody. Told every few seconds in which something
    /// comes in, and at the end.
    SignalingReceived {
        frames: u64,
        bytes: u64,
        other_room_frames: u64,
        other_room_bytes: u64,
        other_member_frames: u64,
        other_member_bytes: u64,
        server_frames: u64,
        server_bytes: u64,
    },

    /// A rule of a `signaling` step did something to a frame; `remote`, if the frame is from, for or about one.
    FrameTreated {
        treatment: Treated,
        frame: FrameKind,
        way: FrameWay,
    },
    /// A step sent a frame that the client would not have sent.
    FrameForged { forgery: Forgery },

    // ---- negotiation of one link
    /// An `RTCPeerConnection` was made. `offerer`: this side offers first.
    ConnectionCreated {
        generation: Generation,
        incarnation: Incarnation,
        offerer: bool,
    },
    /// It was closed. `cause`: `leave`, `member_left`, `replaced`, `failed`, `end`.
    ConnectionClosed { generation: Generation, cause: String },
    /// A description was sent. `fingerprint`: a hash of the whole description.
    DescriptionSent {
        generation: Generation,
        description: DescriptionKind,
        fingerprint: u64,
        /// For an answer: the fingerprint of the offer it answers.
        answers: Option<u64>,
    },
    /// A description came in.
    DescriptionReceived {
        description: DescriptionKind,
        fingerprint: u64,
    },
    /// A description was dropped, and why.
    DescriptionIgnored {
        description: DescriptionKind,
        fingerprint: u64,
        reason: IgnoreReason,
    },
    /// An offer had no answer in time, and is sent again for the `attempt`th time (from 1).
    OfferOverdue { generation: Generation, attempt: u32 },
    /// Both sides offered at once, as seen by this side. `polite`: this side rolled back.
    Glare { generation: Generation, polite: bool },
    /// `RTCSignalingState` changed.
    SignalingStateChanged {
        generation: Generation,
        state: SignalingState,
    },
    /// `RTCIceConnectionState` changed (`checking`, `connected`, …).
    IceStateChanged { generation: Generation, state: String },
    /// `RTCPeerConnectionState` changed; `connected` means that DTLS is done.
    ConnectionStateChanged { generation: Generation, state: String },
    /// The data channel is open at this end; on a link of media DTLS is connected for what is published, or the first RTP
    /// packet has come in. `pair`: the local type of the selected candidate pair.
    ChannelOpened {
        generation: Generation,
        incarnation: Incarnation,
        pair: CandidateKind,
    },
    /// The data channel is no longer open at this end.
    ChannelClosed { generation: Generation },
    /// An operation on the connection was refused by the stack or by its own state.
    OperationFailed {
        generation: Generation,
        operation: Operation,
        /// The signaling state in which it was called.
        state: SignalingState,
        /// Whether W3C WebRTC 1.0 allows the call in that state.
        allowed: bool,
        error: String,
    },
    /// A callback or timer of generation `from` took effect on generation `on`.
    CrossedGeneration { from: Generation, on: Generation },
    /// A callback or timer of a replaced connection was ignored, as it must be.
    StaleIgnored { generation: Generation, input: String },
    /// The lost-flight repair sent the last DTLS flight again.
    DtlsFlightRepeated { generation: Generation },
    /// What the link looks like when its room has settled.
    LinkSettled {
        generation: Generation,
        open_channels: u32,
        signaling_state: SignalingState,
    },

    // ---- faults and recovery
    /// A scripted fault or restart began on this peer's link to `remote`. `ends`: when it is planned to be
    /// over; what has no length (a restart, a cut) ends where it begins, and so does what has no end
    /// ([`EventKind::is_endless`]): from then on the client can do something about it.
    FaultStarted {
        cause: FaultCause,
        planned: Instant,
        ends: Instant,
    },
    /// This end noticed that the link is not well: ICE disconnected or failed, or the channel closed.
    FaultDetected { generation: Generation },
    /// This end began to do something about it.
    RecoveryStarted {
        generation: Generation,
        path: RecoveryPath,
    },
    /// Data has flowed both ways since the fault's end (or, should that come first, since it began). Told
    /// by the end that the fault began at; `path` is the last action of either end before that.
    LinkRecovered {
        generation: Generation,
        path: RecoveryPath,
    },
    /// The link has not recovered in time, or its client has given it up: it is not waited for any more.
    RecoveryFailed { path: RecoveryPath },
    /// The client of this end does nothing more about the link: so many connections in a row were made for it in
    /// vain. `why`: what was wrong with the last one.
    LinkGivenUp {
        generation: Generation,
        attempts: u32,
        why: String,
    },
    /// The peer crashed: nothing of it answers any more.
    Crashed {
        planned: Instant,
        incarnation: Incarnation,
    },
    /// A step of this peer ended the server: every socket, room, membership and token is gone. At `ends`
    /// another one is there that knows nothing; until then no socket is to be had.
    ServerRestarted { planned: Instant, ends: Instant },
    /// The same by a crash; without `ends` none comes back.
    ServerCrashed { planned: Instant, ends: Option<Instant> },
    /// A step of this peer made the server stand still until `ends`: it reads, answers and writes nothing, and
    /// then does all that has waited.
    ServerPaused { planned: Instant, ends: Instant },
    /// A step of this peer made the server take so much longer over each frame, until `ends`.
    ServerSlowed {
        planned: Instant,
        ends: Instant,
        by_ms: u64,
    },
    /// A command of the scenario's for a server that was not started for the run: `start`, `stop`, `pause` or
    /// `resume`. `failed`: why it has, if it has; `output`: the first of what it printed.
    ServerCommand {
        command: String,
        took_ms: u64,
        failed: Option<String>,
        output: String,
    },
    /// A new signaling socket took the membership over, after the old one was lost.
    MembershipResumed { incarnation: Incarnation },

    /// The peer is gone; so many datagrams of its connections have not crossed its access link, in either
    /// direction. Told only if there were any. `lost`: by the profile's loss; `queue_full`: by the link's
    /// full queue; `blocked`: in an outage or since a crash; `overflowed`: by a limit of the harness.
    NetworkDropped {
        lost: u64,
        queue_full: u64,
        blocked: u64,
        overflowed: u64,
    },
    /// The peer is gone; so many datagrams of its connections have crossed its access link, in either direction, but not as
    /// they were. Told only if there were any. `duplicated`: copied; `corrupted`: with a bit flipped;
    /// `reordered`: before something that went in earlier.
    NetworkAltered {
        duplicated: u64,
        corrupted: u64,
        reordered: u64,
    },

    // ---- data
    /// A chat message went out on an open channel to `remote`.
    MessageSent {
        planned: Instant,
        incarnation: Incarnation,
        seq: u32,
        bytes: u32,
    },
    /// At a planned instant no channel to `remote` was open.
    MessageUnsent {
        planned: Instant,
        incarnation: Incarnation,
        seq: u32,
    },
    /// A chat message of `remote`'s came in; `incarnation` and `seq` are the sender's.
    MessageReceived {
        generation: Generation,
        incarnation: Incarnation,
        seq: u32,
        bytes: u32,
    },
    /// The probe that `remote` sends on a fresh channel came in: data flows from there to here.
    ProbeReceived {
        generation: Generation,
        incarnation: Incarnation,
    },

    // ---- members who are not in the plan; `external` is the user id that one joined with
    /// It is in the room, as the server told this peer: this peer links to it from here on. `planned`: the later of this
    /// peer's planned join and, if it came after that, now.
    ExternalJoined {
        external: String,
        name: String,
        planned: Instant,
    },
    /// It is in the room, and nothing to this peer: the room is not open to such, or it is one too many. Told once of each.
    ExternalIgnored { external: String },
    /// It has left, as the server told this peer.
    ExternalLeft { external: String, reason: String },
    /// Its data channel is open at this end; `planned`: when this end made the connection.
    ExternalOpened {
        external: String,
        generation: Generation,
        planned: Instant,
    },
    /// This end has closed its connection. `cause`: as that of `ConnectionClosed`.
    ExternalClosed {
        external: String,
        generation: Generation,
        cause: String,
    },
    /// A chat message went out to it. Nobody confirms that it came in.
    ExternalMessageSent {
        external: String,
        planned: Instant,
        seq: u32,
        bytes: u32,
    },
    /// At a planned instant no channel to it was open.
    ExternalMessageUnsent {
        external: String,
        planned: Instant,
        seq: u32,
    },
    /// A chat message of it came in; `bytes` of its content.
    ExternalMessageReceived {
        external: String,
        generation: Generation,
        bytes: u32,
    },

    // ---- the run
    /// The first event. `world` is `local`, `live` or `sim`.
    RunStarted { world: String },
    /// These two can't connect, whatever their clients do: said at the run's start, or when a step takes their last
    /// path for good, by the lower id of the link.
    NoPath { reason: String },
    /// The bundled server's roster of a room when it has settled, or after its last member left.
    ServerRoster {
        room: String,
        members: Vec<PeerId>,
        after_end: bool,
    },
    /// What the whole run still holds when every peer has left: all must be zero.
    Leftovers {
        connections: u64,
        tasks: u64,
        timers: u64,
        sockets: u64,
    },
    /// The generator's own use, about once a second. `open_files`: of the process, where that means something.
    Generator {
        cpu_percent: f64,
        rss_bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open_files: Option<u64>,
    },
    /// How late the timers of the generator's event loops fired, about once a second, in real time only. `late_us`: µs,
    /// in steps of 100 and rounded down to five significant bits, and how many; a timer is due every 10 ms in each loop.
    EventLoopLag { late_us: Vec<(u64, u64)> },
    /// What the whole run holds at the moment, about every 5 s. `open_files`: of the process, where that means
    /// something; `server`: what the server holds, where it can be asked.
    Holdings {
        connections: u64,
        tasks: u64,
        timers: u64,
        sockets: u64,
        open_files: Option<u64>,
        server: Option<ServerHoldings>,
    },
    /// The server did not tell what it holds: `why`.
    ServerMetricsFailed { why: String },
    /// A limit was hit.
    LimitHit {
        limit: String,
        #[serde(default)]
        of: LimitOf,
    },
    /// The run was interrupted by the user; everybody leaves from here on.
    Interrupted,
    /// `--duration` is over; everybody leaves from here on.
    DeadlineReached,
    /// The last event.
    RunEnded,
}

impl EventKind {
    /// Whether it is a fault that is never over: UDP that is blocked, or a TURN server that is stopped, without a `for`.
    pub fn is_endless(&self) -> bool {
        match self {
            Self::FaultStarted { cause, planned, ends } => {
                matches!(cause, FaultCause::BlockUdp | FaultCause::Turn) && planned == ends
            }
            Self::ServerCrashed { ends, .. } => ends.is_none(),
            _ => false,
        }
    }

    /// Whether it counts what went on and was never the cause of anything: no story tells it.
    pub fn only_counts(&self) -> bool {
        matches!(
            self,
            Self::Generator { .. }
                | Self::EventLoopLag { .. }
                | Self::Holdings { .. }
                | Self::SignalingReceived { .. }
        )
    }
}

/// Whose a limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOf {
    /// The harness's own: it did less than the scenario asks for.
    #[default]
    Harness,
    /// A client's rule: what is tested.
    Client,
    /// The user's, on the command line.
    User,
}

/// What a server holds at the moment, as far as it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerHoldings {
    /// Rooms that are open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<u64>,
    /// Memberships, those of sockets that are away included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// Sockets of clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<u64>,
    /// Frames that wait for clients, or for the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_frames: Option<u64>,
    /// The bytes of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_bytes: Option<u64>,
    /// Resident memory of its process; of the bundled one, that is the process of the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
}

/// The scripted step that a fault comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCause {
    DropNetwork,
    IceRestart,
    CutSignaling,
    Crash,
    Rejoin,
    ServerRestart,
    BlockUdp,
    Roam,
    NatRebind,
    Suspend,
    ServerCrash,
    Turn,
}

/// What brought a link back: the rungs of the ladder, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryPath {
    /// Nothing was done: it came back by itself.
    Resume,
    /// ICE was restarted on the same connection.
    IceRestart,
    /// A new connection replaced it, in the same membership.
    Replace,
    /// The peer joined again.
    Rejoin,
}

/// `RTCSdpType`, as far as peers send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptionKind {
    Offer,
    Answer,
}

/// Why a description had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreReason {
    /// The same whole description was taken before.
    Duplicate,
    /// It collides with one's own offer and this side is impolite.
    Glare,
    /// An answer to no offer, or to one that was rolled back or replaced.
    Unexpected,
    /// No membership, or the sender is no member.
    NotAMember,
    /// The queue of descriptions was full.
    QueueFull,
    /// The lock of an earlier one was held.
    Locked,
    /// The connection's signaling state is none that the client takes it in.
    State,
    /// It was cut off on the way.
    Broken,
    /// The remote had made it in an earlier membership.
    Stale,
}

/// A frame that a client would not have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// An offer once more.
    OfferCopy,
    /// An answer once more.
    AnswerCopy,
    /// An offer of the previous membership.
    StaleOffer,
    /// A second join.
    SecondJoin,
    /// Whatever the script says.
    Raw,
}

/// `RTCSignalingState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalingState {
    Stable,
    HaveLocalOffer,
    HaveRemoteOffer,
    Closed,
}

/// `RTCIceCandidateType` of the local end of the selected pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    Host,
    Srflx,
    Prflx,
    Relay,
    /// The stack named no selected pair.
    Unknown,
}

/// A call on an `RTCPeerConnection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    CreateConnection,
    CreateOffer,
    CreateAnswer,
    SetLocalDescription,
    SetRemoteDescription,
    AddIceCandidate,
    Send,
}
