//! `run --sim --verify`: whether a seed is one run.

use std::{
    io::{self, BufRead, BufReader, BufWriter, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::{
    args::RunArgs,
    load::Loaded,
    place,
    run::{repeat, repeat_words},
    simulate,
};
use crate::{
    base::{Fnv1a, Rate},
    metrics::RunEvent,
    plan::{self, Plan},
    report::events,
    run::EventReader,
    scenario::Scenario,
    sim::Schedule,
    verdict::ExitCode,
};

/// Seeds that are played in between, each with the scenario's first room only: what they could leave behind
/// they leave behind with one room, too.
const OTHER_SEEDS: u64 = 50;

/// Plays each scenario four times, and compares the logs.
pub(super) fn verify(args: &RunArgs, loaded: &[Loaded]) -> ExitCode {
    let codes = args.scenarios.iter().zip(loaded).map(|(named, loaded)| {
        let about = format!("{}, seed {}", loaded.scenario.name, loaded.plan.seed);
        match verify_one(args, named, loaded) {
            Ok((hash, count)) => {
                println!("{about}: same log four times: {hash:016x} ({count} events)");
                ExitCode::Pass
            }
            Err(trouble) => {
                eprintln!(
                    "error: {about}: {trouble}\n  help: this is a bug of rtcstorm's. Report it with `{} --verify`",
                    repeat(named, args, loaded.plan.seed)
                );
                ExitCode::Bug
            }
        }
    });
    ExitCode::worst(codes.collect::<Vec<_>>())
}

/// Plays the scenario once and prints its event log: what a fresh process is for.
pub(super) fn only_log(args: &RunArgs, loaded: &Loaded) -> ExitCode {
    let mut stdout = BufWriter::new(io::stdout());
    let printer = Lines::new(move |line: &str| {
        // A reader that is gone has seen enough.
        let _ = stdout.write_all(line.as_bytes());
    });
    match play(
        &loaded.scenario,
        &loaded.plan,
        (args.schedule.into(), args.guard.max_rate),
        printer,
    ) {
        Ok(()) => ExitCode::Pass,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::Bug
        }
    }
}

/// The hash that all four logs have, and how many events that is.
fn verify_one(args: &RunArgs, named: &str, loaded: &Loaded) -> Result<(u64, usize), String> {
    let how: (Schedule, Option<Rate>) = (args.schedule.into(), args.guard.max_rate);
    let (scenario, plan, seed) = (&loaded.scenario, &loaded.plan, loaded.plan.seed);
    let first = Arc::new(Mutex::new(First::default()));
    let keep = first.clone();
    play(
        scenario,
        plan,
        how,
        Lines::new(move |line: &str| lock(&keep).take(line)),
    )?;
    let first = Arc::new(std::mem::take(&mut *lock(&first)));

    let first_room = format!("1/{}", loaded.scenario.rooms).parse();
    let options = plan::Options {
        run_id: None,
        segment: first_room.expect("there is a room"),
    };
    for other in 1..=OTHER_SEEDS {
        let other = plan::expand(&loaded.scenario, seed.wrapping_add(other), &options);
        play(scenario, &other, how, Lines::new(|_: &str| {}))?;
    }
    let (after, reader) = Follower::of(&first);
    play(scenario, plan, how, reader)?;
    lock(&after).told(&format!("after {OTHER_SEEDS} other seeds"))?;

    let (elsewhere, reader) = Follower::of(&first);
    thread::scope(|scope| scope.spawn(|| play(scenario, plan, how, reader)).join())
        .unwrap_or_else(|_| Err("the simulation has ended early on another thread".to_owned()))?;
    lock(&elsewhere).told("on another thread")?;

    let mut fresh = Follower::new(first.clone());
    in_a_fresh_process(&repeat_words(named, args, seed), |line| fresh.follow(line))?;
    fresh.told("in a fresh process")?;
    Ok((first.hash.value(), first.lines.len()))
}

fn play(
    scenario: &Scenario,
    plan: &Plan,
    how: (Schedule, Option<Rate>),
    reader: impl EventReader + 'static,
) -> Result<(), String> {
    match simulate::play(scenario, &Arc::new(plan.clone()), how, Box::new(reader)) {
        Ok(_) => Ok(()),
        Err(stalled) => Err(place::stalled(stalled)),
    }
}

fn in_a_fresh_process(words: &[String], mut line: impl FnMut(&str)) -> Result<(), String> {
    let cannot = |error: io::Error| format!("cannot play it in a fresh process: {error}");
    let mut child = Command::new(std::env::current_exe().map_err(cannot)?)
        .args(&words[1..])
        .arg("--only-log")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut text = String::new();
    while output.read_line(&mut text).map_err(cannot)? > 0 {
        line(&text);
        text.clear();
    }
    let status = child.wait().map_err(cannot)?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("the fresh process has failed: {status}")),
    }
}

/// Hands the lines of the event log on.
struct Lines<F>(F);

impl<F: FnMut(&str) + Send> Lines<F> {
    fn new(take: F) -> Self {
        Self(take)
    }
}

impl<F: FnMut(&str) + Send> EventReader for Lines<F> {
    fn read(&mut self, event: &RunEvent) {
        (self.0)(&events::ndjson(event));
    }
}

/// The log that the others are held against.
#[derive(Default)]
struct First {
    lines: Vec<String>,
    hash: Fnv1a,
}

impl First {
    fn take(&mut self, line: &str) {
        self.hash.update(line.as_bytes());
        self.lines.push(line.to_owned());
    }
}

/// Compares a log with the first, line by line.
struct Follower {
    first: Arc<First>,
    /// How many lines have been the same.
    same: usize,
    /// The first line that was not; nothing after it says any more.
    other: Option<String>,
}

impl Follower {
    fn new(first: Arc<First>) -> Self {
        Self {
            first,
            same: 0,
            other: None,
        }
    }

    fn of(first: &Arc<First>) -> (Arc<Mutex<Self>>, impl EventReader + use<>) {
        let follower = Arc::new(Mutex::new(Self::new(first.clone())));
        let own = follower.clone();
        (follower, Lines::new(move |line: &str| lock(&own).follow(line)))
    }

    fn follow(&mut self, line: &str) {
        if self.other.is_some() {
            return;
        }
        if self.first.lines.get(self.same).is_some_and(|first| first == line) {
            self.same += 1;
        } else {
            self.other = Some(line.to_owned());
        }
    }

    /// What differs, if anything does.
    fn told(&self, when: &str) -> Result<(), String> {
        let first = self.first.lines.get(self.same);
        if first.is_none() && self.other.is_none() {
            return Ok(());
        }
        let shown = |line: Option<&String>| line.map_or("no event", |line| line.trim_end()).to_owned();
        Err(format!(
            "event {} is another one {when}\n  first: {}\n  then:  {}",
            self.same + 1,
            shown(first),
            shown(self.other.as_ref())
        ))
    }
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(first: &[&str], then: &[&str]) -> Result<(), String> {
        let mut log = First::default();
        first.iter().for_each(|line| log.take(line));
        let mut follower = Follower::new(Arc::new(log));
        then.iter().for_each(|line| follower.follow(line));
        follower.told("later")
    }

    #[test]
    fn the_first_line_that_differs_is_told_from_both_sides() {
        assert_eq!(told(&["a\n", "b\n"], &["a\n", "b\n"]), Ok(()));
        for (then, shown) in [
            (
                &["a\n", "c\n", "b\n"][..],
                "event 2 is another one later\n  first: b\n  then:  c",
            ),
            (
                &["a\n"],
                "event 2 is another one later\n  first: b\n  then:  no event",
            ),
            (
                &["a\n", "b\n", "c\n"],
                "event 3 is another one later\n  first: no event\n  then:  c",
            ),
        ] {
            assert_eq!(told(&["a\n", "b\n"], then), Err(shown.to_owned()));
        }
    }
}
