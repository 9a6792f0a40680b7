use clap::CommandFactory;

use super::{
    args::{Args, CompletionsArgs},
    print_data,
};
use crate::verdict::ExitCode;

/// `rtcstorm completions`: a script for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print_data(script);
    ExitCode::Pass
}
