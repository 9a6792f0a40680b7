use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use rand_chacha::ChaCha8Rng;

use super::{
    connection::{ConnectionCommand, ConnectionEvent},
    externals::Externals,
    faults::{Copies, Fault, NetworkCommand, Offered},
    introduced::{Introduction, List, Strangers},
    link::{Link, Memory},
    membership::{Leaving, Membership, SinceJoin},
    received::Incoming,
    script::Script,
    server_link::MediaProof,
    settle::Phase,
    socket::{Pings, Socket},
    tampering::Tampering,
    timers::Timers,
};
use crate::{
    base::{BarrierId, Generation, Incarnation, Instant, PeerId, Purpose, RootSeed, SignalingEnd},
    metrics::EventKind,
    plan::{PeerPlan, Plan, ServerFault, SleepingClock},
    scenario::{ClientRules, TurnFault},
    signaling::{Abilities, ChannelFormat, Chunks, Codec, LeaveReason, Member, Message, OfferedIceServer},
};

/// How long the server may take to answer the ping that ends a script.
pub(super) const FENCE: Duration = Duration::from_secs(5);
/// How long connections may take to close and the server to confirm the last leave.
pub(super) const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// What the deployed registry takes where a room says nothing.
const DEFAULT_CAPACITY: u32 = 10;

/// One scripted peer. Every input is followed by draining [`Peer::poll_output`]; then
/// [`Peer::next_timeout`] says when [`Peer::handle_timeout`] is due.
#[derive(Debug)]
pub struct Peer {
    pub(super) plan: Arc<PeerPlan>,
    pub(super) room_wire_id: String,
    /// The other peers planned into the room, with their user ids on the wire.
    pub(super) roommates: BTreeMap<PeerId, String>,
    /// User id → peer, for the whole room.
    pub(super) by_user_id: BTreeMap<String, PeerId>,
    /// Members who are not in the plan.
    pub(super) externals: Externals,
    /// Ids that may yet turn out to be those of roommates.
    pub(super) strangers: Strangers,
    /// What is awaited of the list of who is there, and was heard of it.
    pub(super) list: List,
    /// How long the server may take to confirm a join.
    pub(super) join_within: Duration,
    pub(super) settle_within: Duration,
    epoch_unix_ms: u64,
    /// What the protocol carries.
    pub(super) abilities: Abilities,
    /// The label of data channels to the server.
    pub(super) channel_label: &'static str,
    pub(super) media_proof: MediaProof,

    pub(super) codec: Box<dyn Codec>,
    pub(super) channel_format: ChannelFormat,
    /// Messages on channels that are not whole yet, of the connection of that generation.
    pub(super) chunks: BTreeMap<PeerId, (Generation, Chunks)>,
    /// Counts the messages that go out on channels.
    pub(super) next_message: u32,
    pub(super) socket: Socket,
    /// Counts the sockets: what an earlier one says means nothing any more.
    pub(super) socket_number: u32,
    /// How much each wait for another one is shortened.
    pub(super) backoff: ChaCha8Rng,
    pub(super) socket_opened_at: Instant,
    /// Whether the server has said anything on that socket.
    pub(super) heard_server: bool,
    pub(super) pings: Pings,
    pub(super) incoming: Incoming,
    pub(super) membership: Membership,
    pub(super) incarnation: Incarnation,
    /// When the last join was planned.
    pub(super) join_planned: Instant,
    pub(super) joining_as: Option<String>,
    pub(super) token: Option<String>,
    /// Joins sent on this socket that the server has not answered.
    pub(super) unanswered_joins: u32,
    /// Those of them that were for memberships before this one.
    pub(super) former_joins: u32,
    /// The join has gone out, on this socket or an earlier one.
    pub(super) join_is_sent: bool,
    /// When a relay that answers no join had passed this one on, while nobody is known to have acted on it.
    pub(super) relayed_at: Option<Instant>,
    /// The other members, as told one by one.
    pub(super) members: BTreeSet<PeerId>,
    /// Everybody in the room, as the server last told it in one piece.
    pub(super) server_roster: BTreeSet<PeerId>,
    pub(super) seen: SinceJoin,
    /// When the server restarted, if that has not been made up for yet.
    pub(super) restarted: Option<Instant>,
    /// Who was forgotten by the server together with this peer, with an open link.
    pub(super) survivors: BTreeSet<PeerId>,

    pub(super) links: BTreeMap<PeerId, Link>,
    /// What ended links have left to later ones.
    pub(super) memories: BTreeMap<PeerId, Memory>,
    /// The last generation used towards each remote.
    pub(super) generations: BTreeMap<PeerId, Generation>,
    /// Connections that were made and are not reported closed.
    pub(super) live: BTreeSet<(PeerId, Generation)>,
    pub(super) leaving: Vec<Leaving>,

    pub(super) script: Script,
    /// The next chat message of this membership.
    pub(super) next_seq: u32,
    pub(super) phase: Phase,
    pub(super) faults: BTreeMap<PeerId, Fault>,
    /// Links that have not recovered in time.
    pub(super) unrecovered: BTreeSet<PeerId>,
    pub(super) recover_within: Duration,
    pub(super) next_probe: u32,
    pub(super) copies: Copies,
    /// The root seed: each link has a stream of its own.
    pub(super) seed: RootSeed,
    /// The offers that went out.
    pub(super) offered: Offered,
    /// Offers that were taken in earlier memberships of these.
    pub(super) taken_before: BTreeMap<PeerId, VecDeque<u64>>,
    /// What its script does to the frames of its signaling.
    pub(super) tampering: Tampering,
    /// The next join is sent twice.
    pub(super) joins_twice: bool,
    /// The present socket has confirmed a join.
    pub(super) was_welcomed: bool,
    /// What it has said before that.
    pub(super) early_messages: Vec<Message>,
    /// Last messages that came before the room was said to have ended.
    pub(super) early_fins: BTreeSet<PeerId>,

    pub(super) timers: Timers<PeerTimer>,
    outputs: VecDeque<PeerOutput>,
}

/// The deadlines of a peer; those of its links are the links' own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PeerTimer {
    /// The next step is due.
    Step,
    /// The next chat message is due.
    Chat,
    /// A `wait` or `barrier` has failed.
    WaitExpiry,
    /// The server did not answer a join.
    JoinExpiry,
    /// Nobody has acted on a join that no server answers.
    Unheard,
    /// The next attempt to open the socket.
    Reconnect,
    /// The server did not answer the ping at the end of the script.
    Fence,
    /// The room did not settle.
    Settle,
    /// It has, but for an offer that is not answered.
    Exchange,
    /// Something did not close.
    Gone,
    /// The server has to be asked whether it is still there.
    Heartbeat,
    /// It has not answered.
    HeartbeatExpiry,
    /// A server without pings is taken to have processed what it was sent.
    AssumedPong,
    /// The server takes the socket for dead unless it hears something now.
    Keepalive,
    /// Who was not introduced by now is from outside.
    Strangers,
    /// Copies of descriptions are due.
    Copies,
    /// Frames that were held back are due.
    Frames,
    /// A fault of the way to the server is planned to be over.
    SignalingFaultEnd,
    /// A fault of the link to that remote is planned to be over.
    FaultEnd(PeerId),
    /// The link to that remote has not recovered.
    FaultExpiry(PeerId),
}

/// What a peer is told.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerInput {
    /// Its arrival.
    Arrive,
    /// The signaling socket of that number is open.
    SignalingOpened(u32),
    /// It could not be opened, or is closed.
    SignalingLost(u32, SignalingEnd),
    /// A frame came in on it.
    Frame(u32, String),
    /// Something happened on a connection.
    Connection {
        remote: PeerId,
        generation: Generation,
        event: ConnectionEvent,
    },
    /// Everybody has reached the barrier.
    BarrierReleased(BarrierId),
    /// What a step does to the server, of this peer or another, has been done.
    ServerHit { fault: ServerFault, planned: Instant },
    /// Its machine is awake again, after so long.
    Woke { slept: Duration, clock: SleepingClock },
    /// A step of another peer has stopped the TURN server; at `ends` there may be another one.
    TurnStopped { planned: Instant, ends: Instant },
    /// A step of `0` offers to this peer now, and wants this peer to offer as well.
    OfferTogether(PeerId),
    /// This peer has got onto the list of who is in the room, which holds these others.
    Introduced(Vec<(PeerId, Member)>),
    /// Another one is not on that list any more.
    Parted { remote: PeerId, reason: LeaveReason },
    /// Another one has got onto it; `again`: it was on it before.
    Met {
        remote: PeerId,
        introduction: Introduction,
        again: bool,
    },
    /// Every script of the room has ended.
    RoomEnded,
    /// Everybody of the room has settled (or the run stops early): leave and end.
    Leave,
}

/// What a peer wants.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerOutput {
    /// Open the signaling socket, with that number from now on. What the last one says is ignored.
    OpenSignaling(u32),
    /// Send a frame on it.
    SendFrame(String),
    /// Close it.
    CloseSignaling,
    /// Do this to the connection of that generation to `remote`.
    Connection {
        remote: PeerId,
        generation: Generation,
        command: ConnectionCommand,
    },
    /// The signaling server has offered it these STUN and TURN servers, in the place of those before.
    IceServersOffered(Vec<OfferedIceServer>),
    /// Do this to its sockets.
    Network(NetworkCommand),
    /// Do this to the server now, and tell every peer when it is done.
    Server { fault: ServerFault, planned: Instant },
    /// Do this to the TURN server now, and tell every other peer if that tears links.
    Turn { fault: TurnFault, planned: Instant },
    /// Have each of these offer to it now, as it does to them.
    OfferTogether(Vec<PeerId>),
    /// The server has let it in: put it onto the list of who is in the room. [`PeerInput::Introduced`] answers.
    Introduce(Introduction),
    /// It has left, or is not there any more: take it off that list.
    Withdraw(LeaveReason),
    /// It has reached a barrier.
    ReachBarrier(BarrierId),
    /// Its script has ended, and the server has processed all that it sent.
    ScriptEnded,
    /// Nothing that concerns it is on its way any more.
    Settled,
    /// It has left, and nothing of it is left.
    Gone,
    /// Tell the event stream.
    Event { remote: Option<PeerId>, kind: EventKind },
}

impl Peer {
    /// The peer `id` of `plan`. `epoch_unix_ms`: the wall clock at the run's start, for the protocol's
    /// time stamps.
    pub fn new(plan: &Plan, id: PeerId, epoch_unix_ms: u64) -> Self {
        let mine = Arc::new(plan.peers[id.index()].clone());
        let room = &plan.rooms[mine.room.index()];
        let user_ids: BTreeMap<PeerId, String> = room
            .peers
            .iter()
            .map(|peer| {
                let user_id = &plan.peers[peer.index()].user_id;
                (*peer, plan.protocol.id_on_wire(user_id))
            })
            .collect();
        let has_pairs = plan.abilities().topology.has_pairs();
        Self {
            room_wire_id: room.wire_id.clone(),
            by_user_id: user_ids
                .iter()
                .map(|(peer, user)| (user.clone(), *peer))
                .collect(),
            roommates: match has_pairs {
                true => user_ids.into_iter().filter(|(peer, _)| *peer != id).collect(),
                false => [(PeerId::SERVER, Message::SERVER.to_owned())].into(),
            },
            externals: Externals::new(plan.is_open_to_externals(mine.room)),
            strangers: Strangers::default(),
            list: List::default(),
            join_within: plan.connect_timeout,
            settle_within: plan.connect_timeout.max(plan.message_timeout),
            epoch_unix_ms,
            abilities: plan.abilities(),
            channel_label: plan.protocol.channel_label(),
            media_proof: MediaProof::default(),
            channel_format: plan.protocol.channel_format(),
            chunks: BTreeMap::new(),
            next_message: 1,
            codec: plan.protocol.codec(plan.client(&mine)),
            socket: Socket::Closed,
            socket_number: 0,
            backoff: RootSeed(plan.seed).peer(mine.number, Purpose::SignalingBackoff),
            socket_opened_at: Instant::START,
            heard_server: false,
            pings: Pings::default(),
            incoming: Incoming::default(),
            membership: Membership::Outside,
            incarnation: Incarnation(0),
            join_planned: Instant::START,
            joining_as: None,
            token: None,
            unanswered_joins: 0,
            former_joins: 0,
            join_is_sent: false,
            relayed_at: None,
            members: BTreeSet::new(),
            server_roster: BTreeSet::new(),
            seen: SinceJoin::default(),
            restarted: None,
            survivors: BTreeSet::new(),
            links: BTreeMap::new(),
            memories: BTreeMap::new(),
            generations: BTreeMap::new(),
            live: BTreeSet::new(),
            leaving: Vec::new(),
            script: Script::new(mine.arrive_at),
            next_seq: 0,
            phase: Phase::Running,
            faults: BTreeMap::new(),
            unrecovered: BTreeSet::new(),
            recover_within: plan.connect_timeout,
            next_probe: 1,
            copies: Copies::default(),
            seed: RootSeed(plan.seed),
            offered: Offered::default(),
            taken_before: BTreeMap::new(),
            tampering: Tampering::new(RootSeed(plan.seed).peer(mine.number, Purpose::Frames)),
            joins_twice: false,
            was_welcomed: false,
            early_messages: Vec::new(),
            early_fins: BTreeSet::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            plan: mine,
        }
    }

    /// Next thing that the peer wants; `None` once it is drained.
    pub fn poll_output(&mut self) -> Option<PeerOutput> {
        self.outputs.pop_front()
    }

    /// When [`Peer::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let links = self.links.values().filter_map(Link::next_timeout).min();
        [self.timers.next(), links].into_iter().flatten().min()
    }

    /// Takes an input.
    pub fn handle(&mut self, input: PeerInput, now: Instant) {
        if self.phase == Phase::Gone {
            return;
        }
        match input {
            PeerInput::Arrive => {
                if !self.abilities.socket_is_membership {
                    self.open_socket();
                }
                self.run_script(now);
            }
            PeerInput::SignalingOpened(number)
            | PeerInput::SignalingLost(number, _)
            | PeerInput::Frame(number, _)
                if number != self.socket_number => {}
            PeerInput::SignalingOpened(_) => self.socket_opened(now),
            PeerInput::SignalingLost(_, end) => self.socket_lost(end, now),
            PeerInput::Frame(number, text) => {
                self.heard_server = true;
                self.take_in(number, text, now);
            }
            PeerInput::Connection {
                remote,
                generation,
                event,
            } => self.handle_connection(remote, generation, event, now),
            PeerInput::BarrierReleased(barrier) => self.barrier_released(barrier, now),
            PeerInput::ServerHit { fault, planned } => self.server_hit(fault, planned, now),
            PeerInput::Woke { slept, clock } => self.woke(slept, clock),
            PeerInput::TurnStopped { planned, ends } => self.turn_stopped(planned, ends, now),
            PeerInput::OfferTogether(remote) => self.offer_anew_to(remote, now),
            PeerInput::Introduced(there) => self.introduced(there, now),
            PeerInput::Parted { remote, reason } => self.parted(remote, reason, now),
            PeerInput::Met {
                remote,
                introduction,
                again,
            } => self.met(remote, introduction, again, now),
            PeerInput::RoomEnded => self.settle(now),
            PeerInput::Leave => self.leave_for_good(now),
        }
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((timer, _)) = self.timers.expire(now) {
            match timer {
                PeerTimer::Step => self.run_script(now),
                PeerTimer::Chat => self.send_chat(now),
                PeerTimer::WaitExpiry => self.wait_expired(now),
                PeerTimer::JoinExpiry => self.join_expired(now),
                PeerTimer::Unheard => {
                    self.confirm_relayed();
                    self.check_wait(now);
                }
                PeerTimer::Reconnect => self.reconnect(),
                PeerTimer::Fence => self.report_ended(),
                PeerTimer::Settle => self.report_settled(),
                PeerTimer::Exchange => self.exchange_overdue(),
                PeerTimer::Gone => self.be_gone(now),
                PeerTimer::Heartbeat => self.send_heartbeat(now),
                PeerTimer::HeartbeatExpiry => self.heartbeat_expired(now),
                PeerTimer::AssumedPong => self.assume_pong(now),
                PeerTimer::Keepalive => self.keep_alive(now),
                PeerTimer::Strangers => self.strangers_due(now),
                PeerTimer::Copies => self.send_copies(now),
                PeerTimer::Frames => self.release_frames(now),
                PeerTimer::SignalingFaultEnd => self.signaling_fault_ended(now),
                PeerTimer::FaultEnd(remote) => self.fault_ended(remote, now),
                PeerTimer::FaultExpiry(remote) => self.fault_expired(remote),
            }
        }
        let due: Vec<PeerId> = self
            .links
            .iter()
            .filter(|(_, link)| link.next_timeout().is_some_and(|at| at <= now))
            .map(|(remote, _)| *remote)
            .collect();
        for remote in due {
            if let Some(link) = self.links.get_mut(&remote) {
                link.handle_timeout(now);
            }
            self.drain_link(remote, now);
        }
    }

    fn handle_connection(
        &mut self,
        remote: PeerId,
        generation: Generation,
        event: ConnectionEvent,
        now: Instant,
    ) {
        if matches!(event, ConnectionEvent::Closed | ConnectionEvent::CreateFailed(_)) {
            self.connection_gone(remote, generation, now);
        }
        if event == ConnectionEvent::Closed {
            return;
        }
        if let Some(link) = self.links.get_mut(&remote) {
            link.handle_connection(generation, event, now);
            self.drain_link(remote, now);
            self.check_settled(now);
        }
        self.check_parted(remote, now);
        if remote == PeerId::SERVER {
            return self.check_server_channel(now);
        }
        // A member whose socket closed, and who went on talking to us until now.
        let deserted = |link: &Link| !link.is_open() || link.is_unwell();
        if !self.members.contains(&remote) && self.links.get(&remote).is_some_and(deserted) {
            if self.is_member() {
                self.seen.left.insert(remote);
            }
            self.let_go(remote, "member_left", now);
            self.check_wait(now);
        }
    }

    pub(super) fn rules(&self) -> &ClientRules {
        &self.plan.rules
    }

    /// The name of the current or last join.
    pub(super) fn name(&self) -> &str {
        self.joining_as.as_deref().unwrap_or(&self.plan.user_id)
    }

    pub(super) fn capacity(&self) -> u32 {
        let planned = u32::try_from(self.by_user_id.len()).unwrap_or(u32::MAX);
        self.externals.places() + planned.max(DEFAULT_CAPACITY)
    }

    pub(super) fn unix_ms(&self, now: Instant) -> u64 {
        self.epoch_unix_ms + now.as_micros() / 1_000
    }

    pub(super) fn output(&mut self, output: PeerOutput) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, kind: EventKind) {
        self.event_of(None, kind);
    }

    pub(super) fn event_of(&mut self, remote: Option<PeerId>, kind: EventKind) {
        // To whoever reads events, peers are those of the plan.
        let (remote, kind) = match remote {
            Some(remote) if remote.is_external() => match self.externals.told(remote, kind) {
                Some(kind) => (None, kind),
                None => return,
            },
            remote => (remote, kind),
        };
        self.outputs.push_back(PeerOutput::Event { remote, kind });
    }
}
