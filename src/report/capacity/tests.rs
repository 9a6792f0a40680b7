use super::*;
use crate::{
    capacity::{Knee, Limit, Outcome},
    report::terminal::Look,
};

fn step(load: u32, outcome: Outcome, p95: f64) -> StepLine {
    StepLine {
        load,
        peers: load * 4,
        seed: u64::from(load),
        outcome,
        actual: vec![Some(p95)],
        connect_ms_p95: Some(p95),
        failed: Some(if p95.is_finite() { 0.0 } else { 0.5 }),
        generator_cpu_percent: Some(41.2),
        generator_lag_ms_p99: Some(1.5),
        server_cpu_percent: (load > 10).then_some(97.0),
        reasons: match outcome {
            Outcome::Held => Vec::new(),
            _ => vec!["connect_ms: p(95)<200 failed: it was <inf>".to_owned()],
        },
        folder: format!("out/runs/{load:03}"),
    }
}

fn report() -> CapacityReport {
    CapacityReport {
        version: "0.1.0".to_owned(),
        scenario: "join-storm".to_owned(),
        target: "ws://127.0.0.1:9/ws/".to_owned(),
        started_at: "2026-11-28T10:00:00Z".to_owned(),
        machine: "linux x86_64, 2 cores".to_owned(),
        metrics: vec!["connect_ms: p(95)<200".to_owned()],
        p95_below_ms: Some(200.0),
        unit: 4,
        raised: "rooms",
        tries: 2,
        steps: vec![
            step(10, Outcome::Held, 20.0),
            step(20, Outcome::Held, 90.0),
            step(40, Outcome::Broke, f64::INFINITY),
            step(20, Outcome::Held, 110.0),
            step(40, Outcome::Broke, 2_000.0),
        ],
        knee: Knee {
            holds: Some(20),
            breaks: Some(40),
            limit: Limit::Server,
        },
        interrupted: false,
        repeat: "rtcstorm capacity join-storm --metric 'connect_ms p(95)<200'".to_owned(),
    }
}

#[test]
fn the_knee_and_whose_it_is_come_first_and_then_every_run_by_its_load() {
    let look = Look {
        width: 100,
        colour: false,
    };
    for width in [60, 80, 100] {
        let text = summary(&report(), Look { width, colour: false });
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    }
    let text = summary(&report(), look);
    let first = "Up to 80 peers everything held, 2 times of 2; with 160 it did not, 2 times of 2.";
    assert!(
        text.contains(first) && text.contains("It is the server's"),
        "{text}"
    );
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("1.50ms")).collect();
    assert_eq!(rows.len(), 5, "{text}");
    assert!(
        rows[0].trim_start().starts_with("40") && rows[3].trim_start().starts_with("160"),
        "{text}"
    );
    // A bar each for what took long, what failed and what the server needed: the same load, the same bar.
    let bars = |row: &str| -> Vec<usize> {
        let is_bar = |c: char| ('█'..='▏').contains(&c) || c == '▒';
        let bars = row.split_whitespace().filter(|word| word.chars().all(is_bar));
        bars.map(|bar| bar.chars().count()).collect()
    };
    assert_eq!(bars(rows[0]), [1], "{text}");
    assert_eq!(
        bars(rows[3]),
        [12, 12, 12],
        "infinite, the most that failed, all of the server's: {text}"
    );
    assert!(rows[3].contains('▒') && !rows[4].contains('▒'), "{text}");
    let generators = CapacityReport {
        knee: Knee {
            limit: Limit::Generator,
            ..report().knee
        },
        ..report()
    };
    assert!(summary(&generators, look).contains("the generator's, not the server's"));
    let lost = CapacityReport {
        steps: vec![step(10, Outcome::Held, 20.0), step(20, Outcome::Unproven, 20.0)],
        knee: Knee {
            holds: Some(10),
            breaks: None,
            limit: Limit::Unproven,
        },
        ..report()
    };
    let told = summary(&lost, look);
    assert!(
        told.contains("of more nothing could be proved") && told.contains("can't be told"),
        "{told}"
    );
    assert!(
        !told.contains("generator's") && told.contains("unproven"),
        "{told}"
    );
    let cut = CapacityReport {
        interrupted: true,
        steps: Vec::new(),
        ..report()
    };
    assert!(
        summary(&cut, look).contains("interrupted") && summary(&cut, look).contains("Nothing was measured")
    );
}

#[test]
fn programs_get_the_same_as_json_and_csv() {
    let json: serde_json::Value = serde_json::from_slice(&capacity(&report())).expect("JSON");
    assert_eq!(json["schema"], SCHEMA);
    assert_eq!(
        (
            &json["knee"]["holds_peers"],
            &json["knee"]["breaks_peers"],
            &json["knee"]["limit"]
        ),
        (&80.into(), &160.into(), &"server".into())
    );
    assert_eq!(json["steps"][2]["connect_ms_p95"], "inf");
    assert_eq!(json["steps"][0]["server_cpu_percent"], serde_json::Value::Null);
    let csv = String::from_utf8(steps(&report()).expect("it is written to memory")).expect("text");
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(rows[1], "40,10,held,20,20,0,41.2,1.5,");
    assert_eq!(rows[3], "160,40,broke,inf,inf,0.5,41.2,1.5,97");
}

#[test]
fn the_page_has_a_panel_for_all_that_was_measured_and_takes_nothing_for_markup() {
    let shown = |report: &CapacityReport| String::from_utf8(page(report)).expect("text");
    let whole = shown(&report());
    for told in [
        "it was &lt;inf&gt;",
        "connect_ms p95 (log)",
        ">connect_failed: links that did not open<",
        "CPU, the most in a second",
        "the server's CPU",
        "p95 below 200ms is asked for",
        "where the knee lies",
        "peers (log)",
    ] {
        assert!(whole.contains(told), "{told}: {whole}");
    }
    // A mark for each run in each panel; the server has told three of five times what it used.
    let marks = |of: &str| whole.matches(&format!(r#"class="mark-{of}""#)).count();
    assert_eq!(
        (marks("held l1"), marks("broke l1"), marks("dot failed")),
        (3, 2, 5)
    );
    assert_eq!((marks("dot l2 solid"), marks("dot l4 apart")), (4, 5));
    assert!(!whole.contains("<script") && !whole.contains("NaN"));

    let mut bare = report();
    for step in &mut bare.steps {
        (step.server_cpu_percent, step.generator_cpu_percent, step.failed) = (None, None, Some(0.0));
    }
    let bare = shown(&bare);
    assert!(
        bare.contains("connect_failed: links that did not open: none"),
        "{bare}"
    );
    assert!(bare.contains("Processor time was not measured") && !bare.contains("CPU, the most"));

    let nothing = CapacityReport {
        steps: Vec::new(),
        ..report()
    };
    let nothing = shown(&nothing);
    assert!(
        !nothing.contains("NaN") && !nothing.contains("<figure") && nothing.contains("Nothing was measured")
    );
}

#[test]
fn one_axis_of_peers_is_shared_by_all_panels() {
    let whole = String::from_utf8(page(&report())).expect("text");
    // 40, 80 and 160 peers: each doubling takes as much room.
    for (x, most) in [("3%", 3), ("50%", 8), ("97%", 8)] {
        let marks = whole.matches(&format!(r#"<svg x="{x}""#)).count();
        assert_eq!(marks, most, "{x}: {whole}");
    }
}
