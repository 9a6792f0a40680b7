use std::{
    future::Future,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use reference_server::room::HubConfig;
use webrtc::{
    peer_connection::{RTCIceServer, crypto::RTCCryptoProvider},
    runtime::Runtime,
};

use super::{
    crypto::SeededProvider,
    executor::{Executor, Stalled},
    internet::STUN,
    network::{HOP, Network},
    runtime::SimRuntime,
    schedule::{Delays, Schedule, Stream},
    server::Server,
};
use crate::{
    base::{Generation, Instant, PeerId, PeerNumber, Purpose, RootSeed, SignalingEnd},
    scenario::{Ice, IceServers, TurnFault},
    world::{BoxFuture, Home, ServerAct, ServerLoad, SignalingSocket, Usage, World},
};

/// 2000-01-01T00:00:00Z, at which every simulation begins.
const EPOCH_UNIX_MS: u64 = 946_684_800_000;

/// The simulated world. It is over with the future that [`SimWorld::block_on`] runs.
pub struct SimWorld {
    executor: Arc<Executor>,
    runtime: Arc<SimRuntime>,
    server: Arc<Server>,
    seed: RootSeed,
    delays: Arc<Delays>,
}

impl SimWorld {
    /// At the start of its time, with an empty server. `token_seed` makes the server's membership tokens.
    pub fn new(config: HubConfig, token_seed: [u8; 32], schedule: Schedule, seed: RootSeed) -> Self {
        let (order, delays) = schedule.draw(seed);
        let delays = Arc::new(delays);
        let executor = Executor::new(order);
        let runtime = SimRuntime {
            executor: executor.clone(),
            network: Network::new(executor.clone()),
            epoch: StdInstant::now(),
        };
        Self {
            server: Arc::new(Server::new(
                executor.clone(),
                config,
                token_seed,
                delays.clone(),
                EPOCH_UNIX_MS,
            )),
            runtime: Arc::new(runtime),
            executor,
            seed,
            delays,
        }
    }

    /// Runs `root` in this world, on this thread, to its end. What it has started and not ended is dropped.
    ///
    /// # Errors
    /// The simulation makes no progress any more.
    pub fn block_on<T: Send + 'static>(
        &self,
        root: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stalled> {
        self.executor.block_on(root)
    }
}

impl World for SimWorld {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn now(&self) -> Instant {
        self.executor.now()
    }

    fn epoch_unix_ms(&self) -> u64 {
        EPOCH_UNIX_MS
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<()> {
        Box::pin(self.executor.sleep_until(at))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.executor.spawn(task);
    }

    fn rtc_runtime(&self) -> Arc<dyn Runtime> {
        self.runtime.clone()
    }

    fn crypto_provider(
        &self,
        peer: PeerNumber,
        remote: PeerNumber,
        generation: Generation,
    ) -> Option<Arc<dyn RTCCryptoProvider>> {
        let rng = self.seed.connection(peer, remote, generation, Purpose::Crypto);
        Some(Arc::new(SeededProvider::new(rng)))
    }

    fn operation_takes(&self, peer: PeerId, remote: PeerId, generation: Generation) -> Duration {
        self.delays.next(Stream::Operations(peer, remote, generation))
    }

    fn repeats(&self) -> bool {
        true
    }

    fn settle(&self, homes: &[Home]) -> bool {
        self.runtime.network.internet().settle(homes, self.seed);
        true
    }

    fn turn(&self, fault: TurnFault, at: Instant) -> bool {
        // It may be hit before anybody has asked for it.
        let mut internet = self.runtime.network.internet();
        internet.start_turn(EPOCH_UNIX_MS, self.seed).hit(fault, at);
        true
    }

    /// Servers that are named or fetched are out of reach.
    fn ice_servers(
        &self,
        _peer: PeerId,
        ice: &Ice,
        user: &str,
    ) -> BoxFuture<Result<Vec<RTCIceServer>, SignalingEnd>> {
        let servers = match ice.servers {
            IceServers::Bundled => {
                let mut internet = self.runtime.network.internet();
                let turn = internet.start_turn(EPOCH_UNIX_MS, self.seed);
                turn.ice_servers(ice, user, self.now())
            }
            IceServers::None | IceServers::Offered | IceServers::Named(_) => Vec::new(),
        };
        Box::pin(std::future::ready(Ok(servers)))
    }

    fn rebind_nat(&self, peer: PeerId) -> bool {
        self.runtime.network.internet().rebind(peer)
    }

    fn stun_url(&self, peer: PeerId) -> Option<String> {
        let inside = self.runtime.network.internet().is_inside(peer);
        inside.then(|| format!("stun:{STUN}"))
    }

    fn udp_addrs(&self, peer: PeerId) -> Vec<String> {
        let home = self.runtime.network.internet().home(peer);
        let ip = home.unwrap_or(Ipv4Addr::LOCALHOST.into());
        vec![format!("{ip}:0")]
    }

    fn open_signaling(&self, _peer: PeerId) -> BoxFuture<Result<SignalingSocket, SignalingEnd>> {
        let server = self.server.clone();
        // There and back, as TCP and the upgrade take it.
        let shaken = self.executor.sleep_until(self.executor.now() + HOP * 4);
        Box::pin(async move {
            shaken.await;
            let socket: SignalingSocket = Box::pin(server.open().await?);
            Ok(socket)
        })
    }

    fn roster(&self, room_wire_id: &str) -> Option<Vec<String>> {
        Some(self.server.roster(room_wire_id))
    }

    fn act_on_server(&self, act: ServerAct) -> BoxFuture<Result<String, String>> {
        self.server.act(act);
        Box::pin(std::future::ready(Ok(String::new())))
    }

    fn server_load(&self) -> Option<BoxFuture<Result<ServerLoad, String>>> {
        Some(Box::pin(std::future::ready(Ok(self.server.load()))))
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}
