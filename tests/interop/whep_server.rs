//! A WHEP server: each session is sent Opus packets, from the moment its connection is there.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Response, StatusCode},
    routing::{patch, post},
};
use rtc::{
    media_stream::MediaStreamTrack,
    peer_connection::{configuration::media_engine::MIME_TYPE_OPUS, transport::RTCDtlsRole},
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
    },
};
use rtcstorm::world::{Census, ConnectionRuntime, Tricks};
use tokio::{runtime, sync::Notify, task::AbortHandle, time::timeout};
use webrtc::{
    media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCConfigurationBuilder, RTCIceCandidateInit, RTCIceGatheringState, RTCSessionDescription,
        SettingEngineBuilder,
    },
    runtime::TokioRuntime,
};

/// What Opus has for a payload type nearly everywhere.
pub const OPUS: u8 = 111;
/// Between two packets.
const PACKET_EVERY: Duration = Duration::from_millis(100);
/// How long candidates of this machine may take to be found.
const GATHERED_WITHIN: Duration = Duration::from_secs(5);

/// Makes the `Link` of a session that begins.
pub type Link = Box<dyn Fn() -> String + Send + Sync>;

/// A server that runs as long as this lives.
pub struct WhepServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _runtime: runtime::Runtime,
}

struct Shared {
    /// What `Authorization: Bearer` has to say.
    token: Option<String>,
    is_live: AtomicBool,
    next: AtomicU64,
    sessions: Mutex<BTreeMap<String, Session>>,
    /// `POST 201`, in order.
    answered: Mutex<Vec<String>>,
    /// Those that were posted.
    offers: Mutex<Vec<String>>,
    /// What `Link` says.
    link: Link,
    census: Arc<Census>,
}

#[derive(Clone)]
struct Session {
    connection: Arc<dyn PeerConnection>,
    gathered: Arc<Notify>,
    offer: String,
    etag: String,
    sending: AbortHandle,
}

impl WhepServer {
    pub fn start(token: Option<&str>) -> Self {
        Self::with_link(token, stun())
    }

    /// One that offers these ICE servers.
    pub fn with_link(token: Option<&str>, link: Link) -> Self {
        Self::start_at("127.0.0.1:0", token, link)
    }

    fn start_at(addr: &str, token: Option<&str>, link: Link) -> Self {
        let runtime = runtime::Runtime::new().expect("a runtime");
        let shared = Arc::new(Shared {
            token: token.map(str::to_owned),
            is_live: AtomicBool::new(true),
            next: AtomicU64::new(1),
            sessions: Mutex::default(),
            answered: Mutex::default(),
            offers: Mutex::default(),
            link,
            census: Arc::default(),
        });
        let routes = Router::new()
            .route("/whep/{stream}", post(subscribe))
            .route("/alias/{stream}", post(elsewhere))
            .route("/session/{id}", patch(change).delete(unsubscribe))
            .with_state(shared.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind(addr));
        let listener = listener.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self {
            addr,
            shared,
            _runtime: runtime,
        }
    }

    /// Endpoints are `whep/STREAM` below it, and `alias/STREAM`, which redirects there.
    pub fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    /// Whether there is something to be had.
    pub fn set_live(&self, is_live: bool) {
        self.shared.is_live.store(is_live, Ordering::Relaxed);
    }

    /// Method and status of each request so far.
    pub fn answered(&self) -> Vec<String> {
        held(&self.shared.answered).clone()
    }

    /// What was posted so far.
    pub fn offers(&self) -> Vec<String> {
        held(&self.shared.offers).clone()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        held(&self.shared.sessions).len()
    }
}

/// A process of its own, so that it can be killed.
#[test]
#[ignore = "is the server that `tests/interop/servers start whep` starts"]
fn serve() {
    if let Ok(port) = std::env::var("INTEROP_WHEP_SERVES") {
        let _server = WhepServer::start_at(&format!("127.0.0.1:{port}"), None, stun());
        loop {
            std::thread::park();
        }
    }
}

/// A STUN server that nobody is.
fn stun() -> Link {
    Box::new(|| r#"<stun:127.0.0.1:9>; rel="ice-server""#.to_owned())
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn answer(
        &self,
        method: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response<Body> {
        held(&self.answered).push(format!("{method} {status}"));
        let response = headers
            .iter()
            .fold(Response::builder().status(status), |response, (name, value)| {
                response.header(*name, *value)
            });
        response.body(body.into()).expect("it is sound")
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        header(headers, "authorization") == Some(&format!("Bearer {token}"))
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

async fn elsewhere(State(shared): State<Arc<Shared>>, Path(stream): Path<String>) -> Response<Body> {
    shared.answer("POST", 307, &[("location", &format!("/whep/{stream}"))], "")
}

async fn subscribe(State(shared): State<Arc<Shared>>, headers: HeaderMap, offer: String) -> Response<Body> {
    if !shared.lets_in(&headers) {
        return shared.answer("POST", 401, &[("www-authenticate", "Bearer")], "who are you?");
    }
    if !shared.is_live.load(Ordering::Relaxed) {
        return shared.answer("POST", 409, &[("retry-after", "5")], "not live");
    }
    if header(&headers, "content-type") != Some("application/sdp") {
        return shared.answer("POST", 415, &[], "no SDP");
    }
    held(&shared.offers).push(offer.clone());
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let made = Session::make(&shared.census, offer, number).await;
    let (session, answer) = match made {
        Ok(made) => made,
        Err(why) => return shared.answer("POST", 400, &[], why),
    };
    let etag = session.etag.clone();
    held(&shared.sessions).insert(number.to_string(), session);
    let location = format!("/session/{number}");
    let link = (shared.link)();
    let headers = [
        ("content-type", "application/sdp"),
        ("location", location.as_str()),
        ("etag", etag.as_str()),
        ("accept-patch", "application/trickle-ice-sdpfrag"),
        ("link", link.as_str()),
    ];
    shared.answer("POST", 201, &headers, answer)
}

async fn change(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    fragment: String,
) -> Response<Body> {
    if !shared.lets_in(&headers) {
        return shared.answer("PATCH", 401, &[], "");
    }
    let session = held(&shared.sessions).get(&id).cloned();
    let Some(mut session) = session else {
        return shared.answer("PATCH", 404, &[], "no such session");
    };
    let condition = header(&headers, "if-match");
    let restarts = attribute(&fragment, "ice-ufrag") != attribute(&session.offer, "ice-ufrag");
    let expected = if restarts { "*" } else { session.etag.as_str() };
    match condition {
        None => return shared.answer("PATCH", 428, &[], ""),
        Some(tag) if tag != expected => return shared.answer("PATCH", 412, &[], ""),
        Some(_) => {}
    }
    if !restarts {
        return match session.trickle(&fragment).await {
            Ok(()) => shared.answer("PATCH", 204, &[], ""),
            Err(why) => shared.answer("PATCH", 400, &[], why),
        };
    }
    match session.restart(&fragment).await {
        Ok(answer) => {
            let etag = session.etag.clone();
            held(&shared.sessions).insert(id, session);
            let headers = [
                ("content-type", "application/trickle-ice-sdpfrag"),
                ("etag", etag.as_str()),
            ];
            shared.answer("PATCH", 200, &headers, answer)
        }
        Err(why) => shared.answer("PATCH", 400, &[], why),
    }
}

async fn unsubscribe(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if !shared.lets_in(&headers) {
        return shared.answer("DELETE", 401, &[], "");
    }
    let session = held(&shared.sessions).remove(&id);
    let Some(session) = session else {
        return shared.answer("DELETE", StatusCode::NOT_FOUND.as_u16(), &[], "no such session");
    };
    session.sending.abort();
    let _ = session.connection.close().await;
    shared.answer("DELETE", 200, &[], "")
}

fn attribute<'a>(of: &'a str, name: &str) -> Option<&'a str> {
    of.lines()
        .find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim_end)
}

fn candidates(of: &str) -> impl Iterator<Item = &str> {
    of.lines()
        .map(str::trim_end)
        .filter(|line| line.starts_with("a=candidate:"))
}

struct Handler {
    gathered: Arc<Notify>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.notify_one();
        }
    }
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// That which speaks Opus, and nothing else.
pub fn media_engine() -> MediaEngine {
    let mut media = MediaEngine::default();
    let parameters = RTCRtpCodecParameters {
        rtp_codec: opus(),
        payload_type: OPUS,
    };
    let registered = media.register_codec(parameters, RtpCodecKind::Audio);
    registered.expect("it is a codec");
    media
}

/// A connection of this machine alone.
pub async fn connection(
    census: &Arc<Census>,
    handler: Arc<dyn PeerConnectionEventHandler>,
) -> Result<Arc<dyn PeerConnection>, webrtc::error::Error> {
    let runtime = ConnectionRuntime::new(
        Arc::new(TokioRuntime),
        Tricks::default(),
        census.clone(),
        None,
        || {},
    );
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_answering_dtls_role(RTCDtlsRole::Server)
        .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO));
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(media_engine())
        .with_setting_engine(settings.build())
        .with_runtime(Arc::new(runtime))
        .with_handler(handler)
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await?;
    Ok(Arc::new(connection))
}

impl Session {
    /// With its answer.
    async fn make(census: &Arc<Census>, offer: String, number: u64) -> Result<(Self, String), String> {
        let gathered = Arc::new(Notify::new());
        let handler = Arc::new(Handler {
            gathered: gathered.clone(),
        });
        let connection = connection(census, handler).await.map_err(text)?;
        let ssrc = 1_000 + number as u32;
        let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "whep".to_owned(),
            "audio".to_owned(),
            "audio".to_owned(),
            RtpCodecKind::Audio,
            vec![RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters {
                    ssrc: Some(ssrc),
                    ..RTCRtpCodingParameters::default()
                },
                codec: opus(),
                ..RTCRtpEncodingParameters::default()
            }],
        )));
        let sent: Arc<dyn TrackLocal> = track.clone();
        connection.add_track(sent).await.map_err(text)?;
        let sending = tokio::spawn(send(track, ssrc)).abort_handle();
        let session = Self {
            connection,
            gathered,
            offer,
            etag: format!("\"{number}-0\""),
            sending,
        };
        let answer = session.answer().await?;
        Ok((session, answer))
    }

    /// The answer to the present offer, with all candidates.
    async fn answer(&self) -> Result<String, String> {
        let offer = RTCSessionDescription::offer(self.offer.clone()).map_err(text)?;
        self.connection
            .set_remote_description(offer)
            .await
            .map_err(text)?;
        let answer = self.connection.create_answer(None).await.map_err(text)?;
        self.connection
            .set_local_description(answer)
            .await
            .map_err(text)?;
        let gathered = timeout(GATHERED_WITHIN, self.gathered.notified()).await;
        gathered.map_err(|_| "no candidates".to_owned())?;
        let answer = self.connection.local_description().await;
        Ok(answer.ok_or("no answer")?.sdp)
    }

    async fn trickle(&self, fragment: &str) -> Result<(), String> {
        for candidate in candidates(fragment) {
            let candidate = RTCIceCandidateInit {
                candidate: candidate.trim_start_matches("a=").to_owned(),
                sdp_mline_index: Some(0),
                ..RTCIceCandidateInit::default()
            };
            self.connection.add_ice_candidate(candidate).await.map_err(text)?;
        }
        Ok(())
    }

    /// The fragment that answers one with new credentials.
    async fn restart(&mut self, fragment: &str) -> Result<String, String> {
        let credential = |name| attribute(fragment, name).ok_or("no credentials");
        let (ufrag, pwd) = (credential("ice-ufrag")?, credential("ice-pwd")?);
        let of_offer = self.offer.lines().map(str::trim_end);
        let lines =
            of_offer.filter(|line| !line.starts_with("a=candidate") && *line != "a=end-of-candidates");
        let lines = lines.map(|line| match line.split_once(':') {
            Some(("a=ice-ufrag", _)) => format!("a=ice-ufrag:{ufrag}\r\n"),
            Some(("a=ice-pwd", _)) => format!("a=ice-pwd:{pwd}\r\n"),
            _ => format!("{line}\r\n"),
        });
        self.offer = lines.collect();
        let answer = self.answer().await?;
        self.trickle(fragment).await?;
        let (number, restarts) = self.etag.trim_matches('"').split_once('-').unwrap_or_default();
        let restarts = restarts.parse::<u32>().unwrap_or(0) + 1;
        self.etag = format!("\"{number}-{restarts}\"");
        let lines = ["ice-ufrag", "ice-pwd"].map(|name| {
            let value = attribute(&answer, name).unwrap_or_default();
            format!("a={name}:{value}\r\n")
        });
        let own = candidates(&answer).map(|line| format!("{line}\r\n"));
        Ok(lines.into_iter().chain(own).collect())
    }
}

/// Packets without end. What nobody can take yet is lost.
async fn send(track: Arc<TrackLocalStaticRTP>, ssrc: u32) {
    let mut tick = tokio::time::interval(PACKET_EVERY);
    for number in 0_u32.. {
        tick.tick().await;
        let packet = rtp::Packet {
            header: rtp::Header {
                version: 2,
                payload_type: OPUS,
                sequence_number: number as u16,
                timestamp: number.wrapping_mul(960),
                ssrc,
                ..rtp::Header::default()
            },
            // 20 ms of silence.
            payload: bytes::Bytes::from_static(&[0xf8, 0xff, 0xfe]),
        };
        let _ = track.write_rtp(packet).await;
    }
}

fn text(error: webrtc::error::Error) -> String {
    error.to_string()
}
