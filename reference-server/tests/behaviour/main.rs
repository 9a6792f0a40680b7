//! What users and protocols observe of the reference server.

mod abuse;
mod client;
mod deployed;
mod grace;
mod http;
mod limits;
mod logs;
mod pause;
mod properties;
mod raw;
mod readme;
mod relays;
mod rooms;
mod sockets;
mod tls;
mod transcript;
mod world;
