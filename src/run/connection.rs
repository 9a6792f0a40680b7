//! One `RTCPeerConnection` of `webrtc`, and the task that alone owns it.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use rtc::peer_connection::{configuration::RTCOfferOptions, transport::RTCDtlsRole};
use tokio::sync::{Notify, mpsc};
use tracing::Instrument;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, RTCIceCandidateInit, RTCIceCandidateType, RTCIceServer,
        RTCSdpType, RTCSessionDescription, SettingEngine, SettingEngineBuilder, transport::DtlsTransport,
    },
};

use crate::{
    base::{Generation, PeerId, Seat},
    metrics::{CandidateKind, SignalingState},
    peer::{Carries, ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, PeerInput},
    scenario::{ClientRules, IcePolicy},
    signaling::{ChannelData, ChannelMessage, Description, SdpType, with_origin},
    world::{
        Census, ConnectionRuntime, DriverWaker, Holding, PeerNetwork, RemotePath, Tricks, UdpAddr, World,
    },
};

use super::{
    callbacks::Handler,
    ice::{Late, Path, configuration},
    media::{self, Media},
};

/// Between two ICE connectivity checks of a pair, and how many there are at most.
const ICE_CHECK_INTERVAL: Duration = Duration::from_millis(200);
const ICE_MAX_CHECKS: u16 = 600;
/// How long a pair through a relay waits for a direct one.
const RELAY_ACCEPTANCE: Duration = Duration::from_millis(200);
/// Commands that wait for the connection.
const COMMANDS: usize = 1024;

/// What connections are made with.
pub(super) struct Stack {
    pub world: Arc<dyn World>,
    pub census: Arc<Census>,
    /// For every connection, beside those of the scenario.
    pub ice_servers: Vec<RTCIceServer>,
    pub tricks: Tricks,
}

/// How a connection is to begin.
#[derive(Clone)]
pub(super) struct Begin {
    pub offerer: bool,
    pub carries: Carries,
    /// How long a description waits for the candidates that are there at once: the host's.
    pub gather_within: Duration,
    /// Its peer is going to move to another network. Every restart of ICE then breaks before it makes: it binds
    /// its sockets anew.
    pub roams: bool,
    pub path: Path,
}

impl Begin {
    /// In a client of these rules.
    pub fn of(rules: &ClientRules, path: Path, (offerer, carries): (bool, Carries)) -> Self {
        Self {
            offerer,
            carries,
            gather_within: rules.gather_within,
            roams: false,
            path,
        }
    }

    /// The same in a peer that roams, or does not.
    pub fn roaming(self, roams: bool) -> Self {
        Self { roams, ..self }
    }
}

/// Which connection it is, and whom it tells.
#[derive(Clone)]
pub(super) struct Identity {
    peer: Seat,
    remote: PeerId,
    generation: Generation,
    inputs: mpsc::Sender<PeerInput>,
}

impl Identity {
    pub(super) async fn tell(&self, event: ConnectionEvent) {
        let input = PeerInput::Connection {
            remote: self.remote,
            generation: self.generation,
            event,
        };
        // Only fails once the peer is gone, and then nobody wants to know.
        let _ = self.inputs.send(input).await;
    }
}

/// Starts a connection; commands go in by the sender, events come out as inputs of its peer. It ends
/// after [`ConnectionCommand::Close`], or when the sender is dropped.
pub(super) fn start(
    stack: &Arc<Stack>,
    network: &Arc<PeerNetwork>,
    (peer, remote): (Seat, PeerId),
    generation: Generation,
    begin: Begin,
    inputs: mpsc::Sender<PeerInput>,
) -> mpsc::Sender<ConnectionCommand> {
    let (sender, commands) = mpsc::channel(COMMANDS);
    let identity = Identity {
        peer,
        remote,
        generation,
        inputs,
    };
    let path = RemotePath {
        network: network.clone(),
        remote,
    };
    let counted = stack.census.count(Holding::Task);
    let stack = stack.clone();
    let world = stack.world.clone();
    let host = network.host().clone();
    let span = tracing::info_span!("link", remote = remote.0, generation = generation.0);
    let task = async move {
        match Connection::build(&stack, path, identity.clone(), begin).await {
            Ok((connection, channels)) => connection.serve(commands, channels).await,
            Err(error) => identity.tell(ConnectionEvent::CreateFailed(error)).await,
        }
        drop(stack);
        drop(counted);
        identity.tell(ConnectionEvent::Closed).await;
    };
    world.spawn(host.run(Box::pin(task.instrument(span))));
    sender
}

/// The task's own state. It is the only owner of the `PeerConnection`: two tasks that hold one another's
/// would keep both alive for ever.
struct Connection {
    identity: Identity,
    peer_connection: Arc<dyn PeerConnection>,
    channel: Option<Arc<dyn DataChannel>>,
    signaling: SignalingState,
    has_remote: bool,
    /// Descriptions that it has made: their session versions. The stack's own are no count.
    described: u64,
    driver: DriverWaker,
    world: Arc<dyn World>,
    /// Told when gathering is complete.
    gathering: Arc<Notify>,
    /// Told when ICE and DTLS are connected.
    connected: Arc<Notify>,
    media: Media,
    /// Whether media goes out or has come in.
    is_flowing: bool,
    gather_within: Duration,
    /// Its servers are not known yet.
    late: Option<Late>,
    _counted: crate::world::Counted,
}

impl Connection {
    async fn build(
        stack: &Arc<Stack>,
        path: RemotePath,
        identity: Identity,
        begin: Begin,
    ) -> Result<(Self, mpsc::Receiver<Arc<dyn DataChannel>>), String> {
        let text = |error: webrtc::error::Error| error.to_string();
        let configuration = configuration(stack, identity.peer.id, &begin.path).await?;
        let counted = stack.census.count(Holding::Connection);
        let repeats = identity.clone();
        let home = stack.world.udp_addrs(identity.peer.id).into_iter();
        let host = path.network.host().clone();
        let addrs = home.map(|home| UdpAddr {
            home,
            host: host.clone(),
        });
        let addrs: Vec<UdpAddr> = addrs.collect();
        let runtime = ConnectionRuntime::new(
            stack.world.rtc_runtime(),
            Tricks {
                one_cause: stack.world.repeats(),
                ..stack.tricks
            },
            stack.census.clone(),
            Some(path),
            move || {
                let _ = repeats.inputs.try_send(PeerInput::Connection {
                    remote: repeats.remote,
                    generation: repeats.generation,
                    event: ConnectionEvent::FlightRepeated,
                });
            },
        )
        .with_streams(stack.world.turn_streams());
        let driver = runtime.waker();
        let (channels, incoming) = mpsc::channel(8);
        let gathering = Arc::new(Notify::new());
        let connected = Arc::new(Notify::new());
        let (tracks, incoming_tracks) = mpsc::channel(8);
        let handler = Handler {
            identity: identity.clone(),
            gathering: gathering.clone(),
            connected: connected.clone(),
            channels,
            tracks,
        };
        let (registry, reports) = media::reports(begin.carries);
        let peer_connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_configuration(configuration)
                .with_media_engine(media::engine(begin.carries).map_err(text)?)
                .with_interceptor_registry(registry)
                .with_setting_engine(settings(&*stack.world, &identity, &begin))
                .with_runtime(Arc::new(runtime))
                .with_handler(Arc::new(handler))
                .with_udp_addrs(addrs)
                .build()
                .await
                .map_err(text)?,
        );
        let label = match begin.carries {
            Carries::Channel => begin.offerer.then_some(ChannelMessage::LABEL),
            Carries::ServerChannel(label) => Some(label),
            _ => None,
        };
        let channel = match label {
            Some(label) => Some(
                peer_connection
                    .create_data_channel(label, None)
                    .await
                    .map_err(text)?,
            ),
            None => None,
        };
        let seat = identity.peer;
        let whose = (seat.number, seat.number_of(identity.remote), identity.generation);
        let media = Media::of(&*peer_connection, begin.carries, whose, incoming_tracks, reports);
        let media = media.await.map_err(text)?;
        let connection = Self {
            identity,
            peer_connection,
            channel,
            signaling: SignalingState::Stable,
            has_remote: false,
            described: 0,
            driver,
            world: stack.world.clone(),
            gathering,
            connected,
            media,
            is_flowing: false,
            gather_within: begin.gather_within,
            late: Late::of(stack, seat.id, &begin.path),
            _counted: counted,
        };
        Ok((connection, incoming))
    }

    async fn serve(
        mut self,
        mut commands: mpsc::Receiver<ConnectionCommand>,
        mut channels: mpsc::Receiver<Arc<dyn DataChannel>>,
    ) {
        loop {
            let channel = self.channel.clone();
            let channel_event = async {
                match &channel {
                    Some(channel) => channel.poll().await,
                    None => std::future::pending().await,
                }
            };
            let world = self.world.clone();
            let due = self.media.next();
            let packet_due = async {
                match due {
                    Some(at) => world.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(ConnectionCommand::Close) | None => break,
                    Some(ConnectionCommand::Create { .. }) => {}
                    Some(ConnectionCommand::Perform(operation)) => self.perform(operation).await,
                    Some(ConnectionCommand::Transmit(data)) => self.transmit(data).await,
                    Some(ConnectionCommand::AwaitPacket(number)) => self.media.await_flow(number),
                },
                event = channel_event => match event {
                    Some(event) => self.handle_channel(event).await,
                    None => self.channel = None,
                },
                Some(channel) = channels.recv() => self.channel = Some(channel),
                () = self.connected.notified(), if self.media.publishes() => {
                    self.media.start(self.world.now());
                    self.media_opens().await;
                }
                () = packet_due => self.media.send(self.world.now()).await,
                flowing = self.media.flows() => {
                    self.media_opens().await;
                    for number in flowing {
                        self.identity.tell(ConnectionEvent::PacketArrived(number)).await;
                    }
                }
            }
        }
        // An error here means that it is closed already.
        let _ = self.peer_connection.close().await;
    }

    /// Media goes out for the first time, or has come in.
    async fn media_opens(&mut self) {
        if !std::mem::replace(&mut self.is_flowing, true) {
            let pair = self.media_pair().await;
            self.identity.tell(ConnectionEvent::ChannelOpened { pair }).await;
        }
    }

    async fn perform(&mut self, operation: ConnectionOperation) {
        let before = self.signaling;
        let allowed = operation.allowed_in(before, self.has_remote);
        self.take_time().await;
        let result = self.call(&operation).await.map_err(|error| error.to_string());
        if result.is_ok() {
            self.signaling = match &operation {
                ConnectionOperation::Offer { .. } => SignalingState::HaveLocalOffer,
                ConnectionOperation::Answer { .. } => SignalingState::Stable,
                ConnectionOperation::SetRemote(d) if d.sdp_type == SdpType::Offer => {
                    SignalingState::HaveRemoteOffer
                }
                ConnectionOperation::SetRemote(_) => SignalingState::Stable,
                ConnectionOperation::AddCandidate(_) => before,
            };
            self.has_remote |= matches!(operation, ConnectionOperation::SetRemote(_));
        }
        self.identity
            .tell(ConnectionEvent::OperationDone(Done {
                operation,
                before,
                allowed,
                result,
            }))
            .await;
    }

    /// Before the operation and not after: what it causes, candidates for one, never comes before its result.
    async fn take_time(&self) {
        let whose = &self.identity;
        let takes = self
            .world
            .operation_takes(whose.peer.id, whose.remote, whose.generation);
        if !takes.is_zero() {
            self.world.sleep_until(self.world.now() + takes).await;
        }
    }

    async fn call(
        &mut self,
        operation: &ConnectionOperation,
    ) -> Result<Option<Description>, webrtc::error::Error> {
        let pc = self.peer_connection.clone();
        match operation {
            ConnectionOperation::Offer { ice_restart } => {
                let options = RTCOfferOptions {
                    ice_restart: *ice_restart,
                };
                let offer = pc.create_offer(Some(options)).await?;
                let offer = match &mut self.late {
                    Some(late) => late.offer.insert(offer).clone(),
                    None => self.set_local(offer).await?,
                };
                Ok(Some(self.ours(SdpType::Offer, &offer)))
            }
            ConnectionOperation::Answer { .. } => {
                let answer = pc.create_answer(None).await?;
                let answer = self.set_local(answer).await?;
                Ok(Some(self.ours(SdpType::Answer, &answer)))
            }
            ConnectionOperation::SetRemote(description) => {
                let theirs = theirs(description)?;
                self.set_late_offer().await?;
                if description.sdp_type == SdpType::Offer && self.signaling == SignalingState::HaveLocalOffer
                {
                    let mut rollback = theirs.clone();
                    rollback.sdp_type = RTCSdpType::Rollback;
                    rollback.sdp.clear();
                    pc.set_local_description(rollback).await?;
                }
                pc.set_remote_description(theirs).await?;
                Ok(None)
            }
            ConnectionOperation::AddCandidate(candidate) => {
                pc.add_ice_candidate(RTCIceCandidateInit {
                    candidate: candidate.candidate.clone(),
                    sdp_mid: candidate.sdp_mid.clone(),
                    sdp_mline_index: candidate.sdp_m_line_index,
                    username_fragment: candidate.username_fragment.clone(),
                    url: None,
                })
                .await?;
                self.driver.wake();
                Ok(None)
            }
        }
    }

    /// The servers are known by now: candidates are gathered, and trickled.
    async fn set_late_offer(&mut self) -> Result<(), webrtc::error::Error> {
        if let Some(late) = &self.late
            && let Some(offer) = &late.offer
        {
            late.configure(&*self.peer_connection).await?;
            self.set_local(offer.clone()).await?;
            self.late = None;
        }
        Ok(())
    }

    /// `setLocalDescription`, and what is then to be sent: with the candidates that are there at once.
    ///
    /// It matters to the stack whether the remote's host candidate comes with the description: its agent
    /// would meet our first check before the trickled candidate, make a peer-reflexive one of it, and then
    /// have two pairs for one path, of which it nominates none until its next timer, 200 ms later.
    async fn set_local(
        &self,
        description: RTCSessionDescription,
    ) -> Result<RTCSessionDescription, webrtc::error::Error> {
        self.peer_connection
            .set_local_description(description.clone())
            .await?;
        if self.gather_within.is_zero() {
            return Ok(description);
        }
        let until = self.world.now() + self.gather_within;
        tokio::select! {
            biased;
            () = self.gathering.notified() => {}
            () = self.world.sleep_until(until) => {}
        }
        let complete = self.peer_connection.local_description().await;
        Ok(complete.unwrap_or(description))
    }

    /// As it is signaled. Its session version is one higher than that of the last one (RFC 9429, 5.2.2).
    fn ours(&mut self, sdp_type: SdpType, description: &RTCSessionDescription) -> Description {
        self.described += 1;
        Description {
            sdp_type,
            sdp: with_origin(&description.sdp, self.described).into(),
        }
    }

    async fn transmit(&self, data: ChannelData) {
        let sent = match &self.channel {
            Some(channel) => match data {
                ChannelData::Text(text) => channel.send_text(&text).await,
                ChannelData::Binary(bytes) => channel.send(BytesMut::from(&bytes[..])).await,
            }
            .map_err(|e| e.to_string()),
            None => Err("the data channel is gone".to_owned()),
        };
        if let Err(error) = sent {
            self.identity.tell(ConnectionEvent::TransmitFailed(error)).await;
        }
    }

    async fn handle_channel(&mut self, event: DataChannelEvent) {
        let event = match event {
            DataChannelEvent::OnOpen => ConnectionEvent::ChannelOpened {
                pair: self.selected_pair().await,
            },
            DataChannelEvent::OnMessage(message) => ConnectionEvent::Received(match message.is_string {
                true => ChannelData::Text(text_of(&message.data)),
                false => ChannelData::Binary(message.data.to_vec()),
            }),
            DataChannelEvent::OnClose => ConnectionEvent::ChannelClosed,
            _ => return,
        };
        self.identity.tell(event).await;
    }

    /// The type of the local candidate in use.
    async fn selected_pair(&self) -> CandidateKind {
        match self.peer_connection.sctp().await {
            Some(sctp) => kind_of_pair(&*sctp.transport()).await,
            None => CandidateKind::Unknown,
        }
    }

    /// The same of a connection that carries media.
    async fn media_pair(&self) -> CandidateKind {
        let transport = match self.peer_connection.get_senders().await.first() {
            Some(sender) => sender.transport().await,
            None => match self.peer_connection.get_receivers().await.first() {
                Some(receiver) => receiver.transport().await,
                None => return CandidateKind::Unknown,
            },
        };
        match transport {
            Ok(Some(transport)) => kind_of_pair(&*transport).await,
            _ => CandidateKind::Unknown,
        }
    }
}

async fn kind_of_pair(transport: &dyn DtlsTransport) -> CandidateKind {
    let selected = transport.ice_transport().get_selected_candidate_pair().await;
    match selected.ok().flatten().map(|pair| pair.local().typ) {
        Some(RTCIceCandidateType::Host) => CandidateKind::Host,
        Some(RTCIceCandidateType::Srflx) => CandidateKind::Srflx,
        Some(RTCIceCandidateType::Prflx) => CandidateKind::Prflx,
        Some(RTCIceCandidateType::Relay) => CandidateKind::Relay,
        _ => CandidateKind::Unknown,
    }
}

fn settings(world: &dyn World, whose: &Identity, begin: &Begin) -> SettingEngine {
    // Where there are no direct ones, nothing is waited for.
    let relay_acceptance = match begin.path.ice.policy {
        IcePolicy::All => RELAY_ACCEPTANCE,
        IcePolicy::Relay => Duration::ZERO,
    };
    let mut settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        // Peers trickle addresses, never `.local` names.
        .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
        // A check every 200 ms for two minutes: the stack's own 8 checks are over after 1.6 s, and a restart
        // that begins while the network is away has then given up for good.
        .with_ice_connection_attempts(Some(ICE_CHECK_INTERVAL), Some(ICE_MAX_CHECKS))
        // A pair that works is used at once. By default the agent waits a second for something better than a
        // peer-reflexive pair, which is what the remote's first check makes when it overtakes its candidate.
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        // A relayed pair leaves a direct one the time of a round trip, not the two seconds of the default.
        .with_relay_acceptance_min_wait(Some(relay_acceptance))
        // The addresses of the network that was left are nobody's any more.
        .with_discard_local_candidates_during_ice_restart(begin.roams);
    if begin.carries.is_offered_by_server() {
        // As the DTLS client this end would send its first flight while the server still takes the answer, and wait a
        // second before it sends that again.
        settings = settings.with_answering_dtls_role(RTCDtlsRole::Server);
    }
    let numbers = (whose.peer.number, whose.peer.number_of(whose.remote));
    if let Some(provider) = world.crypto_provider(numbers.0, numbers.1, whose.generation) {
        settings = settings.with_crypto_provider(provider);
    }
    settings.build()
}

fn text_of(data: &BytesMut) -> String {
    String::from_utf8_lossy(data).into_owned()
}

fn theirs(description: &Description) -> Result<RTCSessionDescription, webrtc::error::Error> {
    let sdp = description.sdp.to_string();
    match description.sdp_type {
        SdpType::Offer => RTCSessionDescription::offer(sdp),
        SdpType::Answer => RTCSessionDescription::answer(sdp),
    }
}
