//! PROTOCOL.md.

use std::{collections::BTreeMap, fs, time::Duration};

use reference_server::{
    SocketLimits,
    protocol::limits,
    room::{ClientId, Hub, HubConfig, Now, Output, RateLimit, RelayMode, close_code},
};
use rtcstorm::signaling::{Candidate, ChannelMessage, ChatId, Dashboard, Description, Message, SdpType, Seq};
use serde_json::Value;

use super::{blocks, grouped, path, read};

/// 2027-01-15T08:00:00Z.
const EPOCH_UNIX_MS: u64 = 1_800_000_000_000;

/// Plays what clients do in the document's blocks to a server, and writes down what it answers.
struct Play {
    hub: Hub,
    since_start: Duration,
    clients: BTreeMap<String, u64>,
    connected: u64,
}

impl Play {
    fn new(relay_mode: RelayMode) -> Self {
        let config = HubConfig {
            relay_mode,
            ..HubConfig::default()
        };
        Self {
            hub: Hub::new(config, 7),
            since_start: Duration::ZERO,
            clients: BTreeMap::new(),
            connected: 0,
        }
    }

    fn now(&self) -> Now {
        let passed = u64::try_from(self.since_start.as_millis()).expect("a short play");
        Now {
            since_start: self.since_start,
            unix_ms: EPOCH_UNIX_MS + passed,
        }
    }

    /// A block with the server's lines as they are, whatever they were.
    fn block(&mut self, block: &str) -> String {
        let mut lines = Vec::new();
        for line in block.lines() {
            if line.contains(" < ") && !line.starts_with('#') || line.contains(" is closed: ") {
                continue;
            }
            lines.push(line.to_owned());
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            self.act(line);
            while let Some(output) = self.hub.poll_output() {
                lines.push(self.shown(&output));
            }
        }
        lines.join("\n")
    }

    fn act(&mut self, line: &str) {
        let now = self.now();
        if let Some((who, frame)) = line.split_once(" > ") {
            return self.hub.frame(self.client(who), frame, now);
        }
        match line.split_once(' ').expect("two words") {
            (who, "connects") => {
                self.connected += 1;
                self.clients.insert(who.to_owned(), self.connected);
                self.hub.connect(ClientId(self.connected), now);
            }
            (who, "closes") => self.hub.disconnect(self.client(who), now),
            (seconds, "s pass") => {
                self.since_start += Duration::from_secs(seconds.parse().expect("a number"));
                self.hub.handle_timeout(self.now());
            }
            _ => panic!("nobody knows how to: {line}"),
        }
    }

    fn client(&self, who: &str) -> ClientId {
        ClientId(
            *self
                .clients
                .get(who)
                .unwrap_or_else(|| panic!("{who} has not connected")),
        )
    }

    fn shown(&self, output: &Output) -> String {
        let name = |client: &ClientId| {
            let mut names = self.clients.iter().filter(|(_, number)| **number == client.0);
            names.next().expect("it has connected").0.clone()
        };
        match output {
            Output::Send { to, frame } => format!("{} < {frame}", name(to)),
            Output::Close { client, code, reason } => format!("{} is closed: {code}, {reason}", name(client)),
        }
    }
}

/// Compares the blocks of one mode with what the server says; `UPDATE=1` rewrites them.
fn check_frames(mode: RelayMode) {
    let text = read("PROTOCOL.md");
    let mut play = Play::new(mode);
    let mut updated = text.clone();
    for block in blocks(&text, &format!("frames {mode}")) {
        let played = play.block(block);
        if std::env::var_os("UPDATE").is_some() {
            updated = updated.replacen(block, &played, 1);
        } else {
            assert_eq!(block, played, "UPDATE=1 writes it");
        }
    }
    if updated != text {
        fs::write(path("PROTOCOL.md"), updated).expect("writable");
    }
}

#[test]
fn the_server_says_every_frame_as_printed() {
    // One after the other: with `UPDATE=1` both write the same file.
    check_frames(RelayMode::Rooms);
    check_frames(RelayMode::Deployed);
}

#[test]
fn the_limits_of_the_wire_are_those_of_the_server() {
    let text = read("PROTOCOL.md");
    let number = |number: usize| grouped(number as u64);
    let ids = number(limits::ID_BYTES_MAX);
    let names = number(limits::NAME_BYTES_MAX);
    let rate = RateLimit::default();
    for told in [
        format!(
            "A frame from a client is at most {} KiB;",
            limits::FRAME_BYTES_MAX / 1024
        ),
        format!("| a room, user or request id | {ids} bytes,"),
        format!("| a user's or room's name | {names} bytes,"),
        format!(
            "| a channel's name; channels of one socket | {} bytes; {} |",
            number(limits::CHANNEL_BYTES_MAX),
            number(limits::CHANNELS_PER_SOCKET_MAX)
        ),
        format!(
            "| rooms of one socket; rooms of one server | {}; {} |",
            number(limits::ROOMS_PER_SOCKET_MAX),
            number(limits::ROOMS_MAX)
        ),
        format!(
            "| `maxParticipants` | 1 to {}; {} if it is not said |",
            grouped(limits::PARTICIPANTS_MAX.into()),
            limits::PARTICIPANTS_DEFAULT
        ),
        format!(
            "| a room's description | {} bytes |",
            number(limits::DESCRIPTION_BYTES_MAX)
        ),
        format!(
            "| frames that wait for one client | {};",
            number(SocketLimits::QUEUE_FRAMES_MAX_DEFAULT)
        ),
        format!(
            "more than {} frames a second, in bursts of {} ",
            grouped(rate.per_second.into()),
            grouped(rate.burst.into())
        ),
        format!(
            "at most {} frames and {} MiB",
            number(limits::HELD_FRAMES_MAX),
            limits::HELD_BYTES_MAX >> 20
        ),
        format!("the grace time ({} s;", HubConfig::GRACE_DEFAULT.as_secs()),
        format!("{} the server shuts down", close_code::GOING_AWAY),
        format!("{} a frame is too long", close_code::TOO_BIG),
        format!("{} the client does not read", close_code::TRY_AGAIN_LATER),
        format!("{} another socket took", close_code::TAKEN_OVER),
    ] {
        assert!(text.contains(&told), "{told}");
    }
}

#[test]
fn peers_send_the_frames_that_are_printed() {
    let text = read("PROTOCOL.md");
    let printed: Vec<Value> = blocks(&text, "frames rooms")
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.split_once(" > "))
        .filter_map(|(_, frame)| serde_json::from_str(frame).ok())
        .collect();
    let newcomer = Dashboard::new("room-0000", "p0001");
    let member = Dashboard::new("room-0000", "p0000");
    let description = |sdp_type| Description {
        sdp_type,
        sdp: "v=0\r\n…".into(),
    };
    let sent = [
        (
            &newcomer,
            Message::Join {
                name: "peer-2".into(),
                token: None,
                capacity: 10,
                present: Vec::new(),
            },
        ),
        (
            &member,
            Message::Description {
                remote: "p0001".into(),
                description: description(SdpType::Offer),
            },
        ),
        (
            &newcomer,
            Message::Description {
                remote: "p0000".into(),
                description: description(SdpType::Answer),
            },
        ),
        (
            &member,
            Message::Candidate {
                remote: "p0001".into(),
                candidate: Candidate {
                    candidate: "candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host".into(),
                    sdp_mid: Some("0".into()),
                    sdp_m_line_index: Some(0),
                    username_fragment: Some("abcd".into()),
                },
            },
        ),
        (&newcomer, Message::Leave),
        (&newcomer, Message::Ping),
    ];
    let sent = sent
        .iter()
        .map(|(who, message)| who.encode(message, EPOCH_UNIX_MS).expect("peers send it"));
    for frame in sent.chain(newcomer.hello()) {
        let frame: Value = serde_json::from_str(&frame).expect("JSON");
        assert!(printed.contains(&frame), "{frame}");
    }
}

#[test]
fn the_chat_message_that_is_printed_is_one_of_ours() {
    let text = read("PROTOCOL.md");
    let mut lines = blocks(&text, "json").join("\n");
    lines.push('\n');
    let id: ChatId = "0-1-17".parse().expect("an id");
    assert_eq!(id.seq, Seq::Chat(17));
    let ours = ChannelMessage::encode_chat(id, "room-0000", "p0000", "peer-1", 4, EPOCH_UNIX_MS);
    assert!(lines.contains(&format!("{ours}\n")), "{ours}");
    for line in lines.lines() {
        assert_ne!(ChannelMessage::decode(line), ChannelMessage::Other, "{line}");
    }
}
