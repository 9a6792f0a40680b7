//! The reference server on the command line, for its own binary and for programs that carry it.

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use crate::{
    Config, Handle, Server,
    limits::{RateLimit, RoomLimits},
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
    listen: SocketAddr,

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

    /// Frames that a socket may send per second, in bursts of ten times as many; 0: no limit
    #[arg(long, env = "REFERENCE_SERVER_RATE_LIMIT", value_name = "FRAMES", default_value_t = RateLimit::default().per_second)]
    rate_limit: u32,

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
}

fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        let limits = RoomLimits {
            rate: match args.rate_limit {
                0 => None,
                per_second => Some(RateLimit::per_second_in_bursts(per_second)),
            },
            ..RoomLimits::default()
        };
        Self {
            hub: HubConfig {
                relay_mode: args.relay_mode,
                grace: args.grace,
                limits,
            },
            websocket_url: args.websocket_url,
            stun_servers: args.stun,
            ..Self::default()
        }
    }
}

/// Serves until Ctrl-C or SIGTERM. Failing to listen is told on stderr, with exit code 2.
pub async fn serve(args: Args) -> ExitCode {
    let listen = args.listen;
    let server = match Server::bind(listen, args.into()).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {}", cannot_listen(listen, &error));
            return ExitCode::from(2);
        }
    };
    let handle = server.spawn();
    tracing::info!(url = handle.url(), "listening");
    until_told_to_stop().await;
    stop(handle).await;
    ExitCode::SUCCESS
}

async fn stop(handle: Handle) {
    let stats = handle.stats();
    tracing::info!(
        clients = stats.hub.clients,
        rooms = stats.hub.rooms,
        "shutting down"
    );
    handle.shutdown().await;
    tracing::info!(
        frames_in = stats.hub.frames_in,
        frames_out = stats.hub.frames_out,
        "stopped"
    );
}

/// What happened and what to do about it.
fn cannot_listen(addr: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has this port: stop it, or choose another with `--listen` (port 0 takes a free one)"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose another with `--listen`",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: `127.0.0.1` serves it alone, `0.0.0.0` the network, too"
        }
        _ => "choose another address with `--listen`",
    };
    format!("cannot listen on {addr}: {error}\n{advice}")
}

/// Returns on Ctrl-C, and on SIGTERM where there is one.
async fn until_told_to_stop() {
    let interrupt = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be caught");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
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

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn without_arguments_the_configuration_is_the_librarys() {
        let args = Line::try_parse_from(["reference-server"]).expect("no argument is needed");
        assert_eq!(Config::from(args.args), Config::default());
    }

    #[test]
    fn arguments_reach_the_configuration() {
        let line =
            "reference-server --relay-mode deployed --grace 250ms --rate-limit 0 --stun stun:a --stun stun:b";
        let config = Config::from(
            Line::try_parse_from(line.split(' '))
                .expect("fair arguments")
                .args,
        );
        assert_eq!(config.hub.relay_mode, RelayMode::Deployed);
        assert_eq!(config.hub.grace, Duration::from_millis(250));
        assert_eq!(config.hub.limits.rate, None);
        assert_eq!(config.stun_servers, ["stun:a", "stun:b"]);
        let error =
            Line::try_parse_from(["reference-server", "--relay-mode", "mesh"]).expect_err("no such mode");
        assert!(error.to_string().contains("neither `rooms` nor `deployed`"));
    }

    #[test]
    fn a_taken_port_comes_with_advice() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 8080));
        let text = cannot_listen(addr, &io::ErrorKind::AddrInUse.into());
        assert!(
            text.contains("127.0.0.1:8080") && text.contains("--listen"),
            "{text}"
        );
    }
}
