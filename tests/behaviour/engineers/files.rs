//! `report --format dump,trace,signaling` as somebody at a prompt has it.

use std::fs;

use serde_json::Value;

use super::well_formed::complaints;
use crate::cli::program::{Desk, json};

const ALL: &str = "dump,trace,signaling";

#[test]
fn a_runs_folder_is_read_by_engineers_whole_narrowed_and_cut_off() {
    let desk = Desk::new("engineers");
    desk.run(&["run", "crash-and-return", "--sim", "--quiet", "--out", "run"])
        .assert_code(0);
    let report = |run: &str, out: &str, narrowed: &[&str]| {
        let args = ["report", run, "--format", ALL, "--out", out];
        desk.run(&[&args, narrowed].concat()).assert_code(0);
        let connections = desk.json(&format!("{out}/webrtc-internals.json"))["PeerConnections"].clone();
        let trace = desk.read(&format!("{out}/trace.json"));
        assert_eq!(complaints(&trace), [""; 0], "{out}");
        let connections = connections.as_object().map(serde_json::Map::len);
        (
            connections.unwrap_or_default(),
            json(&trace),
            desk.read(&format!("{out}/signaling.txt")),
        )
    };
    fs::create_dir(desk.path("all")).expect("the folder for tests can be written");
    let (all, _, signaling) = report("run", "all", &[]);
    assert!(
        signaling.contains("\nroom-0 (") && signaling.contains("\nroom-1 ("),
        "{signaling}"
    );

    let (of_room, _, signaling) = report("run", "room", &["--room", "1"]);
    assert!(of_room < all, "{of_room} of {all}");
    assert!(
        !signaling.contains("\nroom-0 (") && signaling.contains("\nroom-1 ("),
        "{signaling}"
    );

    let (of_link, trace, signaling) = report("run", "link", &["--link", "0,1"]);
    assert!((2..of_room).contains(&of_link), "{of_link} of {of_room}");
    assert!(
        !signaling
            .lines()
            .any(|line| line.contains("srv") && line.contains("peer-2")),
        "{signaling}"
    );
    let events = trace["traceEvents"].as_array().expect("there are events");
    let processes: Vec<&Value> = events
        .iter()
        .filter(|event| event["name"] == "process_name")
        .collect();
    assert_eq!(processes.len(), 3, "{processes:?}");

    let log = desk.read("run/events.ndjson");
    desk.write("run/events.ndjson", &log[..log.len() / 2]);
    fs::remove_file(desk.path("run/summary.json")).expect("it was written");
    let (_, _, signaling) = report("run", "killed", &[]);
    assert!(signaling.starts_with("Signaling of crash-and-return") && signaling.contains("INCOMPLETE"));
}
