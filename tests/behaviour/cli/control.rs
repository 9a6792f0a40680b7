//! A server that was not started for the run: its own process, started and ended by the commands of the scenario.
#![cfg(unix)]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::program::{Desk, Output};

/// A reference server of its own, as somebody's deployment. By process id, it is ended with the test.
struct Deployment {
    desk: Desk,
    port: u16,
}

impl Deployment {
    fn start(test: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let deployment = Self {
            desk: Desk::new(test),
            port: free.expect("there is a port").port(),
        };
        let started = Command::new("sh")
            .args(["-c", &deployment.start_line()])
            .current_dir(deployment.desk.path(""))
            .status();
        assert!(started.is_ok_and(|status| status.success()));
        deployment
    }

    /// Leaves it in the background once it serves.
    fn start_line(&self) -> String {
        let port = self.port;
        let server = server();
        let server = server.display();
        format!(
            "{server} --listen 127.0.0.1:{port} > server.log 2>&1 & echo $! > server.pid; \
             until grep -q {port} server.log; do sleep 0.02; done; echo started"
        )
    }

    /// The scenario `steps` of two peers, with these commands.
    fn play(&self, commands: &str, steps: &str, thresholds: &str) -> Output {
        let text = format!(
            "name: control\ntarget:\n  url: ws://127.0.0.1:{}/ws/\n  control:\n    within: 20s\n{commands}\
             groups:\n  - name: operator\n    peers: 1\n    steps:\n      - join\n      - wait: connected\n      - barrier: in\n{steps}\
             \x20     - wait: {{ for: recovered, within: 20s }}\n      - barrier: {{ name: over, within: 1m }}\n\
             \x20 - name: other\n    peers: 1\n    steps:\n      - join\n      - wait: connected\n      - barrier: in\n\
             \x20     - chat: {{ every: 50ms, size: 64, for: 1s }}\n      - barrier: {{ name: over, within: 1m }}\n\
             thresholds:\n{thresholds}",
            self.port
        );
        self.desk.write("scenario.yaml", &text);
        self.desk
            .run(&["run", "scenario.yaml", "--out", "out", "--quiet"])
    }

    fn commands_run(&self) -> Vec<(String, Value)> {
        let events = self.desk.events("out");
        let commands = events.iter().filter(|event| event["kind"] == "server_command");
        commands
            .map(|event| {
                (
                    event["command"].as_str().unwrap_or_default().to_owned(),
                    event["failed"].clone(),
                )
            })
            .collect()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.desk.path("server.pid")) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
    }
}

/// The program of the other package of this workspace, beside ours.
pub fn server() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_rtcstorm")).with_file_name("reference-server");
    if !path.exists() {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let built = Command::new(cargo)
            .args(["build", "-p", "reference-server"])
            .status();
        assert!(built.is_ok_and(|status| status.success()));
    }
    path
}

const KILL: &str = "    stop: [sh, -c, \"kill -KILL $(cat server.pid)\"]\n";

#[test]
fn a_server_of_somebody_elses_is_restarted_by_its_own_commands() {
    let deployment = Deployment::start("control-restart");
    let start = serde_json::json!(deployment.start_line());
    let output = deployment.play(
        &format!("{KILL}    start: {start}\n"),
        "      - server: { restart: { for: 500ms } }\n",
        "  server_restarts: [\"count==1\"]\n  signaling_reconnect_ms: [\"min>400\"]\n  messages_lost: [\"count==0\"]\n  wait_expired: [\"count==0\"]\n",
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    let run = deployment.commands_run();
    assert_eq!(
        run,
        [
            ("stop".to_owned(), Value::Null),
            ("start".to_owned(), Value::Null)
        ]
    );
}

#[test]
fn a_server_of_somebody_elses_is_paused_and_goes_on() {
    let deployment = Deployment::start("control-pause");
    let output = deployment.play(
        "    pause: 'kill -STOP $(cat server.pid)'\n    resume: 'kill -CONT $(cat server.pid)'\n",
        "      - server: { pause: { for: 11s } }\n",
        // Longer than a client waits for the answer to its heartbeat.
        "  server_pauses: [\"count==1\"]\n  signaling_reconnect_ms: [\"min>1000\"]\n  faults_started: [\"count==0\"]\n  wait_expired: [\"count==0\"]\n",
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    let run = deployment.commands_run();
    assert_eq!(
        run,
        [
            ("pause".to_owned(), Value::Null),
            ("resume".to_owned(), Value::Null)
        ]
    );
}

#[test]
fn a_server_of_somebody_elses_is_slow_and_is_given_its_speed_back() {
    let deployment = Deployment::start("control-slow");
    // It stands still for that long, again and again, with moments to work between.
    let slow = "kill -STOP $(cat server.pid); secs=$((RTCSTORM_BY_MS / 1000)); (while :; do sleep $secs; \
                kill -CONT $(cat server.pid); sleep 0.1; kill -STOP $(cat server.pid); done) > loop.log 2>&1 & \
                echo $! > loop.pid; echo $RTCSTORM_BY_MS";
    let output = deployment.play(
        &format!(
            "    slow: {}\n    restore: 'kill -KILL $(cat loop.pid); kill -CONT $(cat server.pid)'\n",
            serde_json::json!(slow)
        ),
        "      - server: { slow: { by: 1s, for: 5s } }\n      - repeat: 3\n        steps:\n          - pause: 300ms\n          - rejoin\n          - wait: connected\n      - pause: 3s\n      - leave\n      - join\n",
        "  server_slowdowns: [\"count==1\"]\n  join_ms: [\"max>300\"]\n  faults_started: [\"count==0\"]\n  wait_expired: [\"count==0\"]\n",
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        deployment.commands_run(),
        [
            ("slow".to_owned(), Value::Null),
            ("restore".to_owned(), Value::Null)
        ]
    );
    let events = deployment.desk.events("out");
    let told = events.iter().find(|event| event["command"] == "slow");
    assert_eq!(told.expect("it is told")["output"], "1000");
}

#[test]
fn a_server_is_not_left_standing_still_because_the_run_was_over_first() {
    let deployment = Deployment::start("control-over");
    deployment.play(
        "    pause: 'kill -STOP $(cat server.pid)'\n    resume: 'kill -CONT $(cat server.pid)'\n",
        "      - server: { pause: { for: 1h } }\n      - leave\n      - join\n",
        "  server_pauses: [\"count==1\"]\n",
    );
    let run: Vec<String> = deployment
        .commands_run()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(run, ["pause", "resume"]);
}

#[test]
fn a_command_that_fails_makes_the_run_invalid_and_says_what_it_printed() {
    let deployment = Deployment::start("control-fails");
    let output = deployment.play(
        "    stop: 'echo who are you; exit 4'\n    start: [\"true\"]\n",
        "      - server: restart\n      - pause: 100ms\n      - rejoin\n      - cut_signaling\n",
        "  joins_started: [\"count>=2\"]\n",
    );
    assert_eq!(output.code, Some(98), "{output:?}");
    let why = "1 of the commands for the server failed (`target.control`)";
    assert!(output.stdout.contains(why), "{output:?}");
    // Which, and what it said, stands among the failures.
    assert!(
        output.stdout.contains("Failures") && output.stdout.contains("who are you"),
        "{output:?}"
    );
    let run = deployment.commands_run();
    let failed = run[0].1.as_str().unwrap_or_default();
    assert!(
        failed.contains("exit status: 4; it printed: who are you"),
        "{run:?}"
    );
}

#[test]
fn a_server_that_was_not_started_for_the_run_is_asked_for_its_metrics() {
    let deployment = Deployment::start("metrics");
    let text = |metrics: &str| {
        format!(
            "name: metrics\ntarget: {{ url: ws://127.0.0.1:{0}/ws/, metrics: 'http://127.0.0.1:{0}/{metrics}' }}\n\
             rooms: {{ peers: 2 }}\nsteps: [join, {{ wait: connected }}, {{ pause: 6s }}]\n",
            deployment.port
        )
    };
    let play = |metrics: &str, out: &str| {
        deployment.desk.write("scenario.yaml", &text(metrics));
        let output = deployment
            .desk
            .run(&["run", "scenario.yaml", "--out", out, "--quiet"]);
        output.assert_code(0);
        deployment.desk.events(out)
    };
    let events = play("metrics", "told");
    let told = events.iter().find(|event| event["kind"] == "holdings");
    let server = &told.expect("one look in 5 s")["server"];
    assert_eq!(
        [&server["rooms"], &server["members"], &server["sockets"]],
        [1, 2, 2],
        "{server}"
    );
    assert!(server["waiting_bytes"].is_u64(), "{server}");

    // A look that fails is told, and harms nothing.
    let events = play("no-such-page", "failed");
    let told = |kind: &str| events.iter().find(|event| event["kind"] == kind);
    let failed = told("server_metrics_failed").expect("one look in 5 s");
    assert_eq!(failed["why"], "it answers 404 Not Found");
    assert!(told("holdings").expect("one look in 5 s")["server"].is_null());
}
