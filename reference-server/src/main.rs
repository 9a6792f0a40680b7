//! The reference server on the command line.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// A signaling server that speaks the WebRTC dashboard's protocol.
#[derive(Debug, Parser)]
#[command(version)]
struct Command {
    #[command(flatten)]
    args: reference_server::cli::Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Command::parse().args;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    reference_server::cli::serve(args).await
}
