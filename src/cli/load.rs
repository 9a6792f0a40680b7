//! From what the user names to a plan that this machine can carry.

use std::{fs, io::IsTerminal, path::Path};

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::{args::ChangeArgs, machine, no_color};
use crate::{
    plan::{self, Plan, Segment, check_limits},
    scenario::{self, Diagnostics, Override, Scenario, ThresholdCheck, ThresholdMistake},
    signaling::Protocol,
    verdict::{Threshold, ThresholdPart},
};

/// A scenario with its plan.
pub(super) struct Loaded {
    pub scenario: Scenario,
    pub plan: Plan,
}

/// The verdict's grammar, as the scenario language asks for it.
pub(super) struct Grammar;

impl ThresholdCheck for Grammar {
    fn check(&self, selector: &str, expression: &str) -> Result<(), ThresholdMistake> {
        match Threshold::parse(selector, expression) {
            Ok(_) => Ok(()),
            Err(error) => Err(ThresholdMistake {
                help: error.help(),
                in_selector: error.part == ThresholdPart::Selector,
                message: error.to_string(),
            }),
        }
    }
}

/// Reads, checks and expands a scenario. `None`: what is wrong has been printed.
/// `run_id` goes into the room and user ids of a target that is not started for the run.
pub(super) fn load(
    named: &str,
    change: &ChangeArgs,
    segment: Segment,
    run_id: Option<&str>,
) -> Option<Loaded> {
    let scenario = read(named, change)?;
    let seed = scenario.seed.unwrap_or(0);
    let foreign = scenario.target.url.is_some();
    let options = plan::Options {
        run_id: run_id.filter(|_| foreign).map(str::to_owned),
        segment,
    };
    let plan = plan::expand(&scenario, seed, &options);
    if plan.rooms.is_empty() {
        eprintln!(
            "error: {named}: no room falls to segment {segment}\n  help: a segment is whole rooms, and there {}",
            match scenario.rooms {
                1 => "is only 1".to_owned(),
                rooms => format!("are only {rooms}"),
            }
        );
        return None;
    }
    let mistakes = check_limits(&plan, machine::limits());
    for mistake in &mistakes {
        eprintln!("error: {named}: {mistake}\n  help: {}", mistake.help());
    }
    mistakes.is_empty().then_some(Loaded { scenario, plan })
}

/// Whether the target is this machine: then it needs no permission, and peers bind 127.0.0.1. A proxy, or a name that
/// is pinned, can make another one of it.
pub(super) fn is_loopback(scenario: &Scenario) -> bool {
    let is_elsewhere = scenario.target.access.as_ref().is_some_and(|access| {
        let away = |pin: &scenario::HostPin| !pin.address.is_loopback();
        access.proxy.is_some() || access.resolve.iter().any(away)
    });
    if is_elsewhere {
        return false;
    }
    match scenario.target.host() {
        None => scenario.target.url.is_none(),
        Some(host) => is_this_machine(host),
    }
}

/// Whether the server that comes with the program speaks the scenario's protocol, in simulations too; if not, that has
/// been printed.
pub(super) fn is_spoken_here(named: &str, scenario: &Scenario) -> bool {
    let protocol = &scenario.target.protocol;
    let spoken = *protocol == Protocol::Dashboard;
    if !spoken {
        eprintln!(
            "error: {named}: `protocol: {protocol}` is spoken by no server here, and by none in simulations\n  help: `rtcstorm run` it with a `url`, and without `--sim`; or leave the protocol out"
        );
    }
    spoken
}

/// Whether a URL's host is this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn read(named: &str, change: &ChangeArgs) -> Option<Scenario> {
    let text = text_of(named)?;
    match Scenario::with_overrides(named, &text, &overrides(change), &Grammar) {
        Ok(scenario) => Some(scenario),
        Err(mistakes) => {
            eprint!("{}", show(&mistakes));
            None
        }
    }
}

fn text_of(named: &str) -> Option<String> {
    let path = Path::new(named);
    let bundled = scenario::shipped().find(|(name, _)| *name == named);
    if let Some((_, text)) = bundled.filter(|_| !path.is_file()) {
        return Some((*text).to_owned());
    }
    match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let names: Vec<&str> = scenario::shipped().map(|(name, _)| *name).collect();
            // A third of it may be mistyped: more, and the hint is a guess.
            let far = named.chars().count() / 3;
            let close = names
                .iter()
                .map(|name| (strsim::damerau_levenshtein(name, named), name))
                .filter(|(distance, _)| *distance <= far)
                .min()
                .map(|(_, name)| name);
            let hint = close
                .map(|name| format!("did you mean `{name}`? "))
                .unwrap_or_default();
            eprintln!(
                "error: {named}: there is neither a file nor a bundled scenario of that name\n  help: {hint}the bundled ones are {}",
                names.join(", ")
            );
            None
        }
        Err(error) => {
            eprintln!("error: {named} cannot be read: {error}");
            None
        }
    }
}

fn overrides(change: &ChangeArgs) -> Vec<Override> {
    let mut all: Vec<Override> = change
        .set
        .iter()
        .map(|text| Override::set("--set", text))
        .collect();
    let mut add = |value: &Option<String>, flag: &str, make: fn(String, String) -> Override| {
        if let Some(value) = value {
            all.push(make(flag.to_owned(), value.clone()));
        }
    };
    add(&change.url, "--url", Override::url);
    add(&change.protocol, "--protocol", Override::protocol);
    add(&change.rooms, "--rooms", Override::rooms);
    add(&change.peers, "--peers", Override::peers);
    add(&change.seed, "--seed", Override::seed);
    add(&change.duration, "--duration", Override::duration);
    all.extend(change.target.overrides());
    all
}

/// All mistakes: with the source and a mark for people, a line for each otherwise.
pub(super) fn show(mistakes: &Diagnostics) -> String {
    if !std::io::stderr().is_terminal() {
        return mistakes.listing();
    }
    let theme = if no_color() {
        GraphicalTheme::unicode_nocolor()
    } else {
        GraphicalTheme::unicode()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let mut text = String::new();
    for mistake in mistakes {
        if handler.render_report(&mut text, mistake).is_err() {
            return mistakes.listing();
        }
    }
    text
}
