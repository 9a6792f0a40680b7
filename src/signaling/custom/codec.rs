//! One client's end of a described protocol.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Custom, Field, Frame, InItem, Matcher, Says, Source, Text, Variable, When,
    frame::Filler,
    speaks::{apart, shortened, unread},
    text::{Known, Lookup},
};
use crate::signaling::{
    Address, Candidate, Codec, Description, Keepalive, LeaveReason, Member, Message, Reading, SdpType, Waste,
};

/// Speaks for one user in one room.
#[derive(Debug, Clone)]
pub struct Described {
    custom: Arc<Custom>,
    room_id: String,
    /// The one that it has chosen, until the server gives it another one.
    user_id: String,
    /// That of the last join.
    name: String,
    /// Frames sent on this socket.
    sent: u64,
    /// What was kept of frames of this socket.
    saved: BTreeMap<String, Value>,
    /// The id that the server has given it on this socket.
    given_id: Option<String>,
}

/// What there is to say in one frame.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    message: Option<&'a Message>,
    frame: Option<&'a Value>,
    unix_ms: Option<u64>,
}

/// Who says it.
struct Speaking<'a> {
    by: &'a Described,
    said: Said<'a>,
}

impl Lookup for Speaking<'_> {
    fn get(&self, variable: &Variable) -> Known<'_> {
        let by = self.by;
        let text = |text: &'_ str| Known::Text(text.to_owned().into());
        match variable {
            Variable::Room => Known::Text(by.room_id.as_str().into()),
            Variable::User => Known::Text(by.own_id().into()),
            Variable::Name => Known::Text(by.name.as_str().into()),
            Variable::N => Known::Number(by.sent),
            Variable::UnixMs => self.said.unix_ms.map_or(Known::Nothing, Known::Number),
            Variable::Saved(name) => match by.saved.get(name) {
                Some(value) => Known::Json(Cow::Borrowed(value)),
                None => Known::Nothing,
            },
            Variable::Frame(pointer) => match self.said.frame.and_then(|frame| pointer.find(frame)) {
                Some(value) => Known::Json(Cow::Borrowed(value)),
                None => Known::Nothing,
            },
            of_message => match (of_message, self.said.message) {
                (Variable::Token, Some(Message::Join { token, .. })) => {
                    token.as_deref().map_or(Known::Nothing, text)
                }
                (Variable::Capacity, Some(Message::Join { capacity, .. })) => {
                    Known::Number(u64::from(*capacity))
                }
                (
                    Variable::Remote,
                    Some(Message::Description { remote, .. } | Message::Candidate { remote, .. }),
                ) => text(remote),
                (Variable::Sdp, Some(Message::Description { description, .. })) => text(&description.sdp),
                (variable, Some(Message::Candidate { candidate, .. })) => of_candidate(variable, candidate),
                _ => Known::Nothing,
            },
        }
    }
}

fn of_candidate<'a>(variable: &Variable, candidate: &'a Candidate) -> Known<'a> {
    let text = |text: &'a Option<String>| text.as_deref().map_or(Known::Nothing, |t| Known::Text(t.into()));
    match variable {
        Variable::Candidate => Known::Text(candidate.candidate.as_str().into()),
        Variable::SdpMid => text(&candidate.sdp_mid),
        Variable::SdpMLineIndex => candidate
            .sdp_m_line_index
            .map_or(Known::Nothing, |index| Known::Number(u64::from(index))),
        Variable::UsernameFragment => text(&candidate.username_fragment),
        _ => Known::Nothing,
    }
}

impl Filler for Speaking<'_> {
    fn present(&self) -> &[Member] {
        match self.said.message {
            Some(Message::Join { present, .. }) => present,
            _ => &[],
        }
    }
}

impl Described {
    /// For `user_id` in the room `room_id`.
    pub fn new(custom: Arc<Custom>, room_id: &str, user_id: &str) -> Self {
        Self {
            custom,
            room_id: room_id.to_owned(),
            user_id: user_id.to_owned(),
            name: String::new(),
            sent: 0,
            saved: BTreeMap::new(),
            given_id: None,
        }
    }

    fn own_id(&self) -> &str {
        self.given_id.as_deref().unwrap_or(&self.user_id)
    }

    fn fill(&mut self, frames: &[Frame], said: Said<'_>) -> Vec<String> {
        let filled = frames.iter().map(|frame| {
            self.sent += 1;
            frame.fill(&Speaking { by: self, said })
        });
        filled.collect()
    }

    fn send(&mut self, when: When, said: Said<'_>) -> Vec<String> {
        let custom = self.custom.clone();
        let frames = custom.send.get(when).unwrap_or_default();
        self.fill(frames, said)
    }

    /// The first matcher that a frame fits, and its JSON.
    fn matcher<'c>(&self, custom: &'c Custom, text: &str) -> Option<(&'c Matcher, Value)> {
        let mut last: Option<(&str, Option<Value>)> = None;
        let values = Speaking {
            by: self,
            said: Said::default(),
        };
        for matcher in &custom.receive {
            if let Some(wanted) = &matcher.text {
                if text == wanted {
                    return Some((matcher, Value::Null));
                }
                continue;
            }
            let Some(rest) = text.strip_prefix(matcher.prefix.as_str()) else {
                continue;
            };
            if last.as_ref().is_none_or(|(prefix, _)| *prefix != matcher.prefix) {
                last = Some((&matcher.prefix, serde_json::from_str(rest).ok()));
            }
            let fits = |json: &Value| matcher.unmet(json, &values).next().is_none();
            if let Some((_, json)) = &mut last
                && json.as_ref().is_some_and(fits)
                && let Some(json) = json.take()
            {
                return Some((matcher, json));
            }
        }
        None
    }

    /// What such a frame says; `None`: it lacks a field that it needs, or is about this very client.
    fn message(&self, matcher: &Matcher, frame: &Value) -> Option<Message> {
        let read = Fields {
            matcher,
            frame,
            values: Speaking {
                by: self,
                said: Said {
                    frame: Some(frame),
                    ..Said::default()
                },
            },
        };
        let other = |id: String| (id != self.own_id()).then_some(id);
        let message = match matcher.says {
            Says::Welcome => Message::Welcome {
                members: read.members(Field::Members).unwrap_or_default(),
                token: read.text(Field::Token),
                resumed: read.flag(Field::Resumed),
                user_id: match matcher.source(Field::OwnId) {
                    // Without an id there is nobody to be.
                    Some(_) => Some(read.text(Field::OwnId)?),
                    None => None,
                },
            },
            Says::Rejected => Message::JoinRejected {
                reason: read.text(Field::Reason).unwrap_or_default(),
                message: read.text(Field::Message).unwrap_or_default(),
            },
            Says::Joined => {
                let present = read.members(Field::Present).unwrap_or_default();
                Message::MemberJoined {
                    member: Member {
                        user_id: other(read.text(Field::Id)?)?,
                        name: read.text(Field::Name).unwrap_or_default(),
                    },
                    again: read.flag(Field::Again),
                    knows_me: present.iter().any(|member| member.user_id == self.own_id()),
                }
            }
            Says::Left => Message::MemberLeft {
                user_id: other(read.text(Field::Id)?)?,
                reason: match read.text(Field::Reason).as_deref() {
                    Some("closed") => LeaveReason::Closed,
                    Some("evicted") => LeaveReason::Evicted,
                    _ => LeaveReason::Left,
                },
            },
            Says::Roster => Message::Roster {
                members: read.members(Field::Members)?,
            },
            Says::Pong => Message::Pong,
            Says::Error => {
                let about = read.text(Field::About);
                Message::Error {
                    reason: read.text(Field::Reason).unwrap_or_default(),
                    message: read.text(Field::Message).unwrap_or_default(),
                    about_join: about.as_deref() == Some("join"),
                    about_membership: about.as_deref() == Some("membership"),
                }
            }
            Says::Offer => read.description(SdpType::Offer)?,
            Says::Answer => read.description(SdpType::Answer)?,
            Says::Candidate => Message::Candidate {
                remote: read.text(Field::Remote)?,
                candidate: Candidate {
                    candidate: read.text(Field::Candidate)?,
                    sdp_mid: read.text(Field::SdpMid),
                    sdp_m_line_index: read.text(Field::SdpMLineIndex).and_then(|n| n.parse().ok()),
                    username_fragment: read.text(Field::UsernameFragment),
                },
            },
            Says::Other => Message::Other {
                kind: read.text(Field::Kind).unwrap_or_default(),
            },
            Says::Ignore | Says::OtherRoom | Says::OtherMember | Says::ServerWide => return None,
        };
        Some(message)
    }
}

/// What is taken out of a frame.
struct Fields<'a> {
    matcher: &'a Matcher,
    frame: &'a Value,
    values: Speaking<'a>,
}

impl Fields<'_> {
    fn text(&self, field: Field) -> Option<String> {
        match self.matcher.source(field)? {
            Source::At(place) => plain(place.find(self.frame)?),
            Source::Is(text) => filled(text, &self.values),
            Source::Members(_) => None,
        }
    }

    fn flag(&self, field: Field) -> bool {
        self.text(field).as_deref() == Some("true")
    }

    fn members(&self, field: Field) -> Option<Vec<Member>> {
        let Some(Source::Members(of)) = self.matcher.source(field) else {
            return None;
        };
        let member = |key: Option<&String>, item: &Value| {
            let part = |place: &InItem| match place {
                InItem::Key => key.cloned(),
                InItem::At(pointer) => plain(pointer.find(item)?),
            };
            Some(Member {
                user_id: part(&of.id)?,
                name: of.name.as_ref().and_then(part).unwrap_or_default(),
            })
        };
        match of.list.find(self.frame)? {
            Value::Array(items) => items.iter().map(|item| member(None, item)).collect(),
            Value::Object(items) => items.iter().map(|(key, item)| member(Some(key), item)).collect(),
            _ => None,
        }
    }

    fn description(&self, sdp_type: SdpType) -> Option<Message> {
        Some(Message::Description {
            remote: self.text(Field::Remote)?,
            description: Description {
                sdp_type,
                sdp: self.text(Field::Sdp)?.into(),
            },
        })
    }
}

/// A text; nothing where all of it is a variable without a value.
fn filled(text: &Text, values: &Speaking<'_>) -> Option<String> {
    match text.single() {
        Some((variable, _)) if values.get(variable) == Known::Nothing => None,
        _ => Some(text.fill(values)),
    }
}

/// A single value as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Codec for Described {
    fn opened(&mut self) -> Vec<String> {
        self.sent = 0;
        self.saved.clear();
        self.given_id = None;
        self.send(When::Open, Said::default())
    }

    fn encode(&mut self, message: &Message, unix_ms: u64) -> Vec<String> {
        let when = match message {
            Message::Join { name, .. } => {
                self.name.clone_from(name);
                When::Join
            }
            Message::Leave => When::Leave,
            Message::Ping => When::Ping,
            Message::Description { description, .. } => match description.sdp_type {
                SdpType::Offer => When::Offer,
                SdpType::Answer => When::Answer,
            },
            Message::Candidate { .. } => When::Candidate,
            _ => return Vec::new(),
        };
        let said = Said {
            message: Some(message),
            unix_ms: Some(unix_ms),
            ..Said::default()
        };
        self.send(when, said)
    }

    fn read(&mut self, text: &str) -> Reading {
        let custom = self.custom.clone();
        let Some((matcher, frame)) = self.matcher(&custom, text) else {
            return Reading::default();
        };
        for (name, place) in &matcher.save {
            if let Some(value) = place.find(&frame) {
                self.saved.insert(name.clone(), value.clone());
            }
        }
        let waste = match matcher.says {
            Says::OtherRoom => Some(Waste::OtherRoom),
            Says::OtherMember => Some(Waste::OtherMember),
            Says::ServerWide => Some(Waste::Server),
            _ => None,
        };
        let message = self.message(matcher, &frame);
        if let Some(Message::Welcome {
            user_id: Some(user_id),
            ..
        }) = &message
        {
            self.given_id = Some(user_id.clone());
        }
        let said = Said {
            frame: Some(&frame),
            ..Said::default()
        };
        Reading {
            messages: message.into_iter().collect(),
            waste,
            replies: self.fill(&matcher.reply, said),
        }
    }

    fn keepalive(&self) -> Option<Keepalive> {
        let (every, frame) = self.custom.keepalive.as_ref()?;
        Some(Keepalive {
            every: *every,
            frame: frame.fill(&Speaking {
                by: self,
                said: Said::default(),
            }),
        })
    }

    fn settles_within(&self) -> Option<Duration> {
        match self.custom.send.get(When::Ping) {
            Some(_) => None,
            None => self.custom.settles_within,
        }
    }

    fn misplaced(&self) -> Vec<String> {
        self.clone().send(When::Misplaced, Said::default())
    }

    fn unread(&self, text: &str) -> Option<String> {
        unread(self, text)
    }

    fn boxed(&self) -> Box<dyn Codec> {
        Box::new(self.clone())
    }
}

impl Described {
    /// What its socket is opened with.
    pub fn address(&self) -> Address {
        let connect = &self.custom.connect;
        let values = Speaking {
            by: self,
            said: Said::default(),
        };
        let query = connect.query.iter();
        Address {
            path: connect.path.clone().map(Cow::Owned),
            query: query
                .map(|(name, value)| (Cow::Owned(name.clone()), value.fill(&values)))
                .collect(),
            subprotocol: connect.subprotocol.clone().map(Cow::Owned),
        }
    }

    pub(super) fn custom(&self) -> &Custom {
        &self.custom
    }

    /// Which conditions of a matcher a frame does not meet: by how many thousandths, and in words.
    pub(super) fn unmet(&self, matcher: &Matcher, frame: &Value) -> Vec<(usize, String)> {
        let values = Speaking {
            by: self,
            said: Said::default(),
        };
        let unmet = matcher.unmet(frame, &values).map(|(place, condition)| {
            let value = place.find(frame);
            let is = value.map_or("not there".to_owned(), |value| shortened(&value.to_string()));
            (
                apart(value, condition),
                format!("`{place}` is {is}, not {condition}"),
            )
        });
        unmet.collect()
    }

    /// Which fields that it needs a frame lacks which fits a matcher.
    pub(super) fn lacking(&self, matcher: &Matcher, frame: &Value) -> Vec<String> {
        let read = Fields {
            matcher,
            frame,
            values: Speaking {
                by: self,
                said: Said {
                    frame: Some(frame),
                    ..Said::default()
                },
            },
        };
        let needs = matcher.says.kind().needs.iter().copied();
        let own_id =
            (matcher.says == Says::Welcome && matcher.source(Field::OwnId).is_some()).then_some(Field::OwnId);
        let lacks = |field: &Field| match field.is_members() {
            true => read.members(*field).is_none(),
            false => read.text(*field).is_none(),
        };
        let lacking = needs.chain(own_id).filter(lacks);
        lacking
            .map(|field| match matcher.source(field) {
                Some(Source::At(place)) => format!("no `{}` at `{place}`", field.word()),
                Some(Source::Members(of)) => format!("no `{}` at `{}`", field.word(), of.list),
                _ => format!("no `{}`", field.word()),
            })
            .collect()
    }

    /// The matcher that a frame fits, and its JSON.
    pub(super) fn fits(&self, text: &str) -> Option<(Matcher, Value)> {
        let found = self.matcher(&self.custom, text);
        found.map(|(matcher, frame)| (matcher.clone(), frame))
    }
}
