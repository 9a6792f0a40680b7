//! A plan of the same links, carried out by the harness: peers, signaling over WebSocket, the recorder.
//! The server runs in a process of its own, so that what is measured is the generator.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rtcstorm::{
    metrics::{EventKind, Recorder, RunEvent},
    net::{NetWorld, Target},
    plan::{self, Plan},
    run::{self, EventReader},
    scenario::{ThresholdCheck, ThresholdMistake, parse},
    world::{Census, Tricks},
};

/// Rooms, and peers in each: every one has a link with every other.
#[derive(Clone, Copy)]
pub struct Mesh {
    pub rooms: usize,
    pub peers: usize,
}

impl Mesh {
    pub fn links(self) -> usize {
        self.rooms * self.peers * (self.peers - 1) / 2
    }
}

/// The bundled server.
pub struct Server {
    child: Child,
    url: String,
}

impl Server {
    pub fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rtcstorm"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it is built before the bench");
        let log = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let url = lines.find_map(|line| {
            let from = line.find("ws://")?;
            let to = line[from..].find('"')?;
            Some(line[from..from + to].to_owned())
        });
        Self {
            child,
            url: url.expect("it tells where it listens"),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens the links of that mesh, and leaves.
pub async fn run(server: &Server, mesh: Mesh) {
    let plan = Arc::new(plan(mesh));
    let census = Arc::new(Census::default());
    let target = Target::Foreign {
        url: server.url.clone(),
        loopback: true,
    };
    let world = Arc::new(NetWorld::new(target, census.clone()));
    let opened = Arc::new(AtomicUsize::new(0));
    let reader = Reader {
        recorder: Recorder::new(&plan),
        opened: opened.clone(),
    };
    let options = run::Options {
        ice_servers: Vec::new(),
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    run::execute(world, census, plan, options, vec![Box::new(reader)]).await;
    let opened = opened.load(Ordering::Relaxed);
    assert_eq!(
        opened,
        2 * mesh.links(),
        "not every link opened: nothing was measured"
    );
}

fn plan(Mesh { rooms, peers }: Mesh) -> Plan {
    let text = format!(
        "name: bench\nrooms: {{ count: {rooms}, peers: {peers} }}\nsteps: [join, {{ wait: connected }}, {{ barrier: open }}, leave]\n"
    );
    let scenario = parse("bench.yaml", &text, &NoThresholds).expect("a sound scenario");
    plan::expand(&scenario, 1, &plan::Options::default())
}

struct NoThresholds;

impl ThresholdCheck for NoThresholds {
    fn check(&self, _selector: &str, _expression: &str) -> Result<(), ThresholdMistake> {
        unreachable!("the scenario has none")
    }
}

/// Reads the events as a run does, and counts the ends that opened.
struct Reader {
    recorder: Recorder,
    opened: Arc<AtomicUsize>,
}

impl EventReader for Reader {
    fn read(&mut self, event: &RunEvent) {
        self.recorder.record(event);
        if matches!(event.kind, EventKind::ChannelOpened { .. }) {
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
    }
}
