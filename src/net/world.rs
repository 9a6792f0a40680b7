use std::{
    borrow::Cow,
    io,
    sync::Arc,
    time::{Duration, Instant as StdInstant, SystemTime, UNIX_EPOCH},
};

use tokio::task::AbortHandle;
use webrtc::{
    peer_connection::RTCIceServer,
    runtime::{Runtime, TokioRuntime},
};

use super::{
    bundled::Bundled,
    commands::Commands,
    dial::Dialer,
    http,
    ice::IceSide,
    lanes::Lanes,
    lent::Lent,
    probe::{Lateness, probe},
    scrape::scrape,
    tap::{Tap, Tapped},
    usage::usage,
    websocket,
};
use crate::{
    base::{Instant, PeerId, SignalingEnd},
    scenario::{Access, Ice, IceServer, TurnFault},
    signaling::Carrier,
    world::{BoxFuture, Census, Dial, ServerAct, ServerLoad, SignalingSocket, Usage, World},
};

/// Where the signaling server is.
pub enum Target {
    /// Started for the run, in this process.
    Bundled(Arc<Bundled>),
    /// Somebody's deployment.
    Foreign {
        /// `ws://` or `wss://`, or where HTTP carries the protocol `http://` or `https://`.
        url: String,
        /// The way there.
        dialer: Arc<Dialer>,
        /// Whether it is on this machine: then peers bind 127.0.0.1.
        loopback: bool,
        /// What starts and ends it.
        control: Arc<Commands>,
        /// `http://`: where it tells what it holds, if it does.
        metrics: Option<String>,
    },
}

/// The local and the live world: real time, real sockets. Lives inside of a tokio runtime, but for its lanes,
/// which have one each.
pub struct NetWorld {
    started: StdInstant,
    epoch_unix_ms: u64,
    target: Target,
    dialer: Arc<Dialer>,
    lent: Arc<Lent>,
    ice: Arc<IceSide>,
    census: Arc<Census>,
    lanes: Lanes,
    lateness: Lateness,
    /// That of the runtime which the world lives in; the others end with their lanes.
    own_probe: AbortHandle,
    tap: Option<Arc<dyn Tap>>,
}

impl NetWorld {
    /// Time starts now.
    ///
    /// # Errors
    /// The OS gives no threads, or none that can wait for sockets.
    pub fn new(target: Target, ice: IceSide, census: Arc<Census>) -> io::Result<Self> {
        let lateness = Lateness::default();
        let lanes = Lanes::new(&lateness)?;
        let dialer = match &target {
            Target::Bundled(server) => {
                let (plain, guests) = (Access::default(), ice.guests().clone());
                let dialer = Dialer::new(&server.url(), &plain, guests, ice.fetches());
                Arc::new(dialer.map_err(io::Error::other)?)
            }
            Target::Foreign { dialer, .. } => dialer.clone(),
        };
        let own_probe = tokio::spawn(probe(lateness.clone())).abort_handle();
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            started: StdInstant::now(),
            epoch_unix_ms: u64::try_from(epoch.as_millis()).unwrap_or(u64::MAX),
            target,
            lent: Arc::new(Lent::new(dialer.clone())),
            dialer,
            ice: Arc::new(ice),
            census,
            lanes,
            lateness,
            own_probe,
            tap: None,
        })
    }

    /// The same, and somebody looks at what goes over its signaling sockets.
    #[must_use]
    pub fn tapped(mut self, tap: Option<Arc<dyn Tap>>) -> Self {
        self.tap = tap;
        self
    }

    /// Ends the STUN and TURN server of the run, if there is one.
    pub fn end_turn(&self) {
        if let Some(turn) = self.ice.bundled() {
            turn.shutdown();
        }
    }

    /// The URL that peers connect to.
    pub fn url(&self) -> String {
        match &self.target {
            Target::Bundled(server) => server.url(),
            Target::Foreign { url, .. } => url.clone(),
        }
    }
}

impl Drop for NetWorld {
    fn drop(&mut self) {
        self.own_probe.abort();
    }
}

impl World for NetWorld {
    fn name(&self) -> &'static str {
        match self.target {
            Target::Bundled(_) => "local",
            Target::Foreign { .. } => "live",
        }
    }

    fn now(&self) -> Instant {
        Instant::START + self.started.elapsed()
    }

    fn epoch_unix_ms(&self) -> u64 {
        self.epoch_unix_ms
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<()> {
        // tokio's timer has a resolution of 1 ms and rounds up: what is due within that is due.
        let left = at.since(self.now());
        if left < Duration::from_micros(100) {
            return Box::pin(std::future::ready(()));
        }
        Box::pin(tokio::time::sleep_until((self.started + at.elapsed()).into()))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn spawn_in(&self, lane: usize, task: BoxFuture<()>) {
        self.lanes.spawn(lane, task);
    }

    fn rtc_runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime)
    }

    fn udp_addrs(&self, _peer: PeerId) -> Vec<String> {
        match self.target {
            Target::Bundled(_) | Target::Foreign { loopback: true, .. } => vec!["127.0.0.1:0".to_owned()],
            Target::Foreign { loopback: false, .. } => vec!["0.0.0.0:0".to_owned()],
        }
    }

    fn open_signaling(&self, peer: PeerId) -> BoxFuture<Result<SignalingSocket, SignalingEnd>> {
        let (dialer, census) = (self.dialer.clone(), self.census.clone());
        let opened: BoxFuture<Result<SignalingSocket, SignalingEnd>> = match dialer.carrier() {
            Carrier::WebSocket => Box::pin(websocket::open(dialer, peer, census)),
            Carrier::Http => Box::pin(http::open(dialer, peer, census)),
        };
        let Some(tap) = self.tap.clone() else {
            return opened;
        };
        let (dialer, started) = (self.dialer.clone(), self.started);
        Box::pin(async move {
            let inner = opened.await?;
            tap.opened(Instant::START + started.elapsed(), peer);
            let tapped: SignalingSocket = Box::pin(Tapped {
                inner,
                tap,
                dialer,
                peer,
                started,
            });
            Ok(tapped)
        })
    }

    fn without_secrets(&self, peer: Option<PeerId>, text: &str) -> Option<String> {
        match self.dialer.secrets().hide(peer, text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(hidden) => Some(hidden),
        }
    }

    fn roster(&self, room_wire_id: &str) -> Option<Vec<String>> {
        match &self.target {
            Target::Bundled(server) => Some(server.roster(room_wire_id)),
            Target::Foreign { .. } => None,
        }
    }

    fn act_on_server(&self, act: ServerAct) -> BoxFuture<Result<String, String>> {
        match &self.target {
            Target::Bundled(server) => {
                let server = server.clone();
                Box::pin(async move {
                    match act {
                        ServerAct::Start => server.come_back().await?,
                        ServerAct::Stop => server.stop().await,
                        ServerAct::Pause => server.pause(true),
                        ServerAct::Resume => server.pause(false),
                        ServerAct::Slow(by) => server.slow(by),
                    }
                    Ok(String::new())
                })
            }
            Target::Foreign { control, .. } => {
                let control = control.clone();
                Box::pin(async move { control.act(act).await })
            }
        }
    }

    fn commands_server(&self) -> bool {
        matches!(self.target, Target::Foreign { .. })
    }

    fn turn(&self, fault: TurnFault, at: Instant) -> bool {
        match self.ice.bundled() {
            Some(turn) => {
                turn.hit(fault, (self.started + at.elapsed()).into());
                true
            }
            None => false,
        }
    }

    fn fetch_ice_servers(&self, peer: PeerId, ice: &Ice) -> Option<BoxFuture<Result<(), SignalingEnd>>> {
        ice.fetches().next()?;
        let (lent, servers) = (self.lent.clone(), ice.servers.clone());
        Some(Box::pin(
            async move { lent.servers(peer, &servers).await.map(drop) },
        ))
    }

    fn offer_ice_servers(&self, peer: PeerId, servers: Vec<IceServer>) {
        self.lent.offer(peer, servers);
    }

    fn ice_servers(
        &self,
        peer: PeerId,
        ice: &Ice,
        user: &str,
    ) -> BoxFuture<Result<Vec<RTCIceServer>, SignalingEnd>> {
        let (lent, side) = (self.lent.clone(), self.ice.clone());
        let (ice, user) = (ice.clone(), user.to_owned());
        Box::pin(async move {
            let named = lent.servers(peer, &ice.servers).await?;
            Ok(side.servers(&ice, named, &user))
        })
    }

    fn turn_streams(&self) -> Option<Dial> {
        Some(self.ice.dial())
    }

    fn server_load(&self) -> Option<BoxFuture<Result<ServerLoad, String>>> {
        let url = match &self.target {
            Target::Bundled(server) => server.metrics(),
            Target::Foreign { metrics, .. } => metrics.clone()?,
        };
        Some(Box::pin(async move { scrape(&url).await }))
    }

    fn usage(&self) -> Option<Usage> {
        usage()
    }

    fn event_loop_lag(&self) -> Vec<(u64, u64)> {
        self.lateness.take()
    }
}
