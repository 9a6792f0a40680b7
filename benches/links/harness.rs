//! A plan of the same links, carried out by the harness: peers, signaling over WebSocket, the recorder.
//! The server runs in a process of its own, so that what is measured is the generator.

use std::{
    io::{BufRead, BufReader},
    iter::repeat_n,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rtcstorm::{
    base::PeerId,
    metrics::{EventKind, Recorder, RunEvent},
    net::{Commands, Dialer, Fetches, Guests, IceSide, NetWorld, Target},
    plan::{self, Plan, RoomPlan},
    run::{self, EventReader},
    scenario::{Access, ThresholdCheck, ThresholdMistake, parse},
    world::{Census, Tricks},
};

/// Rooms, the peers in each, of which every one has a link with every other, and the time over which all of
/// them arrive.
#[derive(Clone, Copy)]
pub struct Load {
    pub rooms: usize,
    pub peers: usize,
    pub over_s: u32,
}

impl Load {
    pub fn links(self) -> usize {
        self.rooms * self.peers * (self.peers - 1) / 2
    }

    /// When the links of each room begin: as the later one of their two peers arrives.
    pub fn begins(self) -> Vec<Vec<Duration>> {
        let plan = plan(self);
        let arrives = |peer: &PeerId| plan.peers[peer.index()].arrive_at.elapsed();
        let of_room = |room: &RoomPlan| {
            let mut arrivals: Vec<Duration> = room.peers.iter().map(arrives).collect();
            arrivals.sort_unstable();
            let links = arrivals.into_iter().enumerate();
            links.flat_map(|(before, at)| repeat_n(at, before)).collect()
        };
        plan.rooms.iter().map(of_room).collect()
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

/// Opens the links; the peers of a room leave when all of theirs are open.
pub async fn run(server: &Server, load: Load) {
    let plan = Arc::new(plan(load));
    let census = Arc::new(Census::default());
    let world = Arc::new(world(server, census.clone()));
    let opened = Arc::new(AtomicUsize::new(0));
    let reader = Reader {
        recorder: Recorder::new(&plan),
        opened: opened.clone(),
    };
    let options = run::Options {
        ice_servers: Vec::new(),
        max_rate: None,
        tricks: Tricks::default(),
        interrupt: Box::pin(std::future::pending()),
    };
    run::execute(world, census, plan, options, vec![Box::new(reader)]).await;
    let opened = opened.load(Ordering::Relaxed);
    assert_eq!(
        opened,
        2 * load.links(),
        "not every link opened: nothing was measured"
    );
}

/// Where a run takes place.
pub fn world(server: &Server, census: Arc<Census>) -> NetWorld {
    let dialer = Dialer::new(
        &server.url,
        &Access::default(),
        Guests::default(),
        Fetches::default(),
    );
    let target = Target::Foreign {
        url: server.url.clone(),
        dialer: Arc::new(dialer.expect("its URL is one")),
        loopback: true,
        control: Arc::new(Commands::default()),
        metrics: None,
    };
    NetWorld::new(target, IceSide::default(), census).expect("threads can be started")
}

fn plan(load: Load) -> Plan {
    let Load { rooms, peers, over_s } = load;
    let text = format!(
        "name: bench\nrooms: {{ count: {rooms}, peers: {peers} }}\narrive: {{ over: {over_s}s }}\n\
         steps: [join, {{ wait: connected }}, {{ barrier: open }}, leave]\n"
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
