use std::sync::Arc;

use super::{
    fragment,
    http::{Request, Response, resolve},
};
use crate::signaling::Candidate;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const IF_MATCH: &str = "If-Match";
/// The precondition of an ICE restart (RFC 9725, 4.3.3; RFC 9110, 13.1.1).
const ANY: &str = "*";
/// What a server wants that takes it for an entity tag.
const ANY_QUOTED: &str = "\"*\"";
/// So many redirects of one request are followed, one after the other.
const MAX_REDIRECTS: u32 = 5;

/// A resource that is there.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Its URL, relative to the target's.
    pub url: String,
    /// Names the ICE session.
    pub etag: Option<String>,
    /// What the server has answered last.
    pub answer: String,
}

impl Session {
    pub fn note_etag(&mut self, response: &Response<'_>) {
        if let Some(etag) = response.header("etag") {
            self.etag = Some(etag.to_owned());
        }
    }
}

/// Candidates of one gathering, and the offer that they belong to.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub offer: Arc<str>,
    pub candidates: Vec<Candidate>,
}

/// What a request asks for. `is_wanted`: no newer offer, and no leave, has made its answer useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Publish { is_wanted: bool },
    Restart { is_wanted: bool },
    Trickle { is_wanted: bool },
    Delete,
}

impl About {
    /// Nobody waits for it any more.
    pub fn forget(&mut self) {
        match self {
            Self::Publish { is_wanted } | Self::Restart { is_wanted } | Self::Trickle { is_wanted } => {
                *is_wanted = false;
            }
            Self::Delete => {}
        }
    }
}

/// A request whose response has not come yet.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub request: Request,
    pub about: About,
    /// Which one it is, of all of its client's.
    pub number: u64,
    /// When it began, by the clock of what the client has said last.
    pub began_unix_ms: u64,
    redirects: u32,
}

impl Exchange {
    fn new(request: Request, about: About) -> Self {
        Self {
            request,
            about,
            number: 0,
            began_unix_ms: 0,
            redirects: 0,
        }
    }

    pub fn publish(endpoint: &str, offer: &str) -> Self {
        let request = Request {
            method: "POST",
            url: endpoint.to_owned(),
            headers: vec![("Content-Type", SDP.to_owned())],
            body: offer.to_owned(),
        };
        Self::new(request, About::Publish { is_wanted: true })
    }

    pub fn restart(session: &Session, told: &Told) -> Self {
        let body = fragment::write(&told.offer, &told.candidates, true);
        let request = patch(session, Some(ANY), body);
        Self::new(request, About::Restart { is_wanted: true })
    }

    pub fn trickle(session: &Session, told: &Told) -> Self {
        let body = fragment::write(&told.offer, &told.candidates, false);
        let request = patch(session, session.etag.as_deref(), body);
        Self::new(request, About::Trickle { is_wanted: true })
    }

    pub fn delete(session: Session) -> Self {
        let request = Request {
            method: "DELETE",
            url: session.url,
            headers: Vec::new(),
            body: String::new(),
        };
        Self::new(request, About::Delete)
    }

    /// The same request where the response sends it, if it does (RFC 9725, 4.5). What is permanent holds for the session.
    pub fn redirected(&self, response: &Response<'_>, session: Option<&mut Session>) -> Option<Self> {
        let is_useless = self.about == About::Publish { is_wanted: false };
        if !matches!(response.status, 307 | 308) || self.redirects == MAX_REDIRECTS || is_useless {
            return None;
        }
        let mut onward = self.clone();
        onward.request.url = resolve(&self.request.url, response.header("location")?);
        onward.redirects += 1;
        if let (308, Some(session), About::Trickle { .. } | About::Restart { .. }) =
            (response.status, session, self.about)
        {
            session.url.clone_from(&onward.request.url);
        }
        Some(onward)
    }

    /// A restart once more whose bare `*` the server has not understood.
    pub fn quoted(&self, response: &Response<'_>) -> Option<Self> {
        if response.status != 412 || self.about != (About::Restart { is_wanted: true }) {
            return None;
        }
        let mut quoted = self.clone();
        let mut headers = quoted.request.headers.iter_mut();
        let (_, value) = headers.find(|(name, value)| *name == IF_MATCH && value == ANY)?;
        ANY_QUOTED.clone_into(value);
        Some(quoted)
    }
}

fn patch(session: &Session, condition: Option<&str>, body: String) -> Request {
    let condition = condition.map(|tag| (IF_MATCH, tag.to_owned()));
    let kind = ("Content-Type", FRAGMENT.to_owned());
    Request {
        method: "PATCH",
        url: session.url.clone(),
        headers: [kind].into_iter().chain(condition).collect(),
        body,
    }
}
