//! Ctrl-C.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use reference_server::{Config, Server};

use super::{
    LONG, QUICK,
    program::{Desk, Running, wait_until},
};

/// Waits until both peers are connected and stay.
fn wait_until_connected(desk: &Desk, out: &str) {
    wait_until("both are connected", || {
        let events = desk.events(out);
        events.iter().filter(|e| e["kind"] == "wait_satisfied").count() == 2
    });
}

/// The first Ctrl-C, and its effect.
fn interrupt(program: &Running) {
    program.interrupt();
    wait_until("the program says that it is interrupted", || {
        program.stderr().contains("interrupted: everybody leaves")
    });
}

#[test]
fn once_everybody_leaves_and_what_ran_is_reported() {
    let desk = Desk::new("once");
    desk.write("long.yaml", LONG);
    desk.write("quick.yaml", QUICK);
    let program = desk.start(&["run", "long.yaml", "quick.yaml", "--out", "out"]);
    wait_until_connected(&desk, "out/01-long");
    interrupt(&program);
    let output = program.wait();
    output.assert_code(105).assert_sane();
    assert!(output.stdout.starts_with("INTERRUPTED  long"), "{output:#?}");
    let summary = desk.json("out/01-long/summary.json");
    assert_eq!(
        (&summary["verdict"], &summary["exit_code"]),
        (&"interrupted".into(), &105.into())
    );
    assert_eq!(summary["metrics"]["connect_ms"]["count"], 1, "{summary:#}");
    let broken = summary["invariants"].as_array().into_iter().flatten();
    assert_eq!(
        broken.filter(|i| i["status"] == "broken").count(),
        0,
        "{summary:#}"
    );
    let kinds: Vec<_> = desk
        .events("out/01-long")
        .iter()
        .map(|e| e["kind"].clone())
        .collect();
    assert!(kinds.contains(&"interrupted".into()) && kinds.last() == Some(&"run_ended".into()));
    assert!(
        !desk.path("out/02-quick").exists(),
        "the next scenario has not begun"
    );
}

#[test]
fn twice_the_program_ends_at_once() {
    // It waits some seconds for a server that no longer answers. A machine may be so slow that the second
    // Ctrl-C comes after that, but not time after time.
    let at_once = (0..5).any(|round| {
        let desk = Desk::new(&format!("twice-{round}"));
        desk.write("long.yaml", LONG);
        let server = Freezer::start();
        let program = desk.start(&["run", "long.yaml", "--out", "out", "--url", &server.url]);
        wait_until_connected(&desk, "out");
        server.frozen.store(true, Ordering::Relaxed);
        interrupt(&program);
        program.interrupt();
        let output = program.wait();
        output.assert_code(105).assert_sane();
        output.stdout.is_empty() && !desk.path("out/summary.json").exists()
    });
    assert!(at_once, "the second Ctrl-C has changed nothing");
}

/// The reference server behind something that can stop to pass on what it says.
struct Freezer {
    url: String,
    frozen: Arc<AtomicBool>,
    _runtime: tokio::runtime::Runtime,
}

impl Freezer {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let server = runtime.block_on(Server::bind("127.0.0.1:0", Config::default()));
        let server = runtime.block_on(async { server.expect("a free port").spawn() });
        let target = server.url();
        let target = target
            .trim_start_matches("ws://")
            .split('/')
            .next()
            .unwrap_or("")
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}/ws/", listener.local_addr().expect("it is bound"));
        let frozen = Arc::new(AtomicBool::new(false));
        let frozen_ = frozen.clone();
        thread::spawn(move || {
            // The server lives as long as somebody may connect.
            let _server = server;
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&target).expect("the server listens");
                let clones = (
                    client.try_clone().expect("a socket"),
                    server.try_clone().expect("a socket"),
                );
                thread::spawn(move || pass_on(client, server, None));
                let frozen = frozen_.clone();
                thread::spawn(move || pass_on(clones.1, clones.0, Some(frozen)));
            }
        });
        Self {
            url,
            frozen,
            _runtime: runtime,
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, frozen: Option<Arc<AtomicBool>>) {
    let mut bytes = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        if frozen
            .as_ref()
            .is_some_and(|frozen| frozen.load(Ordering::Relaxed))
        {
            continue;
        }
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// The terminal that a run is in goes away, as a window that is closed does: the system says so by SIGHUP, and from then on
/// nothing can be written there.
#[cfg(target_os = "linux")]
#[test]
fn whoever_loses_the_terminal_leaves_first() {
    let desk = Desk::new("hung-up");
    desk.write("long.yaml", super::LONG);
    let command = format!("'{}' run long.yaml --out out", env!("CARGO_BIN_EXE_rtcstorm"));
    // A terminal of its own.
    let mut terminal = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(desk.path(""))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("script, of util-linux, is there");
    let count = |kind: &str| match desk.path("out/events.ndjson").exists() {
        true => desk
            .events("out")
            .iter()
            .filter(|event| event["kind"] == kind)
            .count(),
        false => 0,
    };
    wait_until("both are connected", || count("wait_satisfied") == 2);
    terminal.kill().expect("it is there");
    let _ = terminal.wait();
    wait_until("the report is written", || desk.path("out/summary.json").exists());
    assert_eq!(count("left"), 2);
    let summary = desk.json("out/summary.json");
    assert_eq!(summary["verdict"], "interrupted", "{summary}");
}
