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

/// The play that a seed stands for.
fn play_of(seed: u64, rules: ClientRules) -> Stage {
    let dice = Dice::new(seed);
    let peers = 2 + dice.up_to(4);
    let spread = if dice.one_in(3) { 1 } else { 3_000 };
    let arrivals: Vec<u64> = (0..peers).map(|_| dice.up_to(spread)).collect();
    let scripts = (0..peers).map(|id| script_of(id, &dice)).collect();
    let mut stage = Stage::new(rules, &arrivals, scripts);
    let f = number("FAULTS").unwrap_or(7);
    if dice.one_in(2) && f & 1 > 0 {
        for _ in 0..=dice.up_to(3) {
            stage = stage.with_failure_of(dice.up_to(8_000), dice.up_to(100) as usize);
        }
    }
    if dice.one_in(3) && f & 2 > 0 {
        let mut nth = dice.up_to(8);
        stage = stage.with_rule(move |_, frame| {
            let is_offer = frame.contains(r#""type":"webrtc-offer""#);
            nth = nth.wrapping_sub(u64::from(is_offer));
            if is_offer && nth == u64::MAX {
                return Fate::Drop;
            }
            Fate::Deliver
        });
    }
    if dice.one_in(4) && f & 4 > 0 {
        stage = stage.with_cut(dice.up_to(8_000), PeerId(dice.up_to(peers) as u32));
    }
    // Some plays are on fast networks, some on slow ones.
    let slow = [1, 20, 300][dice.up_to(3) as usize];
    stage.with_latency(Box::new(move |way| {
        dice.delay(match way {
            Way::Opening | Way::Up | Way::Down | Way::Closing => slow,
            Way::Call | Way::Gathering | Way::Callback => slow.div_ceil(3),
            Way::Return => slow.div_ceil(10),
        })
    }))
}

fn script_of(id: u64, dice: &Dice) -> Script {
    let mut steps = Vec::new();
    let mut at = 0;
    let rounds = 1 + dice.up_to(5);
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

/// What is wrong with the play, in words; nothing, if the client has survived it.
fn complaints(stage: &mut Stage) -> Vec<String> {
    let mut complaints = Vec::new();
    if !stage.play_on() {
        complaints.push("it does not end".to_owned());
    }
    for breach in stage.breaches() {
        for finding in breach.findings {
            let (number, what) = (breach.number, finding.what);
            complaints.push(format!(
                "invariant {number} at {}, {:?} {:?}: {what}",
                finding.at, finding.peer, finding.remote
            ));
        }
    }
    if stage.unclosed() > 0 {
        complaints.push(format!("{} connections are not closed", stage.unclosed()));
    }
    complaints.extend(unexplained_waits(stage));
    complaints.extend(slow_end(stage));
    complaints
}

/// Waits that ran out of time though what they waited for was there to be had.
fn unexplained_waits(stage: &Stage) -> Vec<String> {
    let mut members: BTreeMap<PeerId, Instant> = BTreeMap::new();
    let mut complaints = Vec::new();
    for event in &stage.events {
        let Some(peer) = event.peer else { continue };
        match &event.kind {
            EventKind::Joined { .. } => {
                members.insert(peer, event.at);
            }
            EventKind::LeaveStarted { .. } | EventKind::Left { .. } => {
                members.remove(&peer);
            }
            EventKind::JoinFailed { reason, .. } | EventKind::JoinRejected { reason, .. } => {
                complaints.push(format!("{peer} could not join: {reason}"));
            }
            EventKind::WaitExpired { condition } => {
                let since = |peer| members.get(&peer).copied();
                let both = match event.remote {
                    Some(remote) => since(peer).zip(since(remote)).map(|(a, b)| a.max(b)),
                    None => Some(Instant::START),
                };
                if both.is_some_and(|both| event.at.since(both) > RECOVERY) {
                    complaints.push(format!(
                        "{peer} has waited in vain for {condition} {:?} until {}",
                        event.remote, event.at
                    ));
                }
            }
            _ => {}
        }
    }
    complaints
}

/// A room that took much longer than any fault explains to settle: somebody's time was over.
fn slow_end(stage: &Stage) -> Option<String> {
    let last = |is: fn(&EventKind) -> bool| {
        let events = stage.events.iter().rev();
        events
            .map(|e| (e.at, is(&e.kind)))
            .find(|(_, is)| *is)
            .map(|(at, _)| at)
    };
    let ended = last(|kind| matches!(kind, EventKind::ScriptEnded))?;
    let settled = last(|kind| matches!(kind, EventKind::RosterSeen { .. }))?;
    let took = settled.since(ended);
    (took > RECOVERY).then(|| format!("the room took {took:?} to settle"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn assert_survived(seed: u64) {
    let mut stage = play_of(seed, ClientRules::default());
    let complaints = complaints(&mut stage);
    if complaints.is_empty() {
        return;
    }
    if number("RACE").is_some() {
        for event in &stage.events {
            eprintln!(
                "{} {:?} {:?} {:?}",
                event.at, event.peer, event.remote, event.kind
            );
        }
    }
    panic!(
        "RACE={seed} cargo test --test behaviour races -- --nocapture\n{}",
        complaints.join("\n")
    );
}

#[test]
fn the_reference_survives_whatever_is_drawn() {
    match number("RACE") {
        Some(seed) => assert_survived(seed),
        None => (0..number("RACES").unwrap_or(SEEDS)).for_each(assert_survived),
    }
}

#[test]
#[ignore]
fn scan() {
    let mut bad = 0;
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for seed in 0..number("RACES").unwrap_or(SEEDS) {
        let mut stage = play_of(seed, ClientRules::default());
        let all = complaints(&mut stage);
        if !all.is_empty() {
            bad += 1;
            let key: String = all[0].chars().filter(|c| !c.is_ascii_digit()).collect();
            kinds.entry(key).or_insert((0, seed)).0 += 1;
        }
    }
    eprintln!("{bad} bad; {kinds:#?}");
}
