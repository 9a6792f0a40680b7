//! A plan of the same links, carried out by the harness: peers, signaling over WebSocket, the bundled
//! server in the same process, and the recorder.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reference_server::{Config, Handle, Server};
use rtcstorm::{
    metrics::{EventKind, Recorder, RunEvent},
    net::{BundledServer, NetWorld, Target},
    plan::{self, Plan},
    run::{self, EventReader},
    scenario::{ThresholdCheck, ThresholdMistake, parse},
    world::{Census, Tricks},
};

/// Opens that many links, one in each room, and leaves.
pub async fn run(links: usize) {
    let plan = Arc::new(plan(links));
    let server = Server::bind("127.0.0.1:0", Config::default()).await;
    let server = Arc::new(server.expect("loopback can be bound").spawn());
    let census = Arc::new(Census::default());
    let target = Target::Bundled(Box::new(Bundled(server.clone())));
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
    assert_eq!(opened, 2 * links, "not every link opened: nothing was measured");
    if let Ok(server) = Arc::try_unwrap(server) {
        server.shutdown().await;
    }
}

fn plan(rooms: usize) -> Plan {
    let text = format!(
        "name: bench\nrooms: {{ count: {rooms}, peers: 2 }}\nsteps: [join, {{ wait: connected }}, {{ barrier: open }}, leave]\n"
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

struct Bundled(Arc<Handle>);

impl BundledServer for Bundled {
    fn url(&self) -> String {
        self.0.url()
    }

    fn roster(&self, room_wire_id: &str) -> Vec<String> {
        let room = self.0.room(room_wire_id);
        let members = room.into_iter().flat_map(|room| room.members);
        members.map(|member| member.user_id.as_str().to_owned()).collect()
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
