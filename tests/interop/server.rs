//! A real server, and what every protocol is played with.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::program::{Desk, Output};

/// How many peers each scenario is played with.
pub const PEERS: u64 = 60;

/// Where servers are that are not on the loopback: in a network namespace of their own.
const APART: &str = "10.77.9.1";

/// Where the script finds these tests, one of which is a server.
const TESTS: &str = "INTEROP_WHEP";

fn tests() -> String {
    let program = std::env::current_exe().expect("it is running");
    program.to_str().expect("a path of UTF-8").to_owned()
}

/// A server that runs as long as this lives.
pub struct Server {
    name: &'static str,
    pub url: String,
    variables: Vec<(&'static str, &'static str)>,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/servers")
}

/// A map is no name, and `--protocol` would have the last word.
fn spoken(protocol: &str) -> [String; 2] {
    let (option, value) = match protocol.starts_with('{') {
        true => ("--set", format!("target.protocol={protocol}")),
        false => ("--protocol", protocol.to_owned()),
    };
    [option.to_owned(), value]
}

fn desk(test: &str) -> Desk {
    Desk::new(&test.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

impl Server {
    pub fn start(name: &'static str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same where its script has these variables.
    pub fn start_with(name: &'static str, variables: &[(&str, &str)]) -> Self {
        let output = Command::new(script())
            .args(["start", name])
            .env(TESTS, tests())
            .envs(variables.iter().copied())
            .stderr(Stdio::inherit())
            .output()
            .expect("the script runs");
        assert!(output.status.success(), "{name} has not started");
        let url = String::from_utf8(output.stdout).expect("a URL is ASCII");
        Self {
            name,
            url: url.trim().to_owned(),
            variables: Vec::new(),
        }
    }

    /// A variable of the environment that the program has.
    pub fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Runs the program where the server is.
    pub fn run(&self, desk: &Desk, arguments: &[&str]) -> Output {
        if !self.url.contains(APART) {
            let tests = tests();
            let variables = self.variables.iter().copied();
            let variables: Vec<_> = variables.chain([(TESTS, tests.as_str())]).collect();
            return desk.run_with(&variables, arguments);
        }
        let mut inside = Command::new(script());
        inside.arg("inside").envs(self.variables.iter().copied());
        // To the program it is another machine.
        let allowed = ["--allow-target", APART, "--max-rate", "1000/s"];
        desk.run_by(inside, &[arguments, &allowed].concat())
    }

    /// Plays a bundled scenario with 60 peers in rooms of that many, and more arguments; it has to pass. `protocol`: a
    /// name, or what stands in a scenario.
    pub fn passes(&self, protocol: &str, scenario: &str, room: u64, more: &[&str]) -> Value {
        let desk = desk(&format!("{protocol}-{scenario}-{room}"));
        let (rooms, peers) = ((PEERS / room).to_string(), room.to_string());
        let protocol = spoken(protocol);
        let mut arguments = vec!["run", scenario, &protocol[0], &protocol[1], "--url", &self.url];
        arguments.extend(["--rooms", &rooms, "--peers", &peers, "--out", "out"]);
        arguments.extend(more);
        let run = self.run(&desk, &arguments);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        desk.json("out/summary.json")
    }

    /// The same without a say in the rooms: the scenario's own groups stay as they are.
    pub fn survives_restart(&self, protocol: &str, more: &[&str]) -> Value {
        self.survives("faults/server-restart", protocol, more)
    }

    /// The same with another scenario that restarts the server.
    pub fn survives(&self, scenario: &str, protocol: &str, more: &[&str]) -> Value {
        let desk = desk(&format!("{protocol}-{scenario}"));
        let script = script();
        let script = script.display();
        let command = |what: &str| format!("target.control.{what}=[{script}, {what}, {}]", self.name);
        let (start, stop) = (command("start"), command("stop"));
        let protocol = spoken(protocol);
        let mut arguments = vec!["run", scenario, &protocol[0], &protocol[1]];
        arguments.extend([
            "--url", &self.url, "--set", &start, "--set", &stop, "--out", "out",
        ]);
        arguments.extend(more);
        let run = self.run(&desk, &arguments);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        desk.json("out/summary.json")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = Command::new(script()).args(["stop", self.name]).status();
        assert!(
            stopped.is_ok_and(|status| status.success()),
            "{} has not stopped",
            self.name
        );
    }
}

/// Every invariant has held, but for those that had nothing to look at; these have been judged.
pub fn assert_held(summary: &Value, judged: &[u64]) {
    let invariants = summary["invariants"].as_array().expect("they are listed");
    for invariant in invariants {
        let status = invariant["status"].as_str();
        let must_be_judged = invariant["number"]
            .as_u64()
            .is_some_and(|number| judged.contains(&number));
        let is_fine = status == Some("held") || status == Some("not_applicable") && !must_be_judged;
        assert!(is_fine, "{invariant}");
    }
    assert_eq!(invariants.len(), 8);
}

/// So many joins were confirmed, and none was refused.
pub fn assert_joined(summary: &Value, joins: u64) {
    let counters = &summary["counters"];
    assert_eq!(counters["joins_confirmed"].as_u64(), Some(joins), "{counters:#}");
    assert_eq!(
        counters["joins_rejected"].as_u64().unwrap_or(0),
        0,
        "{counters:#}"
    );
}
