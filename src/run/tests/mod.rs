//! Links over real connections on loopback, without a signaling server, on a runtime that loses datagrams
//! or timers as each test wants.

mod faulty;
mod flights;
mod links;
mod media;
mod pair;
mod relay;
mod signaling;
mod turn_server;
