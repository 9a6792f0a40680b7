//! What scenarios are planned as.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use proptest::prelude::*;
use rtcstorm::{
    base::{Instant, PeerId},
    plan::{Action, Machine, Options, PeerPlan, Plan, Segment, check_limits, expand, show},
    scenario::{Override, Scenario, bundled, parse},
};

use super::scenario_language::FakeCheck;

/// A bundled scenario, and its plan for a seed.
fn planned(name: &str, seed: u64, overrides: &[Override]) -> Plan {
    let text = bundled()
        .iter()
        .find(|(bundled, _)| *bundled == name)
        .expect("bundled")
        .1;
    let scenario = Scenario::with_overrides(name, text, overrides, &FakeCheck);
    let scenario = scenario.unwrap_or_else(|diagnostics| panic!("{}", diagnostics.listing()));
    expand(&scenario, seed, &Options::default())
}

#[test]
fn every_bundled_scenario_is_sound_and_called_like_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    assert_eq!(
        fs::read_dir(folder).expect("the folder is there").count(),
        bundled().len() + 4,
        "a file each, and the folders of faults, media, protocols and races"
    );
    for (name, _) in bundled() {
        assert_eq!(planned(name, 1, &[]).scenario, *name);
    }
}

#[test]
fn a_plan_names_its_protocol_unless_that_is_the_dashboards() {
    let told = |overrides: &[Override]| {
        let plan = serde_json::to_value(planned("smoke", 1, overrides)).expect("it is JSON");
        plan["protocol"].as_str().map(str::to_owned)
    };
    assert_eq!(told(&[]), None);
    for (chosen, url, name) in [
        ("{janus: {plugin: textroom}}", "ws://127.0.0.1:8188/", "janus"),
        ("peerjs", "ws://127.0.0.1:9000/", "peerjs"),
    ] {
        let set = Override::set("--set", format!("target.protocol={chosen}"));
        assert_eq!(told(&[set, Override::url("--url", url)]).as_deref(), Some(name));
    }
}

#[test]
fn bundled_scenarios_are_as_large_as_they_say() {
    let size = |name| {
        let plan = planned(name, 1, &[]);
        (plan.rooms.len(), plan.peers.len())
    };
    assert_eq!(size("smoke"), (2, 6));
    assert_eq!(size("leave-rejoin"), (5, 20));
    assert_eq!(size("join-storm"), (25, 100));
    assert_eq!(size("chat-load"), (25, 100));
    assert_eq!(size("username-taken"), (3, 6));
    assert_eq!(size("dashboard-slo"), (25, 75));
    let posts = |peer: &PeerPlan| -> u32 {
        let counts = peer.script.iter().map(|step| match step.action {
            Action::Chat { count, .. } => count,
            _ => 0,
        });
        counts.sum()
    };
    assert_eq!(
        planned("chat-load", 1, &[]).peers.iter().map(posts).sum::<u32>(),
        1_000
    );
}

#[test]
fn plans_read_like_this() {
    insta::assert_snapshot!("plan_of_smoke", show(&planned("smoke", 1, &[])));
    let one_room = [Override::rooms("--rooms", "1")];
    insta::assert_snapshot!(
        "plan_of_username_taken",
        show(&planned("username-taken", 3, &one_room))
    );
}

#[test]
fn a_burst_is_declared_by_arriving_at_once_only() {
    let burst = planned("join-storm", 1, &[]).burst.expect("declared");
    assert_eq!(
        (burst.from, burst.until),
        (Instant::START, Instant::from_millis(5_000))
    );
    assert_eq!(planned("chat-load", 1, &[]).burst, None);
}

#[test]
fn one_peer_more_changes_nobody_elses_script() {
    let small = planned("leave-rejoin", 7, &[Override::rooms("--rooms", "2")]);
    let large = planned("leave-rejoin", 7, &[Override::rooms("--rooms", "3")]);
    for (a, b) in std::iter::zip(&small.peers, &large.peers) {
        assert_eq!((&a.script, a.ends_after), (&b.script, b.ends_after));
    }
    assert_ne!(
        small.peers[0].script, small.peers[1].script,
        "each draws for itself"
    );
}

#[test]
fn a_rejoin_is_a_leave_and_a_join_in_one_instant() {
    let plan = planned("smoke", 1, &[]);
    let script = &plan.peers[0].script;
    let leave = script
        .iter()
        .position(|step| step.action == Action::Leave)
        .expect("it leaves");
    assert_eq!(script[leave].after, script[leave + 1].after);
    assert!(matches!(
        script[leave + 1].action,
        Action::Join { again: true, .. }
    ));
    assert!(matches!(script[0].action, Action::Join { again: false, .. }));
}

#[test]
fn a_pause_or_chat_at_the_end_keeps_the_peer_busy() {
    let text =
        "{name: x, rooms: {peers: 2}, steps: [join, {pause: 1s}, {chat: {every: 1s, size: 1, for: 3s}}]}";
    let plan = expand(
        &parse("x", text, &FakeCheck).expect("sound"),
        1,
        &Options::default(),
    );
    assert_eq!(plan.peers[0].script[1].after, Duration::from_secs(1));
    assert_eq!(plan.peers[0].ends_after, Duration::from_secs(4));
}

#[test]
fn barriers_are_told_apart_by_their_turn_and_room() {
    let text = "
name: lines
rooms: { count: 2 }
groups:
  - { name: a, peers: 1, steps: [join, { repeat: 2, steps: [{ barrier: x }] }, { barrier: y }] }
  - { name: b, peers: 2, steps: [join, { barrier: x }, rejoin, { barrier: x }, { barrier: y }] }";
    let plan = expand(
        &parse("lines", text, &FakeCheck).expect("sound"),
        1,
        &Options::default(),
    );
    let told: Vec<_> = plan
        .barriers
        .iter()
        .map(|b| (b.room.0, b.name.as_str()))
        .collect();
    assert_eq!(
        told,
        [(0, "x#1"), (0, "x#2"), (0, "y"), (1, "x#1"), (1, "x#2"), (1, "y")]
    );
    for barrier in &plan.barriers {
        assert_eq!(barrier.parties, plan.rooms[barrier.room.index()].peers);
        let reached = |peer: &PeerPlan| {
            let mut steps = peer.script.iter();
            steps.any(|step| matches!(step.action, Action::Barrier { barrier: id, .. } if id == barrier.id))
        };
        for peer in &plan.peers {
            assert_eq!(
                reached(peer),
                barrier.parties.contains(&peer.id),
                "{barrier:?} {}",
                peer.id
            );
        }
    }
}

#[test]
fn a_plan_is_held_against_the_machine() {
    // 5 rooms of 4: 60 connections, whose sockets may overlap with their successors'; 20 peers.
    let plan = planned("leave-rejoin", 1, &[]);
    let enough = Machine {
        open_files: 64 + 40 + 120,
        memory_bytes: 15_000_000,
    };
    assert_eq!(check_limits(&plan, enough), []);
    let short = Machine {
        open_files: enough.open_files - 1,
        memory_bytes: enough.memory_bytes - 1,
    };
    let mistakes = check_limits(&plan, short);
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "the plan needs 224 open files, this machine allows 223",
            "the plan needs about 15 MB of memory, this machine has 14 MB free",
        ]
    );
    // Nobody joins again: no overlap.
    let storm = planned("join-storm", 1, &[]);
    let enough = Machine {
        open_files: 64 + 200 + 300,
        memory_bytes: u64::MAX,
    };
    assert_eq!(check_limits(&storm, enough), []);
}

/// Sound scenarios of every shape: groups, stages, nested repeats.
fn sound() -> impl Strategy<Value = Scenario> {
    let pause = (0..900_u32, 0..900_u32).prop_map(|(a, b)| format!("{{pause: {a}ms..{}ms}}", a + b));
    let step = prop_oneof![
        pause,
        Just("rejoin".to_owned()),
        Just("{wait: connected}".to_owned()),
        Just("{wait: {for: connected, to: present, within: 1s}}".to_owned()),
        (1..9_u32).prop_map(|n| format!("{{chat: {{every: 20ms, size: 9, count: {n}}}}}")),
        (1..9_u32).prop_map(|n| format!("{{repeat: {n}, steps: [leave, {{pause: 0s..1s}}, join]}}")),
        Just("{barrier: x}".to_owned()),
        Just("{duplicate_offer: {copies: 2, within: 5ms}}".to_owned()),
        Just("{duplicate_answer: {for: 1s}}".to_owned()),
        Just("ice_restart, {wait: recovered}".to_owned()),
        (1..999_u32).prop_map(|ms| format!("{{drop_network: {{for: {ms}ms, with: [a, b-1]}}}}")),
        (1..999_u32).prop_map(|ms| format!("{{drop_network: {{for: {ms}ms}}}}")),
        Just("{network: lossy}, {pause: 1ms}, {network: {delay: 1ms}}, {pause: 1ms}".to_owned()),
        (1..999_u32)
            .prop_map(|ms| format!("{{drop_network: {{for: {ms}ms, with: other_half, direction: in}}}}")),
        (1..999_u32).prop_map(|ms| format!("roam, {{suspend: {{for: {ms}ms}}}}, nat_rebind")),
        (1..999_u32).prop_map(|ms| format!(
            "{{block_udp: {{for: {ms}ms}}}}, {{roam: {{signaling: kept}}}}, {{pause: 1ms}}"
        )),
        Just("cut_signaling, {pause: 1ms}, {cut_signaling: silent}, {pause: 1ms}".to_owned()),
        Just("crash, {pause: 0s..1s}, join".to_owned()),
    ];
    let arrive = prop_oneof![
        Just("{over: 0s}".to_owned()),
        (1..5_000_u32).prop_map(|ms| format!("{{over: {ms}ms}}")),
        (1..500_u32).prop_map(|n| format!("{{rate: {n}/m}}")),
        Just("{stages: [{over: 3s, to: 1}, {over: 1s, to: TOTAL}]}".to_owned()),
    ];
    let steps = prop::collection::vec(step, 0..8);
    (1..7_u32, 2..6_u32, steps, arrive).prop_map(|(rooms, peers, steps, arrive)| {
        let arrive = arrive.replace("TOTAL", &(rooms * peers).to_string());
        let (steps, rest) = (steps.join(", "), peers - 1);
        let groups = format!(
            "[{{name: a, peers: 1, steps: [join, {steps}]}}, {{name: b, peers: {rest}, steps: [join, {steps}]}}]"
        );
        let text = format!("{{name: x, rooms: {{count: {rooms}}}, arrive: {arrive}, groups: {groups}}}");
        parse("x", &text, &FakeCheck).unwrap_or_else(|diagnostics| panic!("{text}\n{}", diagnostics.listing()))
    })
}

proptest! {
    #[test]
    fn a_plan_keeps_its_promises(scenario in sound(), seed: u64, run_id in prop::option::of("[a-z0-9]{4}")) {
        let options = Options {
            run_id,
            ..Options::default()
        };
        let plan = expand(&scenario, seed, &options);
        prop_assert_eq!(&plan, &expand(&scenario, seed, &options), "one seed, one plan");
        prop_assert!(plan.peers.is_sorted_by_key(|peer| peer.arrive_at));
        prop_assert!(plan.peers.is_sorted_by(|a, b| a.user_id < b.user_id && a.room <= b.room && a.id < b.id));
        prop_assert!(plan.rooms.is_sorted_by(|a, b| a.wire_id < b.wire_id));
        for room in &plan.rooms {
            let names: std::collections::BTreeSet<_> = room.peers.iter().map(|peer| first_name(&plan, *peer)).collect();
            prop_assert_eq!(names.len(), room.peers.len(), "display names are unique in a room");
        }
        for (index, peer) in plan.peers.iter().enumerate() {
            prop_assert_eq!(peer.id.index(), index);
            prop_assert!(plan.rooms[peer.room.index()].peers.contains(&peer.id));
            let mut after = Duration::ZERO;
            for step in &peer.script {
                prop_assert!(step.after >= after, "offsets never decrease between anchors");
                after = match &step.action {
                    Action::Wait { .. } | Action::Barrier { .. } => Duration::ZERO,
                    Action::Chat { every, count, .. } => step.after + *every * (count - 1),
                    Action::DropNetwork(what) => step.after + what.lasting,
                    Action::Suspend { lasting, .. } => step.after + *lasting,
                    Action::BlockUdp { lasting } => step.after + lasting.unwrap_or_default(),
                    _ => step.after,
                };
            }
            prop_assert!(peer.ends_after >= after);
        }
        prop_assert!(!show(&plan).is_empty());
    }

    #[test]
    fn the_union_of_the_segments_is_the_plan(
        scenario in sound(), seed: u64, count in 1..9_u32, run_id in prop::option::of("[a-z0-9]{4}"),
    ) {
        let cut = |segment| expand(&scenario, seed, &Options { run_id: run_id.clone(), segment });
        let whole = cut(Segment::WHOLE);
        let mut left = by_wire_id(&whole);
        for index in 1..=count {
            let segment = cut(format!("{index}/{count}").parse().expect("a segment"));
            for (place, peer) in segment.peers.iter().enumerate() {
                prop_assert_eq!(peer.id.index(), place);
                prop_assert!(segment.rooms[peer.room.index()].peers.contains(&peer.id));
            }
            prop_assert!(segment.rooms.iter().enumerate().all(|(place, room)| room.id.index() == place));
            prop_assert!(segment.barriers.iter().enumerate().all(|(place, barrier)| barrier.id.index() == place));
            for (wire_id, told) in by_wire_id(&segment) {
                prop_assert_eq!(Some(told), left.remove(&wire_id), "{} of {}/{}", wire_id, index, count);
            }
            prop_assert_eq!(
                Plan { rooms: Vec::new(), peers: Vec::new(), barriers: Vec::new(), ..segment },
                Plan { rooms: Vec::new(), peers: Vec::new(), barriers: Vec::new(), ..whole.clone() }
            );
        }
        prop_assert!(left.is_empty(), "nobody plays {:?}", left.keys());
    }
}

/// Everything that is planned for each room, told by ids on the wire.
fn by_wire_id(plan: &Plan) -> BTreeMap<String, String> {
    let shown = show(plan);
    let texts = shown.split("\n\n").skip(1);
    let told = std::iter::zip(&plan.rooms, texts).map(|(room, text)| {
        let peers = room.peers.iter().map(|peer| &plan.peers[peer.index()]);
        let beside: Vec<_> = peers
            .map(|peer| (&peer.user_id, &peer.group, peer.arrive_at, peer.rules))
            .collect();
        (room.wire_id.clone(), format!("{}\n{beside:?}", text.trim_end()))
    });
    told.collect()
}

fn first_name(plan: &Plan, peer: PeerId) -> String {
    let mut names = plan.peers[peer.index()]
        .script
        .iter()
        .filter_map(|step| match &step.action {
            Action::Join { name, .. } => Some(name.to_lowercase()),
            _ => None,
        });
    names.next().expect("everybody joins")
}
