use std::time::Duration;

use serde::Serialize;

use super::{Access, ClientRules, Ice, Mutant, Network, TurnFault, source::Span};
use crate::{
    base::{DurationRange, Fraction, Rate},
    impair::{FrameKind, FrameWay, Nat, Treatment},
    signaling::Protocol,
};

/// How many peers a scenario may have in all.
pub const MAX_PEERS: u32 = 20_000;
/// How many steps one peer may have once every `repeat` is unrolled.
pub const MAX_STEPS_PER_PEER: u64 = 10_000;
/// How many steps all peers together may have once every `repeat` is unrolled.
pub const MAX_STEPS: u64 = 1_000_000;
/// How deep one `repeat` may stand in another.
pub const MAX_REPEAT_DEPTH: usize = 8;
/// The largest chat message, in bytes of `content`: 16 KiB, the size up to which RFC 8831 (section 6.6)
/// advises to send while messages are not interleaved.
pub const MAX_MESSAGE_BYTES: u64 = 16 * 1024;
/// How many chat messages one `chat` step may post.
pub const MAX_CHAT_COUNT: u32 = 1_000_000;
/// How many copies of one frame a `duplicate_offer` or `duplicate_answer` may send.
pub const MAX_COPIES: u32 = 1_000;
/// The shortest `window` of a threshold: in less there are no figures to speak of.
pub const MIN_WINDOW: Duration = Duration::from_secs(1);
/// The patience of a `wait` or `barrier` without `within`, and of `connect_timeout` and `message_timeout`.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a scenario file says, typed and checked. Made by [`parse`](super::parse) and nobody else; to change
/// a value, see [`Override`](super::Override).
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Letters, digits, `.`, `_` and `-`: it becomes part of file names.
    pub name: String,
    /// One line for people.
    pub about: Option<String>,
    /// The root seed; `None` is 0.
    pub seed: Option<u64>,
    /// Whom it is played against.
    pub target: Target,
    /// How many rooms.
    pub rooms: u32,
    /// How many peers each room has: the sum over `groups`.
    pub peers: u32,
    /// When peers arrive.
    pub arrive: Arrival,
    /// The parts of a room; exactly one, without a name, if the file has no `groups:`.
    pub groups: Vec<Group>,
    /// The clients that are known to break in it, in the order of the file.
    pub mutants: Vec<Mutant>,
    /// In the order of the file.
    pub thresholds: Vec<Threshold>,
    /// When a link that has not opened counts as failed.
    pub connect_timeout: Duration,
    /// When a message that has not arrived counts as lost.
    pub message_timeout: Duration,
    /// After this everybody leaves.
    pub duration: Option<Duration>,
    /// What begins before this, counted from the run's start, leaves no sample; zero: there is no warm-up.
    pub warm_up: Duration,
    /// FNV-1a (64 bits) of the file's text and of every override, as 16 hexadecimal digits.
    pub hash: String,
}

/// Whom a scenario is played against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What is spoken on the wire.
    pub protocol: Protocol,
    /// `ws://` or `wss://`, of a protocol that HTTP carries `http://` or `https://`; `None` starts the bundled server for
    /// the run.
    pub url: Option<String>,
    /// How it relays: what the bundled server is started as, and what the one at `url` is taken for.
    pub relay_mode: RelayMode,
    /// What starts and ends the one at `url`, where a step does.
    pub control: Option<Box<Control>>,
    /// Where the one at `url` tells what it holds, in the text format of Prometheus: `http://`.
    pub metrics: Option<String>,
    /// How the one at `url` lets peers in, where that takes more than its URL.
    pub access: Option<Box<Access>>,
}

/// How a server relays frames, and so how its clients know where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayMode {
    /// As the protocol's design promises: what is said in a room stays in it.
    #[default]
    Rooms,
    /// As the deployment does: every frame to every subscriber, whatever its room.
    Deployed,
}

impl Target {
    /// The host of the URL: no scheme, credentials, port or brackets.
    pub fn host(&self) -> Option<&str> {
        host(self.url.as_deref()?)
    }

    /// The same of `metrics`.
    pub fn metrics_host(&self) -> Option<&str> {
        host(self.metrics.as_deref()?)
    }
}

fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => host.split(':').next(),
    }
}

/// When peers arrive: an open model, nobody waits for anybody. Peers arrive in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// All in one instant.
    AtOnce,
    /// Spread evenly over a span: of `n` peers, peer `k` arrives at `k * over / n`.
    Over(Duration),
    /// One after the other at a fixed rate, the first at once.
    Rate(Rate),
    /// Ramps, one after the other; the last one's `to` is the number of peers.
    Stages(Vec<Stage>),
}

/// One ramp of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// How long it lasts.
    pub over: Duration,
    /// How many peers have arrived in all at its end; never below the stage before.
    pub to: u32,
}

/// Peers of a room that do the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// `None` for the one group of a scenario that has top-level `steps:`.
    pub name: Option<String>,
    /// How many of a room's peers.
    pub peers: u32,
    /// How they negotiate.
    pub rules: ClientRules,
    /// What the access link of each of them is like at first.
    pub network: Network,
    /// What each of them is behind; `None`: nothing.
    pub nat: Option<Nat>,
    /// How their connections find a path.
    pub ice: Ice,
    /// What they do. Never empty.
    pub steps: Vec<Step>,
}

/// A step and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: StepKind,
}

/// What peers can be told to do.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Join the room.
    Join {
        /// `join: {expect: rejected}`: the server has to refuse.
        expect_rejected: bool,
    },
    /// Leave the room.
    Leave,
    /// Leave and join again in the same instant.
    Rejoin,
    /// Go on when something holds.
    Wait {
        /// What.
        target: WaitFor,
        /// Patience.
        within: Duration,
    },
    /// Do nothing for a while, drawn anew by every peer at every time.
    Pause(DurationRange),
    /// Go on when all peers of the room are here.
    Barrier {
        /// Its name.
        name: String,
        /// Patience.
        within: Duration,
    },
    /// Post chat messages to everybody in the room.
    Chat {
        /// Between two of them.
        every: Duration,
        /// How many; at least 1.
        count: u32,
        /// Bytes of each one's content.
        size: u32,
        /// From the first message to the next step; at least `every * (count - 1)`.
        lasts: Duration,
    },
    /// The same steps several times.
    Repeat {
        /// How often; at least 1.
        times: u32,
        /// Never empty.
        steps: Vec<Step>,
    },
    /// The user name for the next joins.
    Rename(String),
    /// Renegotiate on every open link, and send the frame of each offer again.
    DuplicateOffer {
        /// How often the frame is repeated; at least 1.
        copies: u32,
        /// Over which time the copies are spread; zero sends all at once.
        within: Duration,
        /// Each copy is another frame with the same description.
        afresh: bool,
    },
    /// Send the frame of every answer of the next while again.
    DuplicateAnswer {
        /// How often each frame is repeated; at least 1.
        copies: u32,
        /// Over which time the copies are spread; zero sends all at once.
        within: Duration,
        /// For how long answers are repeated; above zero.
        lasting: Duration,
        /// Each copy is another frame with the same description.
        afresh: bool,
    },
    /// Do something to frames of the peer's signaling from now on.
    Signaling(SignalingFault),
    /// Offer on links at the same time as their other ends.
    Glare {
        /// Only on those to these; empty: on every open one.
        with: Vec<Party>,
    },
    /// Send the last offers of the previous membership once more.
    StaleOffer {
        /// Only to these; empty: to everybody.
        with: Vec<Party>,
    },
    /// Join the room, and ask for it twice.
    JoinTwice,
    /// Send what no client would.
    SendRaw(RawFrames),
    /// Restart ICE.
    IceRestart {
        /// On which links.
        links: RestartLinks,
        /// Whether both ends restart; otherwise the lower id of each link does.
        both: bool,
    },
    /// Take the network away for a while. The next step comes after it.
    DropNetwork(DropNetwork),
    /// Let no UDP pass.
    BlockUdp {
        /// How long; above zero. The next step comes after it. `None` is until the end, and the next step comes at
        /// once.
        lasting: Option<Duration>,
    },
    /// Move to another network.
    Roam {
        /// What becomes of the signaling socket.
        signaling: SocketOnRoam,
    },
    /// Have the NAT forget how it maps the UDP sockets.
    NatRebind,
    /// Sleep, like a laptop whose lid is closed.
    Suspend {
        /// How long; above zero. The next step comes after it.
        lasting: Duration,
        /// What the clock does meanwhile.
        clock: SleepingClock,
    },
    /// Change what the access link is like.
    Network(Network),
    /// Cut the signaling socket.
    CutSignaling(Cut),
    /// End like a process that is killed.
    Crash,
    /// Do something to the server, for everybody.
    Server(ServerFault),
    /// Do something to the bundled STUN and TURN server, for everybody.
    Turn(TurnFault),
}

/// The name in `with` for those of the room's other half: the peers of a room in their order are two halves, and
/// the first is the larger by one if they are odd.
pub const OTHER_HALF: &str = "other_half";

/// What a `drop_network` takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropNetwork {
    /// From which sockets.
    pub scope: Scope,
    /// Which way.
    pub direction: Ways,
    /// How long; above zero.
    pub lasting: Duration,
    /// Only towards these; empty: towards everybody.
    pub with: Vec<Party>,
    /// Towards the server, too. Only beside `with`.
    pub server_lost: bool,
}

/// Which ways a network is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ways {
    /// Both.
    Both,
    /// What the peer sends is lost.
    Out,
    /// What is sent to the peer is lost.
    In,
}

/// What becomes of the signaling socket of a peer that moves to another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketOnRoam {
    /// It is of the old address: the client hears at once that it is lost, the server does not.
    Broken,
    /// The same, and the client does not hear of it either (half-open).
    Silent,
    /// It lives on, as over a proxy or a second interface.
    Kept,
}

/// What the clock of a machine does while that sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SleepingClock {
    /// It stands still (`CLOCK_MONOTONIC` on Linux): what was due in 2 s is due 2 s after waking.
    Stops,
    /// It goes on (`mach_continuous_time`, `CLOCK_BOOTTIME`): what has become due fires at once on waking.
    Jumps,
}

/// What happens to which frames of a peer's signaling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalingFault {
    /// What happens.
    pub treatment: Treatment,
    /// To which share of the frames that are meant; above zero.
    pub share: Fraction,
    /// Of which kinds; empty: of all.
    pub of: Vec<FrameKind>,
    /// Which way; `None`: both.
    pub way: Option<FrameWay>,
    /// Only what is from, for or about these; empty: all.
    pub with: Vec<Party>,
    /// For how long; `None` only with a `count`. It ends with the script in any case.
    pub lasting: Option<Duration>,
    /// After so many treated frames it is over.
    pub count: Option<u32>,
}

/// What a `send_raw` sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RawFrames {
    /// A text, as it is.
    Text {
        /// The frame.
        text: String,
        /// How often.
        times: u32,
    },
    /// Each frame of a set.
    Set(RawSet),
}

/// A set of frames that a server has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RawSet {
    /// Texts that are no frames of the protocol.
    Garbage,
    /// Sound frames that contradict what is so: for who is no member, from another, of another room.
    Misplaced,
    /// One of 1 MiB.
    Oversized,
}

/// A name in `with` and its place: see [`Scenario::party`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// That of a group, or the display name that one peer begins with (`guest-1`).
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// Which links an `ice_restart` concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartLinks {
    /// Every open link.
    All,
    /// The open link to the lowest id.
    One,
}

/// Which of a peer's sockets a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The UDP sockets of connections.
    Media,
    /// The signaling socket.
    Signaling,
    /// All.
    Both,
}

/// How a signaling socket is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// With a closing handshake.
    Closed,
    /// Without one: the transport ends.
    Reset,
    /// Not at all, but nothing comes through any more (half-open) until the peer gives it up.
    Silent,
}

/// What a step does to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerFault {
    /// Its process ends, and another one starts that knows nothing.
    Restart {
        /// How long there is none in between.
        away: Duration,
    },
    /// It stands still: it reads, answers and writes nothing. Its sockets stay open, and afterwards it does all
    /// that has waited.
    Pause {
        /// How long; above zero.
        lasting: Duration,
    },
    /// Its process ends, as that of a restart does.
    Crash {
        /// When another one starts; `None` is never.
        away: Option<Duration>,
    },
    /// It takes longer over each frame of a client's; those of others it reads beside.
    Slow {
        /// So much longer; above zero.
        by: Duration,
        /// How long; above zero.
        lasting: Duration,
    },
}

/// What to run when a step does something to a server that was not started for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Starts it. It is over when it has.
    pub start: Option<CommandLine>,
    /// Ends it.
    pub stop: Option<CommandLine>,
    /// Makes it stand still.
    pub pause: Option<CommandLine>,
    /// Lets it go on.
    pub resume: Option<CommandLine>,
    /// Makes it slow, or slow in another measure.
    pub slow: Option<CommandLine>,
    /// Gives it its speed back.
    pub restore: Option<CommandLine>,
    /// How long each command may take.
    pub within: Duration,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// A program and its arguments, never empty: `[systemctl, restart, signaling]`.
    Words(Vec<String>),
    /// A line for `sh -c`: `kill -STOP $(cat server.pid)`.
    Shell(String),
}

/// What a `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// An open data channel to every other member planned into the room.
    Connected,
    /// The same, to those only that are in the room when the wait begins.
    ConnectedToPresent,
    /// The server's word that the join worked.
    Joined,
    /// The server's word that it did not.
    Rejected,
    /// Data flowing both ways again on every link that the last fault or restart concerned.
    Recovered,
    /// Data from members that are not in the plan.
    External {
        /// From so many; 0: no such member is left.
        count: u32,
    },
}

/// A condition on a metric, kept as text: its grammar is the verdict's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// `reconnect_ms` or `reconnect_ms{path:rejoin}`.
    pub selector: String,
    /// `p(95)<2000`.
    pub expression: String,
    /// Where the expression stands.
    pub span: Span,
    /// `abortOnFail`: the run ends as soon as it fails.
    pub abort_on_fail: bool,
    /// `delayAbortEval`: but not before this is over, counted from the run's start; until then there may be
    /// too few samples for it to mean anything.
    pub delay_abort_eval: Option<Duration>,
    /// `window`: the run is cut into windows of that length, and the condition has to hold in each.
    pub window: Option<Duration>,
}

/// Knows which metrics exist and how a threshold is written.
pub trait ThresholdCheck {
    /// # Errors
    /// Whatever keeps this threshold from being judged.
    fn check(&self, selector: &str, expression: &str) -> Result<(), ThresholdMistake>;
}

/// What is wrong with a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThresholdMistake {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The mistake is in the selector, not in the expression.
    pub in_selector: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_its_host_alone() {
        for (url, host) in [
            ("ws://127.0.0.1:8080/ws/", "127.0.0.1"),
            ("wss://user:secret@rtc.example.org/ws?x=a:b@c", "rtc.example.org"),
            ("ws://[::1]:9000", "::1"),
            ("https://me:pw@whip.example.org:8443/whip?k=v", "whip.example.org"),
        ] {
            let target = Target {
                protocol: Protocol::Dashboard,
                url: Some(url.to_owned()),
                relay_mode: RelayMode::Rooms,
                control: None,
                metrics: None,
                access: None,
            };
            assert_eq!(target.host(), Some(host), "{url}");
        }
    }
}
