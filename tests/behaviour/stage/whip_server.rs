//! A server of WHIP (RFC 9725) in memory.

use std::{any::Any, collections::BTreeMap};

use reference_server::room::ClientId;
use rtcstorm::{
    base::PeerId,
    peer::{ConnectionEvent, TransportState},
};

use super::{FarEnds, FarServer, agenda::End};

#[derive(Default)]
pub struct WhipServer {
    sockets: BTreeMap<ClientId, PeerId>,
    /// The end of each session, the offer that it was last told, and its ETag's number.
    sessions: BTreeMap<String, Session>,
    last: u32,
    /// How many there have been.
    pub created: u32,
    /// What the endpoint answers to an offer instead of making a session.
    pub refuses: Option<u16>,
}

struct Session {
    end: End,
    offer: String,
    ices: u32,
}

/// A request, as far as it matters.
struct Request<'a> {
    method: &'a str,
    url: &'a str,
    head: &'a str,
    body: &'a str,
}

impl FarServer for WhipServer {
    fn connect(&mut self, socket: ClientId, of: PeerId) {
        self.sockets.insert(socket, of);
    }

    /// Sessions outlive it.
    fn disconnect(&mut self, socket: ClientId, _: &mut FarEnds) {
        self.sockets.remove(&socket);
    }

    fn frame(&mut self, socket: ClientId, text: &str, ends: &mut FarEnds) {
        let Some(of) = self.sockets.get(&socket).copied() else {
            return;
        };
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let (line, head) = head.split_once("\r\n").expect("a line and fields");
        let mut words = line.split(' ');
        let mut word = || words.next().expect("three of them");
        let request = Request {
            method: word(),
            url: word(),
            head,
            body,
        };
        let (status, fields, body) = match request.method {
            "POST" => self.create(of, &request, ends),
            "PATCH" => self.patch(&request, ends),
            "DELETE" => self.delete(&request, ends),
            method => panic!("{method} is none of the protocol's"),
        };
        let number = field(head, "Exchange").expect("clients number what they ask");
        let text = format!("HTTP/1.1 {status} \r\nExchange: {number}\r\n{fields}\r\n{body}");
        ends.say(socket, text);
    }

    fn happened(&mut self, end: End, event: ConnectionEvent, ends: &mut FarEnds) {
        let failed = ConnectionEvent::State(TransportState::Failed);
        if [ConnectionEvent::ChannelClosed, failed].contains(&event) {
            self.sessions.retain(|_, session| session.end != end);
            ends.close(end);
        }
    }

    fn die(&mut self) {
        *self = Self::default();
    }

    fn left_over(&self) -> usize {
        self.sessions.len()
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// A status, fields of the head, and a body.
type Response = (u16, String, String);

impl WhipServer {
    fn create(&mut self, of: PeerId, request: &Request, ends: &mut FarEnds) -> Response {
        assert_eq!(field(request.head, "Content-Type"), Some("application/sdp"));
        if let Some(status) = self.refuses {
            return (status, String::new(), "not here".to_owned());
        }
        self.created += 1;
        self.last += 1;
        let url = format!("/session/{}", self.last);
        let end = ends.create(of);
        let answer = ends.answer(end, request.body);
        let session = Session {
            end,
            offer: request.body.to_owned(),
            ices: 0,
        };
        self.sessions.insert(url.clone(), session);
        (201, format!("Location: {url}\r\nETag: \"0\"\r\n"), answer)
    }

    fn patch(&mut self, request: &Request, ends: &mut FarEnds) -> Response {
        let Some(session) = self.sessions.get_mut(request.url) else {
            return (404, String::new(), String::new());
        };
        let ufrag = attribute(request.body, "ice-ufrag").expect("a fragment has credentials");
        let former = attribute(&session.offer, "ice-ufrag").expect("an offer has credentials");
        let condition = field(request.head, "If-Match");
        if ufrag == former {
            if condition != Some(&format!("\"{}\"", session.ices)) {
                return (412, String::new(), String::new());
            }
            if request.body.contains("a=candidate:") {
                ends.candidate(session.end);
            }
            return (204, String::new(), String::new());
        }
        assert_eq!(condition, Some("*"), "it restarts whatever there is");
        session.offer = session.offer.replace(former, ufrag);
        session.ices += 1;
        let answer = ends.answer(session.end, &session.offer);
        let ufrag = attribute(&answer, "ice-ufrag").expect("an answer has credentials");
        let fragment = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:p\r\n");
        (200, format!("ETag: \"{}\"\r\n", session.ices), fragment)
    }

    fn delete(&mut self, request: &Request, ends: &mut FarEnds) -> Response {
        match self.sessions.remove(request.url) {
            Some(session) => {
                ends.close(session.end);
                (200, String::new(), String::new())
            }
            None => (404, String::new(), String::new()),
        }
    }

    /// Ends every session, of which clients are not told.
    pub fn forget(&mut self, ends: &mut FarEnds) {
        for session in std::mem::take(&mut self.sessions).into_values() {
            ends.close(session.end);
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}
