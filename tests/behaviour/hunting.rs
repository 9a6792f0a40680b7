//! Scenarios as text that is read back.

use rtcstorm::{
    plan::{Options, expand},
    scenario::{Scenario, bundled, parse, races},
};

use crate::local::Unjudged;

#[track_caller]
fn read(text: &str) -> Scenario {
    parse("scenario", text, &Unjudged).unwrap_or_else(|mistakes| panic!("{}\n{text}", mistakes.listing()))
}

#[track_caller]
fn assert_printed_is_the_same(text: &str) {
    let scenario = read(text);
    let printed = scenario.to_yaml();
    let again = read(&printed);
    assert_eq!(printed, again.to_yaml());
    for seed in [0, 7] {
        let options = Options::default();
        let plan = |scenario| expand(scenario, seed, &options);
        assert_eq!(plan(&scenario), plan(&again), "{printed}");
    }
    let conditions = |scenario: &Scenario| -> Vec<_> {
        let each = scenario.thresholds.iter();
        each.map(|t| {
            (
                t.selector.clone(),
                t.expression.clone(),
                t.abort_on_fail,
                t.delay_abort_eval,
            )
        })
        .collect()
    };
    assert_eq!(conditions(&scenario), conditions(&again));
    assert_eq!(scenario.mutants, again.mutants, "{printed}");
}

#[test]
fn every_bundled_scenario_is_printed_as_what_it_is() {
    for (_, text) in bundled().iter().chain(races()) {
        assert_printed_is_the_same(text);
    }
}

#[test]
fn what_is_said_of_the_server_is_printed_as_what_it_is() {
    for text in [
        include_str!("../data/scenario/server.yaml"),
        include_str!("../data/scenario/server-faults.yaml"),
        include_str!("../data/scenario/control.yaml"),
        include_str!("../data/scenario/metrics.yaml"),
    ] {
        assert_printed_is_the_same(text);
        let scenario = read(text);
        assert_eq!(scenario.target, read(&scenario.to_yaml()).target, "{text}");
    }
}

#[test]
fn offered_servers_are_printed_as_what_they_are() {
    assert_printed_is_the_same(include_str!("../data/scenario/ice-offered.yaml"));
}

#[test]
fn everything_that_the_language_has_is_printed_as_what_it_is() {
    assert_printed_is_the_same(include_str!("../data/scenario/full.yaml"));
    assert_printed_is_the_same(
        "
name: every-step
about: 'a: \"b\" # c'
seed: 18446744073709551615
rooms: { count: 2 }
arrive: { stages: [{ over: 1s, to: 2 }, { over: 2s, to: 8 }] }
connect_timeout: 10s
message_timeout: 1m
duration: 90s
network: { profile: wifi, loss: 2% }
mutants: [{ offer_lock: 0s }, dashboard-4.0, { extends: reference }, { extends: dashboard-4.0-fixed, offer_lock: 3s }]
groups:
  - name: 'true'
    peers: 2
    client: { dedupe_offers: false }
    steps:
      - join: { expect: rejected }
      - wait: { for: rejected, within: 2s }
      - rename: 'a b: c'
      - join
      - wait: { for: connected, to: present }
      - wait: joined
      - barrier: { name: 'x y', within: 5s }
      - chat: { every: 100ms, size: 16KiB, for: 1050ms }
      - chat: { every: 100ms, size: 7, count: 3 }
      - network: { delay: 20ms, jitter: 1ms, rate: 1.5mbit, queue: 7ms }
      - pause: 1s
      - network: none
      - pause: 1s
      - network: { delay: 20ms, jitter: { spread: 5ms, distribution: pareto }, duplicate: 1%, reorder: 2%, corrupt: 0.5% }
      - pause: 1s
      - network: { loss: short-bursts, up: 3g, down: { rate: 2mbit, loss: { good_to_bad: 1%, bad_to_good: 25% } } }
      - pause: 1s
      - network: { profile: 3g, to: [{ with: [guest, 'true-1'], delay: 3ms, up: { loss: 2% } }, { with: 'true-2', profile: edge }] }
      - pause: 0s..1.5ms
  - name: guest
    peers: 2
    network: none
    steps:
      - join
      - barrier: 'x y'
      - duplicate_offer
      - duplicate_offer: { copies: 3, within: 50ms }
      - duplicate_answer: { copies: 2, for: 5s }
      - ice_restart: { links: one, both: true }
      - ice_restart
      - drop_network: { scope: media, for: 300ms, with: [guest-1] }
      - drop_network: { for: 1us }
      - cut_signaling: silent
      - wait: recovered
      - repeat: 2
        steps: [rejoin, { repeat: 3, steps: [leave, join] }]
      - crash
thresholds:
  connect_ms: ['p(95)<2000', { threshold: 'max<9', abortOnFail: true, delayAbortEval: 10s }]
  'reconnect_ms{path:rejoin}': 'med<1'
",
    );
}
