//! `reports/samples/` is what the code makes of one simulated run. `UPDATE=1 cargo test --test behaviour samples`
//! rewrites it.

use std::{fs, path::PathBuf};

use rtcstorm::report::Format;

use super::program::Desk;

/// One peer of three loses its network for 1, 5 and 20 s, and its client joins anew where it should take its membership
/// over: links come back on two paths, and two do not.
const RUN: [&str; 8] = [
    "run",
    "outage-matrix-short",
    "--sim",
    "--set",
    "client.resume_membership=false",
    "--quiet",
    "--out",
    "out",
];

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reports/samples")
}

/// A run's folder with what is the machine's and the day's made the same everywhere.
fn folder(desk: &Desk) {
    desk.run(&RUN).assert_code(99);
    let mut run = desk.json("out/run.json");
    run["version"] = "0.0.0".into();
    run["started_at"] = "2026-05-04T10:00:00Z".into();
    run["started_at_unix_ms"] = 1_777_888_800_000_u64.into();
    run["os"] = "linux".into();
    run["arch"] = "x86_64".into();
    run["cores"] = 4.into();
    run["open_files"] = 1_024.into();
    desk.write("out/run.json", &run.to_string());
    let mut machine = desk.json("out/machine.json");
    machine["duration_ms"] = 700.into();
    desk.write("out/machine.json", &machine.to_string());
}

#[test]
fn the_samples_are_what_the_code_makes() {
    let desk = Desk::new("samples");
    folder(&desk);
    let rewrite = std::env::var_os("UPDATE").is_some();
    let mut stale = Vec::new();
    for format in Format::ALL {
        let output = desk.run(&["report", "out", "--format", format.name()]);
        output.assert_code(0);
        let path = samples().join(format.file_name());
        if rewrite {
            fs::create_dir_all(samples()).expect("a folder");
            fs::write(&path, &output.stdout).expect("it can be written");
        } else if fs::read_to_string(&path).ok().as_ref() != Some(&output.stdout) {
            fs::write(desk.path(format.file_name()), &output.stdout).expect("it can be written");
            stale.push(format!(
                "{} is now {}",
                path.display(),
                desk.path(format.file_name()).display()
            ));
        }
    }
    assert!(
        stale.is_empty(),
        "look at the difference, then: UPDATE=1 cargo test --test behaviour samples\n{stale:#?}"
    );
}

#[test]
fn there_is_no_sample_of_anything_else() {
    let known: Vec<&str> = Format::ALL.iter().map(|format| format.file_name()).collect();
    for entry in fs::read_dir(samples()).expect("the folder is there") {
        let name = entry.expect("readable").file_name();
        assert!(known.iter().any(|known| **known == name), "{name:?}");
    }
}
