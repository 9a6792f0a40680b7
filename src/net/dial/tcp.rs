use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::net::{TcpStream, lookup_host};

use crate::{
    base::{SignalingEnd, SignalingFailure},
    scenario::HostPin,
};

/// Between two attempts, while the first has not answered (RFC 8305, section 5: "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Names that are not looked up, because the user has said where they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Pins(BTreeMap<(String, u16), Vec<IpAddr>>);

impl Pins {
    pub fn new(pins: &[HostPin]) -> Self {
        let mut all: BTreeMap<_, Vec<IpAddr>> = BTreeMap::new();
        for pin in pins {
            let to = all.entry((pin.host.to_ascii_lowercase(), pin.port)).or_default();
            to.push(pin.address);
        }
        Self(all)
    }

    /// The addresses of a host, in the order of their merit (RFC 6724 by the system's resolver).
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, SignalingEnd> {
        if let Some(pinned) = self.0.get(&(host.to_ascii_lowercase(), port)) {
            return Ok(pinned.iter().map(|address| (*address, port).into()).collect());
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, port).into()]);
        }
        let nobody = |why: String| SignalingEnd::new(SignalingFailure::NoSuchHost, why);
        let found = lookup_host((host, port)).await;
        let found = found.map_err(|error| nobody(format!("`{host}` has no address: {error}")))?;
        let found: Vec<SocketAddr> = found.collect();
        match found.is_empty() {
            true => Err(nobody(format!("`{host}` has no address"))),
            false => Ok(found),
        }
    }
}

/// A connection to the host, by whichever of its addresses answers first ("happy eyeballs", RFC 8305).
pub(super) async fn connect(pins: &Pins, host: &str, port: u16) -> Result<TcpStream, SignalingEnd> {
    let addresses = interleaved(pins.addresses(host, port).await?);
    let stream = race(&addresses).await.map_err(|(address, error)| {
        let failure = match error.kind() {
            io::ErrorKind::ConnectionRefused => SignalingFailure::ConnectionRefused,
            io::ErrorKind::TimedOut => SignalingFailure::Unanswered,
            _ => SignalingFailure::Unreachable,
        };
        SignalingEnd::new(failure, format!("{host} ({address}): {error}"))
    })?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// One family after the other, beginning with the first address's (RFC 8305, section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let v6_first = first.is_ipv6();
    let (mut own, mut other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == v6_first);
    own.reverse();
    other.reverse();
    let mut all = Vec::new();
    while all.len() < MAX_ADDRESSES && !(own.is_empty() && other.is_empty()) {
        all.extend(own.pop());
        all.extend(other.pop());
    }
    all.truncate(MAX_ADDRESSES);
    all
}

/// The first connection, or what the last attempt that failed has met.
async fn race(addresses: &[SocketAddr]) -> Result<TcpStream, (SocketAddr, io::Error)> {
    let attempt = |address: SocketAddr| async move {
        let stream = TcpStream::connect(address).await;
        stream.map_err(|error| (address, error))
    };
    let mut left = addresses.iter().copied();
    let mut under_way: FuturesUnordered<_> = left.next().map(attempt).into_iter().collect();
    let mut failed = None;
    loop {
        let next = tokio::time::sleep(ATTEMPT_DELAY);
        tokio::select! {
            biased;
            ended = under_way.next(), if !under_way.is_empty() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = Some(error),
                None => {}
            },
            () = next, if left.len() > 0 && !under_way.is_empty() => {}
            else => {}
        }
        match left.next() {
            Some(address) => under_way.push(attempt(address)),
            None if under_way.is_empty() => {
                let none = || {
                    (
                        SocketAddr::from(([0, 0, 0, 0], 0)),
                        io::Error::from(io::ErrorKind::NotFound),
                    )
                };
                return Err(failed.unwrap_or_else(none));
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect()
    }

    #[test]
    fn families_take_turns_and_the_first_address_stays_the_first() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]);
        assert_eq!(interleaved(given), expected);
        assert!(interleaved(Vec::new()).is_empty());
        let many = (0..40).map(|port| ([127, 0, 0, 1], port).into()).collect();
        assert_eq!(interleaved(many).len(), MAX_ADDRESSES);
    }

    #[tokio::test]
    async fn an_address_that_refuses_or_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let there = listener.local_addr().expect("bound");
        // A queue that is full answers nobody: neither a refusal nor a connection.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a free port");
        let deaf = socket.listen(1).expect("it listens");
        let silent = deaf.local_addr().expect("bound");
        let mut held = Vec::new();
        for _ in 0..8 {
            let attempt = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(silent)).await;
            held.extend(attempt.ok().and_then(Result::ok));
        }
        let refusing = {
            let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            gone.local_addr().expect("bound")
        };
        for first in [refusing, silent] {
            let stream = race(&[first, there]).await.expect("the second is there");
            assert_eq!(stream.peer_addr().expect("connected"), there);
        }
        let (address, error) = race(&[refusing]).await.expect_err("nobody is there");
        assert_eq!(
            (address, error.kind()),
            (refusing, io::ErrorKind::ConnectionRefused)
        );
    }

    #[tokio::test]
    async fn a_pinned_name_is_not_looked_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let pin = HostPin {
            host: "Rtc.Example.org".to_owned(),
            port,
            address: [127, 0, 0, 1].into(),
        };
        let pins = Pins::new(&[pin]);
        let stream = connect(&pins, "rtc.example.org", port)
            .await
            .expect("it is pinned");
        assert_eq!(stream.peer_addr().expect("connected").port(), port);
    }

    #[tokio::test]
    async fn nobody_there_and_no_such_name_are_told_apart() {
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = gone.local_addr().expect("bound").port();
        drop(gone);
        let refused = connect(&Pins::default(), "127.0.0.1", port)
            .await
            .expect_err("gone");
        assert_eq!(refused.failure, SignalingFailure::ConnectionRefused);
        let nobody = connect(&Pins::default(), "no-such-host.invalid", port).await;
        assert_eq!(
            nobody.expect_err("RFC 6761").failure,
            SignalingFailure::NoSuchHost
        );
    }
}
