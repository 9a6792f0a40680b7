//! How many signaling sockets a server sees in a second.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use reference_server::{Config, Server};

use super::program::{Desk, wait_until};

const PEERS: usize = 24;
/// They come at 6 a second, and stay.
const STAY: &str = "
name: stay
rooms: { count: 12, peers: 2 }
arrive: { rate: 6/s }
steps: [join, { wait: connected }, { pause: 20s }]
";

/// The reference server behind something that counts who connects, and can tear every connection.
struct Front {
    url: String,
    seen: Arc<Mutex<Seen>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Seen {
    /// When each connection came.
    came: Vec<Instant>,
    open: Vec<TcpStream>,
}

impl Front {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let server = runtime.block_on(Server::bind("127.0.0.1:0", Config::default()));
        let server = runtime.block_on(async { server.expect("a free port").spawn() });
        let target = server.local_addr();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}/ws/", listener.local_addr().expect("it is bound"));
        let seen = Arc::<Mutex<Seen>>::default();
        let seen_ = seen.clone();
        thread::spawn(move || {
            // The server lives as long as somebody may connect.
            let _server = server;
            for client in listener.incoming().flatten() {
                let behind = TcpStream::connect(target).expect("the server listens");
                let clone = |stream: &TcpStream| stream.try_clone().expect("a socket");
                let mut seen = seen_.lock().expect("nobody panics");
                seen.came.push(Instant::now());
                seen.open.extend([clone(&client), clone(&behind)]);
                drop(seen);
                let (up, down) = ((clone(&client), clone(&behind)), (behind, client));
                for (from, to) in [up, down] {
                    thread::spawn(move || pass_on(from, to));
                }
            }
        });
        Self {
            url,
            seen,
            _runtime: runtime,
        }
    }

    fn came(&self) -> Vec<Instant> {
        self.seen.lock().expect("nobody panics").came.clone()
    }

    /// As a server does that ends.
    fn tear_all(&self) {
        for stream in self.seen.lock().expect("nobody panics").open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// The most that came within a second.
fn most_in_a_second(came: &[Instant]) -> usize {
    let within = |first: &Instant| {
        came.iter()
            .filter(|at| **at >= *first && **at - *first < Duration::from_secs(1))
            .count()
    };
    came.iter().map(within).max().unwrap_or(0)
}

/// Everybody is connected; then all sockets end at once. Who has come after that.
fn storm(desk: &Desk, out: &str, max_rate: &str) -> Vec<Instant> {
    let front = Front::start();
    let args = [
        "run",
        "stay.yaml",
        "--url",
        &front.url,
        "--quiet",
        "--lag-limit",
        "1m",
        "--out",
        out,
        "--max-rate",
        max_rate,
    ];
    let program = desk.start(&args);
    wait_until("all are connected", || {
        let events = desk.events(out);
        events
            .iter()
            .filter(|event| event["kind"] == "wait_satisfied")
            .count()
            == PEERS
    });
    assert_eq!(front.came().len(), PEERS);
    front.tear_all();
    wait_until("all are back", || front.came().len() >= 2 * PEERS);
    wait_until("all are members again", || {
        let events = desk.events(out);
        events
            .iter()
            .filter(|event| event["kind"] == "membership_resumed")
            .count()
            == PEERS
    });
    program.interrupt();
    program.wait().assert_code(105).assert_sane();
    front.came().split_off(PEERS)
}

#[test]
fn who_comes_back_waits_for_its_turn_and_that_is_told() {
    let desk = Desk::new("pace");
    desk.write("stay.yaml", STAY);
    let paced = storm(&desk, "out", "6/s");
    let most = most_in_a_second(&paced);
    // The server hears of them by way of two schedulers: twice as many is not yet a storm.
    assert!(most <= PEERS / 2, "{most} in a second");
    let took = paced[PEERS - 1] - paced[0];
    assert!(
        took >= Duration::from_millis(2_500),
        "4 times 6 take 3 s: {took:?}"
    );
    let events = desk.events("out");
    let told: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] == "limit_hit")
        .collect();
    assert!(told.len() >= PEERS / 2, "{told:#?}");
    assert!(told.iter().all(|event| event["of"] == "user"), "{told:#?}");
    assert!(
        told[0]["limit"]
            .as_str()
            .is_some_and(|limit| limit.contains("for its turn (--max-rate)")),
        "{told:#?}"
    );
    // Nobody's limit but the user's, so no saturation.
    let summary = desk.json("out/summary.json");
    let warned = format!("waited for their turn {} times", told.len());
    assert!(summary["warnings"].to_string().contains(&warned), "{summary:#}");
    assert_eq!(
        summary["counters"]["limits_hit{of:user}"],
        told.len(),
        "{summary:#}"
    );
    assert!(
        !summary["reasons"].to_string().contains("saturated"),
        "{summary:#}"
    );
}
