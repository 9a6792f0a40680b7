use std::time::{SystemTime, UNIX_EPOCH};

use super::{jwt::Mint, secrets::Secrets, texts::Values};
use crate::{
    base::PeerId,
    signaling::{Address, Carrier},
};

/// Whom a run's peers are on the wire.
#[derive(Debug, Clone, Default)]
pub struct Guests {
    /// The run's id, if it has one there.
    pub run: String,
    /// By peer.
    pub peers: Vec<Guest>,
    /// What carries their frames.
    pub carrier: Carrier,
    /// How many there are in the whole plan, of which this may be a segment.
    pub of: usize,
}

/// One peer.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Its place in the whole plan.
    pub number: usize,
    /// Its user id.
    pub user: String,
    /// Its room's id.
    pub room: String,
    /// What its protocol puts behind the target's URL.
    pub address: Address,
}

/// Those who ask to be let in, and what their variables stand for.
pub(super) struct Visitors {
    pub guests: Guests,
    pub mint: Option<Mint>,
    pub secrets: Secrets,
}

impl Visitors {
    /// What `make` makes of that peer's values, a token that is minted now among them.
    ///
    /// # Errors
    /// In words: the token can't be signed, or what `make` says.
    pub fn with<T>(
        &self,
        peer: PeerId,
        make: impl FnOnce(&Values<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let guest = self.guests.peers.get(peer.index());
        let mut values = Values {
            peer: guest.map_or(peer.index(), |guest| guest.number),
            user: guest.map_or("", |guest| &guest.user),
            room: guest.map_or("", |guest| &guest.room),
            run: &self.guests.run,
            row: self.secrets.row(peer),
            jwt: "",
        };
        let token;
        if let Some(mint) = &self.mint {
            token = mint.token(&values, unix_s())?;
            values.jwt = &token;
        }
        make(&values)
    }
}

/// Seconds since 1970.
pub(super) fn unix_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs()
}
