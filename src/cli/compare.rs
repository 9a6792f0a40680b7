//! `rtcstorm compare`: two sets of runs → worse, not worse, or cannot tell.

use std::io::{self, IsTerminal};

use super::{
    compare_ab,
    compare_args::{CompareArgs, Format, GateArgs},
    compare_runs::{Found, Trouble, evidence, find, gates},
    no_color, print_data,
};
use crate::{
    compare::{Comparison, compare as judge},
    report::{comparison, terminal::Look},
    verdict::ExitCode,
};

/// `rtcstorm compare`.
pub(super) fn compare(args: &CompareArgs) -> ExitCode {
    if !args.ab.is_empty() {
        return compare_ab::compare_ab(args);
    }
    match compared(args) {
        Ok(compared) => {
            print(&compared, format(args));
            comparison::exit_code(compared.verdict)
        }
        Err(trouble) => {
            trouble.print();
            ExitCode::Configuration
        }
    }
}

fn compared(args: &CompareArgs) -> Result<Comparison, Trouble> {
    let side = |first: &Option<String>, more: &[String]| -> Vec<String> {
        first.iter().chain(more).cloned().collect()
    };
    let base = side(&args.base_runs, &args.base);
    let new = side(&args.new_runs, &args.new);
    for (named, flag) in [(&base, "BASE"), (&new, "NEW")] {
        if named.is_empty() {
            return Err(Trouble::new(
                format!("no runs to compare: {flag} is missing"),
                "`rtcstorm compare BASE NEW`, or `--base DIR --new DIR`, each as often as there are folders",
            ));
        }
    }
    let baselines = &args.folder.baseline_dir;
    let of_base = find(&base, baselines)?;
    let of_new = find(&new, baselines)?;
    sides(
        (&base.join(" + "), &of_base),
        (&new.join(" + "), &of_new),
        &args.gates,
        args.force,
    )
}

/// Compares two sides that were found, if they may be.
pub(super) fn sides(
    base: (&str, &Found),
    new: (&str, &Found),
    args: &GateArgs,
    force: bool,
) -> Result<Comparison, Trouble> {
    let against = evidence(base.1, new.1, force)?;
    let (gates, margins) = gates(args, &base.1.runs)?;
    let mut compared = judge((base.0, &base.1.runs), (new.0, &new.1.runs), &gates, &margins);
    compared.forced = against;
    Ok(compared)
}

pub(super) fn format(args: &CompareArgs) -> Format {
    match args.json {
        true => Format::Json,
        false => args.format,
    }
}

pub(super) fn print(compared: &Comparison, format: Format) {
    match format {
        Format::Text => print_data(comparison::terminal::comparison(
            compared,
            look(io::stdout().is_terminal()),
        )),
        Format::Markdown => print_data(comparison::markdown::comparison(compared)),
        Format::Json => print_data(comparison::json::comparison(compared)),
    }
}

/// How text is laid out on this terminal.
pub(super) fn look(is_terminal: bool) -> Look {
    Look {
        width: terminal_size::terminal_size()
            .map_or(100, |(width, _)| usize::from(width.0))
            .clamp(60, 120),
        colour: is_terminal && !no_color(),
    }
}
