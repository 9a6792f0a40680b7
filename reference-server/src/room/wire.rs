use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use super::bucket::Bucket;
use crate::protocol::{Channel, ServerFrame, limits::CHANNELS_PER_SOCKET_MAX};

/// A socket. Whoever connects it chooses the number, and never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client-{}", self.0)
    }
}

/// WebSocket close codes that the server uses (RFC 6455 section 7.4; 4000 and up are the protocol's own).
pub mod close_code {
    /// The server shuts down.
    pub const GOING_AWAY: u16 = 1001;
    /// A frame breaks the rules of WebSocket.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// A text frame is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// A frame is longer than [`RoomLimits::frame_bytes_max`](crate::RoomLimits::frame_bytes_max).
    pub const TOO_BIG: u16 = 1009;
    /// The client does not read what it is sent, or there are too many clients.
    pub const TRY_AGAIN_LATER: u16 = 1013;
    /// Another socket showed the token of a membership of this one.
    pub const TAKEN_OVER: u16 = 4001;
}

/// What is to be done to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send it a text frame.
    Send {
        /// The socket.
        to: ClientId,
        /// The frame; shared, when many get it.
        frame: Arc<str>,
    },
    /// Close it. The hub has forgotten it already: nothing it sends counts any more.
    Close {
        /// The socket.
        client: ClientId,
        /// See [`close_code`].
        code: u16,
        /// For people.
        reason: &'static str,
    },
}

#[derive(Debug)]
struct Socket {
    channels: BTreeSet<Channel>,
    /// `None`: it may send as it likes.
    bucket: Option<Bucket>,
}

/// The connected sockets, what they subscribe to, and what they are to be sent.
#[derive(Debug, Default)]
pub(super) struct Wire {
    clients: BTreeMap<ClientId, Socket>,
    outputs: VecDeque<Output>,
    pub(super) frames_out: u64,
}

impl Wire {
    /// Whether the socket is new; one that is connected already stays as it is.
    pub(super) fn connect(&mut self, client: ClientId, bucket: Option<Bucket>) -> bool {
        if self.clients.contains_key(&client) {
            return false;
        }
        self.clients.insert(
            client,
            Socket {
                channels: BTreeSet::new(),
                bucket,
            },
        );
        true
    }

    /// Whether the socket was connected.
    pub(super) fn disconnect(&mut self, client: ClientId) -> bool {
        self.clients.remove(&client).is_some()
    }

    pub(super) fn is_connected(&self, client: ClientId) -> bool {
        self.clients.contains_key(&client)
    }

    /// Whether the socket may send one more frame now.
    pub(super) fn takes_frame(&mut self, client: ClientId, now: Duration) -> bool {
        let bucket = self
            .clients
            .get_mut(&client)
            .and_then(|socket| socket.bucket.as_mut());
        bucket.is_none_or(|bucket| bucket.take(now))
    }

    pub(super) fn count(&self) -> usize {
        self.clients.len()
    }

    /// Whether there was room for one more channel.
    pub(super) fn subscribe(&mut self, client: ClientId, channel: Channel) -> bool {
        let Some(Socket { channels, .. }) = self.clients.get_mut(&client) else {
            return true;
        };
        if channels.len() >= CHANNELS_PER_SOCKET_MAX && !channels.contains(&channel) {
            return false;
        }
        channels.insert(channel);
        true
    }

    pub(super) fn unsubscribe(&mut self, client: ClientId, channel: &Channel) {
        if let Some(socket) = self.clients.get_mut(&client) {
            socket.channels.remove(channel);
        }
    }

    pub(super) fn is_subscribed(&self, client: ClientId, channel: &str) -> bool {
        self.clients
            .get(&client)
            .is_some_and(|socket| socket.channels.contains(channel))
    }

    pub(super) fn say(&mut self, to: ClientId, frame: &ServerFrame<'_>) {
        self.send(to, frame.text());
    }

    pub(super) fn send(&mut self, to: ClientId, frame: Arc<str>) {
        self.frames_out += 1;
        self.outputs.push_back(Output::Send { to, frame });
    }

    /// Sends the frame to everybody.
    pub(super) fn send_all(&mut self, frame: &Arc<str>) {
        for &to in self.clients.keys() {
            self.frames_out += 1;
            self.outputs.push_back(Output::Send {
                to,
                frame: frame.clone(),
            });
        }
    }

    /// Sends the frame to the channel's subscribers, whoever they are.
    pub(super) fn publish(&mut self, channel: &str, except: Option<ClientId>, frame: &Arc<str>) {
        for (&to, socket) in &self.clients {
            if Some(to) != except && socket.channels.contains(channel) {
                self.frames_out += 1;
                self.outputs.push_back(Output::Send {
                    to,
                    frame: frame.clone(),
                });
            }
        }
    }

    pub(super) fn close(&mut self, client: ClientId, code: u16, reason: &'static str) {
        self.outputs.push_back(Output::Close { client, code, reason });
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
