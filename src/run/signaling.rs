//! The task between a peer and its signaling socket: the peer's access link, and the cuts of its script.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    base::{Instant, PeerId},
    impair::SignalingPath,
    peer::PeerInput,
    plan::Cut,
    world::{Census, Direction, Holding, PeerNetwork, SignalingEvent, SignalingSocket, World},
};

/// Frames that wait for the signaling socket, or are on their way across the peer's link.
const FRAMES: usize = 1024;

/// A signaling socket, as its peer holds it. Dropping it closes the socket.
pub(super) struct Signaling {
    number: u32,
    frames: mpsc::Sender<String>,
    cuts: mpsc::Sender<Cut>,
}

impl Signaling {
    /// Opens the socket of that number.
    pub fn open(
        world: &Arc<dyn World>,
        census: &Arc<Census>,
        network: &Arc<PeerNetwork>,
        peer: PeerId,
        number: u32,
        inputs: mpsc::Sender<PeerInput>,
    ) -> Self {
        let (frames, from_peer) = mpsc::channel(FRAMES);
        let (cuts, cut) = mpsc::channel(1);
        let counted = census.count(Holding::Task);
        let pump = Pump {
            world: world.clone(),
            network: network.clone(),
            number,
            inputs,
            from_peer,
            cut,
            up: VecDeque::new(),
            down: VecDeque::new(),
            silent: false,
        };
        let opening = world.open_signaling(peer);
        world.spawn(Box::pin(async move {
            pump.run(opening).await;
            drop(counted);
        }));
        Self { number, frames, cuts }
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Sends a frame; `false` if too many are waiting already.
    pub fn send(&self, frame: String) -> bool {
        self.frames.try_send(frame).is_ok()
    }

    /// Cuts it.
    pub fn cut(&self, how: Cut) {
        // It is being cut already, or over.
        let _ = self.cuts.try_send(how);
    }
}

struct Pump {
    world: Arc<dyn World>,
    network: Arc<PeerNetwork>,
    number: u32,
    inputs: mpsc::Sender<PeerInput>,
    from_peer: mpsc::Receiver<String>,
    cut: mpsc::Receiver<Cut>,
    /// Frames that cross the link, with the instant at which they are through.
    up: VecDeque<(Instant, String)>,
    down: VecDeque<(Instant, SignalingEvent)>,
    /// Nothing passes any more, and nothing is said about it.
    silent: bool,
}

type Opening = crate::world::BoxFuture<Result<SignalingSocket, crate::world::SignalingError>>;

impl Pump {
    async fn run(mut self, opening: Opening) {
        let open = tokio::select! {
            biased;
            open = Self::open(self.world.clone(), self.network.clone(), opening) => open,
            () = Self::hung_up(&mut self.from_peer) => return,
        };
        match open {
            Some(Ok(socket)) => {
                self.network.signaling_opened();
                self.tell(PeerInput::SignalingOpened(self.number)).await;
                self.serve(socket).await;
            }
            Some(Err(error)) => {
                tracing::info!(%error, "no signaling socket");
                self.lost(error.to_string()).await;
            }
            None => {}
        }
    }

    /// Opens the socket as soon as the network is there; `None` if it never is.
    async fn open(
        world: Arc<dyn World>,
        network: Arc<PeerNetwork>,
        opening: Opening,
    ) -> Option<Result<SignalingSocket, crate::world::SignalingError>> {
        loop {
            match network.signaling_path(world.now()) {
                SignalingPath::Open => return Some(opening.await),
                SignalingPath::BlockedUntil(at) => world.sleep_until(at).await,
                SignalingPath::Muted => return None,
            }
        }
    }

    /// Completes when the peer wants the socket no more; frames that it sends before that are lost.
    async fn hung_up(from_peer: &mut mpsc::Receiver<String>) {
        while from_peer.recv().await.is_some() {}
    }

    async fn serve(mut self, mut socket: SignalingSocket) {
        // The peer still wants it; the server may still say something.
        let (mut wanted, mut listening) = (true, true);
        loop {
            if self.network.signaling_path(self.world.now()) == SignalingPath::Muted {
                self.silence();
            }
            if let Err(reason) = self.deliver(&socket).await {
                return self.lost(reason).await;
            }
            if !listening && !self.silent && self.down.is_empty() {
                return self.lost("connection ended".to_owned()).await;
            }
            if !wanted && (self.silent || self.up.is_empty()) {
                break;
            }
            let due = [self.up.front().map(|f| f.0), self.down.front().map(|f| f.0)];
            let due = due.into_iter().flatten().min();
            let through = async {
                match due {
                    Some(at) => self.world.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let (up_free, down_free) = (self.up.len() < FRAMES, self.down.len() < FRAMES);
            tokio::select! {
                biased;
                Some(how) = self.cut.recv() => match how {
                    Cut::Silent => self.silence(),
                    Cut::Closed => return self.lost("cut by the script: closed".to_owned()).await,
                    Cut::Reset => {
                        socket.reset();
                        return self.lost("cut by the script: reset".to_owned()).await;
                    }
                },
                frame = self.from_peer.recv(), if wanted && up_free => match frame {
                    Some(frame) => self.enter_up(frame),
                    None => wanted = false,
                },
                event = socket.incoming.recv(), if listening && down_free => match event {
                    Some(event) => self.enter_down(event),
                    // What it said last may still be on its way, and of a silent one nothing is told.
                    None if self.silent || !self.down.is_empty() => listening = false,
                    None => return self.lost("connection ended".to_owned()).await,
                },
                () = through => {}
            }
        }
        if self.silent {
            socket.reset();
        }
    }

    /// Hands on what is through; an error says why the socket is over.
    async fn deliver(&mut self, socket: &SignalingSocket) -> Result<(), String> {
        let now = self.world.now();
        while let Some((_, frame)) = self.up.pop_front_if(|(at, _)| *at <= now) {
            if socket.outgoing.send(frame).await.is_err() {
                return Err("connection ended".to_owned());
            }
        }
        while let Some((_, event)) = self.down.pop_front_if(|(at, _)| *at <= now) {
            match event {
                SignalingEvent::Frame(frame) => self.tell(PeerInput::Frame(self.number, frame)).await,
                SignalingEvent::Closed(reason) => return Err(reason),
            }
        }
        Ok(())
    }

    fn enter_up(&mut self, frame: String) {
        match self.crosses(frame.len(), Direction::Up) {
            Some(at) => self.up.push_back((at, frame)),
            None => self.silence(),
        }
    }

    fn enter_down(&mut self, event: SignalingEvent) {
        let bytes = match &event {
            SignalingEvent::Frame(frame) => frame.len(),
            SignalingEvent::Closed(_) => 0,
        };
        match self.crosses(bytes, Direction::Down) {
            Some(at) => self.down.push_back((at, event)),
            None => self.silence(),
        }
    }

    fn crosses(&self, bytes: usize, direction: Direction) -> Option<Instant> {
        if self.silent {
            return None;
        }
        self.network.signaling(bytes, direction, self.world.now())
    }

    fn silence(&mut self) {
        self.silent = true;
        self.up.clear();
        self.down.clear();
    }

    async fn lost(&self, reason: String) {
        self.tell(PeerInput::SignalingLost(self.number, reason)).await;
    }

    async fn tell(&self, input: PeerInput) {
        // Only fails once the peer is gone.
        let _ = self.inputs.send(input).await;
    }
}
