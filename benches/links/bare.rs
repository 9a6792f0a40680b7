//! A pair of `webrtc` connections with the settings of the harness, and nothing else around them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rtcstorm::world::{ConnectionRuntime, Tricks, World};
use tokio::sync::{Barrier, Notify, mpsc};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCConfigurationBuilder, RTCIceGatheringState, RTCSessionDescription, SettingEngineBuilder,
    },
    runtime::TokioRuntime,
};

/// As long as a probe of the harness.
const MESSAGE: &str = r#"{"type":"chat","peer":0,"incarnation":1,"seq":"p0"}"#;

/// Opens a pair at each of those times, sends a message each way, and closes the pairs of a room when all
/// of them are open: what the connections of the harness do, on its threads, without the harness.
pub async fn open_all(lanes: &impl World, rooms: &[Vec<Duration>]) {
    let started = tokio::time::Instant::now();
    let (done, mut all_done) = mpsc::channel::<()>(1);
    for (lane, begins) in rooms.iter().enumerate() {
        let all_open = Arc::new(Barrier::new(begins.len()));
        for begin in begins {
            let (at, all_open, done) = (started + *begin, all_open.clone(), done.clone());
            let link = async move {
                tokio::time::sleep_until(at).await;
                let pair = Pair::open(Tricks::default()).await;
                pair.exchange().await;
                all_open.wait().await;
                pair.close().await;
                drop(done);
            };
            lanes.spawn_in(lane, Box::pin(link));
        }
    }
    drop(done);
    all_done.recv().await;
}

/// Two connections, and the data channel between them.
pub struct Pair {
    ends: [End; 2],
    channels: [Arc<dyn DataChannel>; 2],
    /// From the offer until both ends were open.
    pub took: Duration,
}

impl Pair {
    pub async fn open(tricks: Tricks) -> Self {
        let (a, mut b) = (End::build(tricks).await, End::build(tricks).await);
        let ours = a.connection.create_data_channel("bench", None).await;
        let ours = ours.expect("the connection is new");

        let started = Instant::now();
        let offer = a.connection.create_offer(None).await.expect("it has a channel");
        let offer = a.describe(offer).await;
        b.set_remote(offer).await;
        let answer = b.connection.create_answer(None).await.expect("it has an offer");
        let answer = b.describe(answer).await;
        a.set_remote(answer).await;
        next(&ours, |event| matches!(event, DataChannelEvent::OnOpen)).await;
        let theirs = b.channels.recv().await.expect("the handler lives");
        next(&theirs, |event| matches!(event, DataChannelEvent::OnOpen)).await;
        Self {
            took: started.elapsed(),
            ends: [a, b],
            channels: [ours, theirs],
        }
    }

    async fn exchange(&self) {
        for channel in &self.channels {
            channel.send_text(MESSAGE).await.expect("it is open");
        }
        for channel in &self.channels {
            next(channel, |event| matches!(event, DataChannelEvent::OnMessage(_))).await;
        }
    }

    pub async fn close(self) {
        for end in self.ends {
            end.connection.close().await.expect("it is open");
        }
    }
}

/// Completes at the event that is wanted.
async fn next(channel: &Arc<dyn DataChannel>, wanted: impl Fn(&DataChannelEvent) -> bool) {
    while !wanted(&channel.poll().await.expect("it lives")) {}
}

struct End {
    connection: Arc<dyn PeerConnection>,
    gathered: Arc<Notify>,
    channels: mpsc::Receiver<Arc<dyn DataChannel>>,
}

impl End {
    async fn build(tricks: Tricks) -> Self {
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(Duration::from_millis(200)), Some(600))
            .with_host_acceptance_min_wait(Some(Duration::ZERO))
            .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            .build();
        let runtime = ConnectionRuntime::new(Arc::new(TokioRuntime), tricks, Arc::default(), None, || {});
        let gathered = Arc::new(Notify::new());
        let (sender, channels) = mpsc::channel(1);
        let handler = Handler {
            gathered: gathered.clone(),
            channels: sender,
        };
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(MediaEngine::default())
            .with_setting_engine(settings)
            .with_runtime(Arc::new(runtime))
            .with_handler(Arc::new(handler))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await
            .expect("loopback can be bound");
        Self {
            connection: Arc::new(connection),
            gathered,
            channels,
        }
    }

    /// `setLocalDescription`, and the description with its candidate.
    async fn describe(&self, description: RTCSessionDescription) -> RTCSessionDescription {
        let set = self.connection.set_local_description(description).await;
        set.expect("its own description");
        self.gathered.notified().await;
        self.connection.local_description().await.expect("just set")
    }

    async fn set_remote(&self, description: RTCSessionDescription) {
        let set = self.connection.set_remote_description(description).await;
        set.expect("the other end's description");
    }
}

struct Handler {
    gathered: Arc<Notify>,
    channels: mpsc::Sender<Arc<dyn DataChannel>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.notify_one();
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        // Only fails once the pair is closed.
        let _ = self.channels.send(channel).await;
    }
}
