use std::convert::Infallible;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_tungstenite::tungstenite::{
    Bytes,
    http::{HeaderName, HeaderValue, Uri, header},
};

use super::{
    handshake::{account, cookies, encoded, header_texts, status_line, texts},
    ice_answer::{self, FetchedServers},
    secrets::Secrets,
    texts::{Text, Values},
    visitors::unix_s,
    way::Way,
};
use crate::{
    base::{IceUrl, SignalingEnd, SignalingFailure, show_duration},
    scenario::{Access, FetchMethod, IceFetch},
};

/// The largest answer, in bytes.
const MAX_ANSWER: usize = 256 << 10;

/// Asks somebody for ICE servers, or for credentials of those that are named.
pub(super) struct Fetcher {
    /// What it is made from.
    pub of: IceFetch,
    way: Way,
    uri: Uri,
    user_agent: String,
    account: Option<String>,
    origin: Option<String>,
    headers: Vec<(HeaderName, Text)>,
    cookies: Vec<(String, Text)>,
    query: Vec<(String, Text)>,
    body: Option<Text>,
}

impl Fetcher {
    /// To whom peers go by that `access`, as they go to `door`, the target: the target's own host is shown the same headers
    /// and cookies, but not in the clear what the target gets by TLS. Nobody else is shown any.
    ///
    /// # Errors
    /// In words, without any secret: the URL is none, or something is not there.
    pub fn new(
        of: &IceFetch,
        (door, access): (&Uri, &Access),
        trusted: &[CertificateDer<'static>],
        user_agent: String,
        secrets: &mut Secrets,
    ) -> Result<Self, String> {
        let uri: Uri = of
            .url
            .parse()
            .map_err(|error| format!("the URL of `fetch`: {error}"))?;
        let way = Way::new("the URL of `fetch`", &uri, access, trusted, secrets)?;
        let is_secure = |uri: &Uri| matches!(uri.scheme_str(), Some("https" | "wss"));
        let same_host = uri.host().map(str::to_ascii_lowercase) == door.host().map(str::to_ascii_lowercase);
        let known = same_host && (is_secure(&uri) || !is_secure(door));
        let mut headers = match known {
            true => header_texts(texts(&access.headers, secrets)?)?,
            false => Vec::new(),
        };
        let own = header_texts(texts(&of.headers, secrets)?)?;
        headers.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
        headers.extend(own);
        let body = of.body.as_ref().map(|body| Text::resolve(body, secrets));
        Ok(Self {
            way,
            user_agent,
            account: account(&uri, secrets),
            origin: access.origin.clone(),
            headers,
            cookies: match known {
                true => cookies(&access.cookies, secrets)?,
                false => Vec::new(),
            },
            query: texts(&of.query, secrets)?,
            body: body.transpose()?,
            of: of.clone(),
            uri,
        })
    }

    /// The columns of credentials that it needs.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().map(|(_, text)| text);
        let others = [&self.cookies, &self.query].into_iter().flatten();
        headers
            .chain(others.map(|(_, text)| text))
            .chain(&self.body)
            .flat_map(Text::columns)
    }

    /// The request of one peer.
    ///
    /// # Errors
    /// In words, without the value: something can't be sent.
    pub fn request(&self, values: &Values<'_>) -> Result<Request<Full<Bytes>>, String> {
        let mut query: Vec<String> = self.uri.query().map(str::to_owned).into_iter().collect();
        let more = self.query.iter();
        query.extend(more.map(|(name, text)| format!("{}={}", encoded(name), encoded(&text.fill(values)))));
        let path = self.uri.path();
        let target = match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", query.join("&")),
        };
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let method = match self.of.method {
            FetchMethod::Get => "GET",
            FetchMethod::Post => "POST",
        };
        let body = self.body.as_ref().map(|body| body.fill(values));
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .body(Full::new(Bytes::from(body.clone().unwrap_or_default())))
            .map_err(|error| format!("the URL of `fetch`: {error}"))?;
        let headers = request.headers_mut();
        let mut put = |name: HeaderName, value: &str| {
            let told = name.clone();
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| format!("the header `{told}` of `fetch` has a value that can't be sent"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok::<(), String>(())
        };
        put(header::HOST, host)?;
        put(header::CONNECTION, "close")?;
        put(header::ACCEPT, "application/json")?;
        put(header::USER_AGENT, &self.user_agent)?;
        if body.is_some() {
            put(header::CONTENT_TYPE, "application/json")?;
        }
        if let Some(account) = &self.account {
            put(header::AUTHORIZATION, account)?;
        }
        if let Some(origin) = &self.origin {
            put(header::ORIGIN, origin)?;
        }
        if !self.cookies.is_empty() {
            let all: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, text)| format!("{name}={}", text.fill(values)))
                .collect();
            put(header::COOKIE, &all.join("; "))?;
        }
        for (name, text) in &self.headers {
            put(name.clone(), &text.fill(values))?;
        }
        Ok(request)
    }

    /// Asks, and reads the answer; `own`: the URLs that the scenario names.
    pub async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        own: &[IceUrl],
    ) -> Result<FetchedServers, SignalingEnd> {
        let answered = tokio::time::timeout(self.of.within, self.send(request)).await;
        let body = answered.map_err(|_| {
            let why = format!("no answer within {}", show_duration(self.of.within));
            SignalingEnd::new(SignalingFailure::IceServersUnanswered, why)
        })??;
        ice_answer::read(&body, own, unix_s())
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Bytes, SignalingEnd> {
        let stream = self.way.open().await.map_err(|end| SignalingEnd {
            why: end.to_string(),
            failure: SignalingFailure::IceServersUnreachable,
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(no_http)?;
        let asked = async move {
            let response = sender.send_request(request).await.map_err(no_http)?;
            if !response.status().is_success() {
                return Err(refusal(&response));
            }
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| {
                let why = format!("the answer breaks off, or is over {MAX_ANSWER} bytes: {error}");
                SignalingEnd::new(SignalingFailure::IceServersNotJson, why)
            })?;
            Ok(body.to_bytes())
        };
        // Whoever asks carries the connection along, so that nothing of it is left whatever happens.
        let carried = async {
            let _ = connection.await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            answer = asked => answer,
            never = carried => match never {},
        }
    }
}

fn no_http(error: hyper::Error) -> SignalingEnd {
    let why = format!("the answer is no HTTP: {error}");
    SignalingEnd::new(SignalingFailure::IceServersNotJson, why)
}

/// By its status. Redirects are not followed: what is asked with a secret is asked of whom the scenario names.
fn refusal(response: &Response<Incoming>) -> SignalingEnd {
    let failure = match response.status().as_u16() {
        401 => SignalingFailure::IceServersHttp401,
        403 => SignalingFailure::IceServersHttp403,
        404 => SignalingFailure::IceServersHttp404,
        429 => SignalingFailure::IceServersHttp429,
        _ => SignalingFailure::IceServersHttpOther,
    };
    SignalingEnd::new(failure, status_line(response))
}
