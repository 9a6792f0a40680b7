//! Many random plays on the stage: whatever is drawn, the reference client survives it. `RACES=5000` plays
//! more of them, `RACE=42` that one.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rtcstorm::{
    base::{Instant, PeerId},
    metrics::EventKind,
    plan::{Action, Condition, JoinOutcome},
    scenario::ClientRules,
};

use crate::stage::{Fate, Script, Stage, Way, script};

/// Seeds that every test run plays.
const SEEDS: u64 = 300;
/// How long a script waits for anything, as scenarios do.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who has been a member together with the waiting peer for so long has to be connected to it, whatever
/// faults there were.
const RECOVERY: Duration = Duration::from_secs(10);

/// Random numbers that several parts of a play draw from.
#[derive(Clone)]
struct Dice(Rc<RefCell<ChaCha8Rng>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(seed))))
    }

    /// One of `0..below`.
    fn up_to(&self, below: u64) -> u64 {
        self.0.borrow_mut().random_range(0..below)
    }

    fn one_in(&self, n: u64) -> bool {
        self.up_to(n) == 0
    }

    /// None at all, a few milliseconds, or up to `most_ms`.
    fn delay(&self, most_ms: u64) -> Duration {
        let below = [1, 5_000, most_ms * 1_000][self.up_to(3) as usize];
        Duration::from_micros(self.up_to(below.max(1)))
    }
}

struct Race {
    stage: Stage,
}

/// The play that a seed stands for.
fn race_of(seed: u64, rules: ClientRules) -> Race {
    let dice = Dice::new(seed);
    let peers = 2 + dice.up_to(4);
    let spread = if dice.one_in(3) { 1 } else { 3_000 };
    let arrivals: Vec<u64> = (0..peers).map(|_| dice.up_to(spread)).collect();
    // Where the answer to an offer of an earlier membership is taken for that to the one that is lost, nothing
    // shows it before ICE gives up: an offer is only lost where nobody comes back.
    let loses_offer = dice.one_in(4);
    let rounds_max = if loses_offer { 1 } else { 5 };
    let scripts = (0..peers).map(|id| script_of(id, rounds_max, &dice)).collect();
    let mut stage = Stage::new(rules, &arrivals, scripts);
    if dice.one_in(2) {
        for _ in 0..=dice.up_to(3) {
            stage = stage.with_failure_of(dice.up_to(8_000), dice.up_to(100) as usize);
        }
    }
    if loses_offer {
        let lost = dice.up_to(8);
        let mut offers = 0;
        stage = stage.with_rule(move |_, frame| {
            if !frame.contains(r#""type":"webrtc-offer""#) {
                return Fate::Deliver;
            }
            offers += 1;
            if offers == lost { Fate::Drop } else { Fate::Deliver }
        });
    }
    // Some plays are on fast networks, some on slow ones.
    let slow = [1, 20, 300][dice.up_to(3) as usize];
    let stage = stage.with_latency(Box::new(move |way| {
        dice.delay(match way {
            Way::Opening | Way::Up | Way::Down | Way::Closing => slow,
            Way::Call | Way::Gathering | Way::Callback => slow.div_ceil(3),
            Way::Return => slow.div_ceil(10),
        })
    }));
    Race { stage }
}

fn script_of(id: u64, rounds_max: u64, dice: &Dice) -> Script {
    let mut steps = Vec::new();
    let mut at = 0;
    let rounds = 1 + dice.up_to(rounds_max);
    for round in 0..rounds {
        steps.push((
            at,
            Action::Join {
                name: format!("Peer {id}"),
                expect: JoinOutcome::Accepted,
                again: round > 0,
            },
        ));
        for _ in 0..dice.up_to(3) {
            at += dice.delay(500).as_millis() as u64;
            if dice.one_in(2) {
                let waits = [
                    Condition::Connected,
                    Condition::ConnectedToPresent,
                    Condition::Joined,
                ];
                let condition = waits[dice.up_to(3) as usize];
                steps.push((
                    at,
                    Action::Wait {
                        condition,
                        within: PATIENCE,
                    },
                ));
                at = 0;
            } else {
                let (every, count) = (1 + dice.up_to(50), 1 + dice.up_to(10));
                steps.push((
                    at,
                    Action::Chat {
                        every: Duration::from_millis(every),
                        count: count as u32,
                        size: 20,
                    },
                ));
                at += every * count;
            }
        }
        at += dice.delay(1_500).as_millis() as u64;
        let stays = round + 1 == rounds && !dice.one_in(4);
        if !stays {
            steps.push((at, Action::Leave));
            at += dice.delay(1_500).as_millis() as u64;
        }
    }
    script(&steps, at + dice.delay(2_000).as_millis() as u64)
}

impl Race {
    /// Plays it. What is wrong, in words; nothing, if the client has survived it.
    fn run(&mut self) -> Vec<String> {
        let ends = self.stage.play_on();
        let mut wrong = Vec::new();
        if !ends {
            wrong.push("it does not end".to_owned());
        }
        for breach in self.stage.breaches() {
            for finding in breach.findings {
                let whose = [finding.peer, finding.remote].into_iter().flatten();
                let whose: Vec<_> = whose.map(|peer| peer.to_string()).collect();
                wrong.push(format!(
                    "invariant {} at {}, {}: {}",
                    breach.number,
                    finding.at,
                    whose.join(" "),
                    finding.what
                ));
            }
        }
        if self.stage.unclosed() > 0 {
            wrong.push(format!("{} connections are not closed", self.stage.unclosed()));
        }
        wrong.extend(self.waits_in_vain());
        wrong.extend(self.slow_end());
        wrong
    }

    /// Joins that failed, and waits that ran out of time though what they waited for was there to be had.
    fn waits_in_vain(&self) -> Vec<String> {
        let mut members: BTreeMap<PeerId, Instant> = BTreeMap::new();
        let mut wrong = Vec::new();
        for event in &self.stage.events {
            let Some(peer) = event.peer else { continue };
            match &event.kind {
                EventKind::Joined { .. } => {
                    members.insert(peer, event.at);
                }
                EventKind::LeaveStarted { .. } => {
                    members.remove(&peer);
                }
                EventKind::JoinFailed { reason, .. } | EventKind::JoinRejected { reason, .. } => {
                    wrong.push(format!("{peer} could not join at {}: {reason}", event.at));
                }
                EventKind::WaitExpired { condition } => {
                    let remote = event.remote.unwrap_or(peer);
                    let since = |peer| members.get(&peer).copied();
                    let together = since(peer).zip(since(remote)).map(|(a, b)| a.max(b));
                    if together.is_some_and(|since| event.at.since(since) > RECOVERY) {
                        wrong.push(format!(
                            "{peer} waited for {condition} in vain, {remote}, until {}",
                            event.at
                        ));
                    }
                }
                _ => {}
            }
        }
        wrong
    }

    /// A room that took longer to settle than its faults explain.
    fn slow_end(&self) -> Option<String> {
        let last = |is: fn(&EventKind) -> bool| {
            let mut events = self.stage.events.iter().rev();
            events.find(|event| is(&event.kind)).map(|event| event.at)
        };
        let ended = last(|kind| matches!(kind, EventKind::ScriptEnded))?;
        let settled = last(|kind| matches!(kind, EventKind::RosterSeen { .. }))?;
        let took = settled.since(ended);
        (took > RECOVERY).then(|| format!("the room took {took:?} to settle"))
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn assert_survived(seed: u64) {
    let mut race = race_of(seed, ClientRules::default());
    let wrong = race.run();
    if wrong.is_empty() {
        return;
    }
    if number("RACE").is_some() {
        for event in &race.stage.events {
            eprintln!(
                "{} {:?} {:?} {:?}",
                event.at, event.peer, event.remote, event.kind
            );
        }
    }
    panic!(
        "RACE={seed} cargo test --test behaviour races -- --nocapture\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_reference_survives_whatever_is_drawn() {
    match number("RACE") {
        Some(seed) => assert_survived(seed),
        None => (0..number("RACES").unwrap_or(SEEDS)).for_each(assert_survived),
    }
}

/// How many of the seeds catch each mutant: for people, with `--ignored --nocapture`.
#[test]
#[ignore]
fn the_mutants_in_races() {
    let seeds = number("RACES").unwrap_or(SEEDS);
    for name in std::iter::once("-").chain(ClientRules::NAMES) {
        let mut rules = ClientRules::default();
        if let Some(rule) = rules.rule_mut(name) {
            *rule = false;
        }
        let caught: Vec<u64> = (0..seeds)
            .filter(|seed| !race_of(*seed, rules).run().is_empty())
            .collect();
        eprintln!("{name}: {} of {seeds}, first {:?}", caught.len(), caught.first());
    }
}
