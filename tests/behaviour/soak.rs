//! Invariant 8 over simulated runs that are long enough for it: what a client leaves behind adds up, and is named.

use rtcstorm::{
    base::Instant,
    plan::Options,
    sim::Schedule,
    verdict::invariants::{Checkers, InvariantResult, InvariantStatus, Visibility},
};

use crate::simulation::played_text;

/// A quarter of an hour in one room: one stays, one comes and goes.
const COMING_AND_GOING: &str = "
name: soak-small
duration: 15m
groups:
  - { name: staying, peers: 1, steps: [join, { pause: 20m }] }
  - name: coming
    peers: 1
    steps:
      - repeat: 200
        steps:
          - join
          - wait: connected
          - pause: 5s..10s
          - leave
          - pause: 1s..3s
";

fn judged(set: Option<&str>) -> InvariantResult {
    let (events, plan, took) = played_text(
        "soak",
        COMING_AND_GOING,
        |_| Options::default(),
        set,
        Schedule::Fifo,
        1,
    );
    let mut checkers = Checkers::new(&plan, Visibility::BUNDLED);
    events.iter().for_each(|event| checkers.observe(event));
    let results = checkers.finish(Instant::START + took);
    results
        .into_iter()
        .find(|result| result.number == 8)
        .expect("it is always there")
}

#[test]
fn who_comes_and_goes_for_a_quarter_of_an_hour_leaves_nothing_that_adds_up() {
    let result = judged(None);
    assert_eq!(result.status, InvariantStatus::Held, "{result:#?}");
    assert!(result.cases >= 8, "{}", result.cases);
}

#[test]
fn a_client_that_leaves_its_connections_behind_is_named_by_what_grows() {
    let result = judged(Some("client.close_on_leave=false"));
    assert_eq!(result.status, InvariantStatus::Broken, "{result:#?}");
    let told: Vec<&str> = result
        .findings
        .iter()
        .map(|finding| finding.what.as_str())
        .collect();
    for grows in ["connections", "sockets"] {
        assert!(told.iter().any(|what| what.starts_with(grows)), "{told:?}");
    }
}
