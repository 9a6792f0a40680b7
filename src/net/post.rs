//! Sends one body to a server, bounded in time.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::turn_tls;

/// What of an answer is told if it is a refusal.
const MAX_ANSWER: usize = 4_096;

/// `POST`s `body` to `url` (`http://` or `https://`), with `headers`.
///
/// # Errors
/// In words: it does not answer `within` that time, or refuses.
pub async fn post(
    url: &Uri,
    content_type: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
    within: Duration,
) -> Result<(), String> {
    tokio::time::timeout(within, connect_and_send(url, content_type, headers, body))
        .await
        .map_err(|_| format!("no answer within {within:?}"))?
}

async fn connect_and_send(
    url: &Uri,
    content_type: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Result<(), String> {
    let (Some(host), Some(authority)) = (url.host(), url.authority()) else {
        return Err("its URL has no host".to_owned());
    };
    let host = host.trim_matches(['[', ']']);
    let is_secure = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, content_type)
        .header(CONNECTION, "close");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| error.to_string())?;
    if !is_secure {
        return send(stream, request).await;
    }
    let connector = turn_tls::connector(&[]).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = connector.connect(name, stream).await;
    send(stream.map_err(|error| error.to_string())?, request).await
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(), String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let asked = async move {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let said = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned());
        Err(match said {
            Ok(said) if !said.is_empty() && said.len() < 200 && !said.contains(|c: char| c.is_control()) => {
                format!("it answers {status}: {said}")
            }
            _ => format!("it answers {status}"),
        })
    };
    // Whoever asks carries the connection along, so that nothing of it is left whatever happens.
    let carried = async {
        let _ = connection.await;
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        answer = asked => answer,
        never = carried => match never {},
    }
}
