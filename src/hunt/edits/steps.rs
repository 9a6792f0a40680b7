use std::time::Duration;

use super::{
    network::plainer,
    numbers::{exactly, fewer, shorter_times},
};
use crate::{
    base::{DurationRange, Fraction},
    impair::Treatment,
    scenario::{
        DropNetwork, Network, RawFrames, RestartLinks, Scope, ServerFault, SignalingFault, SocketOnRoam,
        Step, StepKind, TurnFault, Ways,
    },
};

/// The list without a stretch of it: halves first, then quarters, down to single steps (Zeller and
/// Hildebrandt's delta debugging, IEEE TSE 2002); then with a shorter `repeat`.
pub(super) fn shorter(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    let mut length = steps.len().div_ceil(2);
    while length > 0 {
        for from in (0..steps.len()).step_by(length).rev() {
            let until = (from + length).min(steps.len());
            let rest = [&steps[..from], &steps[until..]].concat();
            if !rest.is_empty() {
                found.push(rest);
            }
        }
        length = if length == 1 { 0 } else { length.div_ceil(2) };
    }
    for (at, step) in steps.iter().enumerate() {
        let StepKind::Repeat { times, steps: inner } = &step.kind else {
            continue;
        };
        let mut put = |replaced: Vec<Step>| found.push([&steps[..at], &replaced, &steps[at + 1..]].concat());
        let with = |times: u32, inner: &[Step]| {
            let kind = StepKind::Repeat {
                times,
                steps: inner.to_vec(),
            };
            vec![Step { kind, ..step.clone() }]
        };
        fewer(*times)
            .into_iter()
            .for_each(|fewer| put(with(fewer, inner)));
        shorter(inner)
            .iter()
            .for_each(|shorter| put(with(*times, shorter)));
    }
    found
}

/// The list with one value in it made smaller.
pub(super) fn simpler(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        for kind in simpler_step(&step.kind) {
            let mut changed = steps.to_vec();
            changed[at].kind = kind;
            found.push(changed);
        }
    }
    found
}

fn simpler_step(step: &StepKind) -> Vec<StepKind> {
    match step {
        StepKind::Rejoin => vec![StepKind::Leave],
        StepKind::Pause(range) => {
            let mut found = Vec::new();
            let (min, max) = (range.min(), range.max());
            if min != max {
                found.extend([min, max, min + (max - min) / 2].map(exactly));
                // Towards a shorter one, for luck that depends on the draw.
                found.extend(DurationRange::new(min, min + (max - min) / 2));
            } else {
                found.extend(shorter_times(max).into_iter().map(exactly));
            }
            found.into_iter().map(StepKind::Pause).collect()
        }
        StepKind::Chat {
            every, count, size, ..
        } => {
            let chat = |every: Duration, count, size| StepKind::Chat {
                every,
                count,
                size,
                lasts: every.saturating_mul(count),
            };
            let mut found: Vec<StepKind> = fewer(*count)
                .into_iter()
                .map(|count| chat(*every, count, *size))
                .collect();
            found.extend(fewer(*size).first().map(|size| chat(*every, *count, *size)));
            found
        }
        StepKind::Repeat { times, steps } => {
            let repeat = |steps| StepKind::Repeat { times: *times, steps };
            simpler(steps).into_iter().map(repeat).collect()
        }
        StepKind::DuplicateOffer {
            copies,
            within,
            afresh,
        } => {
            let offer = |copies, within| StepKind::DuplicateOffer {
                copies,
                within,
                afresh: *afresh,
            };
            let fewer = fewer(*copies).into_iter().map(|copies| offer(copies, *within));
            let at_once = (!within.is_zero()).then(|| offer(*copies, Duration::ZERO));
            fewer.chain(at_once).collect()
        }
        StepKind::DuplicateAnswer {
            copies,
            within,
            lasting,
            afresh,
        } => {
            let answer = |copies, within, lasting| StepKind::DuplicateAnswer {
                copies,
                within,
                lasting,
                afresh: *afresh,
            };
            let fewer = fewer(*copies)
                .into_iter()
                .map(|copies| answer(copies, *within, *lasting));
            let at_once = (!within.is_zero()).then(|| answer(*copies, Duration::ZERO, *lasting));
            let for_less = shorter_times(*lasting).into_iter().filter(|time| !time.is_zero());
            let for_less = for_less.map(|lasting| answer(*copies, *within, lasting));
            fewer.chain(at_once).chain(for_less).collect()
        }
        StepKind::IceRestart { links, both } => {
            let mut found = Vec::new();
            if *both {
                found.push(StepKind::IceRestart {
                    links: *links,
                    both: false,
                });
            }
            if *links == RestartLinks::All {
                found.push(StepKind::IceRestart {
                    links: RestartLinks::One,
                    both: *both,
                });
            }
            found
        }
        StepKind::DropNetwork(what) => simpler_drop(what),
        StepKind::BlockUdp { lasting } => {
            let block = |lasting| StepKind::BlockUdp {
                lasting: Some(lasting),
            };
            lasting.map_or_else(Vec::new, |time| lasting_less(time, block))
        }
        StepKind::Signaling(fault) => simpler_rule(fault),
        StepKind::SendRaw(RawFrames::Text { text, times }) => {
            let fewer = fewer(*times).into_iter();
            let raw = |times| RawFrames::Text {
                text: text.clone(),
                times,
            };
            fewer.map(raw).map(StepKind::SendRaw).collect()
        }
        StepKind::JoinTwice => vec![StepKind::Join {
            expect_rejected: false,
        }],
        StepKind::Roam { signaling } => {
            let kept = StepKind::Roam {
                signaling: SocketOnRoam::Kept,
            };
            if *signaling == SocketOnRoam::Kept {
                Vec::new()
            } else {
                vec![kept]
            }
        }
        StepKind::Turn(TurnFault::Stop { away: Some(away) }) => {
            let less = shorter_times(*away).into_iter().map(Some);
            less.map(|away| StepKind::Turn(TurnFault::Stop { away }))
                .collect()
        }
        StepKind::Suspend { lasting, clock } => lasting_less(*lasting, |lasting| StepKind::Suspend {
            lasting,
            clock: *clock,
        }),
        StepKind::Server(fault) => lesser_server_faults(*fault),
        StepKind::Network(network) => {
            let plainer = plainer(network).into_iter().filter(|n| *n != Network::none());
            plainer.map(StepKind::Network).collect()
        }
        _ => Vec::new(),
    }
}

fn simpler_drop(what: &DropNetwork) -> Vec<StepKind> {
    let mut found = Vec::new();
    let mut put = |change: &dyn Fn(&mut DropNetwork)| {
        let mut changed = what.clone();
        change(&mut changed);
        if changed != *what {
            found.push(StepKind::DropNetwork(changed));
        }
    };
    put(&|w| w.server_lost = false);
    if what.scope == Scope::Both {
        put(&|w| (w.scope, w.server_lost) = (Scope::Media, false));
        if what.with.is_empty() {
            put(&|w| w.scope = Scope::Signaling);
        }
    }
    put(&|w| w.direction = Ways::Both);
    for lasting in shorter_times(what.lasting)
        .into_iter()
        .filter(|time| !time.is_zero())
    {
        put(&|w| w.lasting = lasting);
    }
    found
}

/// The step with shorter times, none of them zero.
fn lasting_less(time: Duration, step: impl Fn(Duration) -> StepKind) -> Vec<StepKind> {
    let for_less = shorter_times(time).into_iter().filter(|time| !time.is_zero());
    for_less.map(step).collect()
}

fn lesser_server_faults(fault: ServerFault) -> Vec<StepKind> {
    let above_zero = |time| shorter_times(time).into_iter().filter(|time| !time.is_zero());
    let faults: Vec<ServerFault> = match fault {
        ServerFault::Restart { away } => {
            let less = shorter_times(away).into_iter();
            less.map(|away| ServerFault::Restart { away }).collect()
        }
        ServerFault::Pause { lasting } => above_zero(lasting)
            .map(|lasting| ServerFault::Pause { lasting })
            .collect(),
        ServerFault::Crash { away: None } => Vec::new(),
        ServerFault::Crash { away: Some(away) } => {
            let less = above_zero(away).map(|away| ServerFault::Crash { away: Some(away) });
            // What a restart does as well is the plainer step.
            std::iter::once(ServerFault::Restart { away })
                .chain(less)
                .collect()
        }
        ServerFault::Slow { by, lasting } => {
            let faster = above_zero(by).map(|by| ServerFault::Slow { by, lasting });
            faster
                .chain(above_zero(lasting).map(|lasting| ServerFault::Slow { by, lasting }))
                .collect()
        }
    };
    faults.into_iter().map(StepKind::Server).collect()
}

/// Every frame of a share, fewer frames, for less long.
fn simpler_rule(fault: &SignalingFault) -> Vec<StepKind> {
    let mut found = Vec::new();
    let mut put = |change: &dyn Fn(&mut SignalingFault)| {
        let mut changed = fault.clone();
        change(&mut changed);
        found.push(StepKind::Signaling(changed));
    };
    if fault.share != Fraction::WHOLE {
        put(&|fault| fault.share = Fraction::WHOLE);
    }
    for count in fault.count.map(fewer).unwrap_or_default() {
        put(&|fault| fault.count = Some(count));
    }
    for lasting in fault.lasting.map(shorter_times).unwrap_or_default() {
        if !lasting.is_zero() {
            put(&|fault| fault.lasting = Some(lasting));
        }
    }
    if let Treatment::Delay(range) = fault.treatment
        && range.min() != range.max()
    {
        put(&|fault| fault.treatment = Treatment::Delay(exactly(range.max())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Scenario, ThresholdCheck, ThresholdMistake, parse};

    struct Any;

    impl ThresholdCheck for Any {
        fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
            Ok(())
        }
    }

    fn read(step: &str) -> Scenario {
        let text = format!("name: x\nrooms: {{ peers: 2 }}\nsteps: [join, {step}]\n");
        parse("x", &text, &Any).unwrap_or_else(|mistakes| panic!("{step}: {}", mistakes.listing()))
    }

    /// The steps that a step may become, each as it is printed and read back.
    fn simpler_than(step: &str) -> Vec<String> {
        let scenario = read(step);
        let kinds = simpler_step(&scenario.groups[0].steps[1].kind);
        let printed = kinds.into_iter().map(|kind| {
            let mut simpler = scenario.clone();
            simpler.groups[0].steps[1].kind = kind;
            let text = simpler.to_yaml();
            let line = text.lines().last().expect("a step").trim().to_owned();
            let again = read(line.trim_start_matches("- "));
            assert_eq!(again.to_yaml(), text, "{step}");
            line.trim_start_matches("- ").to_owned()
        });
        printed.collect()
    }

    #[test]
    fn a_fault_of_the_server_gets_shorter_and_slighter_but_never_nothing() {
        let simpler = simpler_than("server: { pause: { for: 4s } }");
        assert_eq!(
            simpler[..2],
            ["server: { pause: { for: 2s } }", "server: { pause: { for: 3s } }"]
        );
        let pauses = |step: &String| step.starts_with("server: { pause: { for: ") && !step.contains(" 0");
        assert!(simpler.iter().all(pauses), "{simpler:?}");
    }

    #[test]
    fn a_crash_with_an_end_may_become_a_restart() {
        let simpler = simpler_than("server: { crash: { for: 4s } }");
        assert_eq!(simpler[0], "server: { restart: { for: 4s } }");
        assert!(
            simpler[1..]
                .iter()
                .all(|step| step.starts_with("server: { crash: { for: ")),
            "{simpler:?}"
        );
        assert!(simpler.len() > 2, "{simpler:?}");
        assert!(
            simpler_than("server: crash").is_empty(),
            "it has nothing that could go"
        );
    }

    #[test]
    fn of_a_slow_server_both_times_shrink() {
        let simpler = simpler_than("server: { slow: { by: 200ms, for: 10s } }");
        for less in ["{ by: 100ms, for: 10s }", "{ by: 200ms, for: 5s }"] {
            assert!(
                simpler.contains(&format!("server: {{ slow: {less} }}")),
                "{simpler:?}"
            );
        }
    }
}
