use std::{collections::VecDeque, sync::Arc, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    WhipOptions,
    exchange::{About, Exchange, Session, Told},
    fragment,
    http::{Link, Response, request_parts, resolve},
};
use crate::signaling::{Candidate, Client, Codec, Description, Message, OfferedIceServer, Reading, SdpType};

/// Where a newer offer or a leave waits for it, a request that is so old is taken for lost.
const LOST_AFTER_MS: u64 = 5_000;
/// The most ICE servers of a response.
const MAX_ICE_SERVERS: usize = 16;
/// A request is answered by then, on any network that media can do with.
const SETTLES_WITHIN: Duration = Duration::from_millis(300);
/// What stays as it is in a segment of a path (RFC 3986's unreserved characters).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client's end of one session after the other. Each request waits for the response to the one before it.
#[derive(Debug, Clone)]
pub struct Resource {
    endpoint: String,
    /// A join waits for its offer, or for the response to that.
    joining: bool,
    /// The newest offer of this client that is wanted: candidates are its.
    offer: Option<Arc<str>>,
    waiting: VecDeque<Wish>,
    under_way: Option<Exchange>,
    session: Option<Session>,
    /// How many requests there have been.
    asked: u64,
    /// The clock when something was said last.
    unix_ms: u64,
    /// The server takes candidates one by one, as far as it is known.
    takes_candidates: bool,
}

/// What is to be asked of the server.
#[derive(Debug, Clone)]
enum Wish {
    Publish(Arc<str>),
    Restart(Told),
    Trickle(Told),
    Delete,
    /// A session that nobody waits for any more.
    Discard(Session),
}

impl Resource {
    /// That client's end.
    pub fn new(options: &WhipOptions, client: Client<'_>) -> Self {
        let encoded = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
        let endpoint = options
            .endpoint
            .replace("${room}", &encoded(client.room_id))
            .replace("${user}", &encoded(client.user_id))
            .replace("${peer}", &client.number.to_string());
        Self {
            endpoint,
            joining: false,
            offer: None,
            waiting: VecDeque::new(),
            under_way: None,
            session: None,
            asked: 0,
            unix_ms: 0,
            takes_candidates: true,
        }
    }

    // ---- what is wanted

    /// The newest offer: of the connection that is published it is an ICE restart, of another one a session of its own.
    fn publish(&mut self, offer: &Description) {
        self.give_up();
        let posting = matches!(
            &self.under_way,
            Some(Exchange {
                about: About::Publish { is_wanted: true },
                ..
            })
        );
        let waits = self.waiting.iter().any(|wish| matches!(wish, Wish::Publish(_)));
        if (posting || waits) && self.offer.as_ref() == Some(&offer.sdp) {
            return;
        }
        let restarts = self.offer.take().is_some_and(|sdp| {
            let former = Description {
                sdp_type: SdpType::Offer,
                sdp,
            };
            let fingerprint = former.dtls_fingerprint();
            fingerprint.is_some()
                && fingerprint == offer.dtls_fingerprint()
                && former.ufrag() != offer.ufrag()
        });
        let is_there = posting || self.session.is_some() && !self.joining;
        self.forget_former();
        let sdp = offer.sdp.clone();
        self.waiting.push_back(match restarts && is_there && !waits {
            true => Wish::Restart(Told {
                offer: sdp.clone(),
                candidates: Vec::new(),
            }),
            false => Wish::Publish(sdp.clone()),
        });
        self.offer = Some(sdp);
    }

    /// What has not been answered for long may never be: the response, should it come, is known by its number.
    fn give_up(&mut self) {
        let now = self.unix_ms;
        let is_lost = |exchange: &mut Exchange| exchange.began_unix_ms.saturating_add(LOST_AFTER_MS) <= now;
        self.under_way.take_if(is_lost);
    }

    /// Nothing of what the former offer was about is wanted any more, but that its session is deleted.
    fn forget_former(&mut self) {
        self.waiting
            .retain(|wish| matches!(wish, Wish::Delete | Wish::Discard(_)));
        if let Some(exchange) = &mut self.under_way {
            exchange.about.forget();
        }
    }

    fn tell(&mut self, candidate: &Candidate) {
        let Some(offer) = &self.offer else {
            return;
        };
        let candidates = match self.waiting.back_mut() {
            Some(Wish::Trickle(told) | Wish::Restart(told)) => &mut told.candidates,
            _ => {
                let candidates = vec![candidate.clone()];
                let offer = offer.clone();
                return self.waiting.push_back(Wish::Trickle(Told { offer, candidates }));
            }
        };
        candidates.push(candidate.clone());
    }

    fn leave(&mut self) {
        self.give_up();
        self.joining = false;
        self.offer = None;
        self.forget_former();
        self.waiting.push_back(Wish::Delete);
    }

    // ---- requests

    /// The next request, if none is under way.
    fn next(&mut self) -> Vec<String> {
        while self.under_way.is_none()
            && let Some(wish) = self.waiting.pop_front()
        {
            if let Some(exchange) = self.begin(wish) {
                return self.ask(exchange);
            }
        }
        Vec::new()
    }

    fn ask(&mut self, mut exchange: Exchange) -> Vec<String> {
        self.asked += 1;
        exchange.number = self.asked;
        exchange.began_unix_ms = self.unix_ms;
        let text = exchange.request.text(exchange.number);
        self.under_way = Some(exchange);
        vec![text]
    }

    fn begin(&mut self, wish: Wish) -> Option<Exchange> {
        Some(match (wish, &mut self.session) {
            (Wish::Publish(offer), session @ Some(_)) => {
                self.waiting.push_front(Wish::Publish(offer));
                Exchange::delete(session.take()?)
            }
            (Wish::Publish(offer), None) => Exchange::publish(&self.endpoint, &offer),
            // Of a session that has not come about nothing is restarted.
            (Wish::Restart(told), None) => {
                let exchange = Exchange::publish(&self.endpoint, &told.offer);
                if !told.candidates.is_empty() {
                    self.waiting.push_front(Wish::Trickle(told));
                }
                exchange
            }
            (Wish::Restart(told), Some(session)) => Exchange::restart(session, &told),
            (Wish::Trickle(told), Some(session)) if self.takes_candidates => {
                Exchange::trickle(session, &told)
            }
            (Wish::Delete, session @ Some(_)) => Exchange::delete(session.take()?),
            (Wish::Discard(session), _) => Exchange::delete(session),
            (Wish::Trickle(_) | Wish::Delete, _) => return None,
        })
    }

    // ---- responses

    fn answered(&mut self, exchange: &Exchange, response: &Response<'_>) -> Vec<Message> {
        match (exchange.about, response.status) {
            (About::Publish { is_wanted }, 201) => self.created(is_wanted, &exchange.request.url, response),
            (About::Restart { is_wanted }, 200) => self.restarted(is_wanted, response),
            (About::Publish { is_wanted: true } | About::Restart { is_wanted: true }, status) => {
                self.refused(status.to_string(), response.why())
            }
            (About::Publish { .. } | About::Restart { .. }, _) => Vec::new(),
            // An entity tag is new with an ICE session, which candidates are none (RFC 9725, 4.3.1).
            (About::Trickle { .. }, 200..=299) => Vec::new(),
            // Neither is retried (RFC 9725, 4.3): the connection has to do with the candidates of the descriptions.
            (About::Trickle { .. }, 405 | 415 | 422 | 501) => {
                self.takes_candidates = false;
                let kind = format!("{} to PATCH: no candidates by themselves", response.status);
                vec![Message::Other { kind }]
            }
            (About::Trickle { is_wanted }, 404 | 410) => {
                self.session = None;
                match is_wanted {
                    true => self.refused(response.status.to_string(), response.why()),
                    false => Vec::new(),
                }
            }
            (About::Delete, 200..=299 | 404 | 410) => Vec::new(),
            (About::Trickle { .. } | About::Delete, status) => vec![Message::Error {
                reason: status.to_string(),
                message: format!("{} to {}", response.why(), exchange.request.method),
                about_join: false,
                about_membership: false,
            }],
        }
    }

    /// There is a session.
    fn created(&mut self, is_wanted: bool, posted_to: &str, response: &Response<'_>) -> Vec<Message> {
        let location = response.header("location");
        self.session = location.map(|location| Session {
            url: resolve(posted_to, location),
            etag: response.header("etag").map(str::to_owned),
            answer: response.body.to_owned(),
        });
        if !is_wanted {
            return Vec::new();
        }
        if !response.body.starts_with("v=") {
            self.waiting.push_back(Wish::Delete);
            return self.refused("no_answer".to_owned(), "201 without an answer in SDP".to_owned());
        }
        let mut messages = self.joined();
        if location.is_none() {
            let kind = "201 without Location: the session can be neither changed nor deleted".to_owned();
            messages.push(Message::Other { kind });
        }
        let servers = ice_servers(response);
        if !servers.is_empty() {
            messages.push(Message::IceServers { servers });
        }
        messages.push(answer(response.body));
        messages
    }

    /// The server has other ICE credentials now.
    fn restarted(&mut self, is_wanted: bool, response: &Response<'_>) -> Vec<Message> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        session.note_etag(response);
        let Some(sdp) = fragment::restarted(&session.answer, response.body) else {
            return match is_wanted {
                true => self.refused("no_answer".to_owned(), "200 without ICE credentials".to_owned()),
                false => Vec::new(),
            };
        };
        session.answer = sdp;
        let restarted = answer(&session.answer);
        if !is_wanted {
            return Vec::new();
        }
        let mut messages = self.joined();
        messages.push(restarted);
        messages
    }

    /// The response to a request that was given up, or another one to a request that was answered: what it has created is
    /// not wanted.
    fn stray(&mut self, response: Option<&Response<'_>>) -> Reading {
        let created = response.filter(|response| response.status == 201 && response.number().is_some());
        if let Some(location) = created.and_then(|response| response.header("location")) {
            let url = resolve(&self.endpoint, location);
            if self.session.as_ref().is_none_or(|session| session.url != url) {
                self.waiting.push_front(Wish::Discard(Session {
                    url,
                    etag: None,
                    answer: String::new(),
                }));
            }
        }
        Reading {
            replies: self.next(),
            ..Reading::default()
        }
    }

    fn joined(&mut self) -> Vec<Message> {
        let welcome = || Message::Welcome {
            members: Vec::new(),
            token: None,
            resumed: false,
            user_id: None,
        };
        std::mem::take(&mut self.joining)
            .then(welcome)
            .into_iter()
            .collect()
    }

    /// There is no connection for the newest offer, and none will come of it.
    fn refused(&mut self, reason: String, message: String) -> Vec<Message> {
        self.offer = None;
        self.forget_former();
        vec![match std::mem::take(&mut self.joining) {
            true => Message::JoinRejected { reason, message },
            false => Message::Ended {
                remote: Message::SERVER.to_owned(),
                reason: format!("{reason} {message}").trim_end().to_owned(),
            },
        }]
    }

    /// What is no response ends the exchange: there will be no other.
    fn failed(&mut self, about: About) -> Vec<Message> {
        match about {
            About::Publish { is_wanted: true } | About::Restart { is_wanted: true } => self.refused(
                "no_http".to_owned(),
                "what has come is no response of HTTP".to_owned(),
            ),
            _ => Vec::new(),
        }
    }
}

impl Codec for Resource {
    /// Sessions outlive the connections that they were asked for on; requests do not.
    fn opened(&mut self) -> Vec<String> {
        self.under_way = None;
        self.waiting.clear();
        Vec::new()
    }

    fn encode(&mut self, message: &Message, unix_ms: u64) -> Vec<String> {
        self.unix_ms = self.unix_ms.max(unix_ms);
        match message {
            Message::Join { .. } => self.joining = true,
            Message::Leave => self.leave(),
            Message::Description { remote, description }
                if remote == Message::SERVER && description.sdp_type == SdpType::Offer =>
            {
                self.publish(description);
            }
            Message::Candidate { remote, candidate } if remote == Message::SERVER => self.tell(candidate),
            _ => return Vec::new(),
        }
        self.next()
    }

    fn read(&mut self, text: &str) -> Reading {
        let response = Response::read(text);
        let number = response.as_ref().and_then(Response::number);
        let is_next = |exchange: &mut Exchange| number.is_none_or(|number| number == exchange.number);
        let Some(exchange) = self.under_way.take_if(is_next) else {
            return self.stray(response.as_ref());
        };
        let Some(response) = response else {
            let messages = self.failed(exchange.about);
            return Reading {
                messages,
                replies: self.next(),
                waste: None,
            };
        };
        if let Some(onward) = exchange.redirected(&response, self.session.as_mut()) {
            let replies = self.ask(onward);
            return Reading {
                replies,
                ..Reading::default()
            };
        }
        if let Some(quoted) = exchange.quoted(&response) {
            let kind = "412 to a bare `If-Match: *`, which RFC 9725 asks for; it is quoted now".to_owned();
            return Reading {
                messages: vec![Message::Other { kind }],
                replies: self.ask(quoted),
                waste: None,
            };
        }
        let messages = self.answered(&exchange, &response);
        Reading {
            messages,
            replies: self.next(),
            waste: None,
        }
    }

    fn overheard(&mut self, frame: &str) {
        let Some((method, url, number, body)) = request_parts(frame) else {
            return;
        };
        let mut exchange = match method {
            "POST" => {
                self.joining = self.session.is_none();
                self.offer = Some(body.into());
                Exchange::publish(url, body)
            }
            "PATCH" => {
                let Some(session) = &self.session else {
                    return;
                };
                let offer: Arc<str> = self.offer.clone().unwrap_or_default();
                let told = Told {
                    offer,
                    candidates: Vec::new(),
                };
                match fragment::ufrag(body) == fragment::ufrag(&told.offer) {
                    true => Exchange::trickle(session, &told),
                    false => Exchange::restart(session, &told),
                }
            }
            "DELETE" => match self.session.take() {
                Some(session) => Exchange::delete(session),
                None => return,
            },
            _ => return,
        };
        exchange.number = number;
        self.under_way = Some(exchange);
    }

    fn settles_within(&self) -> Option<Duration> {
        Some(SETTLES_WITHIN)
    }

    fn unread(&self, text: &str) -> Option<String> {
        let is_response = Response::read(text).is_some();
        (!is_response).then(|| "it is no response of HTTP".to_owned())
    }

    fn boxed(&self) -> Box<dyn Codec> {
        Box::new(self.clone())
    }
}

fn answer(sdp: &str) -> Message {
    Message::Description {
        remote: Message::SERVER.to_owned(),
        description: Description {
            sdp_type: SdpType::Answer,
            sdp: sdp.into(),
        },
    }
}

/// Those that the server offers by `Link` (RFC 9725, 4.6).
fn ice_servers(response: &Response<'_>) -> Vec<OfferedIceServer> {
    let links = response.headers("link").flat_map(Link::read_all);
    let servers = links.filter(|link| link.is_a("ice-server")).map(|link| {
        let parameter = |name: &str| link.parameter(name).map(str::to_owned);
        OfferedIceServer {
            urls: vec![link.target.clone()],
            username: parameter("username"),
            credential: parameter("credential"),
        }
    });
    servers.take(MAX_ICE_SERVERS).collect()
}
