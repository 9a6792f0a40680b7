//! The language and the command line, told to programs: `schema`, `completions`, `environment`, `--segment`.

use std::collections::BTreeSet;

use super::{
    QUICK,
    program::{Desk, json},
};

#[test]
fn the_schema_knows_every_key_step_rule_and_metric() {
    let output = Desk::new("schema").run(&["schema"]);
    output.assert_code(0).assert_sane();
    let schema = json(&output.stdout);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let keys = |at: &str| -> BTreeSet<String> {
        let map = schema.pointer(at).and_then(|value| value.as_object());
        map.unwrap_or_else(|| panic!("{at}")).keys().cloned().collect()
    };
    for (at, some) in [
        ("/properties", vec!["name", "thresholds", "groups"]),
        (
            "/properties/thresholds/properties",
            vec!["connect_ms", "messages_lost"],
        ),
        (
            "/$defs/step/anyOf/1/properties",
            vec!["join", "chat", "drop_network", "crash"],
        ),
        (
            "/$defs/client/anyOf/1/properties",
            vec!["extends", "dedupe_offers"],
        ),
    ] {
        let keys = keys(at);
        for key in some {
            assert!(keys.contains(key), "{key} at {at}");
        }
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    let desk = Desk::new("completions");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = desk.run(&["completions", shell]);
        output.assert_code(0).assert_sane();
        assert!(
            output.stdout.contains("completions") && output.stdout.contains("no-thresholds"),
            "{shell}"
        );
    }
    desk.run(&["completions", "command.com"]).assert_code(2);
}

/// Whatever the help of a subcommand says about variables is in the list, and the other way round.
#[test]
fn every_variable_is_listed() {
    let desk = Desk::new("environment");
    let variables = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words
            .filter(|word| word.starts_with("RTCSTORM_") || word.starts_with("REFERENCE_SERVER_"))
            .map(str::to_owned)
            .collect()
    };
    let helps = subcommands(&desk).into_iter();
    let helps: String = helps
        .filter(|name| name != "environment")
        .map(|name| desk.run(&["help", &name]).stdout)
        .collect();
    let mut known = variables(&helps);
    assert!(known.len() > 15, "{known:?}");
    known.insert("RTCSTORM_LOG".to_owned());
    for args in [&["environment"][..], &["help", "environment"]] {
        let output = desk.run(args);
        output.assert_code(0);
        assert!(output.stdout.contains("NO_COLOR"), "{output:#?}");
        let listed: BTreeSet<String> = output
            .stdout
            .lines()
            .take_while(|line| !line.is_empty())
            .flat_map(variables)
            .collect();
        assert_eq!(listed, known, "{args:?}");
    }
}

/// As `help` lists them.
fn subcommands(desk: &Desk) -> Vec<String> {
    let all = desk.run(&["help"]).stdout;
    let names = all
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // What does not fit goes on in the next line, further in.
        .filter(|line| line.chars().take_while(|c| *c == ' ').count() == 2)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 6, "{all}");
    names
}

#[test]
fn every_subcommand_has_an_example() {
    let desk = Desk::new("examples");
    for name in subcommands(&desk) {
        let help = desk.run(&["help", &name]).stdout;
        assert!(help.contains("\nExample:  "), "{name}: {help}");
    }
}

#[test]
fn a_segment_is_played_alone_and_says_so_in_the_line_that_repeats_it() {
    let desk = Desk::new("segment");
    desk.write(
        "rooms.yaml",
        &QUICK.replace("{ peers: 2 }", "{ peers: 2, count: 3 }"),
    );
    let plan = |segment: &str| {
        json(
            &desk
                .run(&["plan", "rooms.yaml", "--json", "--segment", segment])
                .stdout,
        )
    };
    let rooms = |segment: &str| -> Vec<String> {
        let plan = plan(segment);
        let rooms = plan["rooms"].as_array().expect("a list");
        rooms
            .iter()
            .map(|room| room["wire_id"].to_string().replace('"', ""))
            .collect()
    };
    assert_eq!(rooms("1/2"), ["room-0000", "room-0002"]);
    assert_eq!(rooms("2/2"), ["room-0001"]);
    assert_eq!(rooms("1/1").len(), 3);
    assert_eq!(plan("2/2")["peers"][1]["user_id"], "p0003");

    let output = desk.run(&["run", "rooms.yaml", "--segment", "2/2", "--out", "out"]);
    output.assert_code(0).assert_sane();
    let summary = desk.json("out/summary.json");
    assert_eq!(summary["metrics"]["connect_ms"]["count"], 1, "{summary:#}");
    let repeat = summary["repeat"].to_string();
    assert!(repeat.contains(" --segment 2/2"), "{repeat}");
}

#[test]
fn what_is_no_segment_is_wrong_usage_and_an_empty_one_a_wrong_configuration() {
    let desk = Desk::new("no-segment");
    for (segment, told) in [
        ("0/2", "segments count from 1"),
        ("3/2", "there is no segment 3 of 2"),
        ("half", "expected K/N, like 1/3"),
    ] {
        for command in ["run", "plan"] {
            let output = desk.run(&[command, "smoke", "--segment", segment]);
            output.assert_code(2).assert_says(told).assert_no_data();
        }
    }
    let output = desk.run(&["plan", "smoke", "--segment", "3/3"]);
    output
        .assert_code(104)
        .assert_says("smoke: no room falls to segment 3/3")
        .assert_no_data();
}
