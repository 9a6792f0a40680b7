//! Requests of HTTP/1.1 and their responses, one after the other, as a protocol writes and reads them: as text.

use std::{
    convert::Infallible,
    fmt::Write,
    net::IpAddr,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Fuse, FusedFuture},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    ext::ReasonPhrase,
};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::{
    Bytes,
    http::{HeaderName, HeaderValue, Uri, header},
};
use url::Url;

use super::{
    Transport,
    dialer::{Dialer, own},
    tls::failure_of_io,
    way::Way,
};
use crate::{
    base::{PeerId, SignalingEnd, SignalingFailure, show_duration},
    scenario::HostPattern,
    world::BoxFuture,
};

/// The header of frames that says which request a response answers ([`Carrier::Http`](crate::signaling::Carrier)).
const EXCHANGE: &str = "Exchange";
/// The largest body that is read.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Who has not answered by then does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Where requests may lead beside the target's host: by redirects, by a `Location`, or by the protocol's options.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    /// The user's own.
    pub hosts: Vec<HostPattern>,
    /// This machine.
    pub loopback: bool,
}

impl Elsewhere {
    fn holds(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.loopback && is_here || self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// A connection that one request after the other goes over.
pub(crate) struct HttpConnection {
    origin: String,
    sender: SendRequest<Full<Bytes>>,
    /// Carried along by whoever uses it, so that nothing of it is left whatever happens.
    connection: Fuse<BoxFuture<()>>,
}

impl HttpConnection {
    async fn new(origin: String, stream: Transport) -> Result<Self, SignalingEnd> {
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| broken(&error))?;
        let connection: BoxFuture<()> = Box::pin(async move {
            // What goes wrong is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self {
            origin,
            sender,
            connection: connection.fuse(),
        })
    }

    /// Keeps it going while nothing is said; ready when the server has closed it.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.connection.is_terminated() {
            true => Poll::Ready(()),
            false => self.connection.poll_unpin(cx),
        }
    }

    /// Ends it, so that the server sees a clean close.
    pub async fn close(self) {
        drop(self.sender);
        if !self.connection.is_terminated() {
            self.connection.await;
        }
    }

    /// `Err(None)`: it was over before anything was answered.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<String, Option<SignalingEnd>> {
        let Self {
            sender, connection, ..
        } = self;
        let asked = async {
            if sender.ready().await.is_err() {
                return Err(None);
            }
            let response = sender.send_request(request).await;
            let response = response.map_err(|error| {
                let is_over = error.is_canceled() || error.is_incomplete_message() || error.is_closed();
                (!is_over && !is_io(&error)).then(|| broken(&error))
            })?;
            text(response).await.map_err(Some)
        };
        let carried = async {
            connection.await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            answer = asked => answer,
            never = carried => match never {},
        }
    }
}

impl Dialer {
    /// A connection to the target for that peer; whoever waits for it knows how long.
    pub(crate) async fn connect(&self, peer: PeerId) -> Result<HttpConnection, SignalingEnd> {
        let origin = self.base.origin().ascii_serialization();
        let connected = connect(&self.way, origin).await;
        connected.map_err(|end| self.told(peer, end))
    }

    /// Sends a request and reads the response, over `kept` as long as that leads there and lives. An error is the end of
    /// all.
    pub(crate) async fn exchange(
        &self,
        peer: PeerId,
        kept: &mut Option<HttpConnection>,
        frame: &str,
    ) -> Result<String, SignalingEnd> {
        let exchanged = tokio::time::timeout(ANSWER_WITHIN, self.try_exchange(peer, kept, frame)).await;
        let exchanged = exchanged.unwrap_or_else(|_| {
            let method = frame.split(' ').next().unwrap_or_default();
            let why = format!("no answer to {method} within {}", show_duration(ANSWER_WITHIN));
            Err(SignalingEnd::new(SignalingFailure::SaidNothing, why))
        });
        exchanged.map_err(|end| self.told(peer, end))
    }

    async fn try_exchange(
        &self,
        peer: PeerId,
        kept: &mut Option<HttpConnection>,
        frame: &str,
    ) -> Result<String, SignalingEnd> {
        let number = Written::read(frame).and_then(|written| written.number);
        let answer = self.answer_to(peer, kept, frame).await?;
        Ok(match (number, answer.split_once("\r\n")) {
            (Some(number), Some((status, rest))) => format!("{status}\r\n{EXCHANGE}: {number}\r\n{rest}"),
            _ => answer,
        })
    }

    async fn answer_to(
        &self,
        peer: PeerId,
        kept: &mut Option<HttpConnection>,
        frame: &str,
    ) -> Result<String, SignalingEnd> {
        let (url, request) = self.request_of(peer, frame)?;
        let origin = url.origin().ascii_serialization();
        if let Some(connection) = kept.take_if(|kept| kept.origin != origin) {
            connection.close().await;
        }
        // The server may have closed a connection on which nothing was said, which is no answer to what is said now.
        if let Some(connection) = kept {
            match connection.ask(request.clone()).await {
                Err(None) => *kept = None,
                answer => return answer.map_err(|end| end.unwrap_or_else(unanswered)),
            }
        }
        let connection = match url.origin() == self.base.origin() {
            true => connect(&self.way, origin).await?,
            false => {
                let uri: Uri = url
                    .as_str()
                    .parse()
                    .map_err(|error| own(format!("`{url}`: {error}")))?;
                connect(&self.way.to("the URL of a request", &uri).map_err(own)?, origin).await?
            }
        };
        let answer = kept.insert(connection).ask(request).await;
        answer.map_err(|end| end.unwrap_or_else(unanswered))
    }

    /// What a peer asks, as it goes over the wire. The target is shown what lets the peer in, and nobody else.
    fn request_of(&self, peer: PeerId, frame: &str) -> Result<(Url, Request<Full<Bytes>>), SignalingEnd> {
        let written = Written::read(frame).ok_or_else(|| {
            let why = "what was to be sent is no request of HTTP";
            SignalingEnd::new(SignalingFailure::ProtocolError, why)
        })?;
        let url = self.base.join(written.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| own(format!("`{}` is no URL of HTTP", written.url)))?;
        let is_target = url.origin() == self.base.origin();
        let host = url.host_str().unwrap_or_default();
        if !is_target && self.base.host_str() != Some(host) && !self.elsewhere.holds(host) {
            let why = format!(
                "the server leads to `{host}`, which is not the target: if it is yours to load, say so with `--allow-target {host}`"
            );
            return Err(SignalingEnd::new(SignalingFailure::HttpRedirect, why));
        }
        let made = self.visitors.with(peer, |values| {
            let query = match is_target {
                true => self.opening.query(values, url.query()),
                false => url.query().unwrap_or_default().to_owned(),
            };
            let target = match query.is_empty() {
                true => url.path().to_owned(),
                false => format!("{}?{query}", url.path()),
            };
            let mut request = Request::builder()
                .method(written.method)
                .uri(target)
                .body(Full::new(Bytes::copy_from_slice(written.body.as_bytes())))
                .map_err(|error| format!("the request: {error}"))?;
            let headers = request.headers_mut();
            for (name, value) in &written.headers {
                let parsed = (HeaderName::try_from(*name), HeaderValue::try_from(*value));
                let (Ok(name), Ok(value)) = parsed else {
                    return Err(format!("the header `{name}` can't be sent"));
                };
                headers.insert(name, value);
            }
            let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
            let authority = HeaderValue::try_from(format!("{host}{port}"));
            headers.insert(header::HOST, authority.map_err(|error| error.to_string())?);
            self.opening.introduce(headers)?;
            if is_target {
                self.opening.let_in(values, headers)?;
            }
            Ok(request)
        });
        Ok((url.clone(), made.map_err(own)?))
    }
}

async fn connect(way: &Way, origin: String) -> Result<HttpConnection, SignalingEnd> {
    HttpConnection::new(origin, way.open().await?).await
}

/// A request as its protocol has written it.
struct Written<'f> {
    method: &'f str,
    /// Relative to the target's URL.
    url: &'f str,
    /// What names it in what the protocol reads.
    number: Option<&'f str>,
    headers: Vec<(&'f str, &'f str)>,
    body: &'f str,
}

impl<'f> Written<'f> {
    fn read(frame: &'f str) -> Option<Self> {
        let (head, body) = frame.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let (method, rest) = lines.next()?.split_once(' ')?;
        let (url, _) = rest.rsplit_once(' ')?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name, value.trim()));
        let (own, headers): (Vec<_>, Vec<_>) =
            headers.partition(|(name, _)| name.eq_ignore_ascii_case(EXCHANGE));
        Some(Self {
            method,
            url: url.trim(),
            number: own.first().map(|(_, number)| *number),
            headers,
            body,
        })
    }
}

/// A response as its protocol reads it.
async fn text(response: Response<Incoming>) -> Result<String, SignalingEnd> {
    let status = response.status();
    let phrase = response.extensions().get::<ReasonPhrase>();
    let phrase = phrase.map(|phrase| String::from_utf8_lossy(phrase.as_bytes()));
    let phrase = phrase.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().into());
    let mut text = format!("HTTP/1.1 {} {phrase}\r\n", status.as_u16());
    for (name, value) in response.headers() {
        let _ = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    text += "\r\n";
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => SignalingEnd::new(
            SignalingFailure::FrameTooLarge,
            format!("a response of more than {MAX_BODY_BYTES} bytes"),
        ),
        false => SignalingEnd::new(
            SignalingFailure::ConnectionLost,
            format!("a response breaks off: {error}"),
        ),
    })?;
    match std::str::from_utf8(&body.to_bytes()) {
        Ok(body) => Ok(text + body),
        Err(_) => Err(SignalingEnd::new(
            SignalingFailure::UnsupportedData,
            "a response that is no text (UTF-8)",
        )),
    }
}

fn unanswered() -> SignalingEnd {
    let why = "the connection has ended before a request was answered";
    SignalingEnd::new(SignalingFailure::ConnectionLost, why)
}

/// Whether the connection failed, not what was said on it.
fn is_io(error: &hyper::Error) -> bool {
    io_of(error).is_some_and(|io| failure_of_io(io) == SignalingFailure::ConnectionLost)
}

fn io_of(error: &hyper::Error) -> Option<&std::io::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

fn broken(error: &hyper::Error) -> SignalingEnd {
    match io_of(error) {
        Some(io) => SignalingEnd::new(failure_of_io(io), io.to_string()),
        None => SignalingEnd::new(
            SignalingFailure::ProtocolError,
            format!("a response is no HTTP: {error}"),
        ),
    }
}
