use std::collections::BTreeSet;

use crate::{
    base::{Instant, PeerId},
    metrics::{EventKind, Growth, RunEvent, Slope},
};

use super::{
    checkers::{Check, Story},
    result::{About, Finding, Findings},
};

/// What may be added in an hour to a figure that counts something, at the lower end of the slope's interval.
const COUNT_PER_HOUR: f64 = 1.0;
/// The same for bytes of memory.
const BYTES_PER_HOUR: f64 = 16.0 * 1024.0 * 1024.0;

/// 8: nothing grows while people come and go: what the harness holds (connections, tasks, timers, sockets, open
/// files, memory) and what the server does (rooms, members, sockets, frames that wait). By the lower end of the
/// interval of the slope, see [`Growth`]; a run that is short, or in which the number of members itself grows, shows
/// nothing.
#[derive(Debug, Default)]
pub(super) struct NothingGrows {
    figures: Vec<(&'static str, Growth)>,
    /// Who is a member, and how many there were.
    members: BTreeSet<PeerId>,
    load: Growth,
    last: Option<Instant>,
    /// How often the server did not tell what it holds.
    unanswered: u64,
    /// Everybody leaves: nothing is a sample of anything any more.
    over: bool,
}

impl NothingGrows {
    fn sample(&mut self, at: Instant, name: &'static str, value: f64) {
        let index = self.figures.iter().position(|(known, _)| *known == name);
        let index = index.unwrap_or_else(|| {
            self.figures.push((name, Growth::default()));
            self.figures.len() - 1
        });
        self.figures[index].1.sample(at, value);
    }
}

impl Check for NothingGrows {
    fn about(&self) -> About {
        About {
            number: 8,
            name: "nothing grows in a long run",
            cases_are: "figures",
            no_case: "the run was shorter than the 7 minutes that it takes to tell",
        }
    }

    fn observe(&mut self, event: &RunEvent, _story: &Story, _found: &mut Findings) {
        match (&event.kind, event.peer) {
            (EventKind::Joined { .. }, Some(peer)) => {
                self.members.insert(peer);
            }
            (EventKind::LeaveStarted { .. } | EventKind::Crashed { .. }, Some(peer)) => {
                self.members.remove(&peer);
            }
            (EventKind::Interrupted | EventKind::DeadlineReached, _)
            | (EventKind::ServerRoster { after_end: false, .. }, _) => self.over = true,
            _ => {}
        }
        if self.over {
            return;
        }
        let at = event.at;
        match event.kind {
            EventKind::Holdings {
                connections,
                tasks,
                timers,
                sockets,
                open_files,
                server,
            } => {
                self.last = Some(at);
                self.load.sample(at, self.members.len() as f64);
                let own = [
                    ("connections", Some(connections)),
                    ("tasks", Some(tasks)),
                    ("timers", Some(timers)),
                    ("sockets", Some(sockets)),
                    ("open files", open_files),
                ];
                let server = server.into_iter().flat_map(|server| {
                    [
                        ("the server's rooms", server.rooms),
                        ("the server's members", server.members),
                        ("the server's sockets", server.sockets),
                        ("the server's waiting frames", server.waiting_frames),
                        (SERVER_QUEUES, server.waiting_bytes),
                        (SERVER_MEMORY, server.rss_bytes),
                    ]
                });
                for (name, value) in own.into_iter().chain(server) {
                    if let Some(value) = value {
                        self.sample(at, name, value as f64);
                    }
                }
            }
            EventKind::ServerMetricsFailed { .. } => self.unanswered += 1,
            EventKind::Generator { rss_bytes, .. } => self.sample(at, MEMORY, rss_bytes as f64),
            _ => {}
        }
    }

    fn finish(&mut self, story: &Story, now: Instant, found: &mut Findings) {
        if self.unanswered > 0 {
            found.note(format!(
                "the server did not tell what it holds, {} times",
                self.unanswered
            ));
        }
        if let Some(load) = self.load.slope().filter(|load| load.low > 0.0) {
            let (first, last) = (load.first, load.last);
            return found.note(format!(
                "the number of members grew, from {first:.1} to {last:.1}: what it brings with it is no leak"
            ));
        }
        for (name, growth) in &self.figures {
            let Some(slope) = growth.slope() else { continue };
            found.case();
            let most = match is_bytes(name) {
                true => BYTES_PER_HOUR,
                false => COUNT_PER_HOUR,
            };
            if slope.low > most {
                found.breach(|| Finding {
                    peer: None,
                    remote: None,
                    at: self.last.unwrap_or(now),
                    what: told(name, slope),
                    last_events: story.last.of_run(),
                });
            }
        }
    }
}

const MEMORY: &str = "memory";
const SERVER_MEMORY: &str = "the server's memory";
const SERVER_QUEUES: &str = "the server's waiting bytes";

fn is_bytes(name: &str) -> bool {
    [MEMORY, SERVER_MEMORY, SERVER_QUEUES].contains(&name)
}

fn told(name: &str, slope: Slope) -> String {
    let (unit, scale) = match is_bytes(name) {
        true => (" MiB", 1024.0 * 1024.0),
        false => ("", 1.0),
    };
    let [per_hour, low, high, first, last] =
        [slope.per_hour, slope.low, slope.high, slope.first, slope.last].map(|value| value / scale);
    format!(
        "{name}: {per_hour:.1}{unit} more every hour ({low:.1} to {high:.1}), from {first:.1} to {last:.1}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::ServerHoldings,
        verdict::invariants::{InvariantStatus, story::*},
    };

    /// A run of so many minutes, a look every 5 s; each tells connections, the server's members, and bytes.
    fn watched(minutes: u64, look: impl Fn(u64) -> (u64, u64, u64)) -> Tale {
        let mut tale = Tale::of_two();
        for tick in 0..minutes * 12 {
            let (connections, members, rss_bytes) = look(tick);
            tale.wait(5_000);
            tale.event(
                None,
                None,
                EventKind::Holdings {
                    connections,
                    tasks: 10 + tick % 3,
                    timers: 20,
                    sockets: 4,
                    open_files: None,
                    server: Some(ServerHoldings {
                        rooms: Some(1),
                        members: Some(members),
                        sockets: Some(2),
                        waiting_bytes: Some(tick % 5 * 1_000),
                        rss_bytes: Some(rss_bytes / 2),
                        ..ServerHoldings::default()
                    }),
                },
            );
            let cpu_percent = 1.0;
            tale.event(
                None,
                None,
                EventKind::Generator {
                    cpu_percent,
                    rss_bytes,
                    open_files: None,
                },
            );
        }
        tale
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_stays_as_it_is_holds() {
        let result = watched(60, |tick| (2 + tick % 2, 2, 50 * MIB + tick % 7 * 100_000)).result(8);
        assert_eq!((result.status, result.cases), (InvariantStatus::Held, 10));
    }

    #[test]
    fn each_figure_that_grows_is_named() {
        let grown = watched(60, |tick| (2 + tick / 60, 2, 50 * MIB + tick * MIB / 10)).result(8);
        let told: Vec<&str> = grown
            .findings
            .iter()
            .map(|finding| finding.what.as_str())
            .collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].starts_with("connections: 11.9 more every hour")
                && told[1].starts_with("the server's memory: 36.0 MiB")
                && told[2].starts_with("memory: 72.0 MiB"),
            "{told:?}"
        );
        let ghosts = watched(60, |tick| (2, 2 + tick / 100, 0)).result(8);
        assert!(
            ghosts.findings[0].what.starts_with("the server's members: "),
            "{ghosts:?}"
        );
    }

    #[test]
    fn a_server_that_does_not_tell_is_told_of_and_breaks_nothing() {
        let mut tale = watched(60, |_| (2, 2, 50 * MIB));
        let why = "it did not answer within 2s".to_owned();
        tale.event(None, None, EventKind::ServerMetricsFailed { why });
        let result = tale.result(8);
        assert_eq!(result.status, InvariantStatus::Held);
        let note = result.note.unwrap_or_default();
        assert!(
            note.contains("the server did not tell what it holds, 1 times"),
            "{note}"
        );
    }

    #[test]
    fn a_short_run_and_a_growing_crowd_show_nothing() {
        let short = watched(6, |tick| (tick, 2, 0)).result(8);
        assert!(
            matches!(short.status, InvariantStatus::NotApplicable { .. }),
            "{short:?}"
        );
        let mut crowd = Tale::of(&[30]);
        for tick in 0..300_u64 {
            crowd.wait(5_000);
            if tick % 10 == 0 {
                crowd.join(u32::try_from(tick / 10).expect("few"));
            }
            crowd.event(
                None,
                None,
                EventKind::Holdings {
                    connections: tick / 10,
                    tasks: tick,
                    timers: 0,
                    sockets: tick,
                    open_files: None,
                    server: None,
                },
            );
        }
        let result = crowd.result(8);
        assert!(
            matches!(result.status, InvariantStatus::NotApplicable { .. }),
            "{result:?}"
        );
    }
}
