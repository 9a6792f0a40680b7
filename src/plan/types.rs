use std::time::Duration;

use serde::Serialize;

use super::{Network, wire};
use crate::{
    base::{BarrierId, Instant, PeerId, PeerNumber, RoomId, Seat},
    impair::{FrameRule, Nat},
    scenario::{
        ClientRules, Cut, Ice, RawFrames, RelayMode, RestartLinks, Scope, ServerFault, SleepingClock,
        SocketOnRoam, TurnFault, Ways,
    },
    signaling::{Abilities, Client, Protocol},
};

/// What every peer will do and when. Complete: running it draws no further decision from the scenario.
///
/// In JSON (`rtcstorm plan --json`) every time is a number of milliseconds under a name that ends in `_ms`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The scenario's `name`.
    pub scenario: String,
    /// The root seed that all drawn values come from.
    pub seed: u64,
    /// Indexed by [`RoomId`].
    pub rooms: Vec<RoomPlan>,
    /// Indexed by [`PeerId`]; ascending by room, so a room's peers are neighbours.
    pub peers: Vec<PeerPlan>,
    /// Indexed by [`BarrierId`].
    pub barriers: Vec<BarrierPlan>,
    /// The deadline after which everybody leaves, counted from the run's start; `None` is no deadline.
    #[serde(rename = "duration_ms", serialize_with = "wire::optional_duration")]
    pub duration: Option<Duration>,
    /// What begins before this, counted from the run's start, leaves no sample; zero: there is no warm-up.
    #[serde(
        rename = "warm_up_ms",
        serialize_with = "wire::duration",
        skip_serializing_if = "Duration::is_zero"
    )]
    pub warm_up: Duration,
    /// The span in which arrivals are declared to come at once (`arrive: {over: 0s}` or none): lag in its
    /// first 5 s does not count as saturation.
    pub burst: Option<Burst>,
    /// When a link that has not opened counts as failed: 30 s after the later of its two planned joins.
    #[serde(rename = "connect_timeout_ms", serialize_with = "wire::duration")]
    pub connect_timeout: Duration,
    /// When a message that has not arrived counts as lost: 30 s after it was sent.
    #[serde(rename = "message_timeout_ms", serialize_with = "wire::duration")]
    pub message_timeout: Duration,
    /// How the server relays: where it does as the deployment, nobody answers a join. Left out of the JSON where
    /// it keeps rooms apart.
    #[serde(skip_serializing_if = "wire::keeps_rooms_apart")]
    pub relay_mode: RelayMode,
    /// What peers speak with the server. Left out of the JSON where it is the dashboard's.
    #[serde(skip_serializing_if = "wire::is_dashboard", serialize_with = "wire::protocol")]
    pub protocol: Protocol,
}

impl Plan {
    /// What the protocol carries, in the form in which the server speaks it.
    pub fn abilities(&self) -> Abilities {
        self.protocol
            .abilities_with(self.relay_mode == RelayMode::Deployed)
    }

    /// Who a peer is to its signaling server.
    pub fn client<'a>(&'a self, peer: &'a PeerPlan) -> Client<'a> {
        Client {
            room_id: &self.rooms[peer.room.index()].wire_id,
            user_id: &peer.user_id,
            number: peer.number.0,
        }
    }

    /// Whether the peers of a room meet members who are not in the plan: one of them waits for some.
    pub fn is_open_to_externals(&self, room: RoomId) -> bool {
        let mut peers = self.rooms[room.index()].peers.iter();
        peers.any(|peer| self.peers[peer.index()].awaits_externals())
    }
}

/// A declared burst of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Burst {
    /// Its first planned arrival.
    #[serde(rename = "from_ms", serialize_with = "wire::instant")]
    pub from: Instant,
    /// When lag counts again.
    #[serde(rename = "until_ms", serialize_with = "wire::instant")]
    pub until: Instant,
}

/// One room: a full mesh of its peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomPlan {
    /// Its index in [`Plan::rooms`].
    pub id: RoomId,
    /// Its id on the wire, unique in the run.
    pub wire_id: String,
    /// Its members, ascending.
    pub peers: Vec<PeerId>,
}

/// One peer and its whole script.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerPlan {
    /// Its index in [`Plan::peers`].
    pub id: PeerId,
    /// Its place in the whole plan, of which this one may be a segment.
    #[serde(skip)]
    pub number: PeerNumber,
    /// The room it plays in.
    pub room: RoomId,
    /// The `groups:` entry it belongs to, if the scenario has groups.
    pub group: Option<String>,
    /// Its user id on the wire; the order of user ids as text is the order of peer ids.
    pub user_id: String,
    /// When its script begins (and its signaling socket is opened): the first anchor of its steps.
    #[serde(rename = "arrive_at_ms", serialize_with = "wire::instant")]
    pub arrive_at: Instant,
    /// How it negotiates.
    pub rules: ClientRules,
    /// What its way to the others is like at first.
    pub network: Network,
    /// What it is behind; left out of the JSON where that is nothing.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::nat")]
    pub nat: Option<Nat>,
    /// How its connections find a path.
    #[serde(skip_serializing_if = "wire::is_plain")]
    pub ice: Ice,
    /// What it does, in order; `repeat`, `rejoin`, `pause` and `rename` are already expanded.
    pub script: Vec<PlannedStep>,
    /// When the script ends, as an offset from its last anchor: a `pause` or the rest of a `chat` after the
    /// last step keeps the peer busy until then. Never below the last step's offset.
    #[serde(rename = "ends_after_ms", serialize_with = "wire::duration")]
    pub ends_after: Duration,
}

impl PeerPlan {
    /// Both of its numbers.
    pub fn seat(&self) -> Seat {
        Seat {
            id: self.id,
            number: self.number,
        }
    }

    /// Whether its script moves it to another network.
    pub fn roams(&self) -> bool {
        let mut actions = self.script.iter().map(|step| &step.action);
        actions.any(|action| matches!(action, Action::Roam { .. }))
    }

    /// Whether its script does something to the machine that it runs on.
    pub fn is_restless(&self) -> bool {
        let mut actions = self.script.iter().map(|step| &step.action);
        actions.any(|action| {
            matches!(
                action,
                Action::Roam { .. } | Action::NatRebind | Action::Suspend { .. }
            )
        })
    }

    /// Whether its script waits for members who are not in the plan.
    pub fn awaits_externals(&self) -> bool {
        let mut actions = self.script.iter().map(|step| &step.action);
        actions.any(|action| {
            let condition = match action {
                Action::Wait { condition, .. } => condition,
                _ => return false,
            };
            matches!(condition, Condition::External { .. })
        })
    }

    /// Every network that it has at any time, the first one first.
    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        let later = self.script.iter().filter_map(|step| match &step.action {
            Action::Network { network } => Some(network),
            _ => None,
        });
        std::iter::once(&self.network).chain(later)
    }
}

/// One step at its planned offset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedStep {
    /// Offset from the anchor: the peer's arrival, or the instant at which the last
    /// [`Action::Wait`] or [`Action::Barrier`] before this step was satisfied (or expired).
    /// Never decreases between two anchors.
    #[serde(rename = "after_ms", serialize_with = "wire::duration")]
    pub after: Duration,
    /// What is done then.
    pub action: Action,
}

/// What a peer does at a planned instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ask to join the room. Does not wait for the answer.
    Join {
        /// The user name to join under.
        name: String,
        /// Whether the server is expected to refuse (`join: {expect: rejected}`).
        expect: JoinOutcome,
        /// `true` where the step stands in for the second half of a `rejoin`, or follows a `leave` or `crash`.
        again: bool,
    },
    /// Leave the room and close every connection.
    Leave,
    /// Go on once a condition holds; the next step's offset counts from then.
    Wait {
        /// What has to hold.
        condition: Condition,
        /// After this it has failed, and the script goes on.
        #[serde(rename = "within_ms", serialize_with = "wire::duration")]
        within: Duration,
    },
    /// Go on once every peer that the barrier lines up has reached it.
    Barrier {
        /// Which one.
        barrier: BarrierId,
        /// After this it has failed, and the script goes on.
        #[serde(rename = "within_ms", serialize_with = "wire::duration")]
        within: Duration,
    },
    /// Send a chat message to every expected remote at `after + k * every` for `k` in `0..count`.
    /// The following step is planned after the last of them.
    Chat {
        /// Between two messages.
        #[serde(rename = "every_ms", serialize_with = "wire::duration")]
        every: Duration,
        /// How many instants.
        count: u32,
        /// UTF-8 bytes of each message's `content`.
        #[serde(rename = "size_bytes")]
        size: u32,
    },
    /// Renegotiate on every open link, and send the frame of each offer `copies` more times while the
    /// first is being processed. The step is over at once.
    DuplicateOffer {
        /// How often the frame is repeated.
        copies: u32,
        /// Over which time the copies are spread, after the first; zero sends all at once.
        #[serde(rename = "within_ms", serialize_with = "wire::duration")]
        within: Duration,
        /// Each copy is another frame with the same description, not the same one to the byte.
        afresh: bool,
    },
    /// Send the frame of every answer that this peer gives in the next `lasting` `copies` more times.
    /// The step is over at once.
    DuplicateAnswer {
        /// How often each frame is repeated.
        copies: u32,
        /// Over which time the copies are spread, after the first; zero sends all at once.
        #[serde(rename = "within_ms", serialize_with = "wire::duration")]
        within: Duration,
        /// How long answers are repeated.
        #[serde(rename = "for_ms", serialize_with = "wire::duration")]
        lasting: Duration,
        /// Each copy is another frame with the same description, not the same one to the byte.
        afresh: bool,
    },
    /// Something happens to frames of the peer's signaling from now on, and until its script ends at the latest. The
    /// step is over at once.
    Signaling {
        /// What, and to which.
        #[serde(serialize_with = "wire::frame_rule")]
        rule: FrameRule,
        /// For how long, if not for a count.
        #[serde(rename = "for_ms", serialize_with = "wire::optional_duration")]
        lasting: Option<Duration>,
    },
    /// Renegotiate on open links in the same instant as their other ends. The step is over at once.
    Glare {
        /// Only on those to these; empty: on all.
        with: Vec<PeerId>,
    },
    /// Send the last offers of the previous membership once more. The step is over at once.
    StaleOffer {
        /// Only to these; empty: to every member that there is one for.
        with: Vec<PeerId>,
    },
    /// Ask to join the room twice, by two frames at once.
    JoinTwice {
        /// The user name to join under.
        name: String,
        /// As that of a `Join`.
        again: bool,
    },
    /// Send the server what no client would. The step is over at once.
    SendRaw {
        /// What.
        frames: RawFrames,
    },
    /// Restart ICE (RFC 8445 section 9). The step is over at once; `wait: recovered` waits for it.
    IceRestart {
        /// On which links.
        links: RestartLinks,
        /// Whether both ends restart; otherwise the lower id of each link does, and the step does nothing
        /// at the other end.
        both: bool,
    },
    /// The network is away: what is sent is lost, what comes in, too; bytes of the signaling socket wait.
    /// The following step is planned after `lasting`.
    DropNetwork(DropNetwork),
    /// UDP does not pass, but for what is carried over TCP or TLS to a TURN server. The following step is planned
    /// after `lasting`, or at once.
    BlockUdp {
        /// How long; `None` is until the end.
        #[serde(rename = "for_ms", serialize_with = "wire::optional_duration")]
        lasting: Option<Duration>,
    },
    /// Move to another network: a new address and new ports, the old ones dead. The step is over at once.
    Roam {
        /// What becomes of the signaling socket.
        signaling: SocketOnRoam,
    },
    /// The NAT in front of the peer maps its UDP sockets anew. The step is over at once.
    NatRebind,
    /// The peer's machine sleeps: nothing of it runs, and datagrams that arrive meanwhile are lost. The following
    /// step is planned after `lasting`.
    Suspend {
        /// How long.
        #[serde(rename = "for_ms", serialize_with = "wire::duration")]
        lasting: Duration,
        /// What its clock does meanwhile.
        clock: SleepingClock,
    },
    /// Change what the peer's way to the others is like, for what enters it from then on and for later
    /// memberships. The step is over at once.
    Network {
        /// What it is like then.
        #[serde(flatten)]
        network: Network,
    },
    /// Cut the signaling socket. The step is over at once.
    CutSignaling {
        /// How.
        how: Cut,
    },
    /// End like a process that is killed: the sockets fall silent, nothing is closed or told to anybody.
    /// A later join comes back as a new client.
    Crash,
    /// Something happens to the server, for everybody in every room. The step is over at once.
    Server(#[serde(serialize_with = "wire::server_fault")] ServerFault),
    /// Do something to the bundled STUN and TURN server. It is everybody's, in every room. The step is over at
    /// once.
    Turn {
        /// What.
        fault: TurnFault,
    },
}

/// A network that is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropNetwork {
    /// Which of the peer's sockets.
    pub scope: Scope,
    /// Which way.
    pub direction: Ways,
    /// How long.
    #[serde(rename = "for_ms", serialize_with = "wire::duration")]
    pub lasting: Duration,
    /// Only towards these; empty: towards everybody.
    pub with: Vec<PeerId>,
    /// Whether the server is away with those of `with`. Without `with`, `scope` says it alone.
    pub server_lost: bool,
}

impl DropNetwork {
    /// Whether the way to the server is away.
    pub fn hits_server(&self) -> bool {
        self.scope != Scope::Media && (self.with.is_empty() || self.server_lost)
    }
}

/// What the server is expected to say to a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinOutcome {
    /// Membership.
    Accepted,
    /// A refusal (a name taken, a full room).
    Rejected,
}

/// What a `wait` waits for. Each is a latch that a join resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// For every other member planned into the room: its link's data channel has been open since my last
    /// join, or that member has left or crashed since.
    Connected,
    /// The same for the members that the server's roster names at the moment the wait begins.
    ConnectedToPresent,
    /// The server has confirmed my last join.
    Joined,
    /// The server has refused my last join.
    Rejected,
    /// Every link that my last fault or restart concerned is open and data has flowed both ways since its
    /// end, or that member has left or crashed; and I am a member.
    Recovered,
    /// So many members that are not in the plan have an open data channel with me, and have said something on it;
    /// 0: no such member is in the room. Not a latch: it holds or not at the moment.
    External {
        /// How many at least.
        count: u32,
    },
}

/// A line that peers of one room wait at for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BarrierPlan {
    /// Its index in [`Plan::barriers`].
    pub id: BarrierId,
    /// The room whose peers it lines up.
    pub room: RoomId,
    /// The scenario's name for it, with `#n` for the n-th time a `repeat` comes by it.
    pub name: String,
    /// Who has to reach it.
    pub parties: Vec<PeerId>,
}
