//! The sockets' side of a peer's access link: datagrams that are held until they come out of it.
//!
//! Knows no DTLS and no driver; what the link does to a datagram is asked of the peer's network.

mod queue;
#[cfg(test)]
mod tests;
mod wire;

pub(super) use wire::Wire;
