//! The codec and its transport against a WHEP server.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rtc::{
    peer_connection::configuration::RTCOfferOptions,
    rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, rtp_sender::RtpCodecKind},
};
use rtcstorm::{
    base::PeerId,
    net::{Commands, Dialer, Fetches, Guests, IceSide, NetWorld, Target},
    scenario::{Access, Secret},
    signaling::{Carrier, Client, Codec, Description, Message, Reading, SdpType, Whep, WhipOptions},
    world::{Census, SignalingSocket, World},
};
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use webrtc::{
    media_stream::track_remote::{TrackRemote, TrackRemoteEvent},
    peer_connection::{
        PeerConnection, PeerConnectionEventHandler, RTCIceGatheringState, RTCSessionDescription,
    },
};

use crate::whep_server::{OPUS, WhepServer, connection};

const PATIENCE: Duration = Duration::from_secs(60);

/// Tells when candidates are gathered, and hands tracks on.
struct Handler {
    gathered: Arc<Notify>,
    tracks: mpsc::UnboundedSender<Arc<dyn TrackRemote>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.notify_one();
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.tracks.send(track);
    }
}

/// One that plays what a server sends.
struct Player {
    socket: SignalingSocket,
    codec: Whep,
    connection: Arc<dyn PeerConnection>,
    gathered: Arc<Notify>,
    tracks: mpsc::UnboundedReceiver<Arc<dyn TrackRemote>>,
    census: Arc<Census>,
}

impl Player {
    async fn new(server: &WhepServer, endpoint: &str, token: &str) -> Self {
        let access = Access {
            headers: vec![(
                "Authorization".to_owned(),
                Secret::Literal(format!("Bearer {token}")),
            )],
            ..Access::default()
        };
        let guests = Guests {
            carrier: Carrier::Http,
            ..Guests::default()
        };
        let dialer = Dialer::new(&server.url(), &access, guests, Fetches::default()).expect("a way");
        let target = Target::Foreign {
            url: server.url(),
            dialer: Arc::new(dialer),
            loopback: true,
            control: Arc::new(Commands::default()),
            metrics: None,
        };
        let census = Arc::new(Census::default());
        let world = NetWorld::new(target, IceSide::default(), census.clone()).expect("threads");
        let socket = world
            .open_signaling(PeerId(0))
            .await
            .expect("the server is there");
        let options = WhipOptions {
            endpoint: endpoint.to_owned(),
        };
        let client = Client {
            room_id: "r",
            user_id: "u",
            number: 0,
        };
        let gathered = Arc::new(Notify::new());
        let (sender, tracks) = mpsc::unbounded_channel();
        let handler = Arc::new(Handler {
            gathered: gathered.clone(),
            tracks: sender,
        });
        let connection = connection(&census, handler).await.expect("a connection");
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Recvonly,
            ..RTCRtpTransceiverInit::default()
        };
        let added = connection.add_transceiver_from_kind(RtpCodecKind::Audio, Some(init));
        added.await.expect("a transceiver");
        Self {
            socket,
            codec: Whep::new(&options, client),
            connection,
            gathered,
            tracks,
            census,
        }
    }

    async fn send(&mut self, frames: Vec<String>) {
        for frame in frames {
            self.socket.send(frame).await.expect("it is open");
        }
    }

    async fn say(&mut self, message: Message) {
        let frames = self.codec.encode(&message, 0);
        self.send(frames).await;
    }

    /// What the next response says.
    async fn hear(&mut self) -> Vec<Message> {
        let text = timeout(PATIENCE, self.socket.next()).await.expect("a response");
        let text = text.expect("open").expect("a response");
        let Reading {
            messages, replies, ..
        } = self.codec.read(&text);
        self.send(replies).await;
        messages
    }

    /// Offers; candidates are told behind it.
    async fn offer(&mut self, ice_restart: bool) {
        let options = RTCOfferOptions { ice_restart };
        let offer = self
            .connection
            .create_offer(Some(options))
            .await
            .expect("an offer");
        let set = self.connection.set_local_description(offer).await;
        set.expect("it is ours");
        let gathered = timeout(PATIENCE, self.gathered.notified()).await;
        gathered.expect("candidates");
        let sdp = self.connection.local_description().await.expect("it is set").sdp;
        let (candidates, lines): (Vec<&str>, Vec<&str>) = sdp
            .split_inclusive('\n')
            .partition(|line| line.starts_with("a=candidate"));
        assert!(!candidates.is_empty());
        self.say(Message::Description {
            remote: Message::SERVER.to_owned(),
            description: Description {
                sdp_type: SdpType::Offer,
                sdp: lines.concat().into(),
            },
        })
        .await;
        for line in candidates {
            let candidate = rtcstorm::signaling::Candidate {
                candidate: line.trim_start_matches("a=").trim_end().to_owned(),
                sdp_mid: Some("0".to_owned()),
                sdp_m_line_index: Some(0),
                username_fragment: None,
            };
            let remote = Message::SERVER.to_owned();
            self.say(Message::Candidate { remote, candidate }).await;
        }
    }

    /// Hears until an answer has come, and takes it; all that was said.
    async fn take_answer(&mut self) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            for message in self.hear().await {
                if let Message::Description { description, .. } = &message {
                    let answer = RTCSessionDescription::answer(description.sdp.to_string());
                    let answer = answer.expect("it is SDP");
                    let set = self.connection.set_remote_description(answer).await;
                    set.expect("it fits");
                    all.push(message);
                    return all;
                }
                all.push(message);
            }
        }
    }

    async fn join(&mut self) {
        self.say(Message::Join {
            name: "u".to_owned(),
            token: None,
            capacity: 1,
            present: Vec::new(),
        })
        .await;
    }
}

async fn packets(track: &Arc<dyn TrackRemote>, number: u32) {
    let mut left = number;
    while left > 0 {
        let event = timeout(PATIENCE, track.poll()).await.expect("packets");
        if let TrackRemoteEvent::OnRtpPacket(packet) = event.expect("it goes on") {
            assert_eq!(packet.header.payload_type, OPUS);
            left -= 1;
        }
    }
}

#[test]
fn a_player_has_packets_across_a_redirect_and_an_ice_restart_until_it_leaves() {
    let server = WhepServer::start(Some("s3cret"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut player = Player::new(&server, "alias/stage", "s3cret").await;
        player.join().await;
        player.offer(false).await;
        let said = player.take_answer().await;
        assert!(
            matches!(
                &said[..],
                [Message::Welcome { .. }, Message::IceServers { servers }, Message::Description { .. }]
                if servers.len() == 1
            ),
            "{said:?}"
        );
        assert_eq!(player.hear().await, [], "the candidates are taken");
        let track = timeout(PATIENCE, player.tracks.recv()).await.expect("a track");
        let track = track.expect("a track");
        packets(&track, 20).await;

        player.offer(true).await;
        let said = player.take_answer().await;
        assert!(matches!(&said[..], [Message::Description { .. }]), "{said:?}");
        assert_eq!(player.hear().await, [], "the candidates are taken");
        packets(&track, 100).await;

        assert_eq!(server.sessions(), 1);
        player.say(Message::Leave).await;
        assert_eq!(player.hear().await, []);
        assert_eq!(server.sessions(), 0);
        player.socket.close().await.expect("it closes");
        player.connection.close().await.expect("it closes");
        drop(track);
        let census = player.census.clone();
        drop(player);
        let empty = async {
            while !census.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, empty).await.expect("nothing is left");
    });
    let expected = [
        "POST 307",
        "POST 201",
        "PATCH 204",
        "PATCH 200",
        "PATCH 204",
        "DELETE 200",
    ];
    assert_eq!(server.answered(), expected);
}

#[test]
fn who_may_not_or_comes_too_early_is_told_so() {
    let server = WhepServer::start(Some("s3cret"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (token, is_live, expected, words) in [
        ("another", true, "401", "who are you?"),
        ("s3cret", false, "409", "not live (Retry-After: 5)"),
    ] {
        server.set_live(is_live);
        let told = runtime.block_on(async {
            let mut player = Player::new(&server, "whep/stage", token).await;
            player.join().await;
            player.offer(false).await;
            let told = player.hear().await;
            player.connection.close().await.expect("it closes");
            told
        });
        let rejected = Message::JoinRejected {
            reason: expected.to_owned(),
            message: words.to_owned(),
        };
        assert_eq!(told, [rejected]);
    }
    assert_eq!(server.sessions(), 0);
}
