//! A real server, and what every protocol is played with.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::program::Desk;

/// How many peers each scenario is played with.
const PEERS: u64 = 60;

/// A server that runs as long as this lives.
pub struct Server {
    name: &'static str,
    pub url: String,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/servers")
}

impl Server {
    pub fn start(name: &'static str) -> Self {
        let output = Command::new(script())
            .args(["start", name])
            .stderr(Stdio::inherit())
            .output()
            .expect("the script runs");
        assert!(output.status.success(), "{name} has not started");
        let url = String::from_utf8(output.stdout).expect("a URL is ASCII");
        Self {
            name,
            url: url.trim().to_owned(),
        }
    }

    /// Plays a bundled scenario with 60 peers in rooms of that many, and more arguments; it has to pass.
    pub fn passes(&self, protocol: &str, scenario: &str, room: u64, more: &[&str]) -> Value {
        let desk = Desk::new(&format!("{protocol}-{scenario}").replace('/', "-"));
        let (rooms, peers) = ((PEERS / room).to_string(), room.to_string());
        let mut arguments = vec!["run", scenario, "--protocol", protocol, "--url", &self.url];
        arguments.extend(["--rooms", &rooms, "--peers", &peers, "--out", "out"]);
        arguments.extend(more);
        let run = desk.run(&arguments);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        desk.json("out/summary.json")
    }

    /// The same without a say in the rooms: the scenario's own groups stay as they are.
    pub fn survives_restart(&self, protocol: &str, more: &[&str]) -> Value {
        let desk = Desk::new(&format!("{protocol}-restart"));
        let script = script();
        let script = script.display();
        let command = |what: &str| format!("target.control.{what}=[{script}, {what}, {}]", self.name);
        let (start, stop) = (command("start"), command("stop"));
        let mut arguments = vec!["run", "faults/server-restart", "--protocol", protocol];
        arguments.extend([
            "--url", &self.url, "--set", &start, "--set", &stop, "--out", "out",
        ]);
        arguments.extend(more);
        let run = desk.run(&arguments);
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
