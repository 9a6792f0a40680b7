use std::time::Duration;

use super::{
    ClientId, HubConfig, Output, RefusalCause, Refusals, RelayMode, RoomRoster, TokenSeed, Violation,
    bucket::Bucket, deployed::Deployed, refusal::Refusal, scoped::Scoped, wire::Wire,
};
use crate::protocol::{Envelope, NotAFrame, Reason, RoomInfo, ServerFrame, iso_timestamp};

/// The time, as the caller tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Since the server started; it never goes back. Timers go by it.
    pub since_start: Duration,
    /// The wall clock, in milliseconds since the Unix epoch. Only timestamps show it.
    pub unix_ms: u64,
}

impl Now {
    /// The wall clock as frames show it.
    pub(super) fn iso(self) -> String {
        iso_timestamp(self.unix_ms)
    }
}

/// What a hub has counted since it began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HubStats {
    /// Sockets connected now.
    pub clients: usize,
    /// Rooms open now.
    pub rooms: usize,
    /// Memberships now, those within their grace time included.
    pub members: usize,
    /// Frames from clients.
    pub frames_in: u64,
    /// Frames to clients.
    pub frames_out: u64,
    /// Frames refused.
    pub refused: Refusals,
}

/// The signaling server without its sockets.
///
/// ```
/// use reference_server::room::{ClientId, Hub, HubConfig, Now, Output};
///
/// let mut hub = Hub::new(HubConfig::default(), 7);
/// let now = Now::default();
/// hub.connect(ClientId(1), now);
/// hub.frame(
///     ClientId(1),
///     r#"{"type":"user-joined-room","roomId":"r","userId":"a","userName":"Alice","create":true}"#,
///     now,
/// );
/// while let Some(output) = hub.poll_output() {
///     if let Output::Send { to, frame } = output {
///         println!("{to} ← {frame}");
///     }
/// }
/// assert_eq!(hub.room("r").expect("it was opened").members[0].user_id, "a");
/// ```
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    wire: Wire,
    relay: Relay,
    last: Duration,
    frames_in: u64,
    refused: Refusals,
    last_refusal: Option<RefusalCause>,
}

#[derive(Debug)]
enum Relay {
    Scoped(Box<Scoped>),
    Deployed(Deployed),
}

impl Hub {
    /// A server without clients or rooms, at time zero.
    pub fn new(config: HubConfig, token_seed: impl Into<TokenSeed>) -> Self {
        let relay = match config.relay_mode {
            RelayMode::Rooms => Relay::Scoped(Box::new(Scoped::new(&config, token_seed.into()))),
            RelayMode::Deployed => Relay::Deployed(Deployed::new(config.limits.clone())),
        };
        Self {
            config,
            wire: Wire::default(),
            relay,
            last: Duration::ZERO,
            frames_in: 0,
            refused: Refusals::default(),
            last_refusal: None,
        }
    }

    /// A socket has connected. A number that is connected already is ignored.
    pub fn connect(&mut self, client: ClientId, now: Now) {
        let now = self.advance(now);
        let limit = match &self.relay {
            Relay::Scoped(_) => self.config.limits.rate,
            Relay::Deployed(_) => None,
        };
        let bucket = limit.map(|limit| Bucket::full(limit, now.since_start));
        if !self.wire.connect(client, bucket) {
            return;
        }
        let frame = ServerFrame::ClientCount {
            count: self.wire.count(),
            timestamp: now.iso(),
        }
        .text();
        self.wire.send(client, frame.clone());
        if let Relay::Deployed(_) = &self.relay {
            self.wire.send_all(&frame);
        }
    }

    /// A text frame has come in from a socket. Frames of a socket that is not connected are ignored.
    pub fn frame(&mut self, client: ClientId, text: &str, now: Now) {
        self.last_refusal = None;
        let now = self.advance(now);
        if !self.wire.is_connected(client) {
            return;
        }
        self.frames_in += 1;
        if text.len() > self.config.limits.frame_bytes_max {
            return self.violated(client, Violation::TooBig, now);
        }
        if !self.wire.takes_frame(client, now.since_start) {
            let message = "more frames than this server's rate limit allows";
            return self.refuse(client, &Refusal::new(Reason::RateLimited, message), None);
        }
        let envelope = Envelope::parse(text);
        match (&envelope, &mut self.relay) {
            (Err(NotAFrame::NotJson), _) | (Err(NotAFrame::Null), Relay::Deployed(_)) => {
                self.count(RefusalCause::NotJson);
                self.wire.say(
                    client,
                    &ServerFrame::Echo {
                        original: text,
                        timestamp: now.iso(),
                    },
                );
            }
            (Err(_), Relay::Deployed(_)) => {}
            (Err(error), Relay::Scoped(_)) => {
                let refusal = Refusal::new(Reason::InvalidMessage, error.to_string());
                self.refuse(client, &refusal, None);
            }
            (Ok(envelope), relay) => {
                let result = match relay {
                    Relay::Scoped(scoped) => scoped.frame(&mut self.wire, client, text, envelope, now),
                    Relay::Deployed(deployed) => deployed.frame(&mut self.wire, client, text, envelope, now),
                };
                if let Err(refusal) = result {
                    self.refuse(client, &refusal, envelope.kind());
                }
            }
        }
    }

    /// What came in from a socket is no text frame: it is refused, and the socket is closed.
    pub fn violation(&mut self, client: ClientId, violation: Violation, now: Now) {
        self.last_refusal = None;
        let now = self.advance(now);
        if self.wire.is_connected(client) {
            self.frames_in += 1;
            self.violated(client, violation, now);
        }
    }

    /// Why the last frame was refused, if it was.
    pub fn last_refusal(&self) -> Option<RefusalCause> {
        self.last_refusal
    }

    /// A socket has closed. One that the hub closed itself, or never knew, is ignored.
    pub fn disconnect(&mut self, client: ClientId, now: Now) {
        let now = self.advance(now);
        self.forget(client, now);
    }

    /// When [`Hub::handle_timeout`] is due, since the start; it may be in the past.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.relay {
            Relay::Scoped(scoped) => scoped.poll_timeout(),
            Relay::Deployed(deployed) => deployed.poll_timeout(),
        }
    }

    /// Does what is due. Every other call does so too, before anything else: a late caller changes no order.
    pub fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    /// What is to be done next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.wire.pop()
    }

    /// All rooms by id, with their members in the order in which they joined.
    pub fn rooms(&self) -> Vec<RoomRoster> {
        match &self.relay {
            Relay::Scoped(scoped) => scoped.rosters(),
            Relay::Deployed(deployed) => deployed.rosters(),
        }
    }

    /// One room.
    pub fn room(&self, id: &str) -> Option<RoomRoster> {
        match &self.relay {
            Relay::Scoped(scoped) => scoped.roster(id),
            Relay::Deployed(deployed) => deployed.roster(id),
        }
    }

    /// All rooms as `server-room-list` shows them, in the order in which they were opened.
    pub fn room_list(&self) -> Vec<RoomInfo<'_>> {
        match &self.relay {
            Relay::Scoped(scoped) => scoped.room_list(),
            Relay::Deployed(deployed) => deployed.room_list(),
        }
    }

    /// The counters.
    pub fn stats(&self) -> HubStats {
        HubStats {
            clients: self.wire.count(),
            rooms: match &self.relay {
                Relay::Scoped(scoped) => scoped.room_count(),
                Relay::Deployed(deployed) => deployed.room_count(),
            },
            members: match &self.relay {
                Relay::Scoped(scoped) => scoped.member_count(),
                Relay::Deployed(deployed) => deployed.member_count(),
            },
            frames_in: self.frames_in,
            frames_out: self.wire.frames_out,
            refused: self.refused.clone(),
        }
    }

    /// Lets the time pass: it never goes back, and what fell due on the way is done.
    fn advance(&mut self, now: Now) -> Now {
        self.last = self.last.max(now.since_start);
        let now = Now {
            since_start: self.last,
            ..now
        };
        match &mut self.relay {
            Relay::Scoped(scoped) => scoped.run_timers(&mut self.wire, now),
            Relay::Deployed(deployed) => deployed.run_timers(&mut self.wire, now),
        }
        now
    }

    fn forget(&mut self, client: ClientId, now: Now) {
        if !self.wire.disconnect(client) {
            return;
        }
        match &mut self.relay {
            Relay::Scoped(scoped) => scoped.disconnect(&mut self.wire, client, now),
            Relay::Deployed(deployed) => deployed.disconnect(&mut self.wire, client, now),
        }
    }

    fn violated(&mut self, client: ClientId, violation: Violation, now: Now) {
        self.count(RefusalCause::Violation(violation));
        self.forget(client, now);
        let (code, reason) = violation.close();
        self.wire.close(client, code, reason);
    }

    fn refuse(&mut self, client: ClientId, refusal: &Refusal, request: Option<&str>) {
        self.count(refusal.cause());
        self.wire.say(client, &refusal.frame(request));
    }

    fn count(&mut self, cause: RefusalCause) {
        self.refused.count(cause);
        self.last_refusal = Some(cause);
    }
}
