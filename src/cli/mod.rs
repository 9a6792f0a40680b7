//! One file per subcommand: arguments → options → call → exit code.
//!
//! An edge, and the only room that writes files and to the terminal.

/// As the standard library's, but whoever has closed stderr, or hung its terminal up, is no reason to panic: peers have
/// to leave their rooms then, too.
macro_rules! eprintln {
    ($($told:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($told)*)));
    }};
}
/// The same without a line's end.
macro_rules! eprint {
    ($($told:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!($($told)*));
    }};
}

mod abort;
mod actions;
mod args;
mod artifacts;
mod baseline;
mod belonging;
mod calibrate;
mod capacity;
mod capacity_args;
mod capacity_server;
mod capacity_step;
mod case;
mod check;
mod children;
mod compare;
mod compare_ab;
mod compare_args;
mod compare_runs;
mod completions;
mod config;
mod doors;
mod dry_run;
mod environment;
mod guard;
mod guard_args;
mod hunt;
mod ice_server;
mod interrupt;
mod live;
mod load;
mod log;
mod machine;
mod measured;
mod merge;
mod mutants;
mod otlp;
mod panics;
mod place;
mod plan;
mod probe;
mod progress;
mod readers;
mod replay;
mod report;
mod reread;
mod run;
mod scenarios;
mod schedule;
mod schema;
mod serve;
mod session;
mod simulate;
mod so_far;
mod spoken;
mod sweep;
mod target_args;
mod verdict;
mod verify;
mod watched;

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::FromArgMatches;
use tracing::Level;
use tracing_subscriber::{
    EnvFilter,
    filter::filter_fn,
    fmt::{
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use self::args::{Args, Command};
use crate::sim::virtual_now;

/// How verbose it is to log what the stack does, too.
const TRACE: u8 = 3;

/// What is never logged in detail, whatever the user says: that would be whole requests, with all that lets us in, and
/// every frame.
const TALKATIVE: [&str; 2] = ["tungstenite", "hyper"];

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    panics::end_on_panic();
    let matches = environment::command().get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let spoken = spoken::mistakes(&words);
    if !spoken.is_empty() {
        spoken.iter().for_each(|mistake| eprintln!("{mistake}"));
        return crate::verdict::ExitCode::Usage.into();
    }
    // A server has nothing but its log to say where it is.
    let verbose = match &args.command {
        Command::Serve(_) => args.verbose + 1,
        Command::Replay(replay) if replay.trace => TRACE,
        _ => args.verbose,
    };
    log_to_stderr(verbose);
    match args.command {
        Command::Run(args) => run::run(&args).into(),
        Command::Hunt(args) => hunt::hunt(&args).into(),
        Command::Replay(args) => replay::replay(&args).into(),
        Command::Report(args) => report::report(&args).into(),
        Command::Merge(args) => merge::merge(&args).into(),
        Command::Compare(args) => compare::compare(&args).into(),
        Command::Calibrate(args) => calibrate::calibrate(&args).into(),
        Command::Capacity(args) => capacity::capacity(&args).into(),
        Command::Check(args) => check::check(&args).into(),
        Command::Probe(args) => probe::probe(&args).into(),
        Command::Plan(args) => plan::plan(&args).into(),
        Command::Scenarios => scenarios::scenarios().into(),
        Command::Serve(args) => serve::serve(args),
        Command::Schema(args) => schema::schema(&args).into(),
        Command::Completions(args) => completions::completions(&args).into(),
        Command::Environment => environment::environment().into(),
    }
}

fn log_to_stderr(verbose: u8) {
    let default = match verbose {
        0 => "rtcstorm=warn,reference_server=warn,off",
        1 => "rtcstorm=info,reference_server=info,warn",
        2 => "rtcstorm=debug,reference_server=debug,info",
        TRACE.. => "debug",
    };
    let filter = EnvFilter::try_from_env("RTCSTORM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(Clock)
        .with_writer(io::stderr)
        // It would be said where it could not be said.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal() && !no_color())
        .finish()
        .with(filter_fn(|of| {
            *of.level() <= Level::INFO || !TALKATIVE.iter().any(|name| of.target().starts_with(name))
        }))
        .init();
}

/// What is logged in a simulation happens in its time: ms since the run's start.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        match virtual_now() {
            Some(now) => write!(to, "{:>12.3} ms", now.as_millis_f64()),
            None => SystemTime.format_time(to),
        }
    }
}

/// Whether the user wants no colours (<https://no-color.org>).
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Writes to stdout. Whoever closed the pipe does not want to read on, which is no failure.
fn print_data(text: impl AsRef<[u8]>) {
    let _ = io::stdout().lock().write_all(text.as_ref());
}
