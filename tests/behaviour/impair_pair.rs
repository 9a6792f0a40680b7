//! Two real connections whose datagrams cross two impaired links.

use std::{sync::Arc, time::Duration};

use rtcstorm::{
    base::{Instant, PeerId, RootSeed, Seat},
    impair::{Profile, Remotes, Scope},
    world::{Census, ConnectionRuntime, PeerNetwork, RemotePath, Tricks},
};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCConfigurationBuilder, RTCIceGatheringState, RTCSessionDescription, SettingEngineBuilder,
    },
    runtime::TokioRuntime,
};

/// For what must happen.
const PATIENCE: Duration = Duration::from_secs(60);
const DELAY: Duration = Duration::from_millis(20);

struct Handler {
    gathered: Arc<Notify>,
    channels: mpsc::UnboundedSender<Arc<dyn DataChannel>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.notify_one();
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.channels.send(channel);
    }
}

struct End {
    connection: Arc<dyn PeerConnection>,
    gathered: Arc<Notify>,
    channels: mpsc::UnboundedReceiver<Arc<dyn DataChannel>>,
    census: Arc<Census>,
}

impl End {
    async fn new(network: &Arc<PeerNetwork>, remote: PeerId) -> Self {
        let path = RemotePath {
            network: network.clone(),
            remote,
        };
        let census = Arc::new(Census::default());
        let tricks = Tricks::default();
        let runtime =
            ConnectionRuntime::new(Arc::new(TokioRuntime), tricks, census.clone(), Some(path), || {});
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(Duration::from_millis(200)), Some(600));
        let gathered = Arc::new(Notify::new());
        let (sender, channels) = mpsc::unbounded_channel();
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(MediaEngine::default())
            .with_setting_engine(settings.build())
            .with_runtime(Arc::new(runtime))
            .with_handler(Arc::new(Handler {
                gathered: gathered.clone(),
                channels: sender,
            }))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await
            .expect("a connection");
        Self {
            connection: Arc::new(connection),
            gathered,
            channels,
            census,
        }
    }

    /// Sets a description that we made; with its candidates once they are there.
    async fn set_local(&self, description: RTCSessionDescription) -> RTCSessionDescription {
        let set = self.connection.set_local_description(description).await;
        set.expect("a local description");
        timeout(PATIENCE, self.gathered.notified())
            .await
            .expect("candidates");
        self.connection.local_description().await.expect("it is set")
    }
}

async fn until_open(channel: &Arc<dyn DataChannel>) {
    let opened = async { while !matches!(channel.poll().await, Some(DataChannelEvent::OnOpen)) {} };
    timeout(PATIENCE, opened).await.expect("the channel opens");
}

async fn text_from(channel: &Arc<dyn DataChannel>) -> String {
    let received = async {
        loop {
            if let Some(DataChannelEvent::OnMessage(message)) = channel.poll().await {
                return String::from_utf8_lossy(&message.data).into_owned();
            }
        }
    };
    timeout(PATIENCE, received).await.expect("a message arrives")
}

#[tokio::test]
async fn connections_open_across_two_links_and_outlive_an_outage() {
    let started = std::time::Instant::now();
    let now = move || Instant::START + started.elapsed();
    let networks = [PeerId(0), PeerId(1)].map(|peer| {
        let network = PeerNetwork::new(RootSeed(7), Seat::of_whole(peer), now);
        network.set_profile(Profile {
            delay: DELAY,
            loss: "1%".parse().expect("a share"),
            ..Profile::none()
        });
        Arc::new(network)
    });
    let (alice, mut bob) = (
        End::new(&networks[0], PeerId(1)).await,
        End::new(&networks[1], PeerId(0)).await,
    );

    let channel = alice.connection.create_data_channel("chat", None).await;
    let channel = channel.expect("a channel");
    let offer = alice.connection.create_offer(None).await.expect("an offer");
    let offer = alice.set_local(offer).await;
    let offered = bob.connection.set_remote_description(offer).await;
    offered.expect("the offer is taken");
    let answer = bob.connection.create_answer(None).await.expect("an answer");
    let answer = bob.set_local(answer).await;
    let answered = alice.connection.set_remote_description(answer).await;
    answered.expect("the answer is taken");
    until_open(&channel).await;
    let theirs = timeout(PATIENCE, bob.channels.recv()).await.expect("it opens");
    let theirs = theirs.expect("the connection lives");

    let sent = now();
    channel.send_text("on a good day").await.expect("sent");
    assert_eq!(text_from(&theirs).await, "on a good day");
    let took = now().since(sent);
    assert!(took >= 2 * DELAY, "{took:?}");

    // Shorter than the 5 s after which ICE looks for another way: SCTP alone repeats the message.
    let from = now();
    let until = from + Duration::from_millis(1_500);
    networks[0]
        .drop_network(Scope::Both, Remotes::All, from, until)
        .expect("room");
    channel.send_text("in an outage").await.expect("sent");
    assert_eq!(text_from(&theirs).await, "in an outage");
    let arrived = now();
    assert!(
        arrived >= until + 2 * DELAY,
        "{arrived}, before {until} and the delay"
    );
    assert!(networks[0].dropped().blocked > 0);

    for end in [&alice, &bob] {
        end.connection.close().await.expect("closed");
    }
    let censuses = [alice.census.clone(), bob.census.clone()];
    drop((channel, theirs, alice, bob));
    let empty = async {
        while !censuses.iter().all(|census| census.is_empty()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, empty).await.expect("nothing is left");
}
