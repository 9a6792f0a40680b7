//! What users and protocols observe of the reference server.

mod client;
mod deployed;
mod grace;
mod limits;
mod properties;
mod relays;
mod rooms;
mod sockets;
mod transcript;
mod world;
