//! A panic is a bug of ours. It ends the process with the exit code for that, but not before everybody has left the
//! rooms of somebody's server.

use std::{
    panic::{self, PanicHookInfo},
    process::exit,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::watch;

use super::simulate;
use crate::{verdict::ExitCode, world::BoxFuture};

/// How long it may take everybody to leave, and the report to be written.
pub(super) const LEAVE_WITHIN: Duration = Duration::from_secs(15);
/// The longest part of a panic's message that is told in a report.
const MAX_SAID: usize = 300;

/// Runs whose peers are in rooms of a server.
static RUNS: AtomicUsize = AtomicUsize::new(0);
/// What the first panic said while there was one.
static SAID: Mutex<Option<String>> = Mutex::new(None);
/// Whether there was one.
static HAPPENED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);

/// Has panics end the process, wherever they happen: a run whose task had died would never end. Without peers in
/// anybody's rooms that is at once.
pub(super) fn end_on_panic() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        if let Some(seed) = simulate::seed_at_hand() {
            eprintln!("it was simulating seed {seed}");
        }
        eprintln!("this is a bug of rtcstorm's; what was measured so far is in the run's events.ndjson");
        if RUNS.load(Ordering::SeqCst) == 0 || !leave(said(info)) {
            end();
        }
    }));
}

/// Tells the runs; the first time, someone has to see that it comes to an end. Whether there is somebody.
fn leave(what: String) -> bool {
    let mut first = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if first.is_some() {
        return true;
    }
    *first = Some(what);
    drop(first);
    let watching = thread::Builder::new().spawn(|| {
        thread::sleep(LEAVE_WITHIN);
        eprintln!("error: not everybody has left within {LEAVE_WITHIN:?}");
        end();
    });
    eprintln!("panicked: everybody leaves");
    HAPPENED.send_replace(true);
    watching.is_ok()
}

fn end() -> ! {
    exit(i32::from(ExitCode::Bug.number()))
}

fn said(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text: String = text
        .unwrap_or("it did not say why")
        .chars()
        .take(MAX_SAID)
        .collect();
    match info.location() {
        Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
        None => text,
    }
}

/// What the first panic of a run said, if there was one.
pub(super) fn first() -> Option<String> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Completes when something panics in a run.
pub(super) fn happens() -> BoxFuture<()> {
    let mut happened = HAPPENED.subscribe();
    Box::pin(async move {
        if happened.wait_for(|happened| *happened).await.is_err() {
            std::future::pending().await
        }
    })
}

/// While it lives, peers are in rooms of a server, and a panic has them leave.
pub(super) struct InRooms(());

impl InRooms {
    pub fn enter() -> Self {
        RUNS.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for InRooms {
    fn drop(&mut self) {
        RUNS.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, sync::Arc};

    use reference_server::{Config, room::HubConfig};

    use super::*;
    use crate::{
        base::BarrierId,
        cli::{load::Grammar, place::Place},
        metrics::RunEvent,
        net::Bundled,
        plan::{self, Action, Plan},
        run::{EventReader, Options},
        scenario::{Scenario, parse},
        world::{Census, Tricks},
    };

    /// Who panics, and where the server is: set in the process that does.
    const WHO: &str = "RTCSTORM_TEST_PANIC_OF";
    const WHERE: &str = "RTCSTORM_TEST_PANIC_AT";

    const SCENARIO: &str = "
name: doomed
rooms: { peers: 3 }
steps: [join, { wait: connected }, { barrier: b }, { pause: 1h }]
";

    fn scenario(url: &str) -> (Scenario, Plan) {
        let mut scenario = parse("doomed", SCENARIO, &Grammar).expect("it is sound");
        scenario.target.url = Some(url.to_owned());
        let plan = plan::expand(&scenario, 1, &plan::Options::default());
        (scenario, plan)
    }

    /// A bug of ours: it does not bear what it has waited for.
    struct Reader;

    impl EventReader for Reader {
        fn read(&mut self, event: &RunEvent) {
            assert_ne!(event.kind, crate::metrics::EventKind::ScriptEnded);
            let is_over = matches!(event.kind, crate::metrics::EventKind::WaitSatisfied { .. });
            assert!(!is_over, "the reader is doomed");
        }
    }

    /// What the process does that is to panic; in the one of the tests, nothing.
    #[test]
    fn the_doomed_process() {
        let (Ok(who), Ok(url)) = (std::env::var(WHO), std::env::var(WHERE)) else {
            return;
        };
        end_on_panic();
        let (scenario, mut plan) = scenario(&url);
        if who == "peer" {
            let barrier = plan.peers[1]
                .script
                .iter_mut()
                .find_map(|step| match &mut step.action {
                    Action::Barrier { barrier, .. } => Some(barrier),
                    _ => None,
                });
            // There is none of that number.
            *barrier.expect("it has one") = BarrierId(99);
        }
        let readers: Vec<Box<dyn EventReader>> = match who.as_str() {
            "reader" => vec![Box::new(Reader)],
            _ => Vec::new(),
        };
        let of_run = who == "run";
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let played = runtime.block_on(async {
            let census = Arc::new(Census::default());
            let place = Place::net(&scenario, &plan, "panics", &[], census.clone(), Vec::new(), None)
                .await
                .expect("a place");
            let options = Options {
                ice_servers: Vec::new(),
                max_rate: None,
                tricks: Tricks::default(),
                interrupt: Box::pin(async move {
                    if of_run {
                        tokio::time::sleep(Duration::from_secs(2)).await;
                        panic!("the run is doomed");
                    }
                    happens().await;
                }),
            };
            place.play(census, Arc::new(plan), options, readers).await
        });
        assert_eq!(played.is_err(), of_run, "{played:?}");
        println!("over: {}", first().expect("something has panicked"));
        end();
    }

    fn everybody_leaves(who: &str, said: &str) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let config = Config {
            hub: HubConfig {
                // Whoever only loses its socket stays a member.
                grace: Duration::from_secs(3_600),
                ..HubConfig::default()
            },
            ..Config::default()
        };
        let server = runtime.block_on(Bundled::start(config)).expect("a free port");
        let doomed = Command::new(std::env::current_exe().expect("it has a path"))
            .args(["--exact", "cli::panics::tests::the_doomed_process", "--nocapture"])
            .envs([(WHO, who), (WHERE, &server.url())])
            .output()
            .expect("it can be started");
        let (plan, told) = (scenario(&server.url()).1, String::from_utf8_lossy(&doomed.stdout));
        assert_eq!(doomed.status.code(), Some(1), "{doomed:?}");
        assert!(told.contains("over: ") && told.contains(said), "{doomed:?}");
        let room = &plan.rooms[0].wire_id;
        let left = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            server.roster(room).is_empty()
        });
        assert!(left, "{:?} are still there: {doomed:?}", server.roster(room));
        runtime.block_on(server.shutdown());
    }

    #[test]
    fn when_a_peer_panics_everybody_leaves_the_rooms_of_the_server() {
        everybody_leaves("peer", "index out of bounds");
    }

    #[test]
    fn when_a_reader_of_events_panics_everybody_leaves_the_rooms_of_the_server() {
        everybody_leaves("reader", "the reader is doomed");
    }

    #[test]
    fn when_the_run_itself_panics_everybody_leaves_the_rooms_of_the_server() {
        everybody_leaves("run", "the run is doomed");
    }
}
