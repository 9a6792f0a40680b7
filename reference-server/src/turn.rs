use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::protocol::TurnCredentials;

/// The secret that this server shares with a TURN server (coturn's `static-auth-secret`). Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSecret(String);

impl TurnSecret {
    /// `None` if there is nothing but space in it; space around it does not count, so that a file may end
    /// with a line break.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        (!secret.is_empty()).then(|| Self(secret.into()))
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret(..)")
    }
}

/// Whose TURN credentials are given out: the TURN REST API (draft-uberti-behave-turn-rest-00), as coturn's
/// `use-auth-secret` understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnConfig {
    /// What the TURN server checks them with.
    pub secret: TurnSecret,
    /// Where it is: `turn:host:port?transport=udp`, `turns:…`.
    pub urls: Vec<String>,
    /// How long they hold. An allocation cannot be refreshed after it.
    pub ttl: Duration,
}

impl TurnConfig {
    /// A day, as the draft recommends: a call does not outlast it.
    pub const TTL_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

    /// Credentials for that name from now on.
    pub fn credentials(&self, name: &str, now_unix_ms: u64) -> TurnCredentials {
        let ttl = self.ttl.as_secs();
        let username = format!("{}:{name}", (now_unix_ms / 1_000).saturating_add(ttl));
        TurnCredentials {
            credential: self.secret.password(&username),
            username,
            ttl,
            urls: self.urls.clone(),
        }
    }
}

impl TurnSecret {
    /// The password that belongs to a user name. Whether the time in it is over is for the TURN server to say.
    pub fn password(&self, username: &str) -> String {
        BASE64_STANDARD.encode(self.mac(username))
    }

    /// HMAC-SHA1 (RFC 2104), because TURN servers expect no other.
    fn mac(&self, text: &str) -> [u8; 20] {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.0.as_bytes()).expect("a key may have any length");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_rfc_2202() {
        let secret = TurnSecret::new("Jefe").expect("a secret");
        let mac = secret.mac("what do ya want for nothing?");
        let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }

    /// `printf 1795473642:alice | openssl dgst -sha1 -hmac north -binary | base64`
    #[test]
    fn credentials_are_those_that_coturn_computes() {
        let turn = TurnConfig {
            secret: TurnSecret::new("north\n").expect("a secret"),
            urls: vec!["turn:turn.example.org".into()],
            ttl: Duration::from_secs(3_600),
        };
        let credentials = turn.credentials("alice", 1_795_470_042_999);
        assert_eq!(credentials.username, "1795473642:alice");
        assert_eq!(credentials.credential, "rhW49yt2Z5ToswO0fMre/2EolBo=");
        assert_eq!((credentials.ttl, credentials.urls), (3_600, turn.urls.clone()));
        assert!(!format!("{turn:?}").contains("north"));
        assert_eq!(TurnSecret::new(" \n"), None);
    }
}
