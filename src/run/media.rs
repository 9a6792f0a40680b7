//! Media of a connection: what it publishes, and what comes in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rtc::{
    interceptor::Slot,
    media_stream::MediaStreamTrack,
    peer_connection::configuration::interceptor_registry::configure_rtcp_reports,
    rtp,
    rtp_transceiver::{
        RTCRtpTransceiverDirection, RTCRtpTransceiverInit,
        rtp_sender::{
            RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
            RtpCodecKind,
        },
    },
};
use tokio::sync::{mpsc, watch};
use webrtc::{
    error::Error,
    media_stream::{
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{MediaEngine, PeerConnection, Registry},
};

use crate::{
    base::{Fnv1a, Generation, Instant, PeerNumber},
    peer::Carries,
};

use super::reports::ReportReader;

/// Between two packets that are sent.
const PACKET_EVERY: Duration = Duration::from_millis(100);
/// Opus (RFC 7587): its clock, its payload type as everybody offers it, and 20 ms of silence.
const CLOCK_RATE: u32 = 48_000;
const PAYLOAD_TYPE: u8 = 111;
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// Reports are read behind all that the stack has of its own.
const READER: Slot = Slot::Custom(20_000);

/// Whether that is media.
fn is_media(carries: Carries) -> bool {
    matches!(
        carries,
        Carries::Published | Carries::Subscribed | Carries::Received
    )
}

/// The codecs of connections that carry that. Without media there is none.
///
/// # Errors
/// The stack takes no such codec.
pub(super) fn engine(carries: Carries) -> Result<MediaEngine, Error> {
    let mut engine = MediaEngine::default();
    if is_media(carries) {
        let parameters = RTCRtpCodecParameters {
            rtp_codec: opus(),
            payload_type: PAYLOAD_TYPE,
        };
        engine.register_codec(parameters, RtpCodecKind::Audio)?;
    }
    Ok(engine)
}

/// Sender and receiver reports once a second of connections that carry that (RFC 3550, 6.4), and what the other end
/// reports.
pub(super) fn reports(carries: Carries) -> (Registry, watch::Receiver<u16>) {
    let (reader, reported) = ReportReader::new();
    let none = Registry::new();
    let registry = match is_media(carries) {
        true => configure_rtcp_reports(none).with(READER, reader),
        false => none,
    };
    (registry, reported)
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/opus".to_owned(),
        clock_rate: CLOCK_RATE,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// What a connection sends and has of media.
pub(super) struct Media {
    publishes: Option<Publishes>,
    awaited: Vec<Awaited>,
    incoming: mpsc::Receiver<Arc<dyn TrackRemote>>,
    track: Option<Arc<dyn TrackRemote>>,
}

/// A sign that media flows was asked for.
struct Awaited {
    number: u32,
    /// The first packet that was published after that.
    from: u16,
}

struct Publishes {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    sent: u32,
    /// The highest of its sequence numbers that the other end has, as it reports.
    reports: watch::Receiver<u16>,
    /// When the next packet is due; not before DTLS is connected.
    next: Option<Instant>,
}

impl Media {
    /// Of a connection that carries that, before its first description is made.
    ///
    /// # Errors
    /// The stack's.
    pub(super) async fn of(
        peer_connection: &dyn PeerConnection,
        carries: Carries,
        whose: (PeerNumber, PeerNumber, Generation),
        incoming: mpsc::Receiver<Arc<dyn TrackRemote>>,
        reports: watch::Receiver<u16>,
    ) -> Result<Self, Error> {
        let init = |direction| {
            Some(RTCRtpTransceiverInit {
                direction,
                streams: Vec::new(),
                send_encodings: Vec::new(),
            })
        };
        let publishes = match carries {
            Carries::Published => {
                let publishes = Publishes::new(whose, reports);
                let init = init(RTCRtpTransceiverDirection::Sendonly);
                peer_connection
                    .add_transceiver_from_track(publishes.track.clone(), init)
                    .await?;
                Some(publishes)
            }
            Carries::Received => {
                let init = init(RTCRtpTransceiverDirection::Recvonly);
                peer_connection
                    .add_transceiver_from_kind(RtpCodecKind::Audio, init)
                    .await?;
                None
            }
            _ => None,
        };
        Ok(Self {
            publishes,
            awaited: Vec::new(),
            incoming,
            track: None,
        })
    }

    /// Whether anything is sent.
    pub(super) fn publishes(&self) -> bool {
        self.publishes.is_some()
    }

    /// From now on packets are sent, as long as the connection lives.
    pub(super) fn start(&mut self, now: Instant) {
        if let Some(publishes) = &mut self.publishes {
            publishes.next.get_or_insert(now);
        }
    }

    /// When [`Media::send`] is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.publishes.as_ref()?.next
    }

    /// Sends the packet that is due. While the network is away it is lost, as media is.
    pub(super) async fn send(&mut self, now: Instant) {
        let Some(publishes) = &mut self.publishes else {
            return;
        };
        let packet = publishes.packet();
        publishes.next = Some(now + PACKET_EVERY);
        // An error means that the connection is being closed.
        let _ = publishes.track.write_rtp(packet).await;
    }

    /// Asks for a sign that media flows from now on.
    pub(super) fn await_flow(&mut self, number: u32) {
        let from = self
            .publishes
            .as_ref()
            .map_or(0, |publishes| publishes.sent as u16);
        self.awaited.push(Awaited { number, from });
    }

    /// Waits for the next sign that media flows, a packet that comes in or, of what is published, a report by the other
    /// end; which of those that were asked for it is.
    pub(super) async fn flows(&mut self) -> Vec<u32> {
        let highest = match &mut self.publishes {
            Some(publishes) => Some(publishes.reported().await),
            None => {
                self.arrived().await;
                None
            }
        };
        // The highest sequence number that it has is one of those since; half of all numbers are ahead.
        let is_meant = |awaited: &mut Awaited| {
            highest.is_none_or(|highest| highest.wrapping_sub(awaited.from) < 1 << 15)
        };
        let flows = self.awaited.extract_if(.., is_meant);
        flows.map(|awaited| awaited.number).collect()
    }

    async fn arrived(&mut self) {
        loop {
            let Some(track) = &self.track else {
                match self.incoming.recv().await {
                    Some(track) => self.track = Some(track),
                    None => std::future::pending().await,
                }
                continue;
            };
            match track.poll().await {
                Some(TrackRemoteEvent::OnRtpPacket(_)) => return,
                Some(_) => {}
                None => self.track = None,
            }
        }
    }
}

impl Publishes {
    fn new(
        (peer, remote, generation): (PeerNumber, PeerNumber, Generation),
        reports: watch::Receiver<u16>,
    ) -> Self {
        let mut hash = Fnv1a::default();
        for part in [peer.0, remote.0, generation.0] {
            hash.update(&part.to_le_bytes());
        }
        let ssrc = (hash.value() as u32).max(1);
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec: opus(),
            ..RTCRtpEncodingParameters::default()
        };
        let name = format!("peer-{}", peer.0);
        let track = MediaStreamTrack::new(
            name.clone(),
            name,
            "audio".to_owned(),
            RtpCodecKind::Audio,
            vec![coding],
        );
        Self {
            track: Arc::new(TrackLocalStaticRTP::new(track)),
            ssrc,
            sent: 0,
            reports,
            next: None,
        }
    }

    /// Waits for the other end's next report: the highest sequence number that it has.
    async fn reported(&mut self) -> u16 {
        match self.reports.changed().await {
            Ok(()) => *self.reports.borrow_and_update(),
            Err(_) => std::future::pending().await,
        }
    }

    fn packet(&mut self) -> rtp::Packet {
        let ticks = CLOCK_RATE / 1_000 * u32::try_from(PACKET_EVERY.as_millis()).unwrap_or(u32::MAX);
        let header = rtp::header::Header {
            version: 2,
            marker: self.sent == 0,
            payload_type: PAYLOAD_TYPE,
            sequence_number: self.sent as u16,
            timestamp: self.sent.wrapping_mul(ticks),
            ssrc: self.ssrc,
            ..rtp::header::Header::default()
        };
        self.sent = self.sent.wrapping_add(1);
        rtp::Packet {
            header,
            payload: Bytes::from_static(&SILENCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_report_answers_what_was_asked_for_before_what_it_tells_of_was_sent() {
        let (told, reports) = watch::channel(0);
        let (_, incoming) = mpsc::channel(1);
        let mut media = Media {
            publishes: Some(Publishes::new(
                (PeerNumber(0), PeerNumber(1), Generation(1)),
                reports,
            )),
            awaited: Vec::new(),
            incoming,
            track: None,
        };
        let send_until = |media: &mut Media, sent| {
            let publishes = media.publishes.as_mut().expect("it publishes");
            publishes.sent = sent;
        };
        let report = |media: &mut Media, highest| {
            told.send_replace(highest);
            media.flows().now_or_never().expect("there is a report")
        };
        media.await_flow(1);
        send_until(&mut media, 10);
        media.await_flow(2);
        assert_eq!(report(&mut media, 9), [1]);
        assert!(media.flows().now_or_never().is_none(), "there is no other report");
        assert_eq!(report(&mut media, 9), [0; 0], "it has nothing of it");
        assert_eq!(report(&mut media, 10), [2]);
        // The numbers begin anew.
        send_until(&mut media, 65_535);
        media.await_flow(3);
        send_until(&mut media, 65_536);
        media.await_flow(4);
        assert_eq!(report(&mut media, 65_534), [0; 0]);
        assert_eq!(report(&mut media, 65_535), [3]);
        assert_eq!(report(&mut media, 2), [4]);
    }
}
