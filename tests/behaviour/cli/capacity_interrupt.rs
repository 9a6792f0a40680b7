//! Ctrl-C and SIGTERM while `capacity` plays a run: nobody and nothing is left.

use reference_server::{Config, Server};

use super::program::{Desk, Running, is_alive, wait_until};

/// A pair that stays: the second load is under way for as long as it takes.
const STAY: &str = "
name: stay
rooms: { peers: 2 }
steps: [join, { wait: connected }, { chat: { every: 50ms, size: 16, for: 1h } }]
";
/// How long the first load is there.
const SHORT: &str = "duration=6s";

/// Starts a search whose loads stay, or only the second does.
fn search(desk: &Desk, more: &[&str]) -> Running {
    desk.write("stay.yaml", STAY);
    let args = [
        "capacity",
        "stay.yaml",
        "--metric",
        "connect_failed rate<=1",
        "--from",
        "2",
        "--to",
        "40",
        "--settle",
        "10ms",
        "--out",
        "out",
    ];
    desk.start(&[&args as &[&str], more].concat())
}

/// Waits until so many peers of the run in that folder are connected.
fn wait_until_connected(desk: &Desk, run: &str, peers: usize) {
    wait_until("the peers are connected", || {
        let events = desk.events(run);
        events.iter().filter(|e| e["kind"] == "wait_satisfied").count() == peers
    });
}

#[track_caller]
fn assert_gone(children: &[u32]) {
    for pid in children {
        wait_until("a child has ended", || !is_alive(*pid));
    }
}

fn count(desk: &Desk, run: &str, kind: &str) -> usize {
    desk.events(run)
        .iter()
        .filter(|event| event["kind"] == kind)
        .count()
}

#[test]
fn ctrl_c_has_the_run_under_way_leave_its_rooms_and_what_was_measured_is_told() {
    let desk = Desk::new("capacity-ctrl-c");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::bind("127.0.0.1:0", Config::default()));
    let server = runtime.block_on(async { server.expect("a free port").spawn() });
    let url = server.url();
    let program = search(&desk, &["--url", &url, "--", "--set", SHORT]);
    wait_until("the first load has held", || {
        program.stderr().contains("2 peers: held")
    });
    wait_until_connected(&desk, "out/runs/002-4", 4);
    assert_eq!(server.rooms().len(), 2);
    let children = program.children();
    assert_eq!(children.len(), 1, "the run");
    program.interrupt();
    let output = program.wait();
    output
        .assert_code(105)
        .assert_sane()
        .assert_says("interrupted: the run under way ends");
    assert!(!is_alive(children[0]), "the run is over before the search");
    assert!(server.rooms().is_empty(), "{:?}", server.rooms());
    assert_eq!(count(&desk, "out/runs/002-4", "left"), 4);
    assert_eq!(desk.json("out/runs/002-4/summary.json")["verdict"], "interrupted");
    assert!(!desk.path("out/runs/003-8").exists(), "no further run has begun");
    assert!(output.stdout.contains("It was interrupted"), "{output:#?}");
    let found = desk.json("out/capacity.json");
    assert_eq!(found["interrupted"], true);
    let peers: Vec<_> = found["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| &step["peers"])
        .collect();
    assert_eq!(peers, [2], "what was cut short is no step");
}

#[test]
fn sigterm_does_the_same_and_the_searchs_own_server_goes_last() {
    let desk = Desk::new("capacity-sigterm");
    let program = search(&desk, &[]);
    wait_until_connected(&desk, "out/runs/001-2", 2);
    let children = program.children();
    assert_eq!(children.len(), 2, "the server and the run");
    program.terminate();
    let output = program.wait();
    output.assert_code(105).assert_sane();
    assert_gone(&children);
    assert_eq!(count(&desk, "out/runs/001-2", "left"), 2);
    assert_eq!(
        count(&desk, "out/runs/001-2", "signaling_lost"),
        0,
        "the server was there until then"
    );
    assert!(output.stdout.contains("Nothing was measured"), "{output:#?}");
    assert_eq!(desk.json("out/capacity.json")["interrupted"], true);
}

#[test]
fn a_second_ctrl_c_leaves_no_process_behind() {
    let desk = Desk::new("capacity-twice");
    let program = search(&desk, &[]);
    wait_until_connected(&desk, "out/runs/001-2", 2);
    let children = program.children();
    assert_eq!(children.len(), 2, "the server and the run");
    // The run stands still, so that the search has to wait for it.
    let is_run = |pid: &&u32| {
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.contains("stay.yaml")
    };
    let run = children.iter().find(is_run).expect("it is under way");
    signal("STOP", *run);
    program.interrupt();
    wait_until("the search says that it is interrupted", || {
        program.stderr().contains("interrupted: the run under way ends")
    });
    program.interrupt();
    let output = program.wait();
    output.assert_code(105).assert_sane();
    assert!(output.stdout.is_empty(), "at once: {output:#?}");
    assert_gone(&children);
}

fn signal(name: &str, pid: u32) {
    let told = std::process::Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(told.is_ok_and(|status| status.success()));
}
