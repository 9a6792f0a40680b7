use std::{
    collections::BTreeMap,
    fmt,
    ops::Add,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::Host;
use crate::{
    base::{Instant, PeerId, Purpose, RootSeed, Seat},
    impair::{
        AccessLink, Carrier, Cutting, Delivery, Outages, Profile, Remotes, Route, Scope, Shaper,
        SignalingPath, Stream, Tally, TooManyOutages, Way,
    },
};

/// Connections with one remote whose streams to a TURN server have a luck of their own.
const STREAMS_WITH_LUCK: u8 = 120;

/// Which way something crosses a peer's access link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the peer.
    Up,
    /// To the peer.
    Down,
}

impl Direction {
    fn way(self) -> Way {
        match self {
            Self::Up => Way::Out,
            Self::Down => Way::In,
        }
    }
}

/// A peer's access link with everything that crosses it: its connections' datagrams and its signaling.
///
/// One per peer, shared by its sockets, so all of them share the link's rate. The steps of its script change
/// it (`network`, `drop_network`, `crash`); the sockets ask it about every datagram. While nothing is
/// impaired they ask one atomic flag and no more.
pub struct PeerNetwork {
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    /// Something is, or soon will be, impaired.
    impaired: AtomicBool,
    links: Mutex<Links>,
    dropped: DroppedCounts,
    host: Arc<Host>,
    altered: AlteredCounts,
    seed: RootSeed,
    seat: Seat,
}

struct Links {
    up: Route,
    down: Route,
    signaling_up: Stream,
    signaling_down: Stream,
    /// How many connections with each remote have had streams to a TURN server.
    streams: BTreeMap<PeerId, u8>,
    outages: Outages,
}

/// Both directions of what one connection sends to a TURN server and gets from there over TCP.
#[derive(Debug, Clone)]
pub(super) struct TurnStreams {
    up: Stream,
    down: Stream,
}

/// Why a datagram did not cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    Outage,
    Overflow,
}

#[derive(Default)]
struct DroppedCounts {
    lost: AtomicU64,
    queue_full: AtomicU64,
    blocked: AtomicU64,
    overflowed: AtomicU64,
}

/// Datagrams of a peer's connections that did not cross its link, in either direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Lost by the profile's loss.
    pub lost: u64,
    /// Dropped by the link's full queue.
    pub queue_full: u64,
    /// Vanished in an outage, or since the crash.
    pub blocked: u64,
    /// Dropped by a limit of ours: more were on their way through one socket than it may hold.
    pub overflowed: u64,
}

impl Add for Dropped {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            lost: self.lost + more.lost,
            queue_full: self.queue_full + more.queue_full,
            blocked: self.blocked + more.blocked,
            overflowed: self.overflowed + more.overflowed,
        }
    }
}

#[derive(Default)]
struct AlteredCounts {
    duplicated: AtomicU64,
    corrupted: AtomicU64,
    reordered: AtomicU64,
}

/// Datagrams of a peer's connections that its link let pass, but not as they were, in either direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Altered {
    /// Copied.
    pub duplicated: u64,
    /// Let out with a bit flipped.
    pub corrupted: u64,
    /// Let out before something that went in earlier.
    pub reordered: u64,
}

impl Add for Altered {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            duplicated: self.duplicated + more.duplicated,
            corrupted: self.corrupted + more.corrupted,
            reordered: self.reordered + more.reordered,
        }
    }
}

impl PeerNetwork {
    /// The unimpaired network of a peer. `clock` is the peer's world's; randomness comes from the peer's
    /// stream of `seed` for networks, one part for each direction of datagrams and of signaling.
    pub fn new(seed: RootSeed, seat: Seat, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let mut root = seed.peer(seat.number, Purpose::Network);
        let mut rng = || ChaCha8Rng::from_rng(&mut root);
        Self {
            clock: Box::new(clock),
            impaired: AtomicBool::new(false),
            links: Mutex::new(Links {
                up: Route::new(Shaper::new(Profile::none(), rng())),
                down: Route::new(Shaper::new(Profile::none(), rng())),
                signaling_up: Stream::new(rng()).towards(Way::Out),
                signaling_down: Stream::new(rng()).towards(Way::In),
                streams: BTreeMap::new(),
                outages: Outages::default(),
            }),
            dropped: DroppedCounts::default(),
            host: Arc::default(),
            altered: AlteredCounts::default(),
            seed,
            seat,
        }
    }

    /// The same for a machine that moves or sleeps, or does neither.
    pub fn on(mut self, host: Host) -> Self {
        self.host = Arc::new(host);
        self
    }

    /// The machine behind the link.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Changes what the link is like, both ways alike and towards everybody: see [`PeerNetwork::set`].
    pub fn set_profile(&self, profile: Profile) {
        self.set(AccessLink::both(profile), &[]);
    }

    /// Changes what the link is like, and what lies beyond it towards single remotes, for what enters it from now
    /// on. Nothing overtakes what is on its way already.
    ///
    /// The chance of the way to a remote comes from a stream of the two, so that one more of them changes nothing for the
    /// others.
    pub fn set(&self, link: AccessLink, paths: &[(PeerId, AccessLink)]) {
        let mut links = self.links();
        let Links { up, down, .. } = &mut *links;
        for (way, of, part) in [
            (up, AccessLink::up as fn(&AccessLink) -> Profile, 0),
            (down, AccessLink::down, 1),
        ] {
            way.link.set_profile(of(&link));
            way.clear_remotes();
            for (remote, path) in paths {
                let rng = || self.luck_towards(*remote, part);
                way.set_remote(*remote, of(path), rng);
            }
        }
        self.note_impairments(&links);
    }

    /// Cuts the network from `from` until `until`: what enters the link or comes out of it meanwhile
    /// vanishes. A cut from named remotes cuts their datagrams only, never the way to the server.
    ///
    /// # Errors
    /// Too many different cuts at once; this one is not made.
    pub fn drop_network(
        &self,
        scope: Scope,
        remotes: Remotes,
        from: Instant,
        until: Instant,
    ) -> Result<(), TooManyOutages> {
        self.cut(Cutting::both_ways(scope, remotes), from, until)
    }

    /// The same for one way, or for UDP alone.
    ///
    /// # Errors
    /// Too many different cuts at once; this one is not made.
    pub fn cut(&self, what: Cutting, from: Instant, until: Instant) -> Result<(), TooManyOutages> {
        let mut links = self.links();
        let made = links.outages.cut(what, from, until);
        self.note_impairments(&links);
        made
    }

    /// Cuts everything for ever: what is left of a crashed peer answers nothing, not even ICE consent.
    pub fn mute(&self) {
        let mut links = self.links();
        links.outages.mute();
        self.note_impairments(&links);
    }

    /// A signaling frame of `bytes` enters the link at `now`; when it comes out, never before `now` nor
    /// before an earlier one of its direction. `None`: never, and nothing after it either.
    pub fn signaling(&self, bytes: usize, direction: Direction, now: Instant) -> Option<Instant> {
        let links = &mut *self.links();
        let (stream, link) = match direction {
            Direction::Up => (&mut links.signaling_up, &mut links.up.link),
            Direction::Down => (&mut links.signaling_down, &mut links.down.link),
        };
        stream.admit(bytes, now, link, &links.outages)
    }

    /// A new signaling socket is open: nothing of the last one's is in its way.
    pub fn signaling_opened(&self) {
        let mut links = self.links();
        links.signaling_up.reconnect();
        links.signaling_down.reconnect();
    }

    /// How the way to the signaling server is at `now`: no new socket opens while it is not open.
    pub fn signaling_path(&self, now: Instant) -> SignalingPath {
        self.links().outages.signaling(now)
    }

    /// What did not cross so far.
    pub fn dropped(&self) -> Dropped {
        let DroppedCounts {
            lost,
            queue_full,
            blocked,
            overflowed,
        } = &self.dropped;
        Dropped {
            lost: lost.load(Ordering::Relaxed),
            queue_full: queue_full.load(Ordering::Relaxed),
            blocked: blocked.load(Ordering::Relaxed),
            overflowed: overflowed.load(Ordering::Relaxed),
        }
    }

    /// What crossed, but not as it was.
    pub fn altered(&self) -> Altered {
        let AlteredCounts {
            duplicated,
            corrupted,
            reordered,
        } = &self.altered;
        Altered {
            duplicated: duplicated.load(Ordering::Relaxed),
            corrupted: corrupted.load(Ordering::Relaxed),
            reordered: reordered.load(Ordering::Relaxed),
        }
    }

    pub(super) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Whether datagrams have to ask at all.
    pub(super) fn is_impaired(&self) -> bool {
        // Acquire: after `mute` has returned, no thread lets anything pass.
        self.impaired.load(Ordering::Acquire)
    }

    /// A datagram of `bytes` on the wire to or from `remote` enters the link: how it comes out, and its copy, as
    /// far as they do.
    pub fn admit(
        &self,
        direction: Direction,
        carrier: Carrier,
        remote: PeerId,
        bytes: usize,
    ) -> [Option<Delivery>; 2] {
        let links = &mut *self.links();
        // Read inside of the lock, so that a link's time does not run backwards.
        let now = self.now();
        if links.outages.blocks(remote, direction.way(), carrier, now) {
            self.blame(Blame::Outage);
            return [None, None];
        }
        let way = match direction {
            Direction::Up => &mut links.up,
            Direction::Down => &mut links.down,
        };
        let mut tally = Tally::default();
        let deliveries = way.admit(bytes, remote, now, &mut tally);
        self.impaired.store(links.are_impaired(now), Ordering::Release);
        if tally != Tally::default() {
            self.note(&tally);
        }
        deliveries
    }

    fn luck_towards(&self, remote: PeerId, part: u8) -> ChaCha8Rng {
        self.seed
            .path(self.seat.number, self.seat.number_of(remote), part)
    }

    /// The streams of one more connection with `remote`, each with a luck of its own: what crosses beside it changes nothing.
    pub(super) fn turn_streams(&self, remote: PeerId) -> TurnStreams {
        let mut links = self.links();
        let number = links.streams.entry(remote).or_default();
        // The ways beyond the link are the parts 0 and 1. Very many connections begin again.
        let part = 2 + 2 * (*number % STREAMS_WITH_LUCK);
        *number = number.wrapping_add(1);
        let rng = |part| self.luck_towards(remote, part);
        TurnStreams {
            up: Stream::new(rng(part)).towards(Way::Out),
            down: Stream::new(rng(part + 1)).towards(Way::In),
        }
    }

    /// A message of `bytes` to or from `remote` enters the link in a stream to a TURN server: nothing is lost there, or
    /// overtakes; what is lost comes later, and what follows with it. Beyond the relay it is a datagram.
    pub(super) fn admit_to_stream(
        &self,
        streams: &mut TurnStreams,
        direction: Direction,
        remote: PeerId,
        bytes: usize,
    ) -> [Option<Delivery>; 2] {
        let links = &mut *self.links();
        let now = self.now();
        let (stream, way) = match direction {
            Direction::Up => (&mut streams.up, &mut links.up),
            Direction::Down => (&mut streams.down, &mut links.down),
        };
        let outages = &links.outages;
        let path = |at| outages.relayed_one_way(remote, direction.way(), at);
        let came = stream.admit_on(bytes, now, &mut way.link, path);
        let mut tally = Tally::default();
        let deliveries = came.map(|came| way.beyond_stream(bytes, remote, came, &mut tally));
        if deliveries.is_none() {
            self.blame(Blame::Outage);
        }
        self.impaired.store(links.are_impaired(now), Ordering::Release);
        if tally != Tally::default() {
            self.note(&tally);
        }
        deliveries.unwrap_or_default()
    }

    /// Whether a datagram to or from `remote` that has crossed may come out now; it is counted if not. A stream repeats
    /// what an outage meets on its way, so that has its instant already.
    pub(super) fn lets_out(&self, direction: Direction, carrier: Carrier, remote: PeerId) -> bool {
        let blocks = || {
            let links = self.links();
            match carrier {
                Carrier::Udp => links.outages.blocks(remote, direction.way(), carrier, self.now()),
                Carrier::Tcp => links.outages.is_muted(),
            }
        };
        let blocked = self.is_impaired() && blocks();
        if blocked {
            self.blame(Blame::Outage);
        }
        !blocked
    }

    pub(super) fn blame(&self, blame: Blame) {
        let count = match blame {
            Blame::Outage => &self.dropped.blocked,
            Blame::Overflow => &self.dropped.overflowed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, tally: &Tally) {
        for (count, more) in [
            (&self.dropped.lost, tally.lost),
            (&self.dropped.queue_full, tally.queue_full),
            (&self.altered.duplicated, tally.duplicated),
            (&self.altered.corrupted, tally.corrupted),
            (&self.altered.reordered, tally.reordered),
        ] {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_impairments(&self, links: &Links) {
        self.impaired
            .store(links.are_impaired(self.now()), Ordering::Release);
    }
}

impl Links {
    fn are_impaired(&self, now: Instant) -> bool {
        !self.up.is_none() || !self.down.is_none() || !self.outages.are_over(now)
    }
}

impl fmt::Debug for PeerNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.links();
        f.debug_struct("PeerNetwork")
            .field("up", links.up.link.profile())
            .field("down", links.down.link.profile())
            .field("outages", &links.outages)
            .field("dropped", &self.dropped())
            .field("altered", &self.altered())
            .finish_non_exhaustive()
    }
}

/// What a connection's datagrams cross: its peer's network, towards one remote.
#[derive(Debug, Clone)]
pub struct RemotePath {
    /// The link of the peer that the connection belongs to.
    pub network: Arc<PeerNetwork>,
    /// Whom the connection is with, for outages that are from named remotes only.
    pub remote: PeerId,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const REMOTE: PeerId = PeerId(1);

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A network and the clock that it reads, in ms.
    fn network() -> (PeerNetwork, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(0));
        let read = clock.clone();
        let network = PeerNetwork::new(RootSeed(7), Seat::of_whole(PeerId(0)), move || {
            ms(read.load(Ordering::Relaxed))
        });
        (network, clock)
    }

    /// When a datagram comes out, if it does.
    fn admit(network: &PeerNetwork, way: Direction) -> Option<Instant> {
        network.admit(way, Carrier::Udp, REMOTE, 100)[0].map(|delivery| delivery.at)
    }

    fn lossy() -> Profile {
        Profile {
            loss: "20%".parse().expect("a share"),
            ..Profile::none()
        }
    }

    #[test]
    fn the_flag_is_up_from_an_impairment_to_the_first_datagram_after_it() {
        let (network, clock) = network();
        assert!(!network.is_impaired());
        network
            .drop_network(Scope::Media, Remotes::All, ms(10), ms(20))
            .expect("room");
        assert!(network.is_impaired(), "it is about to come");
        assert_eq!(admit(&network, Direction::Up), Some(ms(0)));
        clock.store(10, Ordering::Relaxed);
        assert_eq!(admit(&network, Direction::Up), None);
        assert!(!network.lets_out(Direction::Up, Carrier::Udp, REMOTE));
        clock.store(20, Ordering::Relaxed);
        assert_eq!(admit(&network, Direction::Down), Some(ms(20)));
        assert!(!network.is_impaired());
        assert_eq!(
            network.dropped(),
            Dropped {
                blocked: 2,
                ..Dropped::default()
            }
        );
        network.set_profile(lossy());
        assert!(network.is_impaired());
        network.set_profile(Profile::none());
        assert!(!network.is_impaired());
        network.mute();
        clock.store(1_000_000, Ordering::Relaxed);
        assert_eq!(admit(&network, Direction::Up), None);
        assert!(network.is_impaired());
    }

    /// 2,000 datagrams each way and 20 % loss: both lost is 4 % if they are independent, ± 4 standard errors
    /// of √(0.04 · 0.96 / 2,000) = 0.44 %.
    #[test]
    fn the_two_directions_have_their_own_luck_and_a_seed_repeats_it() {
        let play = || {
            let (network, _) = network();
            network.set_profile(lossy());
            (0..2_000)
                .map(|_| [Direction::Up, Direction::Down].map(|way| admit(&network, way).is_none()))
                .collect::<Vec<_>>()
        };
        let lost = play();
        let both = lost.iter().filter(|lost| **lost == [true, true]).count() as f64 / 2_000.0;
        assert!((both - 0.04).abs() <= 0.0176, "{both}");
        assert_eq!(lost, play());
    }

    #[test]
    fn signaling_does_not_change_the_luck_of_datagrams() {
        let play = |frames: usize| {
            let (network, _) = network();
            network.set_profile(lossy());
            (0..200)
                .map(|_| {
                    for _ in 0..frames {
                        network.signaling(100, Direction::Up, ms(0));
                    }
                    admit(&network, Direction::Up).is_some()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(play(0), play(1));
    }

    #[test]
    fn signaling_crosses_the_same_link_late_but_whole() {
        let (network, _) = network();
        assert_eq!(network.signaling(100, Direction::Up, ms(3)), Some(ms(3)));
        network.set_profile(Profile {
            delay: Duration::from_millis(20),
            ..Profile::none()
        });
        assert_eq!(network.signaling(100, Direction::Up, ms(5)), Some(ms(25)));
        assert_eq!(network.signaling(100, Direction::Down, ms(5)), Some(ms(25)));
        network
            .drop_network(Scope::Signaling, Remotes::All, ms(30), ms(130))
            .expect("room");
        assert_eq!(
            network.signaling_path(ms(30)),
            SignalingPath::BlockedUntil(ms(130))
        );
        // One time-out: 200 ms and the round trip of 40; the delay.
        assert_eq!(network.signaling(100, Direction::Up, ms(30)), Some(ms(290)));
        assert_eq!(admit(&network, Direction::Up), Some(ms(20)), "datagrams pass");
        network.mute();
        assert_eq!(network.signaling(100, Direction::Down, ms(500)), None);
        assert_eq!(network.signaling_path(ms(500)), SignalingPath::Muted);
    }
}
