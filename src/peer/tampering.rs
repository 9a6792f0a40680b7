//! Faults of single signaling frames, and frames that a step sends although no client would.

use std::time::Duration;

use super::machine::{Peer, PeerOutput, PeerTimer};
use crate::{
    base::{Instant, PeerId},
    impair::{Corruption, FrameKind, FrameRule, FrameWay, Frames, Seen},
    metrics::{EventKind, Forgery, LimitOf},
    plan::{RawFrames, RawSet},
    signaling::{Message, Reading, SdpType, broken_sdp, broken_text},
};

/// A frame of the set `oversized`: four times what the bundled server takes.
const OVERSIZED_BYTES: usize = 1 << 20;

/// A frame on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    text: String,
    /// The socket it came in on, if it did.
    socket: u32,
}

pub(super) type Tampering = Frames<Frame>;

impl Peer {
    /// From now on a rule of the script holds.
    pub(super) fn begin_rule(&mut self, rule: FrameRule, lasting: Option<Duration>, planned: Instant) {
        let until = lasting.map(|lasting| planned + lasting);
        self.tampering.begin(rule, until);
    }

    /// A frame leaves the client.
    pub(super) fn put_out(&mut self, message: &Message, text: String, now: Instant) {
        if self.tampering.is_idle() {
            return self.output(PeerOutput::SendFrame(text));
        }
        let seen = self.seen_as(message, FrameWay::Out);
        let frame = Frame {
            text,
            socket: self.socket_number,
        };
        self.tamper(seen, frame, now);
    }

    /// A frame has come to the client.
    pub(super) fn take_in(&mut self, socket: u32, text: String, now: Instant) {
        if self.tampering.is_idle() {
            let reading = self.codec.read(&text);
            self.count_received(text.len(), reading.waste, now);
            return self.hear_out(reading, now);
        }
        // What it would say: it may never come to be read, or not as it is.
        let reading = self.codec.boxed().read(&text);
        self.count_received(text.len(), reading.waste, now);
        let seen = match reading.messages.first() {
            Some(message) => self.seen_as(message, FrameWay::In),
            None => Seen {
                way: FrameWay::In,
                kind: FrameKind::Other,
                remote: None,
            },
        };
        self.tamper(seen, Frame { text, socket }, now);
    }

    fn hear_out(&mut self, reading: Reading, now: Instant) {
        for reply in reading.replies {
            self.output(PeerOutput::SendFrame(reply));
        }
        for message in reading.messages {
            self.handle_message(message, now);
        }
    }

    fn tamper(&mut self, seen: Seen, frame: Frame, now: Instant) {
        let passed = self.tampering.pass(seen, frame, now, broken);
        for treatment in passed.treated {
            let kind = EventKind::FrameTreated {
                treatment,
                frame: seen.kind,
                way: seen.way,
            };
            self.event_of(seen.remote, kind);
        }
        if passed.overflowed {
            let most = crate::impair::MAX_HELD_FRAMES;
            self.event(EventKind::LimitHit {
                of: LimitOf::Harness,
                limit: format!("{most} signaling frames held back"),
            });
        }
        self.go_on_with(passed.on.into_iter().map(|frame| (seen.way, frame)), now);
        self.set_tampering_timer();
    }

    fn go_on_with(&mut self, frames: impl IntoIterator<Item = (FrameWay, Frame)>, now: Instant) {
        for (way, frame) in frames {
            // What another socket carried is lost with it.
            if frame.socket != self.socket_number {
                continue;
            }
            match way {
                FrameWay::In => {
                    let reading = self.codec.read(&frame.text);
                    self.hear_out(reading, now);
                }
                FrameWay::Out => self.output(PeerOutput::SendFrame(frame.text)),
            }
        }
    }

    /// What was held back is due.
    pub(super) fn release_frames(&mut self, now: Instant) {
        let due = self.tampering.release(now);
        self.go_on_with(due, now);
        self.set_tampering_timer();
    }

    /// The script is over, and with it what it did to frames: what is held back goes on now.
    pub(super) fn end_tampering(&mut self, now: Instant) {
        let held = self.tampering.end();
        self.timers.stop(PeerTimer::Frames);
        self.go_on_with(held, now);
    }

    /// The socket is over.
    pub(super) fn lose_held_frames(&mut self) {
        self.tampering.forget();
        self.timers.stop(PeerTimer::Frames);
    }

    fn set_tampering_timer(&mut self) {
        match self.tampering.next() {
            Some(at) => self.timers.set(PeerTimer::Frames, at),
            None => self.timers.stop(PeerTimer::Frames),
        }
    }

    fn seen_as(&self, message: &Message, way: FrameWay) -> Seen {
        let (kind, user_id) = match message {
            Message::Join { .. } => (FrameKind::Join, None),
            Message::Leave => (FrameKind::Leave, None),
            Message::Ping => (FrameKind::Ping, None),
            Message::Welcome { .. } => (FrameKind::Welcome, None),
            Message::JoinRejected { .. } => (FrameKind::JoinRejected, None),
            Message::MemberJoined { member, .. } => (FrameKind::MemberJoined, Some(&member.user_id)),
            Message::MemberLeft { user_id, .. } => (FrameKind::MemberLeft, Some(user_id)),
            Message::Roster { .. } => (FrameKind::Roster, None),
            Message::Pong => (FrameKind::Pong, None),
            Message::Error { .. } => (FrameKind::Error, None),
            Message::Other { .. } | Message::IceServers { .. } | Message::LimitHit { .. } => {
                (FrameKind::Other, None)
            }
            Message::RequestOffer { remote, .. } | Message::Ended { remote, .. } => {
                (FrameKind::Other, Some(remote))
            }
            Message::Published { user_id } | Message::Unpublished { user_id } => {
                (FrameKind::Other, Some(user_id))
            }
            Message::Relayed { remote, .. } => (FrameKind::Other, remote.as_ref()),
            Message::Description { remote, description } => match description.sdp_type {
                SdpType::Offer => (FrameKind::Offer, Some(remote)),
                SdpType::Answer => (FrameKind::Answer, Some(remote)),
            },
            Message::Candidate { remote, .. } => (FrameKind::Candidate, Some(remote)),
        };
        let remote = user_id.and_then(|user_id| self.by_user_id.get(user_id).copied());
        Seen { way, kind, remote }
    }

    // ---- what no client would send

    pub(super) fn forged(&mut self, remote: Option<PeerId>, forgery: Forgery) {
        self.event_of(remote, EventKind::FrameForged { forgery });
    }

    /// Sends the last offer of the previous membership to every member that there is one for.
    pub(super) fn stale_offer(&mut self, with: &[PeerId], now: Instant) {
        let meant = |remote: &PeerId| with.is_empty() || with.contains(remote);
        let stale: Vec<_> = self
            .offered
            .former
            .iter()
            .filter(|(remote, _)| meant(remote) && self.members.contains(remote))
            .map(|(remote, offer)| (*remote, offer.clone()))
            .collect();
        for (remote, offer) in stale {
            self.forged(Some(remote), Forgery::StaleOffer);
            self.signal(remote, offer, now, now);
        }
    }

    /// The other join of a `join_twice`, on the same socket.
    pub(super) fn join_once_more(&mut self, now: Instant) {
        if std::mem::take(&mut self.joins_twice) {
            self.forged(None, Forgery::SecondJoin);
            self.send_join(now);
        }
    }

    pub(super) fn send_raw(&mut self, frames: RawFrames) {
        if !self.is_online() {
            return;
        }
        let texts = match frames {
            RawFrames::Text { text, times } => vec![text; times as usize],
            RawFrames::Set(RawSet::Garbage) => GARBAGE.map(str::to_owned).to_vec(),
            RawFrames::Set(RawSet::Misplaced) => self.codec.misplaced(),
            RawFrames::Set(RawSet::Oversized) => vec!["x".repeat(OVERSIZED_BYTES)],
        };
        for text in texts {
            self.forged(None, Forgery::Raw);
            self.pings.expect_more();
            self.output(PeerOutput::SendFrame(text));
        }
    }

    // ---- both ends of a link at once

    /// Offers on open links, and has their other ends do so in the same instant.
    pub(super) fn offer_together(&mut self, with: &[PeerId], now: Instant) {
        let meant = |remote: &PeerId| with.is_empty() || with.contains(remote);
        let remotes = self.open_links(|remote| meant(remote) && !remote.is_external());
        for remote in &remotes {
            self.offer_anew_to(*remote, now);
        }
        self.output(PeerOutput::OfferTogether(remotes));
    }

    /// Renegotiates with `remote`, unless an offer of this end is under way.
    pub(super) fn offer_anew_to(&mut self, remote: PeerId, now: Instant) {
        if let Some(link) = self.links.get_mut(&remote).filter(|link| !link.is_offering()) {
            link.renegotiate();
            self.drain_link(remote, now);
        }
    }
}

fn broken(frame: &Frame, how: Corruption) -> Frame {
    let text = match how {
        Corruption::Text => broken_text(&frame.text),
        Corruption::Sdp => broken_sdp(&frame.text),
    };
    Frame {
        text,
        socket: frame.socket,
    }
}

/// Texts that are no frames of any protocol of ours.
const GARBAGE: [&str; 12] = [
    "",
    "not json",
    "{",
    "null",
    "[]",
    "0",
    "\"ping\"",
    "{}",
    r#"{"type":1}"#,
    r#"{"type":"no-such-frame"}"#,
    r#"{"type":"user-joined-room","data":"a text"}"#,
    r#"{"type":"webrtc-offer","channel":"webrtc-signaling","data":{"roomId":[],"offer":{"sdp":7}}}"#,
];
