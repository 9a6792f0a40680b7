//! The variables of the environment that the program looks at.

use std::collections::BTreeMap;

use clap::{Command, CommandFactory};

use super::{args::Args, otlp, print_data};
use crate::verdict::ExitCode;

/// Those that stand in for no option.
const OTHERS: [(&str, &str); 5] = [
    (
        "GITHUB_ACTIONS",
        "`true` in a job of GitHub's: `run` annotates it (see --no-github)",
    ),
    (
        "GITHUB_STEP_SUMMARY",
        "the file that `run` appends its report to then, as Markdown",
    ),
    (
        "NO_COLOR",
        "no colours, if it is not empty (https://no-color.org)",
    ),
    (
        otlp::HEADERS,
        "headers for the collector of --otlp, like `name=value,name=value`",
    ),
    (
        "RTCSTORM_LOG",
        "what is logged, like `rtcstorm=debug,info`; instead of -v",
    ),
];

/// `rtcstorm environment`.
pub(super) fn environment() -> ExitCode {
    print_data(listing());
    ExitCode::Pass
}

/// The command line with the list in its help, which is made from the options themselves.
pub(super) fn command() -> Command {
    Args::command().mut_subcommand("environment", |environment| environment.before_help(listing()))
}

fn listing() -> String {
    let mut all: BTreeMap<String, String> = OTHERS
        .into_iter()
        .map(|(name, what)| (name.to_owned(), what.to_owned()))
        .collect();
    let command = Args::command();
    let mut options = BTreeMap::new();
    collect(&command, &mut options);
    for subcommand in command.get_subcommands() {
        collect(subcommand, &mut options);
    }
    all.extend(options.into_iter().map(|(name, option)| (name, option.told())));
    let width = all.keys().map(String::len).max().unwrap_or(0);
    let lines = all.iter().map(|(name, what)| format!("{name:width$}  {what}\n"));
    format!(
        "{}\nAn option on the command line stands above its variable, both above the scenario's file. A switch is on unless its variable is empty, 0, false, no or off.\n",
        lines.collect::<String>()
    )
}

/// An option that a variable can stand in for.
struct EnvOption {
    long: String,
    /// The subcommands that have it; all, if none is named.
    of: Vec<String>,
}

impl EnvOption {
    /// `--seed of run, check, plan`.
    fn told(self) -> String {
        match self.of.as_slice() {
            [] => format!("--{}", self.long),
            some => format!("--{} of {}", self.long, some.join(", ")),
        }
    }
}

fn collect(command: &Command, into: &mut BTreeMap<String, EnvOption>) {
    let is_root = command.has_subcommands();
    for argument in command.get_arguments() {
        let (Some(name), Some(long)) = (argument.get_env(), argument.get_long()) else {
            continue;
        };
        let option = into
            .entry(name.to_string_lossy().into_owned())
            .or_insert_with(|| EnvOption {
                long: long.to_owned(),
                of: Vec::new(),
            });
        if !is_root {
            option.of.push(command.get_name().to_owned());
        }
    }
}
