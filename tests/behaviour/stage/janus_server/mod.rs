//! Janus in memory, as 1.1.2 speaks over its WebSocket transport: sessions, handles, and the plugins VideoRoom and
//! TextRoom.

mod textroom;
mod videoroom;

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
};

use reference_server::room::ClientId;
use rtcstorm::{
    base::PeerId,
    peer::{ConnectionEvent, TransportState},
    signaling::ChannelData,
};
use serde_json::{Value, json};

use super::{FarEnds, FarServer, agenda::End, connection::Connection};

/// "No such session", "no such handle", and an answer to nothing.
const NO_SESSION: u64 = 458;
const NO_HANDLE: u64 = 459;
const NO_OFFER: u64 = 466;

#[derive(Default)]
pub struct JanusServer {
    sockets: BTreeMap<ClientId, PeerId>,
    /// The socket of each session.
    sessions: BTreeMap<u64, ClientId>,
    handles: BTreeMap<u64, Handle>,
    rooms: BTreeSet<u64>,
    last_id: u64,
    /// So many subscriptions are still to be refused: nobody publishes that.
    pub hidden: u32,
    /// So many whispers are still to be lost.
    pub lost_whispers: u32,
    /// Ids that somebody from elsewhere has.
    pub taken: BTreeSet<String>,
}

/// What a handle is in a room.
#[derive(Debug, Clone, PartialEq)]
enum Role {
    None,
    Publisher {
        room: u64,
        id: Value,
        display: Value,
        /// Its media can be had.
        is_up: bool,
    },
    Subscriber {
        feed: Value,
    },
    Member {
        room: u64,
        username: String,
        display: Value,
    },
}

struct Handle {
    session: u64,
    of: PeerId,
    plugin: String,
    end: Option<End>,
    role: Role,
}

impl FarServer for JanusServer {
    fn connect(&mut self, socket: ClientId, of: PeerId) {
        self.sockets.insert(socket, of);
    }

    fn disconnect(&mut self, socket: ClientId, ends: &mut FarEnds) {
        self.sockets.remove(&socket);
        let of_it = self.sessions.iter().filter(|(_, of)| **of == socket);
        for session in of_it.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_session(session, ends);
        }
    }

    fn frame(&mut self, socket: ClientId, text: &str, ends: &mut FarEnds) {
        if !self.sockets.contains_key(&socket) {
            return;
        }
        let frame: Value = serde_json::from_str(text).expect("clients speak JSON");
        assert!(frame["transaction"].is_string(), "{text}");
        let session = match &frame["session_id"] {
            Value::Null => return self.ask_without_session(socket, &frame, ends),
            id => id.as_u64().expect("a number"),
        };
        if !self.sessions.contains_key(&session) {
            let reason = format!("No such session {session}");
            return ends.say(socket, refusal(&frame, NO_SESSION, &reason));
        }
        match frame["janus"].as_str() {
            Some("keepalive") => ends.say(socket, ack(&frame)),
            Some("attach") => self.attach(socket, session, &frame, ends),
            // From whatever socket.
            Some("destroy") => {
                self.end_session(session, ends);
                ends.say(socket, success(&frame, ("data", Value::Null)));
            }
            _ => self.ask_handle(socket, &frame, ends),
        }
    }

    fn happened(&mut self, end: End, event: ConnectionEvent, ends: &mut FarEnds) {
        let Some(id) = self.handle_with(end) else {
            return;
        };
        match event {
            ConnectionEvent::State(TransportState::Connected) => self.goes_up(id, ends),
            // Of one that was up it finds out later than anybody here waits.
            ConnectionEvent::State(TransportState::Failed) if !ends.connections[&end].open => {
                self.end_connection(id, "ICE failed", ends)
            }
            ConnectionEvent::ChannelClosed => self.end_connection(id, "DTLS alert", ends),
            ConnectionEvent::Received(ChannelData::Text(text)) => self.text(id, &text, ends),
            _ => {}
        }
    }

    fn flows(&self, end: End, ends: &BTreeMap<End, Connection>) -> bool {
        let handle = self.handle_with(end).map(|id| &self.handles[&id]);
        let Some(Role::Subscriber { feed }) = handle.map(|handle| &handle.role) else {
            return false;
        };
        let source = self.publisher(feed).and_then(|id| self.handles[&id].end);
        source.is_some_and(|end| ends[&end].open && ends[&end].lost.is_none())
    }

    fn die(&mut self) {
        // Ids are drawn, and none of them twice.
        *self = Self {
            last_id: self.last_id,
            ..Self::default()
        };
    }

    fn left_over(&self) -> usize {
        self.sessions.len() + self.handles.len()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

impl JanusServer {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn ask_without_session(&mut self, socket: ClientId, frame: &Value, ends: &mut FarEnds) {
        match frame["janus"].as_str() {
            Some("create") => {
                let id = self.next_id();
                self.sessions.insert(id, socket);
                let transaction = &frame["transaction"];
                let created = json!({ "janus": "success", "transaction": transaction, "data": { "id": id } });
                ends.say(socket, created);
            }
            Some("ping") => {
                ends.say(
                    socket,
                    json!({ "janus": "pong", "transaction": frame["transaction"] }),
                );
            }
            _ => panic!("outside of sessions there is no {frame}"),
        }
    }

    fn attach(&mut self, socket: ClientId, session: u64, frame: &Value, ends: &mut FarEnds) {
        let id = self.next_id();
        let handle = Handle {
            session,
            of: self.sockets[&socket],
            plugin: frame["plugin"].as_str().expect("one").to_owned(),
            end: None,
            role: Role::None,
        };
        self.handles.insert(id, handle);
        ends.say(socket, success(frame, ("data", json!({ "id": id }))));
    }

    fn ask_handle(&mut self, socket: ClientId, frame: &Value, ends: &mut FarEnds) {
        let id = frame["handle_id"].as_u64().expect("a number");
        let Some(handle) = self.handles.get(&id) else {
            let reason = format!("No such handle {id} in session {}", frame["session_id"]);
            return ends.say(socket, refusal(frame, NO_HANDLE, &reason));
        };
        match frame["janus"].as_str() {
            Some("detach") => {
                ends.say(socket, success(frame, ("data", Value::Null)));
                self.detach(id, ends);
            }
            Some("hangup") => {
                ends.say(socket, success(frame, ("data", Value::Null)));
                self.end_connection(id, "Janus API", ends);
            }
            Some("trickle") => {
                if let Some(end) = handle.end.filter(|_| frame["candidate"]["completed"] != true) {
                    ends.candidate(end);
                }
                ends.say(socket, ack(frame));
            }
            Some("message") if handle.end.is_none() && frame["jsep"]["type"] == "answer" => {
                ends.say(
                    socket,
                    refusal(frame, NO_OFFER, "Unexpected ANSWER (did we offer?)"),
                );
            }
            Some("message") => match handle.plugin.as_str() {
                "janus.plugin.videoroom" => self.ask_video_room(id, frame, ends),
                _ => self.ask_text_room(id, frame, ends),
            },
            _ => panic!("handles know no {frame}"),
        }
    }

    // ---- what ends

    /// The session has ended, as if nothing had been heard of it for long.
    pub fn time_out(&mut self, peer: PeerId, ends: &mut FarEnds) {
        let of_it = self
            .sessions
            .iter()
            .filter(|(_, socket)| self.sockets[socket] == peer);
        let (session, socket) = of_it
            .map(|(id, socket)| (*id, *socket))
            .next()
            .expect("there is one");
        ends.say(socket, json!({ "janus": "timeout", "session_id": session }));
        self.end_session(session, ends);
    }

    /// That of any peer, the n-th, counted round.
    pub fn time_out_one(&mut self, nth: usize, ends: &mut FarEnds) {
        let peers: Vec<PeerId> = self
            .sessions
            .values()
            .map(|socket| self.sockets[socket])
            .collect();
        if !peers.is_empty() {
            self.time_out(peers[nth % peers.len()], ends);
        }
    }

    /// Ends one of the connections, the n-th, counted round.
    pub fn hang_up_one(&mut self, nth: usize, ends: &mut FarEnds) {
        let connected = self.handles.iter().filter(|(_, handle)| handle.end.is_some());
        let connected: Vec<u64> = connected.map(|(id, _)| *id).collect();
        if !connected.is_empty() {
            self.end_connection(connected[nth % connected.len()], "ICE failed", ends);
        }
    }

    fn end_session(&mut self, session: u64, ends: &mut FarEnds) {
        self.sessions.remove(&session);
        let of_it = self
            .handles
            .iter()
            .filter(|(_, handle)| handle.session == session);
        for id in of_it.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.detach(id, ends);
        }
    }

    /// Who was in a room by it has left that.
    fn detach(&mut self, id: u64, ends: &mut FarEnds) {
        self.goes_down(id, ends);
        self.leave(id, ends);
        let handle = self.handles.remove(&id).expect("it is there");
        if let Some(end) = handle.end {
            ends.close(end);
        }
        self.say(
            &handle,
            json!({ "janus": "detached", "session_id": handle.session, "sender": id }),
            ends,
        );
    }

    /// The connection of a handle ends, and its client is told why.
    fn end_connection(&mut self, id: u64, reason: &str, ends: &mut FarEnds) {
        self.goes_down(id, ends);
        if matches!(self.handles[&id].role, Role::Member { .. }) {
            self.leave(id, ends);
        }
        let Some(end) = self.handles.get_mut(&id).and_then(|handle| handle.end.take()) else {
            return;
        };
        ends.close(end);
        let handle = &self.handles[&id];
        let hangup =
            json!({ "janus": "hangup", "session_id": handle.session, "sender": id, "reason": reason });
        self.say(handle, hangup, ends);
    }

    /// Ends the connection of `peer` on which it has what `feed` publishes, or, without, that on which it publishes
    /// itself or has its channel.
    pub fn hang_up(&mut self, peer: PeerId, feed: Option<&str>, ends: &mut FarEnds) {
        let is_meant = |handle: &Handle| match (&handle.role, feed) {
            (Role::Subscriber { feed }, Some(wanted)) => feed.as_u64() == wanted.parse().ok(),
            (Role::Publisher { .. } | Role::Member { .. }, None) => true,
            _ => false,
        };
        let mut handles = self.handles.iter();
        let meant = handles.find(|(_, handle)| handle.of == peer && is_meant(handle));
        let id = *meant.expect("there is such a connection").0;
        self.end_connection(id, "ICE failed", ends);
    }

    // ---- parts

    fn handle_with(&self, end: End) -> Option<u64> {
        let mut handles = self.handles.iter();
        Some(*handles.find(|(_, handle)| handle.end == Some(end))?.0)
    }

    fn say(&self, handle: &Handle, frame: Value, ends: &mut FarEnds) {
        if let Some(socket) = self.sessions.get(&handle.session) {
            ends.say(*socket, frame);
        }
    }

    /// What a plugin says, by itself or as the answer to a frame.
    fn event(&self, id: u64, asked: Option<&Value>, data: Value, jsep: Option<Value>, ends: &mut FarEnds) {
        let handle = &self.handles[&id];
        let mut event = json!({
            "janus": "event", "session_id": handle.session, "sender": id,
            "plugindata": { "plugin": handle.plugin, "data": data },
        });
        if let Some(frame) = asked {
            event["transaction"] = frame["transaction"].clone();
        }
        if let Some(jsep) = jsep {
            event["jsep"] = jsep;
        }
        self.say(handle, event, ends);
    }

    /// What a plugin answers at once.
    fn answer_at_once(&self, id: u64, frame: &Value, data: Value, ends: &mut FarEnds) {
        let handle = &self.handles[&id];
        let data = json!({ "plugin": handle.plugin, "data": data });
        let mut answer = success(frame, ("plugindata", data));
        answer["sender"] = id.into();
        self.say(handle, answer, ends);
    }
}

fn success(frame: &Value, (key, data): (&str, Value)) -> Value {
    let (session, transaction) = (&frame["session_id"], &frame["transaction"]);
    let mut success = json!({ "janus": "success", "session_id": session, "transaction": transaction });
    if !data.is_null() {
        success[key] = data;
    }
    success
}

fn ack(frame: &Value) -> Value {
    let (session, transaction) = (&frame["session_id"], &frame["transaction"]);
    json!({ "janus": "ack", "session_id": session, "transaction": transaction })
}

fn refusal(frame: &Value, code: u64, reason: &str) -> Value {
    let (session, transaction) = (&frame["session_id"], &frame["transaction"]);
    let error = json!({ "code": code, "reason": reason });
    json!({ "janus": "error", "session_id": session, "transaction": transaction, "error": error })
}
