//! Asks a server what it holds: `GET` of its metrics, bounded in time and size.

use std::{convert::Infallible, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::prometheus;
use crate::world::ServerLoad;

/// A server that takes longer is not waited for.
const WITHIN: Duration = Duration::from_secs(2);
/// The longest page.
const MAX_PAGE: usize = 4 * 1024 * 1024;

/// What the server at `url` (`http://`) holds.
///
/// # Errors
/// It does not answer, or what it says has no figure that is known.
pub(super) async fn scrape(url: &str) -> Result<ServerLoad, String> {
    let page = tokio::time::timeout(WITHIN, page(url))
        .await
        .map_err(|_| format!("no answer within {WITHIN:?}"))??;
    prometheus::load(&page).ok_or_else(|| "its metrics have no figure that is known".to_owned())
}

/// The processor time that the process of the server at `url` (`http://`) has used, in seconds.
///
/// # Errors
/// It does not answer, or does not tell that.
pub async fn server_cpu_s(url: &str) -> Result<f64, String> {
    let page = tokio::time::timeout(WITHIN, page(url))
        .await
        .map_err(|_| format!("no answer within {WITHIN:?}"))??;
    prometheus::cpu_s(&page).ok_or_else(|| "its metrics do not tell its processor time".to_owned())
}

async fn page(url: &str) -> Result<String, String> {
    let uri: Uri = url.parse().map_err(|error| format!("its URL: {error}"))?;
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
        return Err("its URL has no host".to_owned());
    };
    let addr = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(addr)
        .await
        .map_err(|error| error.to_string())?;
    // A connection of its own each time: the server may be another one by now.
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(ACCEPT, "text/plain;version=0.0.4")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let asked = async move {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_PAGE).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A server that gives everybody this answer, and its URL.
    async fn serve(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/metrics?all", listener.local_addr().expect("bound"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1_024];
                let read = stream.read(&mut request).await.unwrap_or(0);
                assert!(request[..read].starts_with(b"GET /metrics?all HTTP/1.1\r\n"));
                let _ = stream.write_all(&answer).await;
            }
        });
        url
    }

    #[tokio::test]
    async fn a_page_is_read_to_its_end() {
        let url = serve(b"HTTP/1.1 200 OK\r\n\r\nx_rooms 3\nx_members 5\n".to_vec()).await;
        let load = scrape(&url).await.expect("it tells");
        assert_eq!((load.rooms, load.members), (Some(3), Some(5)));
    }

    #[tokio::test]
    async fn what_is_no_page_of_metrics_is_told() {
        let long = [
            b"HTTP/1.1 200 OK\r\n\r\nx_rooms 3\n".to_vec(),
            vec![b'#'; MAX_PAGE],
        ]
        .concat();
        for (answer, why) in [
            (
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
                "it answers 404",
            ),
            (
                b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec(),
                "its metrics have no figure",
            ),
            (b"what?".to_vec(), "invalid HTTP"),
            (Vec::new(), "connection closed"),
            (long, "length limit exceeded"),
        ] {
            let told = scrape(&serve(answer).await).await.expect_err(why);
            assert!(told.contains(why), "{told}, not {why}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/metrics", listener.local_addr().expect("bound"));
        drop(listener);
        let told = scrape(&url).await.expect_err("nobody is there");
        assert!(told.contains("refused"), "{told}");
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/metrics", listener.local_addr().expect("bound"));
        assert_eq!(
            scrape(&url).await.expect_err("it is silent"),
            "no answer within 2s"
        );
        drop(listener);
    }
}
