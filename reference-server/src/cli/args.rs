use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::builder::NonEmptyStringValueParser;
use thiserror::Error;

use crate::{
    Config, Origin, RateLimit, RoomLimits, SocketLimits, Tls, TlsError, TurnConfig, TurnSecret,
    protocol::limits::{FRAME_BYTES_MAX, PARTICIPANTS_MAX, ROOMS_MAX},
    room::{HubConfig, RelayMode},
};

/// The options of a server.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port; port 0 takes a free one
    #[arg(
        long,
        env = "REFERENCE_SERVER_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8080"
    )]
    pub(super) listen: SocketAddr,

    /// `rooms`: rooms as the protocol's design promises them, nothing leaves a room;
    /// `deployed`: what the deployment does, every frame to every subscriber, ghosts and all
    #[arg(
        long,
        env = "REFERENCE_SERVER_RELAY_MODE",
        value_name = "MODE",
        default_value_t
    )]
    relay_mode: RelayMode,

    /// How long a membership outlives its socket (`5s`, `500ms`, `0s`)
    #[arg(long, env = "REFERENCE_SERVER_GRACE", value_name = "TIME", default_value = "5s", value_parser = duration)]
    grace: Duration,

    /// A STUN server for `/api/config`, such as `stun:stun.example.org:3478`; may be given more than once
    #[arg(
        long,
        env = "REFERENCE_SERVER_STUN",
        value_name = "URL",
        value_delimiter = ','
    )]
    stun: Vec<String>,

    /// The WebSocket's URL for `/api/config` [default: what the request came to]
    #[arg(long, env = "REFERENCE_SERVER_WEBSOCKET_URL", value_name = "URL")]
    websocket_url: Option<String>,

    /// Pages of this origin alone may open a socket, such as `https://app.example.org`; may be given more
    /// than once. Requests without `Origin` come from no page and pass [default: any]
    #[arg(
        long,
        env = "REFERENCE_SERVER_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    allow_origin: Vec<Origin>,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    turn: TurnArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Frames that a socket may send per second, in bursts of ten times as many; 0: no limit
    #[arg(long, env = "REFERENCE_SERVER_RATE_LIMIT", value_name = "FRAMES", default_value_t = RateLimit::default().per_second)]
    rate_limit: u32,

    /// Bytes of a frame; a longer one closes its socket with 1009
    #[arg(long, env = "REFERENCE_SERVER_FRAME_BYTES_MAX", value_name = "BYTES", default_value_t = FRAME_BYTES_MAX, value_parser = at_least_one)]
    frame_bytes_max: usize,

    /// Rooms; one more is refused
    #[arg(long, env = "REFERENCE_SERVER_ROOMS_MAX", value_name = "ROOMS", default_value_t = ROOMS_MAX)]
    rooms_max: usize,

    /// Members that a room may ask for; a room that asks for more is refused
    #[arg(long, env = "REFERENCE_SERVER_MEMBERS_PER_ROOM_MAX", value_name = "MEMBERS", default_value_t = PARTICIPANTS_MAX, value_parser = clap::value_parser!(u32).range(1..))]
    members_per_room_max: u32,

    /// WebSockets; one more is closed with 1013
    #[arg(long, env = "REFERENCE_SERVER_SOCKETS_MAX", value_name = "SOCKETS", default_value_t = SocketLimits::SOCKETS_MAX_DEFAULT)]
    sockets_max: usize,

    /// Frames that may wait for one client; at one more it is closed with 1013
    #[arg(long, env = "REFERENCE_SERVER_QUEUE_FRAMES_MAX", value_name = "FRAMES", default_value_t = SocketLimits::QUEUE_FRAMES_MAX_DEFAULT, value_parser = at_least_one)]
    queue_frames_max: usize,

    /// Bytes that may wait for one client; at more it is closed with 1013
    #[arg(long, env = "REFERENCE_SERVER_QUEUE_BYTES_MAX", value_name = "BYTES", default_value_t = SocketLimits::QUEUE_BYTES_MAX_DEFAULT, value_parser = at_least_one)]
    queue_bytes_max: usize,

    /// How often a client is pinged; `0s`: never
    #[arg(long, env = "REFERENCE_SERVER_PING_EVERY", value_name = "TIME", default_value = "20s", value_parser = duration)]
    ping_every: Duration,

    /// A client from which nothing came for so long, not even a pong, is gone; `0s`: never
    #[arg(long, env = "REFERENCE_SERVER_SILENCE_MAX", value_name = "TIME", default_value = "60s", value_parser = duration)]
    silence_max: Duration,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
struct TlsArgs {
    /// The certificate chain, PEM, the server's own first; with it the server speaks TLS alone
    #[arg(
        long,
        env = "REFERENCE_SERVER_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM, not encrypted
    #[arg(
        long,
        env = "REFERENCE_SERVER_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TURN")]
struct TurnArgs {
    /// A file with the secret shared with the TURN server (coturn's `static-auth-secret`)
    #[arg(
        long,
        env = "REFERENCE_SERVER_TURN_SECRET_FILE",
        value_name = "FILE",
        conflicts_with = "turn_secret"
    )]
    turn_secret_file: Option<PathBuf>,

    /// The secret itself. Everybody on the machine can read a command line: put it into the environment, or
    /// into a file
    #[arg(
        long,
        env = "REFERENCE_SERVER_TURN_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    turn_secret: Option<String>,

    /// A URL of the TURN server for `/api/turn-credentials`, such as `turn:turn.example.org:3478`; may be
    /// given more than once
    #[arg(long, env = "REFERENCE_SERVER_TURN_URL", value_name = "URL", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    turn_url: Vec<String>,

    /// How long TURN credentials hold
    #[arg(long, env = "REFERENCE_SERVER_TURN_TTL", value_name = "TIME", default_value = "24h", value_parser = duration)]
    turn_ttl: Duration,
}

/// Why options make no server.
#[derive(Debug, Error)]
pub enum ArgsError {
    /// A file cannot be read.
    #[error("cannot read {} ({option}): {error}", path.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Certificate and key are of no use.
    #[error("--tls-cert and --tls-key: {0}")]
    Tls(#[from] TlsError),
    /// There is a TURN server without a secret.
    #[error(
        "--turn-url is given, but no secret: put it into REFERENCE_SERVER_TURN_SECRET, or into a file for --turn-secret-file"
    )]
    NoTurnSecret,
    /// There is a secret without a TURN server.
    #[error("a TURN secret is given, but no TURN server: name it with --turn-url")]
    NoTurnUrl,
    /// There is nothing in the secret.
    #[error("the TURN secret is empty")]
    EmptyTurnSecret,
    /// Everybody would be gone before they were asked.
    #[error(
        "--silence-max ({silence_max:?}) must be longer than --ping-every ({ping_every:?}), or clients that are well count as gone"
    )]
    Silence {
        /// `--silence-max`
        silence_max: Duration,
        /// `--ping-every`
        ping_every: Duration,
    },
}

impl TryFrom<Args> for Config {
    type Error = ArgsError;

    /// Reads the files that the options name.
    fn try_from(args: Args) -> Result<Self, ArgsError> {
        let (limits, sockets) = args.limits.read()?;
        Ok(Self {
            hub: HubConfig {
                relay_mode: args.relay_mode,
                grace: args.grace,
                limits,
            },
            websocket_url: args.websocket_url,
            stun_servers: args.stun,
            turn: args.turn.read()?,
            tls: args.tls.read()?,
            allow_origins: args.allow_origin.into_iter().collect(),
            sockets,
        })
    }
}

impl LimitArgs {
    fn read(self) -> Result<(RoomLimits, SocketLimits), ArgsError> {
        let unless_zero = |time: Duration| (!time.is_zero()).then_some(time);
        let (ping_every, silence_max) = (unless_zero(self.ping_every), unless_zero(self.silence_max));
        if let (Some(ping_every), Some(silence_max)) = (ping_every, silence_max)
            && silence_max <= ping_every
        {
            return Err(ArgsError::Silence {
                silence_max,
                ping_every,
            });
        }
        let rooms = RoomLimits {
            frame_bytes_max: self.frame_bytes_max,
            rate: match self.rate_limit {
                0 => None,
                per_second => Some(RateLimit::per_second_in_bursts(per_second)),
            },
            rooms_max: self.rooms_max,
            members_per_room_max: self.members_per_room_max,
        };
        let sockets = SocketLimits {
            sockets_max: self.sockets_max,
            queue_frames_max: self.queue_frames_max,
            queue_bytes_max: self.queue_bytes_max,
            ping_every,
            silence_max,
        };
        Ok((rooms, sockets))
    }
}

impl TlsArgs {
    fn read(self) -> Result<Option<Tls>, ArgsError> {
        let (Some(cert), Some(key)) = (self.tls_cert, self.tls_key) else {
            return Ok(None);
        };
        let (cert, key) = (file("--tls-cert", &cert)?, file("--tls-key", &key)?);
        Ok(Some(Tls::from_pem(&cert, &key)?))
    }
}

impl TurnArgs {
    fn read(self) -> Result<Option<TurnConfig>, ArgsError> {
        let secret = match (self.turn_secret, self.turn_secret_file) {
            (Some(secret), _) => secret,
            (None, Some(path)) => String::from_utf8_lossy(&file("--turn-secret-file", &path)?).into_owned(),
            (None, None) if self.turn_url.is_empty() => return Ok(None),
            (None, None) => return Err(ArgsError::NoTurnSecret),
        };
        if self.turn_url.is_empty() {
            return Err(ArgsError::NoTurnUrl);
        }
        Ok(Some(TurnConfig {
            secret: TurnSecret::new(&secret).ok_or(ArgsError::EmptyTurnSecret)?,
            urls: self.turn_url,
            ttl: self.turn_ttl,
        }))
    }
}

fn file(option: &'static str, path: &Path) -> Result<Vec<u8>, ArgsError> {
    fs::read(path).map_err(|error| ArgsError::File {
        option,
        path: path.to_owned(),
        error,
    })
}

fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn config(options: &str) -> Result<Config, ArgsError> {
        let line = ["reference-server"].into_iter().chain(options.split_whitespace());
        Config::try_from(Line::try_parse_from(line).expect("fair arguments").args)
    }

    fn refused(options: &str) -> String {
        let line = ["reference-server"].into_iter().chain(options.split_whitespace());
        Line::try_parse_from(line).expect_err("refused").to_string()
    }

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn without_arguments_the_configuration_is_the_librarys() {
        assert_eq!(config("").expect("no argument is needed"), Config::default());
    }

    #[test]
    fn arguments_reach_the_configuration() {
        let config = config(
            "--relay-mode deployed --grace 250ms --stun stun:a --stun stun:b \
             --allow-origin https://a.example --allow-origin http://b.example:3000 \
             --rate-limit 0 --frame-bytes-max 1000 --rooms-max 2 --members-per-room-max 3 --sockets-max 4 \
             --queue-frames-max 5 --queue-bytes-max 6 --ping-every 7s --silence-max 8s \
             --turn-secret north --turn-url turn:a --turn-url turns:b --turn-ttl 1h",
        );
        let origin = |text: &str| text.parse::<Origin>().expect("an origin");
        let expected = Config {
            hub: HubConfig {
                relay_mode: RelayMode::Deployed,
                grace: Duration::from_millis(250),
                limits: RoomLimits {
                    frame_bytes_max: 1_000,
                    rate: None,
                    rooms_max: 2,
                    members_per_room_max: 3,
                },
            },
            websocket_url: None,
            stun_servers: vec!["stun:a".into(), "stun:b".into()],
            turn: Some(TurnConfig {
                secret: TurnSecret::new("north").expect("a secret"),
                urls: vec!["turn:a".into(), "turns:b".into()],
                ttl: Duration::from_secs(3_600),
            }),
            tls: None,
            allow_origins: [origin("https://a.example"), origin("http://b.example:3000")]
                .into_iter()
                .collect(),
            sockets: SocketLimits {
                sockets_max: 4,
                queue_frames_max: 5,
                queue_bytes_max: 6,
                ping_every: Some(Duration::from_secs(7)),
                silence_max: Some(Duration::from_secs(8)),
            },
        };
        assert_eq!(config.expect("fair arguments"), expected);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        assert!(refused("--relay-mode mesh").contains("neither `rooms` nor `deployed`"));
        assert!(refused("--tls-cert a.pem").contains("--tls-key"));
        assert!(refused("--tls-key a.pem").contains("--tls-cert"));
        assert!(refused("--allow-origin *").contains("leave the option out"));
        assert!(refused("--queue-frames-max 0").contains("at least 1"));
        assert!(refused("--turn-secret a --turn-secret-file b").contains("cannot be used with"));
        let told = |options: &str| config(options).expect_err("no server").to_string();
        assert!(told("--turn-url turn:a").contains("no secret"));
        assert!(told("--turn-secret a").contains("--turn-url"));
        assert!(told("--turn-secret= --turn-url turn:a").contains("empty"));
        assert!(told("--ping-every 60s").contains("--silence-max"));
        assert!(config("--ping-every 60s --silence-max 0s").is_ok());
        let missing = told("--turn-secret-file no/such/file --turn-url turn:a");
        assert!(missing.contains("no/such/file (--turn-secret-file)"), "{missing}");
        let missing = told("--tls-cert no/such/cert --tls-key no/such/key");
        assert!(missing.contains("no/such/cert (--tls-cert)"), "{missing}");
    }
}
