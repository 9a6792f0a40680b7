use rtcstorm::{
    metrics::EventKind,
    report::{Format, RunRecord},
};

use super::record::{SMALL, all, record};

fn text(of: &RunRecord) -> String {
    let bytes = Format::Signaling
        .render(std::slice::from_ref(of))
        .expect("it is not too much");
    String::from_utf8(bytes).expect("it is text")
}

#[test]
fn the_signaling_of_a_small_run() {
    insta::with_settings!({
        snapshot_path => "../../data/report",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("signaling-small", text(&record("small", SMALL, 1))) });
}

#[test]
fn every_description_of_every_scenario_is_told_and_no_line_steers_a_terminal() {
    for record in all() {
        let name = &record.report.scenario.name;
        let text = text(record);
        let lines = |of: &str| text.lines().filter(|line| line.contains(of)).count();
        let count = |of: fn(&EventKind) -> bool| record.events.iter().filter(|event| of(&event.kind)).count();
        let sent = count(|kind| matches!(kind, EventKind::DescriptionSent { .. }));
        let received = count(|kind| matches!(kind, EventKind::DescriptionReceived { .. }));
        let ignored = count(|kind| matches!(kind, EventKind::DescriptionIgnored { .. }));
        let lost = count(|kind| matches!(kind, EventKind::SignalingLost { .. }));
        let told = |way: &str| {
            let of = text.lines().filter(|line| line.contains(way));
            of.filter(|line| line.contains("  offer ") || line.contains("  answer "))
                .count()
        };
        let treated = lines(" by a fault");
        assert_eq!(
            told("→ srv →") + told("← srv ←"),
            sent + received + treated_descriptions(record),
            "{name}"
        );
        assert_eq!(lines(" is ignored: "), ignored, "{name}");
        assert_eq!(lines("socket is lost: "), lost, "{name}");
        let faults = count(|kind| matches!(kind, EventKind::FrameTreated { .. }));
        assert_eq!(treated, faults, "{name}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{name}");
    }
}

/// Rows of frames that a rule has met, which name the frame as rows of descriptions do.
fn treated_descriptions(record: &RunRecord) -> usize {
    let treated = record.events.iter().filter_map(|event| match event.kind {
        EventKind::FrameTreated { frame, .. } if event.remote.is_some() => Some(frame.name()),
        _ => None,
    });
    treated
        .filter(|frame| ["offer", "answer"].contains(frame))
        .count()
}
