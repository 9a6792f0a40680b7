use std::{io, sync::Arc, time::Duration};

use reference_server::{
    Config, TurnConfig,
    room::{self, HubConfig},
};

use super::{
    load,
    panics::{InRooms, LEAVE_WITHIN},
};
use crate::{
    base::RootSeed,
    net::{
        Bundled, CertificateDer, Command, Commands, Dialer, Elsewhere, Guest, Guests, IceSide, NetWorld, Tap,
        Target,
    },
    plan::Plan,
    run::{self, EventReader, Options, RunSummary},
    scenario::{Access, CommandLine, Control, HostPattern, RelayMode, Scenario, Target as ScenarioTarget},
    sim::{Schedule, SimWorld, Stalled},
    world::{Census, Holding, World},
};

/// The bundled server's membership tokens in simulations: there is nobody to guess them.
const TOKEN_SEED: [u8; 32] = [0; 32];

/// Between two looks at whether everybody has left.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where a run takes place: one of the worlds, with the server in it.
pub(super) enum Place {
    Net {
        world: Arc<NetWorld>,
        /// The one that was started for the run.
        server: Option<Arc<Bundled>>,
    },
    Sim(Arc<SimWorld>),
}

impl Place {
    /// The local world, or the live one if the scenario has a target; the bundled server is started. `elsewhere`: hosts
    /// that a target may send peers to.
    pub async fn net(
        scenario: &Scenario,
        plan: &Plan,
        run_id: &str,
        trusted: &[CertificateDer<'static>],
        census: Arc<Census>,
        elsewhere: Vec<HostPattern>,
        tap: Option<Arc<dyn Tap>>,
    ) -> Result<Self, String> {
        let ice = IceSide::start(scenario, trusted).await?;
        let ice = ice.with_guests(guests(scenario, plan, run_id));
        let (target, server) = match &scenario.target.url {
            Some(url) => {
                let plain = Access::default();
                let access = scenario.target.access.as_deref().unwrap_or(&plain);
                let dialer = Dialer::new(url, access, ice.guests().clone(), ice.fetches())?;
                let dialer = dialer.or(Elsewhere {
                    hosts: elsewhere,
                    loopback: load::is_loopback(scenario),
                });
                let target = Target::Foreign {
                    url: url.clone(),
                    dialer: Arc::new(dialer),
                    loopback: load::is_loopback(scenario),
                    control: Arc::new(commands(scenario.target.control.as_deref())),
                    metrics: scenario.target.metrics.clone(),
                };
                (target, None)
            }
            None => {
                let config = Config {
                    hub: hub(&scenario.target),
                    turn: ice.bundled().map(|turn| turn.config(TurnConfig::TTL_DEFAULT)),
                    stun_servers: ice.bundled().map(|turn| turn.stun_url()).into_iter().collect(),
                    ..Config::default()
                };
                let server = Bundled::start(config).await;
                let server = server.map_err(|error| refused("the bundled server cannot start", &error))?;
                (Target::Bundled(server.clone()), Some(server))
            }
        };
        let world = NetWorld::new(target, ice, census)
            .map_err(|error| refused("no threads for the peers", &error))?
            .tapped(tap);
        Ok(Self::Net {
            world: Arc::new(world),
            server,
        })
    }

    pub fn sim(scenario: &Scenario, schedule: Schedule, seed: u64) -> Self {
        Self::Sim(Arc::new(sim_world(&scenario.target, schedule, seed)))
    }

    /// `local`, `live` or `sim`.
    pub fn world_name(&self) -> &'static str {
        match self {
            Self::Net { world, .. } => world.name(),
            Self::Sim(world) => world.name(),
        }
    }

    /// The server, in words; a URL may hold secrets.
    pub fn target(&self) -> String {
        match self {
            Self::Net {
                world,
                server: Some(_),
            } => format!("bundled server at {}", world.url()),
            Self::Net { world, server: None } => world.url(),
            Self::Sim(_) => "bundled server, in virtual time".to_owned(),
        }
    }

    /// The page of the bundled server.
    pub fn page(&self) -> Option<String> {
        match self {
            Self::Net {
                server: Some(server), ..
            } => Some(server.page()),
            _ => None,
        }
    }

    /// Whether the server was started for the run.
    pub fn has_own_server(&self) -> bool {
        !matches!(self, Self::Net { server: None, .. })
    }

    /// Plays a plan here, and stops the server.
    pub async fn play(
        self,
        census: Arc<Census>,
        plan: Arc<Plan>,
        options: Options,
        readers: Vec<Box<dyn EventReader>>,
    ) -> Result<RunSummary, String> {
        match self {
            Self::Net { world, server } => {
                let in_rooms = InRooms::enter();
                let run = run::execute(world.clone(), census.clone(), plan, options, readers);
                // A task of its own: whoever waits for it is still there should it panic.
                let played = tokio::spawn(run).await;
                if played.is_err() {
                    end_of(&census).await;
                }
                drop(in_rooms);
                world.end_turn();
                if let Some(server) = server {
                    server.shutdown().await;
                }
                played.map_err(|panic| format!("the run has ended early: {panic}"))
            }
            Self::Sim(world) => {
                let run = run::execute(world.clone(), census, plan, options, readers);
                // It takes a thread until it is over.
                let played = tokio::task::spawn_blocking(move || world.block_on(run)).await;
                match played {
                    Ok(Ok(summary)) => Ok(summary),
                    Ok(Err(why)) => Err(stalled(why)),
                    Err(panic) => Err(format!("the simulation has ended early: {panic}")),
                }
            }
        }
    }
}

/// Whom the server is to let in.
fn guests(scenario: &Scenario, plan: &Plan, run_id: &str) -> Guests {
    let peers = plan.peers.iter().map(|peer| Guest {
        number: peer.number.index(),
        user: peer.user_id.clone(),
        room: plan.rooms[peer.room.index()].wire_id.clone(),
        address: plan.protocol.address(plan.client(peer)),
    });
    Guests {
        run: run_id.to_owned(),
        peers: peers.collect(),
        carrier: plan.protocol.carrier(),
        of: scenario.rooms as usize * scenario.peers as usize,
    }
}

/// The simulated world with that seed.
pub(super) fn sim_world(target: &ScenarioTarget, schedule: Schedule, seed: u64) -> SimWorld {
    SimWorld::new(hub(target), TOKEN_SEED, schedule, RootSeed(seed))
}

/// What acts on a server that was not started for the run.
fn commands(control: Option<&Control>) -> Commands {
    let Some(control) = control else {
        return Commands::default();
    };
    let command = |line: &Option<CommandLine>| {
        line.as_ref().and_then(|line| match line {
            CommandLine::Shell(line) => Some(Command {
                program: "sh".to_owned(),
                arguments: vec!["-c".to_owned(), line.clone()],
            }),
            CommandLine::Words(words) => words.split_first().map(|(program, arguments)| Command {
                program: program.clone(),
                arguments: arguments.to_vec(),
            }),
        })
    };
    Commands {
        start: command(&control.start),
        stop: command(&control.stop),
        pause: command(&control.pause),
        resume: command(&control.resume),
        slow: command(&control.slow),
        restore: command(&control.restore),
        within: control.within,
    }
}

/// What the bundled server's rooms are like.
fn hub(target: &ScenarioTarget) -> HubConfig {
    HubConfig {
        relay_mode: match target.relay_mode {
            RelayMode::Rooms => room::RelayMode::Rooms,
            RelayMode::Deployed => room::RelayMode::Deployed,
        },
        ..HubConfig::default()
    }
}

/// Waits until nobody of a run is left that has lost its head; everybody was told to leave.
async fn end_of(census: &Census) {
    let until = tokio::time::Instant::now() + LEAVE_WITHIN;
    while census.held(Holding::Task) > 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A simulation that makes no progress, in words.
pub(super) fn stalled(why: Stalled) -> String {
    format!("the simulation has stalled: {why}")
}

/// What the machine does not give.
fn refused(what: &str, error: &io::Error) -> String {
    format!(
        "{what}: {error}\n  help: look at the limits of this machine (`ulimit -a`) and at what else runs on it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::load::Grammar,
        plan,
        scenario::{bundled, parse},
        world::Tricks,
    };

    /// Never over, and always awake.
    async fn restless() {
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await
    }

    #[tokio::test]
    async fn a_simulation_that_makes_no_progress_ends_and_says_so() {
        let (name, text) = bundled()[0];
        let scenario = parse(name, text, &Grammar).expect("it is sound");
        let plan = Arc::new(plan::expand(&scenario, 1, &plan::Options::default()));
        let options = Options {
            ice_servers: Vec::new(),
            max_rate: None,
            tricks: Tricks::default(),
            interrupt: Box::pin(restless()),
        };
        let place = Place::sim(&scenario, Schedule::Fifo, 1);
        let played = place.play(Arc::default(), plan, options, Vec::new()).await;
        let trouble = played.expect_err("it stalls");
        assert!(
            trouble
                .starts_with("the simulation has stalled: after 0ns of virtual time tasks wake each other"),
            "{trouble}"
        );
    }
}
