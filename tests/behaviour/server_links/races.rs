//! Random plays: members come and go, and Janus or the server of WHIP ends what they have, at any time and however long
//! everything takes. `RACES=5000` plays more of them, `RACE=42` that one.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rtcstorm::signaling::WhipOptions;

use super::*;
use crate::stage::{Way, WhipServer};

/// Seeds that every test run plays, of each kind of server.
const SEEDS: u64 = 60;
/// Nothing is done to anybody any more: what is broken is mended by the end.
const QUIET: u64 = 60_000;

/// Numbers that a seed stands for.
struct Dice(ChaCha8Rng);

impl Dice {
    fn up_to(&mut self, below: u64) -> u64 {
        self.0.random_range(0..below)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.up_to(n) == 0
    }
}

fn script_of(dice: &mut Dice) -> Script {
    let mut steps = Vec::new();
    let mut at = 0;
    for _ in 0..dice.up_to(4) {
        steps.push((at, join()));
        at += dice.up_to(800);
        if dice.one_in(3) {
            steps.push((at, restart_ice()));
            at += dice.up_to(300);
        }
        steps.push((at, Action::Leave));
        at += dice.up_to(500);
    }
    steps.push((at, join()));
    if dice.one_in(2) {
        at += dice.up_to(2_000);
        steps.push((at, restart_ice()));
    }
    if dice.one_in(6) {
        at += dice.up_to(2_000);
        steps.push((at, restart_server()));
    }
    steps.push((at.max(5_000), wait(Condition::Recovered)));
    script(&steps, QUIET)
}

/// Everything takes up to so long.
fn at_any_pace(stage: Stage, seed: u64, slow_ms: u64) -> Stage {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(!seed));
    stage.with_latency(Box::new(move |way| {
        let most = match way {
            Way::Opening | Way::Up | Way::Down | Way::Closing => slow_ms,
            Way::Call | Way::Gathering | Way::Callback => slow_ms.div_ceil(3),
            Way::Return => slow_ms.div_ceil(10),
        };
        Duration::from_micros(dice.up_to(most * 1_000 + 1))
    }))
}

fn janus_race(plugin: JanusPlugin, seed: u64) -> Stage {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let scripts = (0..2 + dice.up_to(3)).map(|_| script_of(&mut dice)).collect();
    let mut stage = at_janus(plugin, ClientRules::default(), scripts);
    for _ in 0..dice.up_to(4) {
        let (at, nth) = (dice.up_to(4_000), dice.up_to(100) as usize);
        let peer = stage.plan.peers[nth % stage.plan.peers.len()].id;
        stage = match dice.up_to(7) {
            0 => stage.with_cut(at, peer),
            1 => stage.with_deed(at, move |janus: &mut JanusServer, ends| {
                janus.time_out_one(nth, ends);
            }),
            2 => stage.with_silence(at, peer),
            3 => stage.with_failure_of(at, nth),
            4 if plugin == JanusPlugin::TextRoom => {
                stage.with_deed(at, move |janus: &mut JanusServer, ends| {
                    janus.kick_one(nth, ends);
                })
            }
            _ => stage.with_deed(at, move |janus: &mut JanusServer, ends| {
                janus.hang_up_one(nth, ends);
            }),
        };
    }
    if dice.one_in(2) {
        let for_good = dice.one_in(2);
        stage = stage.with_ice_failing(for_good);
    }
    let slow = [1, 20, 20, 200][dice.up_to(4) as usize];
    at_any_pace(stage, seed, slow)
}

fn whip_race(seed: u64) -> Stage {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let scripts: Vec<Script> = (0..1 + dice.up_to(2)).map(|_| script_of(&mut dice)).collect();
    let arrivals = vec![0; scripts.len()];
    let protocol = Protocol::Whip(WhipOptions::default());
    let mut stage =
        Stage::new(ClientRules::default(), &arrivals, scripts).at_server(protocol, WhipServer::default());
    for _ in 0..dice.up_to(4) {
        let at = dice.up_to(4_000);
        stage = match dice.up_to(4) {
            0 => stage.with_cut(at, ANN),
            2 => stage.with_failure_of(at, 0),
            1 => stage.with_silence(at, ANN),
            _ => stage.with_deed(at, |whip: &mut WhipServer, ends| whip.forget(ends)),
        };
    }
    if dice.one_in(2) {
        let for_good = dice.one_in(2);
        stage = stage.with_ice_failing(for_good);
    }
    let slow = [1, 20, 20, 200][dice.up_to(4) as usize];
    at_any_pace(stage, seed, slow)
}

/// How many memberships have ended because Janus gave a session up.
fn lost_memberships(stage: &Stage) -> usize {
    let timeouts = stage.events.iter().filter(
        |event| matches!(&event.kind, EventKind::SignalingError { reason, .. } if reason == "timeout"),
    );
    let lost = timeouts.filter(|timeout| {
        stage.events.iter().any(|event| {
            (event.at, event.peer) == (timeout.at, timeout.peer)
                && matches!(event.kind, EventKind::LeaveStarted { scripted: false, .. })
        })
    });
    lost.count()
}

/// What is wrong with a play.
fn wrong(mut stage: Stage) -> Vec<String> {
    if !stage.play_on() {
        return vec!["it does not end".to_owned()];
    }
    stage.let_server_hear();
    let breaches = stage.breaches().into_iter();
    let mut wrong: Vec<String> = breaches
        .map(|breach| {
            format!(
                "{}: {:?}",
                breach.name,
                breach
                    .findings
                    .iter()
                    .map(|it| (it.peer, it.remote, it.at, &it.what))
                    .collect::<Vec<_>>()
            )
        })
        .collect();
    // Whose session ends while it joins, or joins again, has bad luck, and whoever waits for it, too.
    let unlucky = stage.count(|kind| match kind {
        EventKind::JoinRejected { reason, .. } => reason == "timeout",
        _ => false,
    });
    let unlucky = unlucky + lost_memberships(&stage);
    let failed = stage.events.iter().filter(|event| {
        matches!(
            event.kind,
            EventKind::WaitExpired { .. }
                | EventKind::JoinFailed { .. }
                | EventKind::JoinRejected { .. }
                | EventKind::RecoveryFailed { .. }
                | EventKind::LinkGivenUp { .. }
        ) && unlucky == 0
    });
    wrong.extend(failed.map(|event| format!("{event:?}")));
    let left = (stage.unclosed(), stage.left_at_server());
    if left != (0, 0) {
        wrong.push(format!("{left:?} are left"));
    }
    if std::env::var("RACE").is_ok() {
        eprintln!("{}", told(&stage).join("\n"));
    }
    wrong
}

fn assert_survived(race: impl Fn(u64) -> Stage) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("RACE") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RACES").unwrap_or(SEEDS),
    };
    let lost: Vec<(u64, Vec<String>)> = seeds
        .map(|seed| (seed, wrong(race(seed))))
        .filter(|(_, wrong)| !wrong.is_empty())
        .collect();
    assert!(
        lost.is_empty(),
        "{} of them: {:#?}",
        lost.len(),
        &lost[..lost.len().min(5)]
    );
}

#[test]
fn any_play_in_a_video_room_is_survived() {
    assert_survived(|seed| janus_race(JanusPlugin::VideoRoom, seed));
}

#[test]
fn any_play_in_a_text_room_is_survived() {
    assert_survived(|seed| janus_race(JanusPlugin::TextRoom, seed));
}

#[test]
fn any_play_at_a_server_of_whip_is_survived() {
    assert_survived(whip_race);
}
