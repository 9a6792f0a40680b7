//! A plan in segments, each in a simulation of its own, and the whole in one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rtcstorm::{
    base::{Instant, RoomId},
    metrics::{Numbers, Recorder, RunEvent, Snapshot},
    plan::{Merged, Plan, Segment, expand, merge, plan_of},
    report::{Normaliser, events::ndjson},
    scenario::{Override, Scenario, bundled},
    sim::Schedule,
};

use crate::{local::Unjudged, simulated};

/// With lossy and narrow networks, faults of the network, of signaling and of hosts, chat, crashes.
const SCENARIOS: [(&str, &[&str]); 5] = [
    ("leave-rejoin", &["rooms.count=3"]),
    ("crash-and-return", &["rooms.count=3"]),
    ("network-drops", &["rooms.count=3"]),
    ("chat-load", &["rooms.count=3", "rooms.peers=3"]),
    ("outage-matrix-short", &["rooms.count=3"]),
];

/// What the bundled ones have little of: loss, jitter, reordering, and links so narrow that a byte more is time; so many peers
/// that their numbers have different lengths.
const ROUGH: &str = "
name: rough
rooms: { count: 5 }
arrive: { over: 4s }
network: { profile: 3g, loss: 2%, jitter: 20ms, reorder: 2% }
groups:
  - name: first
    peers: 1
    network: { rate: 200kbit, delay: 30ms, loss: 1% }
    steps:
      - join
      - wait: connected
      - chat: { every: 100ms, for: 4s, size: 400B }
      - pause: 0s..2s
      - drop_network: { for: 3s }
      - wait: recovered
  - name: others
    peers: 2
    steps:
      - signaling: { delay: 0ms..80ms, for: 3s }
      - join
      - wait: connected
      - chat: { every: 130ms, for: 9s, size: 300B }
      - cut_signaling
      - pause: 1s..3s
      - rejoin
      - wait: connected
";

fn sound(name: &str, text: &str, set: &[&str]) -> Scenario {
    let set: Vec<Override> = set.iter().map(|set| Override::set("--set", *set)).collect();
    Scenario::with_overrides(name, text, &set, &Unjudged)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.listing()))
}

fn scenarios() -> impl Iterator<Item = Scenario> {
    let texts: BTreeMap<&str, &str> = bundled().iter().copied().collect();
    let bundled = SCENARIOS.map(|(name, set)| sound(name, texts[name], set));
    bundled.into_iter().chain([sound("rough", ROUGH, &[])])
}

/// The events of each room, each as its line; descriptions count anew in every room.
fn by_room(events: &[RunEvent], plan: &Plan) -> BTreeMap<RoomId, Vec<String>> {
    let mut rooms: BTreeMap<RoomId, (Normaliser, Vec<String>)> = BTreeMap::new();
    for event in events {
        let Some(peer) = event.peer else { continue };
        let room = plan.peers[peer.index()].room;
        let (normaliser, lines) = rooms.entry(room).or_default();
        lines.push(ndjson(&normaliser.normal(event)));
    }
    rooms
        .into_iter()
        .map(|(room, (_, lines))| (room, lines))
        .collect()
}

fn figures(plan: &Plan, events: &[RunEvent], took: Duration) -> Snapshot {
    let mut recorder = Recorder::new(plan);
    events.iter().for_each(|event| recorder.record(event));
    recorder.finish(Instant::START + took);
    recorder.snapshot()
}

/// The segments' events in the numbers of the whole, and the sum of their figures.
fn in_segments(scenario: &Scenario, seed: u64, count: u32) -> (Merged, Vec<RunEvent>, Snapshot) {
    let parts: Vec<_> = Segment::all(count).map(|segment| (segment, None)).collect();
    let merged = merge(scenario, seed, &parts);
    let (mut all, mut sum) = (Vec::new(), Snapshot::default());
    for (place, share) in merged.shares.iter().enumerate() {
        let options = rtcstorm::plan::Options {
            run_id: None,
            segment: share.segment,
        };
        let plan = Arc::new(expand(scenario, seed, &options));
        let (mut events, took) = simulated::play(&plan, Schedule::Fifo);
        let own = figures(&plan, &events, took);
        sum.merge(&own);
        let numbers = Numbers {
            peers: share.peers.clone(),
            barriers: share.barriers.clone(),
            place: (place as u64, u64::from(count)),
        };
        for event in &mut events {
            numbers.renumber(event).expect("it is somebody of the segment");
        }
        // Judged by the whole plan, of which the others do nothing, it comes to the same.
        assert_eq!(figures(&plan_of(&merged.plan, share), &events, took), own);
        all.append(&mut events);
    }
    (merged, all, sum)
}

#[test]
fn every_room_has_the_same_luck_in_a_segment_and_the_figures_add_up() {
    for (nth, scenario) in scenarios().enumerate() {
        let whole = Arc::new(expand(&scenario, 5, &rtcstorm::plan::Options::default()));
        let (events, took) = simulated::play(&whole, Schedule::Fifo);
        let all_figures = figures(&whole, &events, took);
        let expected = by_room(&events, &whole);
        let counts: &[u32] = match (&*scenario.name, nth % 2) {
            ("rough", _) => &[2, 3],
            (_, 0) => &[2],
            _ => &[3],
        };
        for &count in counts {
            let (merged, events, sum) = in_segments(&scenario, 5, count);
            assert_eq!(merged.plan, *whole, "{}", scenario.name);
            let rooms = by_room(&events, &whole);
            for (room, lines) in &expected {
                let other = &rooms[room];
                let place = lines.iter().zip(other).position(|(one, other)| one != other);
                let at = place.map(|place| (&lines[place], &other[place]));
                assert!(
                    at.is_none(),
                    "{}, {room} of {count} segments: {at:#?}",
                    scenario.name
                );
                assert_eq!(lines.len(), other.len(), "{}, {room}", scenario.name);
            }
            assert_eq!(sum, all_figures, "{} in {count} segments", scenario.name);
        }
    }
}
