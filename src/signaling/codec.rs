use std::{fmt, time::Duration};

use super::{ChannelFormat, Message, Waste};

/// One client's end of a protocol: messages into frames, frames into messages. It does no I/O and reads no clock;
/// what it has to remember of a conversation it keeps itself.
pub trait Codec: fmt::Debug + Send + Sync {
    /// What a client says as soon as a socket is open. What was known of the socket before is forgotten.
    fn opened(&mut self) -> Vec<String>;

    /// The frames that say a message, in order; none where the protocol has no words for it. `unix_ms` fills time
    /// stamps.
    fn encode(&mut self, message: &Message, unix_ms: u64) -> Vec<String>;

    /// Reads a frame. Survives any text.
    fn read(&mut self, text: &str) -> Reading;

    /// What it says from time to time, or the server takes the socket for dead.
    fn keepalive(&self) -> Option<Keepalive> {
        None
    }

    /// The next answer to `remote` is to the offer of theirs with that fingerprint.
    fn answering(&mut self, _remote: &str, _offer: u64) {}

    /// How the present connection with `remote` carries data, where that is a matter of who has offered it.
    fn channel_format(&self, _remote: &str) -> Option<ChannelFormat> {
        None
    }

    /// Where it has no words for a ping: how long after it was sent a frame is taken for processed.
    fn settles_within(&self) -> Option<Duration> {
        None
    }

    /// Another end of that client has said this: whoever only looks on may need it to read what is answered.
    fn overheard(&mut self, _frame: &str) {}

    /// Whether whoever only looks on can tell what a frame says: not where it answers what the client has asked for.
    fn is_read_by_others(&self) -> bool {
        true
    }

    /// Why [`Codec::read`] makes nothing of a frame, for whoever describes a protocol; `None`: it does, or nobody knows.
    fn unread(&self, _text: &str) -> Option<String> {
        None
    }

    /// Where signaling goes on over a data channel to the server: what a client says there as soon as it is open.
    fn channel_opened(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// The texts on that channel that say a message, beside what [`Codec::encode`] makes of it. Where there is such a
    /// channel, a message may go over either of the two, or both.
    fn encode_on_channel(&mut self, _message: &Message, _unix_ms: u64) -> Vec<String> {
        Vec::new()
    }

    /// Reads a text of that channel; its replies go over the channel, too. Survives any text.
    fn read_channel(&mut self, _text: &str) -> Reading {
        Reading::default()
    }

    /// Sound frames that contradict what is so: a server must refuse each, and tell nobody else of it.
    fn misplaced(&self) -> Vec<String> {
        Vec::new()
    }

    /// The same once more, in the state it is in.
    fn boxed(&self) -> Box<dyn Codec>;
}

impl Clone for Box<dyn Codec> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// What a frame is to the client that it has come to. Neither messages nor waste: it is not this protocol, or is
/// one's own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// What it says, or answers, in order.
    pub messages: Vec<Message>,
    /// Nobody of its room has sent it to this client or to the room.
    pub waste: Option<Waste>,
    /// What the protocol has a client answer, whatever the client is about.
    pub replies: Vec<String>,
}

impl From<Message> for Reading {
    fn from(message: Message) -> Self {
        Self {
            messages: vec![message],
            ..Self::default()
        }
    }
}

impl From<Waste> for Reading {
    fn from(waste: Waste) -> Self {
        Self {
            waste: Some(waste),
            ..Self::default()
        }
    }
}

/// What is said whenever so much time has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keepalive {
    /// How often.
    pub every: Duration,
    /// What.
    pub frame: String,
}
