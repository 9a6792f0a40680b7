//! A STUN and TURN server (RFC 8489, RFC 8656) as a machine, over the message types of the stack, and how its
//! messages go through a stream.
//!
//! Pure: datagrams and time in, datagrams out; who drives it has the sockets. Knows no credentials: it asks for the
//! password of a user. Both worlds start one, so that a fault means the same in them.

mod framing;
mod message;
mod server;
#[cfg(test)]
mod tests;

pub use framing::{Broken, Deframer, frame};
pub use server::{Client, Output, Passwords, Server};
