use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Generation, PeerNumber};

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
    /// In a simulation: what a connection draws, its ICE credentials and tie-breaker.
    Crypto = 6,
    /// How long a peer waits before it tries to get its signaling socket back.
    SignalingBackoff = 20,
    /// How much longer a client waits before it tries to get back what it has lost.
    Recovery = 13,
    /// In a simulation: ports of NATs and of the TURN server.
    Nat = 16,
    /// Which runs a calibration draws for each side.
    Comparison = 18,
    /// Faults of a peer's signaling frames.
    Frames = 17,
}

/// The one number that a run repeats from.
///
/// It splits by peer and purpose: one more peer changes nobody else's stream, and a peer's stream does
/// not depend on who drew before it, or on whether others are played at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootSeed(pub u64);

impl RootSeed {
    /// The stream for the whole run.
    pub fn run(self, purpose: Purpose) -> ChaCha8Rng {
        self.stream(u32::MAX, purpose)
    }

    /// The stream of one peer.
    pub fn peer(self, peer: PeerNumber, purpose: Purpose) -> ChaCha8Rng {
        self.stream(peer.0, purpose)
    }

    /// The stream of one connection of a peer's, or of a link from its `generation` on: a generation is never used again towards a remote.
    pub fn connection(
        self,
        peer: PeerNumber,
        remote: PeerNumber,
        generation: Generation,
        purpose: Purpose,
    ) -> ChaCha8Rng {
        let mut key = self.key();
        // From 1: a peer's own streams have zeros there.
        key[8..16].copy_from_slice(&(u64::from(remote.0) + 1).to_le_bytes());
        key[16..24].copy_from_slice(&u64::from(generation.0).to_le_bytes());
        keyed(key, peer.0, purpose)
    }

    /// The stream of the way between a peer and a remote, beyond the peer's access link; `part`: which direction.
    pub fn path(self, peer: PeerNumber, remote: PeerNumber, part: u8) -> ChaCha8Rng {
        // Connections have generations, so there is nothing of theirs under this purpose.
        self.connection(peer, remote, Generation(u32::from(part)), Purpose::Network)
    }

    fn stream(self, whose: u32, purpose: Purpose) -> ChaCha8Rng {
        keyed(self.key(), whose, purpose)
    }

    fn key(self) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key
    }
}

fn keyed(key: [u8; 32], whose: u32, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(u64::from(whose) << 8 | purpose as u64);
    rng
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn streams_differ_by_peer_and_purpose_and_repeat_by_seed() {
        let draw = |seed, peer, purpose| RootSeed(seed).peer(PeerNumber(peer), purpose).next_u64();
        assert_eq!(draw(7, 0, Purpose::Script), draw(7, 0, Purpose::Script));
        assert_ne!(draw(7, 0, Purpose::Script), draw(7, 1, Purpose::Script));
        assert_ne!(draw(7, 0, Purpose::Script), draw(7, 0, Purpose::Peer));
        assert_ne!(draw(7, 0, Purpose::Script), draw(8, 0, Purpose::Script));
    }

    #[test]
    fn every_connection_has_a_stream_of_its_own() {
        let draw = |peer, remote, generation| {
            let (peer, remote) = (PeerNumber(peer), PeerNumber(remote));
            RootSeed(7)
                .connection(peer, remote, Generation(generation), Purpose::Crypto)
                .next_u64()
        };
        assert_eq!(draw(0, 1, 1), draw(0, 1, 1));
        for other in [draw(1, 0, 1), draw(0, 2, 1), draw(0, 1, 2)] {
            assert_ne!(draw(0, 1, 1), other);
        }
        let own = RootSeed(7).peer(PeerNumber(0), Purpose::Crypto).next_u64();
        assert_ne!(draw(0, 0, 0), own);
    }
}
