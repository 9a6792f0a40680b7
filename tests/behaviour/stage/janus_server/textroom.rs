//! The plugin TextRoom.

use rtcstorm::base::PeerId;
use serde_json::{Value, json};

use super::{JanusServer, Role, ack};
use crate::stage::FarEnds;

impl JanusServer {
    pub(super) fn ask_text_room(&mut self, id: u64, frame: &Value, ends: &mut FarEnds) {
        let body = &frame["body"];
        let request = body["request"].as_str().expect("a request");
        if request == "create" {
            let room = body["room"].as_u64().expect("a number");
            let data = match self.rooms.insert(room) {
                true => json!({ "textroom": "created", "room": room, "permanent": false }),
                false => error(418, &format!("Room {room} already exists")),
            };
            return self.answer_at_once(id, frame, data, ends);
        }
        self.say(&self.handles[&id], ack(frame), ends);
        let handle = self.handles.get_mut(&id).expect("it is there");
        let offer = match (request, handle.end) {
            ("setup", _) => {
                let end = ends.create(handle.of);
                handle.end = Some(end);
                Some(ends.offer(end, false))
            }
            ("restart", Some(end)) => Some(ends.offer(end, true)),
            ("ack", Some(end)) => {
                ends.take_answer(end, frame["jsep"]["sdp"].as_str().expect("an answer"));
                None
            }
            ("restart", None) => {
                let data = json!({ "textroom": "event", "error_code": 414, "error": "No connection" });
                return self.event(id, Some(frame), data, None, ends);
            }
            _ => panic!("a TextRoom knows no {frame}"),
        };
        let jsep = offer.map(|sdp| json!({ "type": "offer", "sdp": sdp }));
        let data = json!({ "textroom": "event", "result": "ok" });
        self.event(id, Some(frame), data, jsep, ends);
    }

    /// Something is said on the channel of a handle.
    pub(super) fn text(&mut self, id: u64, text: &str, ends: &mut FarEnds) {
        let frame: Value = serde_json::from_str(text).expect("clients speak JSON");
        let room = frame["room"].as_u64().expect("a number");
        match frame["textroom"].as_str() {
            Some("join") => self.join_text_room(id, room, &frame, ends),
            Some("message") => self.pass_on(id, room, &frame, ends),
            Some("listparticipants") => {
                let transaction = &frame["transaction"];
                let participants = self.participants(room);
                let list = json!({ "room": room, "participants": participants, "transaction": transaction });
                self.tell(id, &list, ends);
            }
            _ => panic!("a channel knows no {frame}"),
        }
    }

    fn join_text_room(&mut self, id: u64, room: u64, frame: &Value, ends: &mut FarEnds) {
        let username = frame["username"].as_str().expect("a text").to_owned();
        let transaction = &frame["transaction"];
        let refused = match self.rooms.contains(&room) {
            false => Some((417, format!("No such room {room}"))),
            true if self.member_named(room, &username).is_some() => {
                Some((420, "Username already taken".to_owned()))
            }
            true => None,
        };
        if let Some((code, why)) = refused {
            let mut refusal = error(code, &why);
            refusal["transaction"] = transaction.clone();
            return self.tell(id, &refusal, ends);
        }
        let participants = self.participants(room);
        self.handles.get_mut(&id).expect("it is there").role = Role::Member {
            room,
            username: username.clone(),
            display: frame["display"].clone(),
        };
        let joins =
            json!({ "textroom": "join", "room": room, "username": username, "display": frame["display"] });
        self.tell_all(room, &joins, ends);
        let success =
            json!({ "textroom": "success", "participants": participants, "transaction": transaction });
        self.tell(id, &success, ends);
    }

    fn pass_on(&mut self, id: u64, room: u64, frame: &Value, ends: &mut FarEnds) {
        let Role::Member { username, .. } = &self.handles[&id].role else {
            let mut refusal = error(422, &format!("Not in room {room}"));
            refusal["transaction"] = frame["transaction"].clone();
            return self.tell(id, &refusal, ends);
        };
        let mut message =
            json!({ "textroom": "message", "room": room, "from": username, "text": frame["text"] });
        let Some(to) = frame["to"].as_str() else {
            return self.tell_all(room, &message, ends);
        };
        let is_lost = self.lost_whispers > 0;
        self.lost_whispers = self.lost_whispers.saturating_sub(1);
        message["whisper"] = true.into();
        if let Some(to) = self.member_named(room, to).filter(|_| !is_lost) {
            self.tell(to, &message, ends);
        }
    }

    /// Removes a member from its room, of which it keeps the channel.
    pub fn kick(&mut self, peer: PeerId, ends: &mut FarEnds) {
        let mut handles = self.handles.iter();
        let id = *handles.find(|(_, handle)| handle.of == peer).expect("one").0;
        let role = std::mem::replace(
            &mut self.handles.get_mut(&id).expect("it is there").role,
            Role::None,
        );
        let Role::Member { room, username, .. } = role else {
            panic!("{peer} is no member");
        };
        let kicked = json!({ "textroom": "kicked", "room": room, "username": username });
        self.tell(id, &kicked, ends);
        self.tell_all(room, &kicked, ends);
    }

    /// The n-th, counted round.
    pub fn kick_one(&mut self, nth: usize, ends: &mut FarEnds) {
        let members = self
            .handles
            .values()
            .filter(|handle| matches!(handle.role, Role::Member { .. }));
        let members: Vec<PeerId> = members.map(|handle| handle.of).collect();
        if !members.is_empty() {
            self.kick(members[nth % members.len()], ends);
        }
    }

    pub(super) fn leave_text_room(&mut self, room: u64, username: &str, ends: &mut FarEnds) {
        let leaves = json!({ "textroom": "leave", "room": room, "username": username });
        self.tell_all(room, &leaves, ends);
    }

    fn tell(&self, id: u64, frame: &Value, ends: &mut FarEnds) {
        if let Some(end) = self.handles[&id].end {
            ends.tell(end, frame);
        }
    }

    fn tell_all(&self, room: u64, frame: &Value, ends: &mut FarEnds) {
        for (id, _) in self.members_of(room) {
            self.tell(id, frame, ends);
        }
    }

    fn members_of(&self, wanted: u64) -> Vec<(u64, Value)> {
        let members = self.handles.iter().filter_map(|(id, handle)| match &handle.role {
            Role::Member {
                room,
                username,
                display,
            } if *room == wanted => Some((*id, json!({ "username": username, "display": display }))),
            _ => None,
        });
        members.collect()
    }

    fn participants(&self, room: u64) -> Value {
        let members = self.members_of(room).into_iter();
        members.map(|(_, member)| member).collect()
    }

    fn member_named(&self, room: u64, name: &str) -> Option<u64> {
        let members = self.members_of(room).into_iter();
        let mut named = members.filter(|(_, member)| member["username"] == name);
        Some(named.next()?.0)
    }
}

fn error(code: u64, error: &str) -> Value {
    json!({ "textroom": "error", "error_code": code, "error": error })
}
