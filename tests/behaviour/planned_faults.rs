//! Steps that break something, as they are planned.

use std::time::Duration;

use rtcstorm::{
    base::PeerId,
    impair::{AccessLink, Profile},
    plan::{
        Action, Condition, Cut, DropNetwork, Machine, Network, Options, PathPlan, Plan, RestartLinks, Scope,
        ServerFault, SleepingClock, SocketOnRoam, Ways, check_limits, expand, show,
    },
    scenario::parse,
};

use super::scenario_language::FakeCheck;

fn planned(text: &str) -> Plan {
    let scenario = parse("x", text, &FakeCheck);
    let scenario = scenario.unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()));
    expand(&scenario, 1, &Options::default())
}

/// A room of one `host` and two `guest`s, all of whom join and take these steps.
fn played_by_all(steps: &str) -> Plan {
    planned(&format!(
        "{{name: x, rooms: {{count: 2}}, groups: [{{name: host, peers: 1, steps: [join, {steps}]}}, {{name: guest, peers: 2, steps: [join, {steps}]}}]}}"
    ))
}

/// What a peer does after its first join, and when.
fn script(plan: &Plan, peer: usize) -> Vec<(u64, Action)> {
    let steps = plan.peers[peer].script.iter().skip(1);
    steps
        .map(|step| (step.after.as_millis() as u64, step.action.clone()))
        .collect()
}

fn drop_network(ms: u64, with: &[u32]) -> Action {
    Action::DropNetwork(DropNetwork {
        scope: Scope::Media,
        direction: Ways::Both,
        lasting: Duration::from_millis(ms),
        with: with.iter().copied().map(PeerId).collect(),
        server_lost: false,
    })
}

#[test]
fn whoever_is_named_is_found_in_ones_own_room_without_oneself() {
    let all = "{drop_network: {scope: media, for: 1s}}";
    let guests = "{drop_network: {scope: media, for: 1s, with: [guest]}}";
    let two = "{drop_network: {scope: media, for: 1s, with: [guest-2, host, guest-2]}}";
    let plan = played_by_all(&format!("{all}, {guests}, {two}"));
    // The rooms are peers 0 to 2 and 3 to 5, the host first.
    for (peer, guests, two) in [
        (0, vec![1, 2], vec![2]),
        (1, vec![2], vec![0, 2]),
        (2, vec![1], vec![0]),
        (3, vec![4, 5], vec![5]),
        (4, vec![5], vec![3, 5]),
        (5, vec![4], vec![3]),
    ] {
        let expected = vec![
            (0, drop_network(1_000, &[])),
            (1_000, drop_network(1_000, &guests)),
            (2_000, drop_network(1_000, &two)),
        ];
        assert_eq!(script(&plan, peer), expected, "peer {peer}");
    }
}

/// To a plan, nobody named is everybody: the opposite of what was meant.
#[test]
fn to_whom_it_alone_is_named_nothing_happens_for_as_long() {
    let plan = played_by_all("{drop_network: {scope: media, for: 700ms, with: [guest-1]}}, ice_restart");
    let restart = Action::IceRestart {
        links: RestartLinks::All,
        both: false,
    };
    assert_eq!(script(&plan, 1), [(700, restart.clone())]);
    assert_eq!(
        script(&plan, 2),
        [(0, drop_network(700, &[1])), (700, restart.clone())]
    );
}

#[test]
fn only_a_lost_network_takes_planned_time() {
    let plan = played_by_all(
        "duplicate_offer, {duplicate_answer: {for: 5s, copies: 3, within: 1s}}, ice_restart, cut_signaling, {drop_network: {for: 2s}}, {wait: recovered}",
    );
    let (copies, within) = (1, Duration::ZERO);
    assert_eq!(
        script(&plan, 0),
        [
            (
                0,
                Action::DuplicateOffer {
                    copies,
                    within,
                    afresh: false
                }
            ),
            (
                0,
                Action::DuplicateAnswer {
                    copies: 3,
                    within: Duration::from_secs(1),
                    lasting: Duration::from_secs(5),
                    afresh: false
                }
            ),
            (
                0,
                Action::IceRestart {
                    links: RestartLinks::All,
                    both: false
                }
            ),
            (0, Action::CutSignaling { how: Cut::Reset }),
            (
                0,
                Action::DropNetwork(DropNetwork {
                    scope: Scope::Both,
                    direction: Ways::Both,
                    lasting: Duration::from_secs(2),
                    with: Vec::new(),
                    server_lost: false,
                })
            ),
            (
                2_000,
                Action::Wait {
                    condition: Condition::Recovered,
                    within: Duration::from_secs(30)
                }
            ),
        ]
    );
}

#[test]
fn a_link_is_the_groups_own_or_else_the_scenarios_and_a_step_takes_no_planned_time() {
    let plan = planned(
        "{name: x, network: wifi, groups: [{name: a, peers: 2, steps: [join, {network: {loss: 2%}}, {pause: 1s}, {network: none}]}, {name: b, peers: 1, network: {delay: 30ms}, steps: [join]}]}",
    );
    let wifi = AccessLink::named("wifi").expect("there is one");
    let slow = Profile {
        delay: Duration::from_millis(30),
        ..Profile::none()
    };
    let networks: Vec<AccessLink> = plan.peers.iter().map(|peer| peer.network.link).collect();
    assert_eq!(networks, [wifi, wifi, AccessLink::both(slow)]);
    let lossy = Profile {
        loss: "2%".parse().expect("a share"),
        ..Profile::none()
    };
    assert_eq!(
        script(&plan, 0),
        [
            (
                0,
                Action::Network {
                    network: AccessLink::both(lossy).into()
                }
            ),
            (
                1_000,
                Action::Network {
                    network: Network::default()
                }
            ),
        ]
    );
}

#[test]
fn plans_of_networks_read_like_this() {
    let plan = planned(include_str!("../data/scenario/network.yaml"));
    insta::assert_snapshot!("plan_of_networks", show(&plan));
}

#[test]
fn whoever_crashed_joins_again() {
    let plan = played_by_all("crash, {pause: 1s}, join");
    let told = script(&plan, 0);
    assert_eq!(told[0], (0, Action::Crash));
    assert!(matches!(told[1], (1_000, Action::Join { again: true, .. })));
}

#[test]
fn connections_that_are_replaced_count_their_sockets_twice() {
    let needed = |steps: &str| {
        let machine = Machine {
            open_files: 0,
            memory_bytes: u64::MAX,
        };
        check_limits(&played_by_all(steps), machine)[0].needed
    };
    // 2 rooms of 3: 6 peers, 12 ends of connections.
    let once = 64 + 12 + 12;
    for steps in [
        "leave",
        "duplicate_offer",
        "{duplicate_answer: {for: 1s}}",
        "{network: lossy}",
    ] {
        assert_eq!(needed(steps), once, "{steps}");
    }
    for steps in [
        "rejoin",
        "crash",
        "ice_restart",
        "cut_signaling",
        "{drop_network: {for: 1s}}",
        "{server: restart}",
    ] {
        assert_eq!(needed(steps), once + 12, "{steps}");
    }
}

#[test]
fn a_restart_of_the_server_takes_no_planned_time() {
    let plan = played_by_all("{server: {restart: {for: 500ms}}}, {pause: 1s}, {server: restart}");
    let restart = |ms| {
        Action::Server(ServerFault::Restart {
            away: Duration::from_millis(ms),
        })
    };
    assert_eq!(script(&plan, 0), [(0, restart(500)), (1_000, restart(0))]);
    let told = show(&plan);
    assert!(told.contains("restart the server, away for 500ms\n"), "{told}");
    assert!(told.contains("restart the server\n"), "{told}");
    let json = serde_json::json!(plan);
    assert_eq!(
        json["peers"][0]["script"][1]["action"]["server"]["restart"]["for_ms"],
        500.0
    );
}

#[test]
fn plans_with_faults_read_like_this() {
    let plan = planned(include_str!("../data/scenario/faults.yaml"));
    insta::assert_snapshot!("plan_of_faults", show(&plan));
}

/// The first three of five are one half.
#[test]
fn the_other_half_is_whoever_is_not_in_ones_own() {
    let plan = planned(
        "{name: x, rooms: {count: 2, peers: 5}, steps: [join, {drop_network: {for: 1s, with: other_half, server: lost}}]}",
    );
    for (peer, others) in [
        (0, [3, 4].as_slice()),
        (2, &[3, 4]),
        (3, &[0, 1, 2]),
        (4, &[0, 1, 2]),
        (5, &[8, 9]),
        (9, &[5, 6, 7]),
    ] {
        let Some((0, Action::DropNetwork(what))) = script(&plan, peer).pop() else {
            panic!("peer {peer} drops the network");
        };
        let with: Vec<u32> = what.with.iter().map(|peer| peer.0).collect();
        assert_eq!(with, others, "peer {peer}");
        assert!(what.hits_server());
    }
}

#[test]
fn who_sleeps_or_has_udp_blocked_for_a_while_goes_on_after_it() {
    let plan = planned(
        "{name: x, rooms: {peers: 2}, steps: [join, roam, {suspend: {for: 2s, clock: jumps}}, nat_rebind, {block_udp: {for: 3s}}, {roam: {signaling: kept}}, block_udp, {wait: recovered}]}",
    );
    let told: Vec<(u64, Action)> = script(&plan, 0);
    assert_eq!(
        told[..6],
        [
            (
                0,
                Action::Roam {
                    signaling: SocketOnRoam::Broken
                }
            ),
            (
                0,
                Action::Suspend {
                    lasting: Duration::from_secs(2),
                    clock: SleepingClock::Jumps
                }
            ),
            (2_000, Action::NatRebind),
            (
                2_000,
                Action::BlockUdp {
                    lasting: Some(Duration::from_secs(3))
                }
            ),
            (
                5_000,
                Action::Roam {
                    signaling: SocketOnRoam::Kept
                }
            ),
            (5_000, Action::BlockUdp { lasting: None }),
        ]
    );
    assert_eq!(told[6].0, 5_000);
}

#[test]
fn what_lies_beyond_the_link_is_planned_for_whom_it_names_but_not_for_oneself() {
    let plan = planned(
        "{name: x, network: {profile: lan, to: [{with: [b, a-1], delay: 80ms, up: {loss: 2%}}]}, groups: [{name: a, peers: 2, steps: [join]}, {name: b, peers: 1, steps: [join]}]}",
    );
    let far = Profile {
        delay: Duration::from_millis(80),
        ..Profile::none()
    };
    let link = AccessLink {
        up: Profile {
            loss: "2%".parse().expect("a share"),
            ..far
        },
        down: far,
    };
    let with = |peers: &[u32]| {
        vec![PathPlan {
            with: peers.iter().copied().map(PeerId).collect(),
            link,
        }]
    };
    let to: Vec<_> = plan.peers.iter().map(|peer| peer.network.to.clone()).collect();
    assert_eq!(to, [with(&[2]), with(&[0, 2]), with(&[0])]);
    let json = serde_json::json!(plan);
    assert_eq!(json["peers"][1]["network"]["to"][0]["up"]["loss_ratio"], 0.02);
    assert_eq!(
        json["peers"][1]["network"]["to"][0]["with"],
        serde_json::json!([0, 2])
    );
}
