//! The real world: tokio's clock and tasks, UDP sockets, WebSockets, HTTP.
//!
//! An edge. Knows the seam ([`crate::world`]) and the reference server; knows nothing of peers, plans or reports.

mod bundled;
mod commands;
mod dial;
mod http;
mod ice;
mod lanes;
mod lent;
mod post;
mod probe;
mod prometheus;
mod scrape;
mod tap;
mod turn;
mod turn_tls;
mod usage;
mod websocket;
mod world;

pub use bundled::Bundled;
pub use commands::{Command, Commands};
pub use dial::{Dialer, Elsewhere, Fetches, Guest, Guests};
pub use ice::IceSide;
pub use post::post;
pub use scrape::server_cpu_s;
pub use tap::Tap;
pub use tokio_rustls::rustls::pki_types::CertificateDer;
pub use turn::BundledTurn;
pub use turn_tls::{Authority, certificates};
pub use usage::usage;
pub use world::{NetWorld, Target};
