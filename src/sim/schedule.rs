use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reference_server::room::ClientId;

use super::executor::Order;
use crate::base::{Generation, PeerId, Purpose, RootSeed};

/// What of the order of things is left to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    /// Nothing: who was woken first goes first, every frame takes one hop, and operations take no time.
    #[default]
    Fifo,
    /// The seed decides which of those that are ready in the same instant goes first, and adds up to 20 ms to
    /// the time that each signaling frame takes, and up to 5 ms to each operation of a connection.
    Random,
    /// Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010), of what
    /// peers and server hear, not of threads. Each stream (one direction of a signaling socket; the results of
    /// one connection's operations) has a priority for the whole run: with the highest its items come at once,
    /// with the lowest after 20 ms. At `depth - 1` items of the run, drawn beforehand, the stream at hand drops
    /// to the lowest. So an order that takes `depth` ordered items to go wrong is reached with a probability
    /// that does not vanish in a long run.
    Pct {
        /// From 1.
        depth: u8,
    },
}

/// The most that a frame takes longer: so much that one negotiation step can overtake another's on a
/// different socket.
const FRAME_MAX: Duration = Duration::from_millis(20);
/// The most that an operation takes in a random schedule; with priorities it is the same as for frames, for
/// they are compared.
const OPERATION_MAX: Duration = Duration::from_millis(5);
/// Items among which priorities change. How many a run has isn't known beforehand, so each point is drawn
/// log-uniformly: as likely between the 10th and the 100th as between the 1,000th and the 10,000th.
const ITEMS_MAX: f64 = 10_000.0;

impl Schedule {
    /// Who goes first, and how long things take, with that seed.
    pub(super) fn draw(self, seed: RootSeed) -> (Order, Delays) {
        let mut root = seed.run(Purpose::Schedule);
        let mut rng = || Box::new(ChaCha8Rng::from_rng(&mut root));
        let (order, how) = match self {
            Self::Fifo => (Order::Fifo, How::None),
            Self::Random => (Order::Random(rng()), How::Random(rng())),
            Self::Pct { depth } => (
                Order::Fifo,
                How::Priorities(Box::new(Priorities::new(*rng(), depth))),
            ),
        };
        (order, Delays(Mutex::new(how)))
    }
}

/// Whose items stay in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    ToServer(ClientId),
    ToClient(ClientId),
    /// Of that peer, towards that remote.
    Operations(PeerId, PeerId, Generation),
}

/// How much longer things take than they have to.
pub(super) struct Delays(Mutex<How>);

enum How {
    None,
    Random(Box<ChaCha8Rng>),
    Priorities(Box<Priorities>),
}

impl Delays {
    /// For the next item of a stream.
    pub fn next(&self, of: Stream) -> Duration {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            How::None => Duration::ZERO,
            How::Random(rng) => {
                let most = match of {
                    Stream::Operations(..) => OPERATION_MAX,
                    Stream::ToServer(_) | Stream::ToClient(_) => FRAME_MAX,
                };
                rng.random_range(Duration::ZERO..=most)
            }
            How::Priorities(priorities) => FRAME_MAX.mul_f64(1.0 - priorities.next(of)),
        }
    }
}

struct Priorities {
    rng: ChaCha8Rng,
    /// From 0, the lowest, to 1.
    streams: BTreeMap<Stream, f64>,
    items: u64,
    /// The items at which a stream drops.
    changes: Vec<u64>,
}

impl Priorities {
    fn new(mut rng: ChaCha8Rng, depth: u8) -> Self {
        let mut change = || ITEMS_MAX.powf(rng.random_range(0.0..1.0)) as u64;
        Self {
            changes: (1..depth).map(|_| change()).collect(),
            rng,
            streams: BTreeMap::new(),
            items: 0,
        }
    }

    fn next(&mut self, of: Stream) -> f64 {
        self.items += 1;
        let priority = self
            .streams
            .entry(of)
            .or_insert_with(|| self.rng.random_range(0.0..1.0));
        if self.changes.contains(&self.items) {
            *priority = 0.0;
        }
        *priority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(client: u64) -> Stream {
        Stream::ToServer(ClientId(client))
    }

    fn drawn(schedule: Schedule, seed: u64, items: u64) -> Vec<Duration> {
        let (_, delays) = schedule.draw(RootSeed(seed));
        (0..items).map(|item| delays.next(socket(item % 3))).collect()
    }

    #[test]
    fn first_in_first_out_takes_no_time_and_chance_takes_as_much_as_it_says() {
        assert!(drawn(Schedule::Fifo, 1, 9).iter().all(Duration::is_zero));
        let frames = drawn(Schedule::Random, 1, 1_000);
        assert!(frames.iter().all(|delay| *delay <= FRAME_MAX));
        assert!(frames.iter().any(|delay| *delay > FRAME_MAX / 2));
        let (_, delays) = Schedule::Random.draw(RootSeed(1));
        let operations = Stream::Operations(PeerId(0), PeerId(1), Generation(1));
        let longest = (0..1_000).map(|_| delays.next(operations)).max();
        assert!(longest.is_some_and(|longest| longest <= OPERATION_MAX && longest > OPERATION_MAX / 2));
    }

    #[test]
    fn a_stream_keeps_its_priority_without_a_change_point() {
        let items = drawn(Schedule::Pct { depth: 1 }, 7, 300);
        for (item, delay) in items.iter().enumerate() {
            assert_eq!(*delay, items[item % 3]);
        }
        assert_ne!(items[0], items[1]);
        assert_eq!(items, drawn(Schedule::Pct { depth: 1 }, 7, 300));
        assert_ne!(items, drawn(Schedule::Pct { depth: 1 }, 8, 300));
    }

    #[test]
    fn a_depth_of_three_drops_at_most_two_streams_to_the_end_of_the_window() {
        let mut dropped = [0; 3];
        for seed in 0..300 {
            let (_, delays) = Schedule::Pct { depth: 3 }.draw(RootSeed(seed));
            let mut last = [Duration::ZERO; 100];
            for item in 0..ITEMS_MAX as u64 {
                last[(item % 100) as usize] = delays.next(socket(item % 100));
            }
            dropped[last.iter().filter(|delay| **delay == FRAME_MAX).count()] += 1;
        }
        // Two points may fall on one stream.
        assert!(dropped[2] > 250 && dropped[0] == 0, "{dropped:?}");
    }

    #[test]
    fn early_and_late_changes_are_as_likely() {
        let early = (0..1_000).filter(|seed| {
            let priorities = Priorities::new(ChaCha8Rng::seed_from_u64(*seed), 2);
            priorities.changes[0] < 100
        });
        let early = early.count();
        assert!((400..600).contains(&early), "{early}");
    }
}
