use std::fmt;

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

/// What membership tokens grow from. From the OS on a server; from the run's seed in a simulation.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSeed(pub [u8; 32]);

impl From<[u8; 32]> for TokenSeed {
    fn from(seed: [u8; 32]) -> Self {
        Self(seed)
    }
}

impl From<u64> for TokenSeed {
    /// For simulations: whoever knows the number knows every token.
    fn from(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(bytes)
    }
}

impl fmt::Debug for TokenSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSeed(..)")
    }
}

/// The source of tokens: the same seed gives the same tokens in the same order.
#[derive(Debug)]
pub(super) struct Tokens(ChaCha12Rng);

impl Tokens {
    pub(super) fn new(seed: TokenSeed) -> Self {
        Self(ChaCha12Rng::from_seed(seed.0))
    }

    /// 128 bits, as 32 hexadecimal digits.
    pub(super) fn next(&mut self) -> String {
        format!("{:016x}{:016x}", self.0.next_u64(), self.0.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_repeat_by_seed_and_never_in_a_row() {
        let draw = |seed: u64| {
            let mut tokens = Tokens::new(seed.into());
            [tokens.next(), tokens.next()]
        };
        let [first, second] = draw(7);
        assert_eq!(draw(7), [first.clone(), second.clone()]);
        assert_ne!(first, second);
        assert_ne!(draw(8)[0], first);
        assert_eq!(first.len(), 32);
    }
}
