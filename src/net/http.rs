use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use futures_util::{Sink, Stream};

use super::dial::{Dialer, HttpConnection};
use crate::{
    base::{PeerId, SignalingEnd},
    world::{BoxFuture, Census, Counted, Holding, SignalingSocket},
};

/// So many requests wait for the responses to those before them; then nothing more is taken.
const MAX_WAITING: usize = 16;

/// Connects to the server; whoever waits for it knows how long.
pub(super) async fn open(
    dialer: Arc<Dialer>,
    peer: PeerId,
    census: Arc<Census>,
) -> Result<SignalingSocket, SignalingEnd> {
    let connection = dialer.connect(peer).await?;
    Ok(Box::pin(Http {
        dialer,
        peer,
        state: State::Idle(Some(connection)),
        waiting: VecDeque::new(),
        arrived: VecDeque::new(),
        reader: None,
        _counted: census.count(Holding::Socket),
    }))
}

/// Requests out, responses in, each request after the response to the one before it. Connections come and go: who has
/// nothing to say may be hung up on.
struct Http {
    dialer: Arc<Dialer>,
    peer: PeerId,
    state: State,
    waiting: VecDeque<String>,
    arrived: VecDeque<Result<String, SignalingEnd>>,
    /// Whoever waits for what arrives.
    reader: Option<Waker>,
    _counted: Counted,
}

enum State {
    /// The connection that the last request has left, as long as it lives.
    Idle(Option<HttpConnection>),
    Asking(BoxFuture<(Option<HttpConnection>, Result<String, SignalingEnd>)>),
    Closing(BoxFuture<()>),
    Over,
}

impl Http {
    /// Goes on with what is asked and is to be asked.
    fn drive(&mut self, cx: &mut Context<'_>) {
        loop {
            match &mut self.state {
                State::Idle(kept) => {
                    if kept.as_mut().is_some_and(|kept| kept.poll_closed(cx).is_ready()) {
                        *kept = None;
                    }
                    let Some(frame) = self.waiting.pop_front() else {
                        return;
                    };
                    let (mut kept, dialer, peer) = (kept.take(), self.dialer.clone(), self.peer);
                    self.state = State::Asking(Box::pin(async move {
                        let answer = dialer.exchange(peer, &mut kept, &frame).await;
                        (kept, answer)
                    }));
                }
                State::Asking(asking) => {
                    let Poll::Ready((kept, answer)) = asking.as_mut().poll(cx) else {
                        return;
                    };
                    self.state = match answer {
                        Ok(_) => State::Idle(kept),
                        Err(_) => State::Over,
                    };
                    self.arrived.push_back(answer);
                    if let Some(reader) = self.reader.take() {
                        reader.wake();
                    }
                }
                State::Closing(_) | State::Over => return,
            }
        }
    }
}

impl Stream for Http {
    type Item = Result<String, SignalingEnd>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.drive(cx);
        if let Some(arrived) = self.arrived.pop_front() {
            return Poll::Ready(Some(arrived));
        }
        if let State::Over = self.state {
            return Poll::Ready(None);
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Sink<String> for Http {
    type Error = SignalingEnd;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        self.drive(cx);
        match self.waiting.len() < MAX_WAITING {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn start_send(mut self: Pin<&mut Self>, frame: String) -> Result<(), SignalingEnd> {
        // What is sent after the end is lost, as with any socket; whoever reads hears of the end.
        if !matches!(self.state, State::Over) {
            self.waiting.push_back(frame);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        self.drive(cx);
        Poll::Ready(Ok(()))
    }

    /// What is sent is answered first, for what is not asked to its end may not have been heard.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SignalingEnd>> {
        self.drive(cx);
        if let State::Idle(kept) = &mut self.state {
            let kept = kept.take();
            self.state = State::Closing(Box::pin(async move {
                if let Some(kept) = kept {
                    kept.close().await;
                }
            }));
        }
        match &mut self.state {
            State::Closing(closing) => {
                ready!(closing.as_mut().poll(cx));
                self.state = State::Over;
                Poll::Ready(Ok(()))
            }
            State::Over => Poll::Ready(Ok(())),
            State::Idle(_) | State::Asking(_) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    use futures_util::{SinkExt, StreamExt};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::{
        base::{Instant, SignalingFailure},
        net::{Elsewhere, Fetches, Guests, Tap, tap::Tapped},
        scenario::{Access, Secret},
    };

    /// What a server does about a request.
    enum Act {
        Say(Vec<u8>),
        SayAndClose(Vec<u8>),
        Close,
    }

    /// Requests, each with the number of its connection.
    type Heard = Arc<Mutex<Vec<(usize, String)>>>;

    fn ok(body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 200 Fine\r\nContent-Length: {length}\r\nETag: \"1\"\r\n\r\n{body}").into_bytes()
    }

    /// A server on this machine.
    async fn serve(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> (SocketAddr, Heard) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let (heard, act) = (Heard::default(), Arc::new(act));
        let told = heard.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (heard, act) = (told.clone(), act.clone());
                tokio::spawn(async move { converse(stream, number, &heard, &*act).await });
            }
        });
        (addr, heard)
    }

    async fn converse(
        mut stream: TcpStream,
        number: usize,
        heard: &Heard,
        act: &(dyn Fn(&str) -> Act + Sync),
    ) {
        let mut bytes = Vec::new();
        loop {
            let text = loop {
                if let Some(text) = whole(&mut bytes) {
                    break text;
                }
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            let done = act(&text);
            heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((number, text));
            match done {
                Act::Say(answer) => drop(stream.write_all(&answer).await),
                Act::SayAndClose(answer) => return drop(stream.write_all(&answer).await),
                Act::Close => return,
            }
        }
    }

    /// The first request, if all of it is there.
    fn whole(bytes: &mut Vec<u8>) -> Option<String> {
        let text = String::from_utf8(bytes.clone()).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let length = length.unwrap_or(0);
        (body.len() >= length).then(|| {
            let end = head.len() + 4 + length;
            bytes.drain(..end);
            text[..end].to_owned()
        })
    }

    fn dialer(url: &str, access: &Access) -> Dialer {
        Dialer::new(url, access, Guests::default(), Fetches::default()).expect("it is a way")
    }

    async fn socket(dialer: Dialer) -> (SignalingSocket, Arc<Census>) {
        let census = Arc::new(Census::default());
        let opened = open(Arc::new(dialer), PeerId(0), census.clone()).await;
        (opened.expect("the server is there"), census)
    }

    async fn next(socket: &mut SignalingSocket) -> Option<Result<String, SignalingEnd>> {
        let next = tokio::time::timeout(Duration::from_secs(20), socket.next());
        next.await.expect("something comes")
    }

    fn heard(of: &Heard) -> Vec<(usize, String)> {
        of.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[tokio::test]
    async fn responses_come_in_the_order_of_requests_over_one_connection() {
        let (addr, requests) = serve(|text| {
            let path = text.split(' ').nth(1).unwrap_or_default();
            Act::Say(ok(&format!("answer to {path}")))
        })
        .await;
        let (mut socket, census) =
            socket(dialer(&format!("http://{addr}/base/x?key=1"), &Access::default())).await;
        for frame in [
            "POST a HTTP/1.1\r\nContent-Type: application/sdp\r\n\r\nv=0",
            "PATCH /b?q HTTP/1.1\r\nExchange: 7\r\n\r\nbody",
            "DELETE  HTTP/1.1\r\n\r\n",
        ] {
            socket.send(frame.to_owned()).await.expect("it is open");
        }
        for (path, number) in [
            ("/base/a?key=1", ""),
            ("/b?q&key=1", "Exchange: 7\r\n"),
            ("/base/x?key=1", ""),
        ] {
            let text = next(&mut socket).await.expect("open").expect("an answer");
            assert!(
                text.starts_with(&format!("HTTP/1.1 200 Fine\r\n{number}content-length"))
                    && text.contains("etag: \"1\"\r\n"),
                "{text}"
            );
            assert!(text.ends_with(&format!("\r\n\r\nanswer to {path}")), "{text}");
        }
        let heard = heard(&requests);
        assert!(
            heard.iter().all(|(_, text)| !text.contains("xchange")),
            "{heard:?}"
        );
        assert!(heard.iter().all(|(number, _)| *number == 0), "{heard:?}");
        let post = &heard[0].1;
        assert!(
            post.starts_with("POST /base/a?key=1 HTTP/1.1\r\n") && post.ends_with("\r\n\r\nv=0"),
            "{post}"
        );
        for header in [
            "content-type: application/sdp",
            &format!("host: {addr}"),
            "content-length: 3",
            "user-agent: rtcstorm/",
        ] {
            assert!(post.contains(&format!("\r\n{header}")), "{header}: {post}");
        }
        assert_eq!(census.held(Holding::Socket), 1);
        socket.close().await.expect("it closes");
        drop(socket);
        assert_eq!(census.held(Holding::Socket), 0);
    }

    #[tokio::test]
    async fn a_connection_that_is_closed_while_nothing_is_said_is_no_end() {
        let (addr, requests) = serve(|_| Act::SayAndClose(ok(""))).await;
        let (mut socket, _) = socket(dialer(&format!("http://{addr}/"), &Access::default())).await;
        for _ in 0..3 {
            socket
                .send("POST x HTTP/1.1\r\n\r\n1".to_owned())
                .await
                .expect("open");
            next(&mut socket).await.expect("open").expect("an answer");
            // The close may come while nobody looks, or while somebody waits.
            let quiet = tokio::time::timeout(Duration::from_millis(30), socket.next()).await;
            assert!(quiet.is_err(), "{quiet:?}");
        }
        let numbers: Vec<usize> = heard(&requests).iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2]);
    }

    #[tokio::test]
    async fn what_is_no_answer_ends_the_socket_by_its_name() {
        let large = ok(&"x".repeat((1 << 20) + 1));
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe".to_vec();
        let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nv=0".to_vec();
        let post = "POST x HTTP/1.1\r\n\r\n";
        for (answer, frame, failure) in [
            (None, post, SignalingFailure::ConnectionLost),
            (Some(large), post, SignalingFailure::FrameTooLarge),
            (Some(bytes), post, SignalingFailure::UnsupportedData),
            (Some(cut), post, SignalingFailure::ConnectionLost),
            (
                Some(b"hello\r\n\r\n".to_vec()),
                post,
                SignalingFailure::ProtocolError,
            ),
            (Some(ok("")), "garbage", SignalingFailure::ProtocolError),
            (
                Some(ok("")),
                "GET ftp://a/ HTTP/1.1\r\n\r\n",
                SignalingFailure::Other,
            ),
        ] {
            let (addr, _) = serve(move |_| match &answer {
                Some(answer) => Act::SayAndClose(answer.clone()),
                None => Act::Close,
            })
            .await;
            let (mut socket, _) = socket(dialer(&format!("http://{addr}/"), &Access::default())).await;
            socket.send(frame.to_owned()).await.expect("it is open");
            let end = next(&mut socket).await.expect("a reason").expect_err("no answer");
            assert_eq!(end.failure, failure, "{end}");
            assert!(next(&mut socket).await.is_none(), "it is over");
            socket.close().await.expect("there is nothing to close");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_told_as_for_a_web_socket() {
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = gone.local_addr().expect("bound");
        drop(gone);
        let census = Arc::new(Census::default());
        let dialer = dialer(&format!("http://{addr}/"), &Access::default());
        let end = open(Arc::new(dialer), PeerId(0), census)
            .await
            .err()
            .expect("nobody is there");
        assert_eq!(end.failure, SignalingFailure::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_stranger_is_asked_only_if_it_may_be_and_shown_no_secret() {
        let access = || Access {
            headers: vec![(
                "Authorization".to_owned(),
                Secret::Literal("Bearer s3cret-token".to_owned()),
            )],
            cookies: vec![("session".to_owned(), Secret::Literal("s3cret-cookie".to_owned()))],
            query: vec![("key".to_owned(), Secret::Literal("s3cret-key".to_owned()))],
            ..Access::default()
        };
        let (other, strangers) = serve(|_| Act::Say(ok("stranger"))).await;
        let (addr, requests) = serve(|_| Act::Say(ok("target"))).await;
        let url = format!("http://{addr}/");
        let to_stranger = format!("POST http://localhost:{}/x?y HTTP/1.1\r\n\r\nv=0", other.port());
        let own = "POST y HTTP/1.1\r\n\r\n".to_owned();

        let (mut refusing, _) = socket(dialer(&url, &access())).await;
        refusing.send(to_stranger.clone()).await.expect("open");
        let end = next(&mut refusing).await.expect("a reason").expect_err("refused");
        assert_eq!(end.failure, SignalingFailure::HttpRedirect);
        assert!(end.why.contains("--allow-target localhost"), "{end}");
        assert!(heard(&strangers).is_empty());

        let named = vec!["localhost".parse().expect("a host")];
        for (hosts, loopback) in [(named, false), (Vec::new(), true)] {
            let allowing = dialer(&url, &access()).or(Elsewhere { hosts, loopback });
            let (mut socket, _) = socket(allowing).await;
            for frame in [own.clone(), to_stranger.clone(), own.clone()] {
                socket.send(frame).await.expect("open");
                next(&mut socket).await.expect("open").expect("an answer");
            }
        }
        for (_, text) in heard(&strangers) {
            assert!(
                !text.contains("s3cret") && text.starts_with("POST /x?y "),
                "{text}"
            );
        }
        assert_eq!((heard(&strangers).len(), heard(&requests).len()), (2, 4));
        for (_, text) in heard(&requests) {
            for secret in [
                "authorization: Bearer s3cret-token",
                "cookie: session=s3cret-cookie",
                "/y?key=s3cret-key",
            ] {
                assert!(text.contains(secret), "{secret}: {text}");
            }
        }
    }

    /// What is shown to whoever looks on.
    #[derive(Default)]
    struct Shown(Mutex<Vec<String>>);

    impl Tap for Shown {
        fn opened(&self, _at: Instant, _peer: PeerId) {}

        fn frame(&self, _at: Instant, _peer: PeerId, comes_in: bool, _text: &str, shown: &str) {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(format!("{comes_in} {shown}"));
        }
    }

    #[tokio::test]
    async fn whoever_looks_on_sees_both_messages_and_no_token() {
        let (addr, requests) = serve(|text| {
            let token = text.lines().find(|line| line.starts_with("authorization: "));
            Act::Say(ok(token.unwrap_or_default()))
        })
        .await;
        let access = Access {
            headers: vec![(
                "Authorization".to_owned(),
                Secret::Literal("Bearer s3cret-token".to_owned()),
            )],
            ..Access::default()
        };
        let dialer = Arc::new(dialer(&format!("http://{addr}/"), &access));
        let opened = open(dialer.clone(), PeerId(0), Arc::new(Census::default())).await;
        let shown = Arc::new(Shown::default());
        let mut socket: SignalingSocket = Box::pin(Tapped {
            inner: opened.expect("the server is there"),
            tap: shown.clone(),
            dialer,
            peer: PeerId(0),
            started: std::time::Instant::now(),
        });
        let frame = "POST x HTTP/1.1\r\n\r\nv=0";
        socket.send(frame.to_owned()).await.expect("it is open");
        let answer = next(&mut socket).await.expect("open").expect("an answer");
        assert!(
            heard(&requests)[0].1.contains("s3cret-token") && answer.contains("s3cret-token"),
            "{answer}"
        );
        let shown = shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(shown[0], format!("false {frame}"));
        assert!(
            shown[1].starts_with("true HTTP/1.1 200 Fine") && shown[1].ends_with("Bearer [hidden]"),
            "{shown:?}"
        );
    }
}
