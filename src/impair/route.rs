use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use super::{Crossing, Delivery, DropReason, Fate, Profile, Shaper};
use crate::base::{Instant, PeerId};

/// One direction of everything that a peer's datagrams cross: its access link, which they share, and beyond it the
/// ways to single remotes.
///
/// In either direction the access link comes first, though on the way to the peer it is the last in truth: so it
/// meets datagrams in the order of time, and its rate is shared as it should be. The delays add up all the same.
#[derive(Debug, Clone)]
pub struct Route {
    /// The access link.
    pub link: Shaper,
    remotes: BTreeMap<PeerId, Shaper>,
}

/// What a way has done to datagrams beside delaying them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lost by a profile's loss, copies included.
    pub lost: u64,
    /// Dropped by a full queue, copies included.
    pub queue_full: u64,
    /// Copied.
    pub duplicated: u64,
    /// Came out with a bit flipped, copies included.
    pub corrupted: u64,
    /// Came out before something that went in earlier.
    pub reordered: u64,
}

impl Route {
    /// A way that has carried nothing yet.
    pub fn new(link: Shaper) -> Self {
        Self {
            link,
            remotes: BTreeMap::new(),
        }
    }

    /// Changes what the way to `remote` is like beyond the link. `rng`: where its chance comes from, if it was
    /// like nothing so far.
    pub fn set_remote(&mut self, remote: PeerId, profile: Profile, rng: impl FnOnce() -> ChaCha8Rng) {
        match self.remotes.get_mut(&remote) {
            Some(shaper) => shaper.set_profile(profile),
            None => {
                self.remotes.insert(remote, Shaper::new(profile, rng()));
            }
        }
    }

    /// No remote's way is of its own any more. What is on one stays in order.
    pub fn clear_remotes(&mut self) {
        for shaper in self.remotes.values_mut() {
            shaper.set_profile(Profile::none());
        }
    }

    /// Whether everything passes at once.
    pub fn is_none(&self) -> bool {
        let mut remotes = self.remotes.values();
        self.link.profile().is_none() && remotes.all(|shaper| shaper.profile().is_none())
    }

    /// A datagram of `bytes` on the wire to or from `remote` goes in: how it comes out, and its copy, as far as they
    /// do. `tally` is told the rest. At most one copy is made of a datagram.
    pub fn admit(
        &mut self,
        bytes: usize,
        remote: PeerId,
        now: Instant,
        tally: &mut Tally,
    ) -> [Option<Delivery>; 2] {
        let crossing = self.link.admit(bytes, now);
        self.go_on(bytes, remote, crossing, tally)
    }

    /// A message of `bytes` came out of a stream over the link at that instant, and goes on as a datagram.
    pub fn beyond_stream(
        &mut self,
        bytes: usize,
        remote: PeerId,
        came: Instant,
        tally: &mut Tally,
    ) -> [Option<Delivery>; 2] {
        let original = Fate::Deliver(Delivery::at(came));
        self.go_on(bytes, remote, Crossing { original, copy: None }, tally)
    }

    fn go_on(
        &mut self,
        bytes: usize,
        remote: PeerId,
        crossing: Crossing,
        tally: &mut Tally,
    ) -> [Option<Delivery>; 2] {
        let mut copy = crossing.copy;
        let mut original = crossing.original;
        if let (Fate::Deliver(came), Some(beyond)) = (original, self.remotes.get_mut(&remote)) {
            let further = beyond.take(bytes, came, copy.is_none());
            original = further.original;
            copy = match copy {
                None => further.copy,
                Some(Fate::Deliver(came)) => Some(beyond.take(bytes, came, false).original),
                dropped => dropped,
            };
        }
        tally.duplicated += u64::from(copy.is_some());
        [Some(original), copy].map(|fate| match fate? {
            Fate::Deliver(delivery) => {
                tally.corrupted += u64::from(delivery.flip.is_some());
                tally.reordered += u64::from(delivery.overtook);
                Some(delivery)
            }
            Fate::Drop(DropReason::Lost) => {
                tally.lost += 1;
                None
            }
            Fate::Drop(DropReason::QueueFull) => {
                tally.queue_full += 1;
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU64, time::Duration};

    use rand::SeedableRng;

    use super::*;

    const BOB: PeerId = PeerId(1);
    const CAROL: PeerId = PeerId(2);

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn delayed(millis: u64) -> Profile {
        Profile {
            delay: Duration::from_millis(millis),
            ..Profile::none()
        }
    }

    fn route(link: Profile, to_bob: Profile) -> Route {
        let mut way = Route::new(Shaper::new(link, rng()));
        way.set_remote(BOB, to_bob, || ChaCha8Rng::seed_from_u64(8));
        way
    }

    /// When it comes out, in ms.
    fn at(way: &mut Route, remote: PeerId, now: u64) -> Vec<u64> {
        let out = way.admit(1_250, remote, Instant::from_millis(now), &mut Tally::default());
        out.into_iter()
            .flatten()
            .map(|delivery| delivery.at.as_micros() / 1_000)
            .collect()
    }

    #[test]
    fn delays_add_up_for_that_remote_alone_and_the_rate_is_everybodys() {
        let link = Profile {
            rate_bits_per_s: NonZeroU64::new(1_000_000),
            ..delayed(20)
        };
        let mut way = route(link, delayed(100));
        // 10 ms of sending each.
        assert_eq!(at(&mut way, BOB, 0), [130]);
        assert_eq!(at(&mut way, CAROL, 0), [40]);
        assert_eq!(at(&mut way, BOB, 0), [150]);
        way.clear_remotes();
        assert_eq!(at(&mut way, BOB, 100), [150], "it does not overtake");
        assert_eq!(at(&mut way, BOB, 200), [230]);
    }

    #[test]
    fn a_copy_is_made_once_and_what_it_was_copied_from_may_be_lost_beyond_the_link() {
        let twice = Profile {
            duplicate: "100%".parse().expect("a share"),
            ..delayed(10)
        };
        let mut both = route(twice, twice);
        assert_eq!(at(&mut both, CAROL, 0), [10, 10]);
        assert_eq!(at(&mut both, BOB, 100), [120, 120]);
        let half = Profile {
            loss: "50%".parse().expect("a share"),
            ..Profile::none()
        };
        let mut way = route(twice, half);
        let mut tally = Tally::default();
        let came: usize = (0..1_000)
            .map(|i| {
                let now = Instant::from_millis(100 * i);
                way.admit(100, BOB, now, &mut tally).iter().flatten().count()
            })
            .sum();
        assert_eq!(tally.duplicated, 1_000);
        assert_eq!(tally.lost as usize + came, 2_000);
        assert!((900..1_100).contains(&came), "{came}");
    }

    #[test]
    fn what_has_overtaken_on_the_link_stays_ahead_beyond_it() {
        let link = Profile {
            reorder: "50%".parse().expect("a share"),
            ..delayed(50)
        };
        let mut way = route(link, delayed(7));
        let mut tally = Tally::default();
        let mut out = Vec::new();
        for i in 0..100 {
            let now = Instant::from_millis(i);
            out.extend(way.admit(100, BOB, now, &mut tally)[0].map(|delivery| (delivery, i)));
        }
        let held = |(delivery, i): &(Delivery, u64)| delivery.at >= Instant::from_millis(i + 57);
        let first = out.iter().position(held).expect("half of them");
        let ahead = out[first..].iter().filter(|one| !held(one)).count();
        assert!((30..70).contains(&ahead), "{ahead}");
        assert_eq!(tally.reordered as usize, ahead);
        let early = out[first..].iter().filter(|one| !held(one));
        assert!(
            early
                .into_iter()
                .all(|(delivery, i)| delivery.at == Instant::from_millis(i + 7))
        );
    }

    #[test]
    fn a_way_is_like_nothing_when_all_of_it_is() {
        let mut way = route(Profile::none(), Profile::none());
        assert!(way.is_none());
        way.set_remote(CAROL, delayed(1), rng);
        assert!(!way.is_none());
        way.clear_remotes();
        assert!(way.is_none());
        way.link.set_profile(delayed(1));
        assert!(!way.is_none());
    }
}
