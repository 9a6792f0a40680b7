use std::{fmt, str::FromStr, time::Duration};

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

/// How many frames a socket may send: a bucket of `burst` frames that fills by `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Frames at once, at least 1.
    pub burst: u32,
    /// Frames per second in the long run.
    pub per_second: u32,
}

impl Default for RateLimit {
    /// Who joins a mesh of 1,000 answers as many offers and sends some candidates for each: that passes.
    fn default() -> Self {
        Self {
            burst: 20_000,
            per_second: 2_000,
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
    /// `None`: no limit. Without meaning in deployed mode, which has none.
    pub rate_limit: Option<RateLimit>,
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
            rate_limit: Some(RateLimit::default()),
        }
    }
}
