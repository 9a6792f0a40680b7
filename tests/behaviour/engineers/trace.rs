use rtcstorm::report::Format;
use serde_json::Value;

use super::{
    record::{SMALL, all, record},
    well_formed::complaints,
};

fn trace(of: &rtcstorm::report::RunRecord) -> String {
    let bytes = Format::Trace
        .render(std::slice::from_ref(of))
        .expect("it is not too much");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// Events of a phase, by the names that viewers show.
fn named<'a>(trace: &'a Value, ph: &str) -> Vec<&'a str> {
    let events = trace["traceEvents"].as_array().expect("there are events");
    let of = events.iter().filter(|event| event["ph"] == ph);
    of.filter_map(|event| event["name"].as_str()).collect()
}

#[test]
fn the_trace_of_a_small_run() {
    insta::with_settings!({
        snapshot_path => "../../data/report",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("trace-small", trace(&record("small", SMALL, 1))) });
}

#[test]
fn every_scenarios_trace_is_well_formed_and_has_what_went_on() {
    for record in all() {
        let name = &record.report.scenario.name;
        let text = trace(record);
        assert_eq!(complaints(&text), [""; 0], "{name}");
        let trace: Value = serde_json::from_str(&text).expect("it is JSON");
        let spans = named(&trace, "X");
        for phase in [
            "member",
            "offer/answer",
            "ICE",
            "DTLS",
            "channel, or first RTP",
            "open",
        ] {
            // Whoever is refused gets no further; a link that has no path has no more than its offer.
            let has_links = record.events.iter().any(|event| event.remote.is_some());
            let is_there = spans.contains(&phase);
            assert!(
                is_there || !has_links || name.contains("block") || name.contains("no-path"),
                "{name}: {phase}"
            );
        }
        assert!(
            named(&trace, "s").iter().any(|flow| flow.starts_with("offer ")),
            "{name} has flows"
        );
    }
}

#[test]
fn a_run_that_was_killed_has_a_sound_trace_too() {
    let mut record = record("small", SMALL, 1);
    record.report.duration_ms = 0.0;
    for many in (0..record.events.len()).rev().step_by(3) {
        record.events.truncate(many);
        assert_eq!(complaints(&trace(&record)), [""; 0], "{many} events");
    }
}

#[test]
fn several_runs_are_processes_of_one_trace() {
    let runs = [record("small", SMALL, 1), record("small", SMALL, 2)];
    let bytes = Format::Trace.render(&runs).expect("it is not too much");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    assert_eq!(complaints(&text), [""; 0]);
    let trace: Value = serde_json::from_str(&text).expect("it is JSON");
    let processes = named(&trace, "M")
        .into_iter()
        .filter(|name| *name == "process_name");
    assert_eq!(processes.count(), 6, "a run and two peers, twice");
}
