use std::{fmt, str::FromStr, time::Duration};

use crate::limits::RoomLimits;

/// How room frames are relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RelayMode {
    /// What the protocol's design promises: rooms are registered and nothing leaves them.
    #[default]
    Rooms,
    /// What the deployment does: every frame to every subscriber, `client_count` to everybody, ghosts and all.
    Deployed,
}

impl RelayMode {
    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rooms => "rooms",
            Self::Deployed => "deployed",
        }
    }
}

impl fmt::Display for RelayMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RelayMode {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "rooms" => Ok(Self::Rooms),
            "deployed" => Ok(Self::Deployed),
            _ => Err(format!("`{word}` is neither `rooms` nor `deployed`")),
        }
    }
}

/// What a [`Hub`](super::Hub) is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// How room frames are relayed.
    pub relay_mode: RelayMode,
    /// How long a membership outlives its socket; zero: not at all. Without meaning in deployed mode.
    pub grace: Duration,
    /// What the rooms bear.
    pub limits: RoomLimits,
}

impl HubConfig {
    /// The grace time that the protocol names.
    pub const GRACE_DEFAULT: Duration = Duration::from_secs(5);
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            relay_mode: RelayMode::default(),
            grace: Self::GRACE_DEFAULT,
            limits: RoomLimits::default(),
        }
    }
}
