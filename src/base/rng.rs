use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::PeerId;

/// What a stream of random numbers is for; streams of different purposes never touch each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Arrival instants.
    Arrivals = 1,
    /// Ranges in scripts (`pause: 0s..500ms`).
    Script = 2,
    /// What a peer decides while it runs: back-off jitter, message padding.
    Peer = 3,
    /// Impairments of a peer's network.
    Network = 4,
    /// In a simulation: who goes first, and how long frames take.
    Schedule = 5,
}

/// The one number that a run repeats from.
///
/// It splits by peer and purpose: one more peer changes nobody else's stream, and a peer's stream does
/// not depend on who drew before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootSeed(pub u64);

impl RootSeed {
    /// The stream for the whole run.
    pub fn run(self, purpose: Purpose) -> ChaCha8Rng {
        self.stream(u32::MAX, purpose)
    }

    /// The stream of one peer.
    pub fn peer(self, peer: PeerId, purpose: Purpose) -> ChaCha8Rng {
        self.stream(peer.0, purpose)
    }

    fn stream(self, whose: u32, purpose: Purpose) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(u64::from(whose) << 8 | purpose as u64);
        rng
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn streams_differ_by_peer_and_purpose_and_repeat_by_seed() {
        let draw = |seed, peer, purpose| RootSeed(seed).peer(PeerId(peer), purpose).next_u64();
        assert_eq!(draw(7, 0, Purpose::Script), draw(7, 0, Purpose::Script));
        assert_ne!(draw(7, 0, Purpose::Script), draw(7, 1, Purpose::Script));
        assert_ne!(draw(7, 0, Purpose::Script), draw(7, 0, Purpose::Peer));
        assert_ne!(draw(7, 0, Purpose::Script), draw(8, 0, Purpose::Script));
    }
}
