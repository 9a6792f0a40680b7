//! `report`: what a run's folder is written as later.

use std::{fs, process::Command};

use super::{
    EARLY, QUICK,
    program::{Desk, json},
};

#[test]
fn a_folder_read_again_says_what_the_run_has_said() {
    let desk = Desk::new("read-again");
    desk.write("quick.yaml", QUICK);
    desk.write("early.yaml", EARLY);
    for (out, how) in [
        (
            "early",
            &["run", "early.yaml", "--sim", "--out", "early", "--quiet"][..],
        ),
        ("real", &["run", "quick.yaml", "--out", "real", "--quiet"]),
        ("sim", &["run", "smoke", "--sim", "--out", "sim", "--quiet"]),
        (
            "drops",
            &[
                "run",
                "network-drops",
                "--rooms",
                "1",
                "--sim",
                "--out",
                "drops",
                "--quiet",
            ],
        ),
        (
            "races",
            &[
                "run",
                "leave-rejoin",
                "--rooms",
                "1",
                "--sim",
                "--schedule",
                "random",
                "--out",
                "races",
                "--quiet",
            ],
        ),
    ] {
        desk.run(how).assert_sane();
        let summary = desk.read(&format!("{out}/summary.json"));
        let output = desk.run(&["report", out, "--format", "json"]);
        assert_eq!(output.assert_code(0).stdout, summary, "{out}");
        assert_eq!(output.stderr, "", "{out}");
    }
}

#[test]
fn it_goes_where_it_is_wanted() {
    let desk = Desk::new("report-out");
    desk.run(&[
        "run", "smoke", "--sim", "--out", "run", "--quiet", "--report", "json",
    ])
    .assert_code(0);
    let summary = desk.read("run/summary.json");
    assert_eq!(
        desk.read("run/report.json"),
        summary,
        "`run --report` writes beside it"
    );
    let report = |more: &[&str]| desk.run(&[&["report", "run", "--format", "json"], more].concat());
    report(&["--out", "figures.json"]).assert_code(0).assert_no_data();
    assert_eq!(desk.read("figures.json"), summary);
    // A file that is there is written anew, a folder gets the file's usual name.
    desk.write("figures.json", "old");
    report(&["--out", "figures.json"]).assert_code(0);
    assert_eq!(desk.read("figures.json"), summary);
    fs::create_dir(desk.path("folder")).expect("it can be made");
    report(&["--out", "folder"])
        .assert_code(0)
        .assert_says("report.json");
    assert_eq!(desk.read("folder/report.json"), summary);
    report(&["--out", "figures.json/report.json"])
        .assert_code(104)
        .assert_says("error: cannot write figures.json/report.json");
    assert_eq!(desk.read("figures.json"), summary);
    // Several runs are a list.
    let both = desk.run(&["report", "run", "run", "--format", "json"]);
    assert_eq!(
        json(&both.assert_code(0).stdout).as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let desk = Desk::new("report-wrong");
    desk.run(&["run", "smoke", "--sim", "--out", "run", "--quiet"])
        .assert_code(0);
    for (more, code, told) in [
        (&["--format", "pdf"][..], 2, "the formats are html, junit"),
        (
            &["--format", "trace", "--link", "0,7"],
            104,
            "there is no peer-7\n  help: the run has 6 peers, 0 to 5",
        ),
        (
            &["--format", "trace", "--link", "1,3"],
            104,
            "there is no link between peer-1 and peer-3: they are in room-0 and room-1",
        ),
        (
            &["--format", "trace", "--room", "2"],
            104,
            "there is no room-2\n  help: the run has 2 rooms, 0 to 1",
        ),
        (&["--format", "trace", "--link", "1"], 2, "two peers like 0,1"),
        (&["--format", "trace", "--link", "1,1"], 2, "two peers like 0,1"),
        (&[], 2, "--format"),
    ] {
        let output = desk.run(&[&["report", "run"], more].concat());
        output
            .assert_code(code)
            .assert_no_data()
            .assert_says(told)
            .assert_sane();
    }
    for (folder, told) in [
        ("nowhere", "cannot read nowhere/run.json"),
        (".", "is no folder of a run: there is no run.json in it"),
    ] {
        desk.run(&["report", folder, "--format", "json"])
            .assert_code(104)
            .assert_no_data()
            .assert_says(told);
    }
}

#[cfg(unix)]
#[test]
fn who_reads_only_the_beginning_ends_nothing_badly() {
    let desk = Desk::new("report-pipe");
    desk.run(&["run", "smoke", "--sim", "--out", "run", "--quiet"])
        .assert_code(0);
    let line = format!(
        "{} report run run run --format json | head -c 1",
        env!("CARGO_BIN_EXE_rtcstorm")
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(desk.path(""))
        .output();
    let output = output.expect("a shell");
    assert_eq!((output.stdout, output.stderr), (b"[".to_vec(), Vec::new()));
}
