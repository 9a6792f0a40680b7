use std::{io, net::SocketAddr, process::ExitCode};

use super::Args;
use crate::{Config, Handle, Server};

/// Serves until Ctrl-C or SIGTERM. Options that make no sense and failing to listen are told on stderr, with
/// exit code 2.
pub async fn serve(args: Args) -> ExitCode {
    let listen = args.listen;
    let config = match Config::try_from(args) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let server = match Server::bind(listen, config).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {}", cannot_listen(listen, &error));
            return ExitCode::from(2);
        }
    };
    let handle = server.spawn();
    tracing::info!(url = handle.url(), page = handle.page(), "listening");
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
    use super::*;

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
