//! The plugin VideoRoom.

use serde_json::{Value, json};

use super::{JanusServer, Role, ack};
use crate::stage::FarEnds;

impl JanusServer {
    pub(super) fn ask_video_room(&mut self, id: u64, frame: &Value, ends: &mut FarEnds) {
        let body = &frame["body"];
        let request = body["request"].as_str().expect("a request");
        if request == "create" {
            let room = body["room"].as_u64().expect("a number");
            let is_new = self.rooms.insert(room);
            let data = match is_new {
                true => json!({ "videoroom": "created", "room": room, "permanent": false }),
                false => error(427, &format!("Room {room} already exists")),
            };
            return self.answer_at_once(id, frame, data, ends);
        }
        self.say(&self.handles[&id], ack(frame), ends);
        match (request, body["ptype"].as_str()) {
            ("join", Some("publisher")) => self.join_video_room(id, frame, ends),
            ("join", _) => self.subscribe(id, frame, ends),
            ("publish" | "configure", _) if frame["jsep"].is_object() => self.publish(id, frame, ends),
            ("configure", _) => self.configure(id, frame, ends),
            ("unpublish", _) => self.unpublish(id, frame, ends),
            ("start", _) => {
                if let Some(end) = self.handles[&id].end {
                    let sdp = frame["jsep"]["sdp"].as_str().expect("an answer");
                    ends.take_answer(end, sdp);
                }
                let data = json!({ "videoroom": "event", "started": "ok" });
                self.event(id, Some(frame), data, None, ends);
            }
            ("leave", _) => {
                self.goes_down(id, ends);
                self.leave(id, ends);
                let data = json!({ "videoroom": "event", "leaving": "ok" });
                self.event(id, Some(frame), data, None, ends);
            }
            _ => panic!("a VideoRoom knows no {frame}"),
        }
    }

    fn join_video_room(&mut self, id: u64, frame: &Value, ends: &mut FarEnds) {
        let body = &frame["body"];
        let room = body["room"].as_u64().expect("a number");
        let others = self.publishers_in(room, None);
        let user = |id: &u64| match &self.handles[id].role {
            Role::Publisher { id, .. } => id.clone(),
            _ => Value::Null,
        };
        let refused = match self.rooms.contains(&room) {
            false => Some(error(426, &format!("No such room ({room})"))),
            true if self.taken.contains(&body["id"].to_string())
                || others.iter().any(|other| user(other) == body["id"]) =>
            {
                Some(error(436, &format!("User ID {} already exists", body["id"])))
            }
            true => None,
        };
        if let Some(data) = refused {
            return self.event(id, Some(frame), data, None, ends);
        }
        let joining = json!({ "id": body["id"], "display": body["display"] });
        let (publishers, attendees): (Vec<_>, Vec<_>) = others
            .iter()
            .map(|other| self.member(*other))
            .partition(|(_, is_up)| *is_up);
        let list = |members: Vec<(Value, bool)>| members.into_iter().map(|(it, _)| it).collect::<Value>();
        let data = json!({
            "videoroom": "joined", "room": room, "id": body["id"], "private_id": id,
            "publishers": list(publishers), "attendees": list(attendees),
        });
        self.handles.get_mut(&id).expect("it is there").role = Role::Publisher {
            room,
            id: body["id"].clone(),
            display: body["display"].clone(),
            is_up: false,
        };
        self.event(id, Some(frame), data, None, ends);
        self.tell_others(room, id, ("joining", joining), ends);
    }

    fn publish(&mut self, id: u64, frame: &Value, ends: &mut FarEnds) {
        let offer = frame["jsep"]["sdp"].as_str().expect("an offer");
        let of = self.handles[&id].of;
        let end = self.handles[&id].end.unwrap_or_else(|| ends.create(of));
        let answer = ends.answer(end, offer);
        self.handles.get_mut(&id).expect("it is there").end = Some(end);
        let data = json!({ "videoroom": "event", "configured": "ok" });
        let jsep = json!({ "type": "answer", "sdp": answer });
        self.event(id, Some(frame), data, Some(jsep), ends);
    }

    fn configure(&mut self, id: u64, frame: &Value, ends: &mut FarEnds) {
        let restarts = frame["body"]["restart"] == true;
        let end = self.handles[&id].end.filter(|_| restarts);
        let offer = end.map(|end| ends.offer(end, true));
        let jsep = offer.map(|sdp| json!({ "type": "offer", "sdp": sdp }));
        let data = json!({ "videoroom": "event", "configured": "ok" });
        self.event(id, Some(frame), data, jsep, ends);
    }

    fn unpublish(&mut self, id: u64, frame: &Value, ends: &mut FarEnds) {
        let data = match self.goes_down(id, ends) {
            true => json!({ "videoroom": "event", "unpublished": "ok" }),
            false => error(435, "Can't unpublish, not published"),
        };
        self.event(id, Some(frame), data, None, ends);
    }

    fn subscribe(&mut self, id: u64, frame: &Value, ends: &mut FarEnds) {
        let feed = frame["body"]["streams"][0]["feed"].clone();
        let is_up = |id: u64| matches!(self.handles[&id].role, Role::Publisher { is_up: true, .. });
        let is_hidden = self.hidden > 0;
        self.hidden = self.hidden.saturating_sub(1);
        if is_hidden || !self.publisher(&feed).is_some_and(is_up) {
            let data = error(428, &format!("No such feed ({feed})"));
            return self.event(id, Some(frame), data, None, ends);
        }
        let end = ends.create(self.handles[&id].of);
        let handle = self.handles.get_mut(&id).expect("it is there");
        handle.end = Some(end);
        handle.role = Role::Subscriber { feed: feed.clone() };
        let data = json!({ "videoroom": "attached", "streams": [{ "active": true, "feed_id": feed }] });
        let jsep = json!({ "type": "offer", "sdp": ends.offer(end, false) });
        self.event(id, Some(frame), data, Some(jsep), ends);
    }

    // ---- what members are told

    /// The connection of a handle is up.
    pub(super) fn goes_up(&mut self, id: u64, ends: &mut FarEnds) {
        if let Role::Publisher { room, is_up, .. } = &mut self.handles.get_mut(&id).expect("it is there").role
            && !std::mem::replace(is_up, true)
        {
            let room = *room;
            let publishers = json!([self.member(id).0]);
            self.tell_others(room, id, ("publishers", publishers), ends);
        }
    }

    /// What a handle publishes is not to be had any more; whether it was.
    pub(super) fn goes_down(&mut self, id: u64, ends: &mut FarEnds) -> bool {
        let role = self.handles.get_mut(&id).map(|handle| &mut handle.role);
        let Some(Role::Publisher {
            room,
            id: user_id,
            is_up,
            ..
        }) = role
        else {
            return false;
        };
        let was_up = std::mem::take(is_up);
        let (room, user_id) = (*room, user_id.clone());
        if was_up {
            self.tell_others(room, id, ("unpublished", user_id), ends);
        }
        was_up
    }

    /// Who was in a room by that handle is not any more.
    pub(super) fn leave(&mut self, id: u64, ends: &mut FarEnds) {
        let handle = self.handles.get_mut(&id).expect("it is there");
        match std::mem::replace(&mut handle.role, Role::None) {
            Role::Publisher {
                room, id: user_id, ..
            } => self.tell_others(room, id, ("leaving", user_id), ends),
            Role::Member { room, username, .. } => self.leave_text_room(room, &username, ends),
            role => handle.role = role,
        }
    }

    fn tell_others(&self, room: u64, except: u64, (key, value): (&str, Value), ends: &mut FarEnds) {
        for other in self.publishers_in(room, Some(except)) {
            let mut data = json!({ "videoroom": "event", "room": room });
            data[key] = value.clone();
            self.event(other, None, data, None, ends);
        }
    }

    fn publishers_in(&self, wanted: u64, except: Option<u64>) -> Vec<u64> {
        let handles = self.handles.iter().filter(|(id, handle)| {
            Some(**id) != except && matches!(&handle.role, Role::Publisher { room, .. } if *room == wanted)
        });
        handles.map(|(id, _)| *id).collect()
    }

    /// The handle by which `feed` publishes.
    pub(super) fn publisher(&self, feed: &Value) -> Option<u64> {
        let mut handles = self.handles.iter();
        let is_it = |role: &Role| matches!(role, Role::Publisher { id, .. } if id == feed);
        Some(*handles.find(|(_, handle)| is_it(&handle.role))?.0)
    }

    /// A member as others are told of it, and whether its media can be had.
    fn member(&self, handle: u64) -> (Value, bool) {
        match &self.handles[&handle].role {
            Role::Publisher {
                id, display, is_up, ..
            } => (json!({ "id": id, "display": display }), *is_up),
            _ => (Value::Null, false),
        }
    }
}

fn error(code: u64, error: &str) -> Value {
    json!({ "videoroom": "event", "error_code": code, "error": error })
}
