//! What can be taken away from a scenario, or made smaller in it.

use std::time::Duration;

use crate::{
    base::{DurationRange, Fraction},
    impair::{AccessLink, Nat, Profile, Treatment},
    scenario::{
        Arrival, ClientRules, DropNetwork, Group, Ice, Network, Party, RawFrames, RestartLinks, Scenario,
        Scope, ServerFault, SignalingFault, SocketOnRoam, Step, StepKind, TurnFault, Ways,
    },
};

/// Steps that a `repeat` may become when it is written out.
const MAX_UNROLLED: usize = 64;

/// Every scenario that is a little smaller than this one, the boldest cuts first. Some of them make no sense:
/// reading them tells.
pub(super) fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let mut found = Vec::new();
    let mut propose = |change: &dyn Fn(&mut Scenario)| {
        let mut changed = scenario.clone();
        change(&mut changed);
        changed.peers = changed.groups.iter().map(|group| group.peers).sum();
        if changed != *scenario {
            found.push(changed);
        }
    };
    for rooms in fewer(scenario.rooms) {
        propose(&|s| s.rooms = rooms);
    }
    propose(&|s| s.arrive = Arrival::AtOnce);
    propose(&|s| s.duration = None);
    if scenario.groups.len() > 1 {
        for index in (0..scenario.groups.len()).rev() {
            propose(&|s| drop(s.groups.remove(index)));
        }
    }
    for (index, group) in scenario.groups.iter().enumerate() {
        for peers in fewer(group.peers) {
            propose(&|s| s.groups[index].peers = peers);
        }
    }
    for name in barriers(scenario) {
        propose(&|s| each_list(s, &mut |steps| steps.retain(|step| !is_barrier(step, &name))));
    }
    for (index, group) in scenario.groups.iter().enumerate() {
        for steps in shorter(&group.steps) {
            propose(&|s| s.groups[index].steps.clone_from(&steps));
        }
    }
    for (index, group) in scenario.groups.iter().enumerate() {
        propose(&|s| s.groups[index].ice = Ice::default());
        for network in plainer(&group.network) {
            propose(&|s| s.groups[index].network = network.clone());
        }
        for nat in plainer_nats(group.nat) {
            propose(&|s| s.groups[index].nat = nat);
        }
        for steps in simpler(&group.steps) {
            propose(&|s| s.groups[index].steps.clone_from(&steps));
        }
    }
    found
}

/// The same with the reference as every client; `None` if it has no other.
pub fn with_reference(scenario: &Scenario) -> Option<Scenario> {
    let mut changed = scenario.clone();
    for group in &mut changed.groups {
        group.rules = ClientRules::default();
    }
    let differs = |(a, b): (&Group, &Group)| a.rules != b.rules;
    let other = changed.groups.iter().zip(&scenario.groups).any(differs);
    other.then_some(changed)
}

/// Every scenario whose clients keep one rule more as the reference does.
pub(super) fn more_like_reference(scenario: &Scenario) -> Vec<Scenario> {
    let mut names: Vec<&str> = Vec::new();
    for group in &scenario.groups {
        for (name, _) in group.rules.changes_from(&ClientRules::default()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let reset = |name: &&str| {
        let mut changed = scenario.clone();
        for group in &mut changed.groups {
            group.rules.take(name, &ClientRules::default());
        }
        changed
    };
    names.iter().map(reset).collect()
}

/// Every peer of a room a group of its own and every repetition written out, so that what is done once can be
/// cut apart from the rest.
pub(super) fn split(scenario: &Scenario) -> Scenario {
    let mut changed = scenario.clone();
    let members = |group: &Group| -> Vec<String> {
        match (&group.name, group.peers) {
            (Some(name), 1) => vec![name.clone()],
            (_, peers) => (1..=peers).map(|position| group.display_name(position)).collect(),
        }
    };
    let parts: Vec<(Option<String>, Vec<String>)> = scenario
        .groups
        .iter()
        .map(|group| (group.name.clone(), members(group)))
        .collect();
    changed.groups = scenario
        .groups
        .iter()
        .flat_map(|group| {
            let mut steps = written_out(&group.steps);
            for step in &mut steps {
                match &mut step.kind {
                    StepKind::DropNetwork(DropNetwork { with, .. })
                    | StepKind::Glare { with }
                    | StepKind::StaleOffer { with }
                    | StepKind::Signaling(SignalingFault { with, .. }) => {
                        *with = with.iter().flat_map(|party| named(&parts, party)).collect();
                    }
                    _ => {}
                }
            }
            members(group).into_iter().map(move |name| Group {
                name: Some(name),
                peers: 1,
                steps: steps.clone(),
                ..group.clone()
            })
        })
        .collect();
    changed
}

/// A party that is a group, by its members.
fn named(parts: &[(Option<String>, Vec<String>)], party: &Party) -> Vec<Party> {
    let group = parts.iter().find(|(name, _)| name.as_ref() == Some(&party.name));
    let names = group.map_or_else(|| vec![party.name.clone()], |(_, members)| members.clone());
    names
        .into_iter()
        .map(|name| Party {
            name,
            ..party.clone()
        })
        .collect()
}

fn written_out(steps: &[Step]) -> Vec<Step> {
    let each = |step: &Step| match &step.kind {
        StepKind::Repeat { times, steps } if *times as usize * steps.len() <= MAX_UNROLLED => {
            vec![written_out(steps); *times as usize].concat()
        }
        _ => vec![step.clone()],
    };
    steps.iter().flat_map(each).collect()
}

/// Neighbours that do the same as one group; without a name, if everybody does the same.
pub(super) fn merged(scenario: &Scenario) -> Scenario {
    let mut changed = scenario.clone();
    let mut groups: Vec<Group> = Vec::new();
    for group in &scenario.groups {
        match groups.last_mut() {
            Some(last) if last.does_as(group) => last.peers += group.peers,
            _ => groups.push(group.clone()),
        }
    }
    if let [only] = &mut groups[..] {
        only.name = None;
    }
    changed.groups = groups;
    changed
}

/// How large it is, what matters most first: rooms, peers, steps of all peers, groups, letters.
pub(super) fn size(scenario: &Scenario) -> [usize; 5] {
    fn unrolled(steps: &[Step]) -> usize {
        let count = |step: &Step| match &step.kind {
            StepKind::Repeat { times, steps } => *times as usize * unrolled(steps),
            _ => 1,
        };
        steps.iter().map(count).sum()
    }
    let steps = scenario
        .groups
        .iter()
        .map(|g| g.peers as usize * unrolled(&g.steps));
    [
        scenario.rooms as usize,
        scenario.peers as usize,
        steps.sum(),
        scenario.groups.len(),
        scenario.to_yaml().len(),
    ]
}

/// 1, half as many, one less.
fn fewer(count: u32) -> Vec<u32> {
    let mut found: Vec<u32> = [1, count / 2, count.saturating_sub(1)]
        .into_iter()
        .filter(|fewer| (1..count).contains(fewer))
        .collect();
    found.dedup();
    found
}

fn barriers(scenario: &Scenario) -> Vec<String> {
    fn collect(steps: &[Step], into: &mut Vec<String>) {
        for step in steps {
            match &step.kind {
                StepKind::Barrier { name, .. } if !into.contains(name) => into.push(name.clone()),
                StepKind::Repeat { steps, .. } => collect(steps, into),
                _ => {}
            }
        }
    }
    let mut names = Vec::new();
    for group in &scenario.groups {
        collect(&group.steps, &mut names);
    }
    names
}

fn is_barrier(step: &Step, wanted: &str) -> bool {
    matches!(&step.kind, StepKind::Barrier { name, .. } if name == wanted)
}

/// Changes every list of steps, the inner ones first.
fn each_list(scenario: &mut Scenario, change: &mut dyn FnMut(&mut Vec<Step>)) {
    fn visit(steps: &mut Vec<Step>, change: &mut dyn FnMut(&mut Vec<Step>)) {
        for step in steps.iter_mut() {
            if let StepKind::Repeat { steps, .. } = &mut step.kind {
                visit(steps, change);
            }
        }
        change(steps);
        steps.retain(|step| !matches!(&step.kind, StepKind::Repeat { steps, .. } if steps.is_empty()));
    }
    for group in &mut scenario.groups {
        visit(&mut group.steps, change);
    }
}

/// The list without a stretch of it: halves first, then quarters, down to single steps (Zeller and
/// Hildebrandt's delta debugging, IEEE TSE 2002); then with a shorter `repeat`.
fn shorter(steps: &[Step]) -> Vec<Vec<Step>> {
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
fn simpler(steps: &[Step]) -> Vec<Vec<Step>> {
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

fn exactly(time: Duration) -> DurationRange {
    DurationRange::new(time, time).expect("it is not above itself")
}

/// Nothing, half, and what is round below it: a time that is read has few digits.
fn shorter_times(time: Duration) -> Vec<Duration> {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut found = vec![0, micros / 2];
    let mut unit = 10_u64.pow(micros.checked_ilog10().unwrap_or(0));
    while unit >= 10 {
        let round = micros - micros % unit;
        // One less of that unit, or without what is finer.
        found.push(if round == micros { micros - unit } else { round });
        unit /= 10;
    }
    let fewer = |micros: &u64| *micros < u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut found: Vec<Duration> = found
        .into_iter()
        .filter(fewer)
        .map(Duration::from_micros)
        .collect();
    found.dedup();
    found
}

/// The network without what it does, all at once and one by one.
fn plainer(network: &Network) -> Vec<Network> {
    let mut found = vec![Network::none()];
    for index in 0..network.to.len() {
        let mut less = network.clone();
        less.to.remove(index);
        found.push(less);
        for link in plainer_links(network.to[index].link) {
            let mut less = network.clone();
            less.to[index].link = link;
            found.push(less);
        }
    }
    for link in plainer_links(network.link) {
        found.push(Network {
            link,
            ..network.clone()
        });
    }
    found.retain(|plainer| plainer != network);
    found
}

/// Both directions plainer, or alike.
fn plainer_links(link: AccessLink) -> Vec<AccessLink> {
    if link.up == link.down {
        return plainer_ways(link.up).into_iter().map(AccessLink::both).collect();
    }
    let none = Profile::none();
    let mut found = vec![
        AccessLink::none(),
        AccessLink { up: none, ..link },
        AccessLink { down: none, ..link },
        AccessLink::both(link.up),
        AccessLink::both(link.down),
    ];
    found.extend(
        plainer_ways(link.up)
            .into_iter()
            .map(|up| AccessLink { up, ..link }),
    );
    found.extend(
        plainer_ways(link.down)
            .into_iter()
            .map(|down| AccessLink { down, ..link }),
    );
    found
}

fn plainer_ways(way: Profile) -> Vec<Profile> {
    let none = Profile::none();
    let even = Profile {
        jitter: none.jitter,
        distribution: none.distribution,
        ..way
    };
    let mut found = vec![
        none,
        Profile {
            rate_bits_per_s: None,
            queue: none.queue,
            ..way
        },
        Profile {
            loss: none.loss,
            ..way
        },
        Profile {
            duplicate: none.duplicate,
            ..way
        },
        Profile {
            reorder: none.reorder,
            ..way
        },
        Profile {
            corrupt: none.corrupt,
            ..way
        },
        Profile {
            distribution: none.distribution,
            ..way
        },
        even,
        Profile {
            delay: none.delay,
            // Without a delay nothing is on its way that could be overtaken.
            reorder: none.reorder,
            ..even
        },
    ];
    found.retain(|plainer| *plainer != way);
    found.dedup();
    found
}

/// Nothing, and a NAT of the same type without anything special.
fn plainer_nats(nat: Option<Nat>) -> Vec<Option<Nat>> {
    let mut found = match nat {
        Some(there) => vec![None, Some(Nat::of(there.kind))],
        None => Vec::new(),
    };
    found.retain(|plainer| *plainer != nat);
    found
}

/// The rules by which the clients of a scenario differ from the reference, as it writes them.
pub(super) fn changed_rules(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for group in &scenario.groups {
        for (name, value) in group.rules.changes_from(&ClientRules::default()) {
            if !found.iter().any(|known| known.0 == name) {
                found.push((name, value));
            }
        }
    }
    found
}
