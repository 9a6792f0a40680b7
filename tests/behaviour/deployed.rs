//! Against a server that relays as the deployment does: everything to everybody, and no join is answered.

use std::collections::BTreeMap;

use rtcstorm::{
    base::{Incarnation, Instant, PeerId},
    metrics::{DescriptionKind, EventKind, MetricKey, Recorder, RunEvent, Snapshot},
    plan,
    scenario::{Scenario, bundled},
    sim::Schedule,
    verdict::invariants::{Checkers, InvariantStatus, Visibility},
};

use crate::{
    local,
    simulation::{Run, accusations, played_text},
};

const DEPLOYED: &str = "target.relay_mode=deployed";

fn bundled_text(name: &str) -> &'static str {
    let found = bundled().iter().find(|(bundled, _)| *bundled == name);
    found.expect("it is bundled").1
}

/// A run of a bundled scenario's first rooms; there have to be two to see that one is not the other's.
fn two_rooms(name: &str, schedule: Schedule, seed: u64) -> Run {
    let options = |scenario: &Scenario| plan::Options {
        run_id: None,
        segment: format!("1/{}", scenario.rooms.div_ceil(2))
            .parse()
            .expect("there is a room"),
    };
    played_text(name, bundled_text(name), options, Some(DEPLOYED), schedule, seed)
}

fn played(text: &str) -> Run {
    let options = |_: &Scenario| plan::Options::default();
    played_text("deployed", text, options, Some(DEPLOYED), Schedule::Fifo, 1)
}

fn figures((events, plan, took): &Run) -> Snapshot {
    let mut recorder = Recorder::new(plan);
    events.iter().for_each(|event| recorder.record(event));
    recorder.finish(Instant::START + *took);
    recorder.snapshot()
}

fn count(figures: &Snapshot, name: &str) -> u64 {
    figures.counters.get(&MetricKey::new(name)).copied().unwrap_or(0)
}

fn wasted(figures: &Snapshot, whose: &str) -> u64 {
    let key = MetricKey::new("fanout_waste_frames").with("whose", whose);
    figures.counters.get(&key).copied().unwrap_or(0)
}

fn told<'a>(run: &'a Run, wanted: impl Fn(&EventKind) -> bool + 'a) -> impl Iterator<Item = &'a RunEvent> {
    run.0.iter().filter(move |event| wanted(&event.kind))
}

/// `SEEDS=200` looks further.
#[test]
fn members_find_each_other_without_a_server_that_knows_them_in_whatever_order() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let mut accused = Vec::new();
    for name in [
        "smoke",
        "leave-rejoin",
        "join-storm",
        "network-drops",
        "crash-and-return",
    ] {
        for schedule in [Schedule::Random, Schedule::Pct { depth: 3 }] {
            for seed in 0..seeds.unwrap_or(3) {
                let run = two_rooms(name, schedule, seed);
                let failed = count(&figures(&run), "joins_failed");
                let none_failed = (failed > 0).then(|| format!("{failed} joins failed"));
                let found = accusations(name, &run);
                accused.extend(
                    found
                        .iter()
                        .chain(&none_failed)
                        .map(|what| format!("{name}, {schedule:?}, seed {seed}, {what}")),
                );
            }
        }
    }
    assert!(accused.is_empty(), "{}:\n{}", accused.len(), accused.join("\n"));
}

#[test]
fn what_the_deployment_shows_nobody_is_neither_held_nor_broken() {
    let (events, plan, took) = two_rooms("smoke", Schedule::Fifo, 1);
    let mut checkers = Checkers::new(&plan, Visibility::of(plan.abilities(), true));
    events.iter().for_each(|event| checkers.observe(event));
    let results = checkers.finish(Instant::START + took);
    let rosters = results
        .iter()
        .find(|result| result.number == 6)
        .expect("it is judged");
    assert!(
        matches!(rosters.status, InvariantStatus::NotApplicable { .. }),
        "{rosters:?}"
    );
    let links = results
        .iter()
        .find(|result| result.number == 1)
        .expect("it is judged");
    assert_eq!((&links.status, links.cases), (&InvariantStatus::Held, 6));
}

#[test]
fn who_is_alone_in_its_room_for_ever_has_joined() {
    let run =
        played("{ name: x, rooms: { count: 2, peers: 1 }, steps: [join, { wait: joined }, { pause: 40s }] }");
    let figures = figures(&run);
    let of = |name| count(&figures, name);
    assert_eq!(
        (of("joins_confirmed"), of("joins_relayed"), of("joins_failed")),
        (2, 2, 0)
    );
    let join = figures
        .trends
        .get(&MetricKey::new("join_ms"))
        .expect("two samples");
    assert_eq!((join.count(), join.failed()), (2, 0));
    assert_eq!(accusations("alone", &run), [""; 0]);
}

#[test]
fn how_long_the_first_ones_join_took_has_nothing_to_do_with_when_the_second_comes() {
    for after in ["1s", "10s", "50s"] {
        let run = played(&format!(
            "{{ name: x, groups: [ \
             {{ name: first, peers: 1, steps: [join, {{ pause: 60s }}] }}, \
             {{ name: second, peers: 1, steps: [{{ pause: {after} }}, join, {{ wait: connected }}] }} ] }}"
        ));
        let figures = figures(&run);
        let signaling = figures
            .trends
            .get(&MetricKey::new("signaling_ms"))
            .expect("two samples");
        assert_eq!((signaling.count(), signaling.failed()), (2, 0));
        let longest = signaling.max_ms().expect("two samples");
        assert!(longest < 100.0, "{after}: {longest} ms");
        assert_eq!(count(&figures, "joins_relayed"), 1, "{after}: the first one's");
        assert_eq!(accusations(after, &run), [""; 0]);
    }
}

/// The other member's offer proves that it has heard of the join; that its socket is open proves nothing.
#[test]
fn a_join_that_another_member_acts_on_is_confirmed_by_that() {
    let run = played(
        "{ name: x, groups: [ \
         { name: first, peers: 1, steps: [join, { pause: 9s }] }, \
         { name: second, peers: 1, steps: [{ pause: 5s }, join, { wait: connected }] } ] }",
    );
    let second = PeerId(1);
    let at = |wanted: fn(&EventKind) -> bool| {
        let mut events = run.0.iter().filter(|event| event.peer == Some(second));
        events.position(|event| wanted(&event.kind)).expect("it is told")
    };
    let joined = at(|kind| matches!(kind, EventKind::Joined { .. }));
    let offered = at(|kind| matches!(kind, EventKind::DescriptionReceived { .. }));
    assert_eq!(joined + 1, offered, "nothing else has let it in");
    let relayed = told(&run, |kind| matches!(kind, EventKind::JoinRelayed { .. }));
    assert!(relayed.map(|event| event.peer).eq([Some(PeerId(0))]));
}

#[test]
fn a_socket_that_is_back_is_announced_and_healthy_links_are_left_alone() {
    let run = played(
        "{ name: x, groups: [ \
         { name: cut, peers: 1, steps: [join, { pause: 5s }, cut_signaling, { pause: 20s }] }, \
         { name: staying, peers: 1, steps: [join, { pause: 25s }] }, \
         { name: late, peers: 1, steps: [{ pause: 5100ms }, join, { wait: connected }, { pause: 10s }] } ] }",
    );
    assert_eq!(accusations("cut", &run), [""; 0]);
    let mut made: BTreeMap<[PeerId; 2], u32> = BTreeMap::new();
    for event in told(&run, |kind| matches!(kind, EventKind::ConnectionCreated { .. })) {
        let mut pair = [event.peer.expect("a peer's"), event.remote.expect("to another")];
        pair.sort_unstable();
        *made.entry(pair).or_default() += 1;
    }
    let pair = |one, other| made[&[PeerId(one), PeerId(other)]];
    assert_eq!(pair(0, 1), 2, "the link that was healthy, once at each end");
    assert!(pair(0, 2) >= 2 && pair(1, 2) == 2, "who came meanwhile: {made:?}");
    let resumed = told(&run, |kind| matches!(kind, EventKind::MembershipResumed { .. }));
    assert!(resumed.map(|event| event.peer).eq([Some(PeerId(0))]));
    let again = told(&run, |kind| *kind == EventKind::MemberJoined { again: true });
    assert!(again.count() >= 1, "the others hear of it");
}

/// Who is back after a crash knows nobody: a link that still looks open at the other end is none.
#[test]
fn who_crashed_and_is_back_is_offered_to_anew_at_once() {
    let run = played(
        "{ name: x, groups: [ \
         { name: crashing, peers: 1, steps: [join, { wait: connected }, crash, { pause: 500ms }, join, { wait: { for: connected, within: 1s } }] }, \
         { name: staying, peers: 2, steps: [join, { wait: connected }, { pause: 5s }] } ] }",
    );
    assert_eq!(accusations("crash", &run), [""; 0]);
}

/// On a slow way to the relay an offer of the membership before comes in behind the next join, and ahead of the word
/// that the relay has read it.
#[test]
fn an_offer_from_before_a_rejoin_is_not_taken_for_one_to_the_newcomer() {
    let offers = |refuse_stale: bool| {
        let run = played(&format!(
            "{{ name: x, client: {{ extends: reference, refuse_stale: {refuse_stale} }}, groups: [ \
             {{ name: back, peers: 1, network: {{ delay: 20ms }}, \
             steps: [join, {{ wait: connected }}, {{ barrier: all }}, rejoin, {{ wait: connected }}, {{ pause: 2s }}] }}, \
             {{ name: staying, peers: 1, \
             steps: [join, {{ wait: connected }}, {{ barrier: all }}, {{ pause: 10ms }}, {{ ice_restart: {{ both: true }} }}, {{ pause: 3s }}] }} ] }}"
        ));
        let back = run.0.iter().filter(|event| event.peer == Some(PeerId(0)));
        let rejoined = back.skip_while(|event| {
            !matches!(event.kind, EventKind::JoinStarted { incarnation, .. } if incarnation == Incarnation(2))
        });
        let offer = |event: &&RunEvent| {
            let kind = &event.kind;
            matches!(
                kind,
                EventKind::DescriptionReceived {
                    description: DescriptionKind::Offer,
                    ..
                }
            )
        };
        rejoined.filter(offer).count()
    };
    assert_eq!(offers(true), 1, "the one that follows the join");
    assert!(
        offers(false) > 1,
        "a client that does not tell them apart takes both"
    );
}

#[test]
fn no_name_is_refused() {
    let run = played(
        "{ name: x, groups: [ \
         { name: one, peers: 1, steps: [{ rename: Ann }, join, { pause: 2s }] }, \
         { name: two, peers: 1, steps: [{ rename: ann }, { pause: 1s }, join, { pause: 1s }] } ] }",
    );
    let figures = figures(&run);
    let of = |name| count(&figures, name);
    assert_eq!(
        (of("joins_rejected"), of("joins_failed"), of("joins_confirmed")),
        (0, 0, 2)
    );
}

#[test]
fn what_nobody_of_the_room_sent_is_counted_and_nothing_else() {
    let deployed = figures(&two_rooms("join-storm", Schedule::Fifo, 1));
    let [room, member, server] = ["other_room", "other_member", "server"].map(|of| wasted(&deployed, of));
    assert!(room > 0 && member > 0 && server > 0, "{room} {member} {server}");
    let whole = count(&deployed, "fanout_waste_frames");
    assert_eq!(whole, room + member + server);
    assert!(whole < count(&deployed, "signaling_frames_received"));
    assert!(count(&deployed, "fanout_waste_bytes") < count(&deployed, "signaling_bytes_received"));
    assert_eq!(count(&deployed, "signaling_receivers"), 8);
    // What a room hears of the other is what that one hears of its own: both are four peers with one script.
    let alone = played_text(
        "join-storm",
        bundled_text("join-storm"),
        |_| plan::Options::default(),
        Some("rooms={count: 1, peers: 4}"),
        Schedule::Fifo,
        1,
    );
    let rooms = figures(&alone);
    assert_eq!(wasted(&rooms, "other_room") + wasted(&rooms, "other_member"), 0);
    assert_eq!(wasted(&rooms, "server"), 4, "`client_count`, once to each");
}

#[test]
fn sixty_peers_in_fifteen_rooms_meet_over_real_sockets() {
    let text = "{ name: x, target: { relay_mode: deployed }, rooms: { count: 15, peers: 4 }, connect_timeout: 2m, \
                steps: [join, { wait: { for: connected, within: 2m } }, { barrier: { name: all, within: 2m } }, \
                rejoin, { wait: { for: connected, within: 2m } }] }";
    let played = local::runtime().block_on(local::play(text));
    for invariant in &played.invariants {
        assert_ne!(invariant.status, InvariantStatus::Broken, "{invariant:?}");
    }
    let of = |name| count(&played.snapshot, name);
    assert_eq!(
        (of("joins_confirmed"), of("joins_failed"), of("wait_expired")),
        (120, 0, 0)
    );
    assert_eq!(of("signaling_receivers"), 60);
    // Of 15 rooms' offers, answers and candidates, one's own are the fifteenth part.
    let share = of("fanout_waste_frames") as f64 / of("signaling_frames_received") as f64;
    assert!(share > 0.9, "{share}");
}
