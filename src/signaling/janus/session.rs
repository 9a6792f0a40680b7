//! What all plugins have in common: a session on the socket, handles in it, transactions, and when candidates go.
//!
//! Janus reads frames of one handle side by side: a candidate may overtake the description that it belongs to. So ours are
//! sent once Janus has said that it has read our description. Its own may come before its description, and are passed on
//! after it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::wire::{Event, Refusal, candidate_frame, event, read_candidate, reason, refusal, sdp_type};
use crate::signaling::{Candidate, Description, Message, Reading, SdpType};

/// Candidates of Janus that wait for their description, by handle. More no connection has.
const MAX_EARLY: usize = 256;
/// "No such session".
const NO_SESSION: u64 = 458;
/// "No such handle".
pub(super) const NO_HANDLE: &str = "459";

/// Which handle, also before Janus has given it an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HandleKey(u32);

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Session,
    Attach,
    Detach,
    /// A handle was detached on which a join was under way.
    GiveUp,
    Trickle,
    Ping,
    CreateRoom,
    Join,
    Leave,
    Publish,
    Unpublish,
    HangUp,
    Subscribe,
    /// An offer of theirs with new ICE credentials, or the first one.
    Offer,
    /// Our answer was told.
    Answer,
}

#[derive(Debug, Clone)]
struct Asked {
    ask: Ask,
    handle: Option<HandleKey>,
    /// It has a description of ours, of which Janus has not said that it has read it.
    describes: bool,
}

#[derive(Debug, Clone, Default)]
struct Handle {
    /// Whose connection it has.
    remote: String,
    id: Option<u64>,
    /// The description of theirs that was asked for last has come, or the offer that ours answers.
    hears: bool,
    /// Their candidates until then.
    early: Vec<Candidate>,
    /// An offer of theirs has come, and is not answered.
    offered: bool,
    /// Our last description has been read.
    told: bool,
    /// Our candidates until then: those of a gathering.
    late: Vec<Candidate>,
}

/// What a frame says to a plugin's end.
#[derive(Debug)]
pub(super) enum Heard {
    /// The answer to what was asked for.
    Answer(Ask, Option<HandleKey>, Result<Event, Refusal>),
    /// A plugin says something by itself.
    Event(HandleKey, Event),
    /// The connection of a handle has ended.
    HungUp(HandleKey, String),
    /// A handle is none any more.
    Detached(HandleKey, String),
    /// The session is none any more, and with it its handles.
    Gone(Refusal),
    /// A frame that can't be understood, of ours or theirs.
    Error(Refusal),
    /// Nothing that has to be acted on.
    Other,
}

/// A session, and what is to be said and was heard in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    plugin: &'static str,
    id: Option<u64>,
    creating: bool,
    transactions: u64,
    asked: BTreeMap<u64, Asked>,
    handles: BTreeMap<HandleKey, Handle>,
    next_handle: u32,
    /// Frames that wait for the session.
    waiting: Vec<Value>,
    frames: Vec<String>,
    messages: Vec<Message>,
    /// The kind of the frame that is being read.
    kind: String,
}

impl Session {
    pub fn new(plugin: &'static str) -> Self {
        Self {
            plugin,
            ..Self::default()
        }
    }

    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// On a new socket. As long as Janus holds the last one for alive, the session of that one has the client's name.
    pub fn open(&mut self) {
        let ghost = self.id;
        self.forget();
        self.frames.clear();
        self.messages.clear();
        if let Some(id) = ghost {
            let frame = json!({ "janus": "destroy", "session_id": id, "transaction": "ghost" });
            self.frames.push(frame.to_string());
        }
        self.create();
    }

    fn forget(&mut self) {
        self.id = None;
        self.creating = false;
        self.asked.clear();
        self.handles.clear();
        self.waiting.clear();
    }

    fn create(&mut self) {
        self.creating = true;
        let frame = json!({ "janus": "create" });
        let number = self.note(Ask::Session, None, false);
        self.push(frame, number);
    }

    /// What is to be sent.
    pub fn take_frames(&mut self) -> Vec<String> {
        std::mem::take(&mut self.frames)
    }

    /// What a frame that was read has led to.
    pub fn take_reading(&mut self) -> Reading {
        let kind = std::mem::take(&mut self.kind);
        let mut messages = std::mem::take(&mut self.messages);
        if messages.is_empty() && !kind.is_empty() {
            messages.push(Message::Other { kind });
        }
        Reading {
            messages,
            replies: self.take_frames(),
            ..Reading::default()
        }
    }

    /// The frame says this.
    pub fn say(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// What the frame is that says nothing.
    pub fn name(&mut self, kind: &str) {
        kind.clone_into(&mut self.kind);
    }

    /// A handle for the connection with `remote`.
    pub fn attach(&mut self, remote: &str) -> HandleKey {
        self.next_handle = self.next_handle.wrapping_add(1);
        let key = HandleKey(self.next_handle);
        let handle = Handle {
            remote: remote.to_owned(),
            ..Handle::default()
        };
        self.handles.insert(key, handle);
        let frame = json!({ "janus": "attach", "plugin": self.plugin });
        self.send(frame, Ask::Attach, Some(key), false);
        key
    }

    /// Gives a handle up; one that Janus has not given yet as soon as it does. Whether there was something to detach.
    pub fn detach(&mut self, key: HandleKey, ask: Ask) -> bool {
        let Some(id) = self.handles.remove(&key).and_then(|handle| handle.id) else {
            return false;
        };
        // Of the rest no answer comes, or is of use.
        let mut pings = 0;
        self.asked.retain(|_, asked| {
            let is_of_it = asked.handle == Some(key);
            pings += u32::from(is_of_it && asked.ask == Ask::Ping);
            !is_of_it
        });
        let frame = json!({ "janus": "detach", "handle_id": id });
        self.send(frame, ask, Some(key), false);
        for _ in 0..pings {
            self.ping();
        }
        true
    }

    /// Ends the connection of a handle, whatever it is about.
    pub fn hang_up(&mut self, key: HandleKey) {
        if let Some(id) = self.handle_id(key) {
            let frame = json!({ "janus": "hangup", "handle_id": id });
            self.send(frame, Ask::HangUp, Some(key), false);
        }
    }

    /// Asks the plugin for something.
    pub fn message(&mut self, key: HandleKey, body: Value, jsep: Option<&Description>, ask: Ask) {
        let Some(handle) = self.handles.get_mut(&key) else {
            return;
        };
        let Some(id) = handle.id else {
            return;
        };
        let mut frame = json!({ "janus": "message", "handle_id": id, "body": body });
        if let Some(description) = jsep {
            handle.told = false;
            frame["jsep"] = json!({ "type": sdp_type(description), "sdp": &*description.sdp });
        }
        self.send(frame, ask, Some(key), jsep.is_some());
    }

    /// A description of theirs is being waited for: candidates that come from now on until it does belong to it.
    pub fn expect(&mut self, key: HandleKey) {
        if let Some(handle) = self.handles.get_mut(&key) {
            handle.hears = false;
            handle.early.clear();
        }
    }

    /// The connection of a handle is given up, and another one will follow.
    pub fn renew(&mut self, key: HandleKey) {
        for asked in self.asked.values_mut().filter(|asked| asked.handle == Some(key)) {
            asked.describes = false;
        }
        if let Some(handle) = self.handles.get_mut(&key) {
            *handle = Handle {
                remote: std::mem::take(&mut handle.remote),
                id: handle.id,
                ..Handle::default()
            };
        }
    }

    /// Passes a description of theirs on, and the candidates that came before.
    pub fn described(&mut self, key: HandleKey, description: Description) {
        let Some(handle) = self.handles.get_mut(&key) else {
            return;
        };
        handle.hears = true;
        handle.offered = description.sdp_type == SdpType::Offer;
        let remote = handle.remote.clone();
        let early = std::mem::take(&mut handle.early);
        self.messages.push(Message::Description {
            remote: remote.clone(),
            description,
        });
        let candidates = early.into_iter().map(|candidate| Message::Candidate {
            remote: remote.clone(),
            candidate,
        });
        self.messages.extend(candidates);
    }

    /// Whether an offer of theirs waits for an answer; from now on none does.
    pub fn answers(&mut self, key: HandleKey) -> bool {
        let handle = self.handles.get_mut(&key);
        handle.is_some_and(|handle| std::mem::take(&mut handle.offered))
    }

    /// A candidate of ours.
    pub fn trickle(&mut self, key: HandleKey, candidate: &Candidate) {
        let Some(handle) = self.handles.get_mut(&key) else {
            return;
        };
        match handle.id.filter(|_| handle.told) {
            Some(id) => self.send_candidate(key, id, candidate),
            None => handle.late.push(candidate.clone()),
        }
    }

    fn send_candidate(&mut self, key: HandleKey, id: u64, candidate: &Candidate) {
        let candidate = candidate_frame(candidate);
        let frame = json!({ "janus": "trickle", "handle_id": id, "candidate": candidate });
        self.send(frame, Ask::Trickle, Some(key), false);
    }

    /// Asks for a sign of life, of Janus itself.
    pub fn ping(&mut self) {
        let frame = match self.id {
            Some(id) => json!({ "janus": "keepalive", "session_id": id }),
            None => json!({ "janus": "ping" }),
        };
        let number = self.note(Ask::Ping, None, false);
        self.push(frame, number);
    }

    fn handle_id(&self, key: HandleKey) -> Option<u64> {
        self.handles.get(&key)?.id
    }

    fn send(&mut self, mut frame: Value, ask: Ask, handle: Option<HandleKey>, describes: bool) {
        let number = self.note(ask, handle, describes);
        if let Some(id) = self.id {
            frame["session_id"] = id.into();
            self.push(frame, number);
            return;
        }
        frame["transaction"] = number.to_string().into();
        self.waiting.push(frame);
        if !self.creating {
            self.create();
        }
    }

    fn note(&mut self, ask: Ask, handle: Option<HandleKey>, describes: bool) -> u64 {
        self.transactions += 1;
        let asked = Asked {
            ask,
            handle,
            describes,
        };
        self.asked.insert(self.transactions, asked);
        self.transactions
    }

    fn push(&mut self, mut frame: Value, number: u64) {
        frame["transaction"] = number.to_string().into();
        self.frames.push(frame.to_string());
    }

    /// Reads a frame, as far as it is none of a plugin's business.
    pub fn read(&mut self, text: &str) -> Heard {
        self.kind.clear();
        let mut frame: Value = serde_json::from_str(text).unwrap_or_default();
        let Some(kind) = frame["janus"].as_str() else {
            return Heard::Other;
        };
        kind.clone_into(&mut self.kind);
        let session = frame["session_id"].as_u64();
        if session.is_some() && session != self.id {
            // Of one that is gone.
            return Heard::Other;
        }
        let number = frame["transaction"].as_str().and_then(|text| text.parse().ok());
        let sender = frame["sender"].as_u64().and_then(|id| self.key(id));
        match self.kind.as_str() {
            "ack" | "pong" => self.acknowledged(number),
            "success" => {
                let event = event(&mut frame);
                self.answered(number, Ok(event))
            }
            "error" => {
                let code = frame["error"]["code"].as_u64();
                let refusal = refusal(&frame["error"]["code"], &frame["error"]["reason"]);
                if code == Some(NO_SESSION) && session.is_some() {
                    self.forget();
                    return Heard::Gone(refusal);
                }
                self.answered(number, Err(refusal))
            }
            "timeout" => {
                self.forget();
                Heard::Gone(Refusal {
                    code: "timeout".to_owned(),
                    message: "Janus has given the session up, for it has heard nothing for too long"
                        .to_owned(),
                })
            }
            "event" => self.event(number, sender, event(&mut frame)),
            "trickle" => {
                self.trickled(sender, &frame["candidate"]);
                Heard::Other
            }
            "hangup" => sender.map_or(Heard::Other, |key| Heard::HungUp(key, reason(&frame, "hangup"))),
            "detached" => sender.map_or(Heard::Other, |key| {
                self.handles.remove(&key);
                Heard::Detached(key, reason(&frame, "detached"))
            }),
            _ => Heard::Other,
        }
    }

    fn key(&self, id: u64) -> Option<HandleKey> {
        let mut handles = self.handles.iter();
        let (key, _) = handles.find(|(_, handle)| handle.id == Some(id))?;
        Some(*key)
    }

    fn acknowledged(&mut self, number: Option<u64>) -> Heard {
        let Some(asked) = number.and_then(|number| self.asked.get_mut(&number)) else {
            return Heard::Other;
        };
        let key = asked.handle;
        let described = std::mem::take(&mut asked.describes);
        let (ask, is_answered) = (asked.ask, key.is_none() || asked.ask == Ask::Trickle);
        if let (true, Some(key)) = (described, key) {
            self.told(key);
        }
        if !is_answered {
            // By an event.
            return Heard::Other;
        }
        number.map(|number| self.asked.remove(&number));
        Heard::Answer(ask, key, Ok(Event::default()))
    }

    /// Our description has been read.
    fn told(&mut self, key: HandleKey) {
        let Some(handle) = self.handles.get_mut(&key) else {
            return;
        };
        let Some(id) = handle.id else {
            return;
        };
        handle.told = true;
        for candidate in std::mem::take(&mut handle.late) {
            self.send_candidate(key, id, &candidate);
        }
    }

    fn event(&mut self, number: Option<u64>, sender: Option<HandleKey>, event: Event) -> Heard {
        if number.is_some_and(|number| self.asked.contains_key(&number)) {
            return self.answered(number, Ok(event));
        }
        match sender {
            // What was asked for and is not wanted any more.
            Some(_) if number.is_some() => Heard::Other,
            Some(key) => Heard::Event(key, event),
            None => Heard::Other,
        }
    }

    fn answered(&mut self, number: Option<u64>, answer: Result<Event, Refusal>) -> Heard {
        let Some(asked) = number.and_then(|number| self.asked.remove(&number)) else {
            // What is not wanted any more may be refused.
            let is_stale = number.is_some_and(|number| (1..=self.transactions).contains(&number));
            return match answer {
                Err(refusal) if !is_stale => Heard::Error(refusal),
                _ => Heard::Other,
            };
        };
        // A plugin refuses in an event.
        let answer = answer.and_then(|event| match &event.data["error_code"] {
            Value::Null => Ok(event),
            code => Err(refusal(code, &event.data["error"])),
        });
        match (asked.ask, asked.handle, &answer) {
            (Ask::Session, ..) => return self.created(answer),
            (Ask::Attach, Some(key), Ok(event)) => {
                let id = event.data["id"].as_u64();
                let Some(handle) = self.handles.get_mut(&key) else {
                    // It was given up before it was there.
                    if let Some(id) = id {
                        self.send(
                            json!({ "janus": "detach", "handle_id": id }),
                            Ask::Detach,
                            None,
                            false,
                        );
                    }
                    return Heard::Other;
                };
                handle.id = id;
            }
            (_, Some(key), Ok(_)) if asked.describes => self.told(key),
            _ => {}
        }
        Heard::Answer(asked.ask, asked.handle, answer)
    }

    fn created(&mut self, answer: Result<Event, Refusal>) -> Heard {
        self.creating = false;
        let id = match &answer {
            Ok(event) => event.data["id"].as_u64(),
            Err(_) => None,
        };
        let Some(id) = id else {
            self.forget();
            return Heard::Gone(answer.err().unwrap_or(Refusal {
                code: "create".to_owned(),
                message: "Janus has given no session".to_owned(),
            }));
        };
        self.id = Some(id);
        for mut frame in std::mem::take(&mut self.waiting) {
            frame["session_id"] = id.into();
            self.frames.push(frame.to_string());
        }
        Heard::Other
    }

    fn trickled(&mut self, sender: Option<HandleKey>, candidate: &Value) {
        let Some(handle) = sender.and_then(|key| self.handles.get_mut(&key)) else {
            return;
        };
        let Some(candidate) = read_candidate(candidate) else {
            return;
        };
        if handle.hears {
            let remote = handle.remote.clone();
            self.messages.push(Message::Candidate { remote, candidate });
        } else if handle.early.len() < MAX_EARLY {
            handle.early.push(candidate);
        } else {
            let limit = format!("{MAX_EARLY} candidates of Janus before their description");
            self.say(Message::LimitHit { limit });
        }
    }
}
