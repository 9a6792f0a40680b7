//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03, where the client offers): a session is a resource of HTTP that an
//! offer creates. The two differ in who sends media, which is the connection's concern and not the codec's.

mod exchange;
mod fragment;
mod http;
mod resource;
#[cfg(test)]
mod tests;

pub use resource::Resource;

/// What a user can choose of WHIP and WHEP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WhipOptions {
    /// The endpoint of each peer, relative to the target's URL (RFC 3986, section 5.2); `${room}`, `${user}` and `${peer}`
    /// stand for its own. Empty: the URL is everybody's.
    pub endpoint: String,
}

/// A client that publishes.
pub type Whip = Resource;

/// A client that has what is published.
pub type Whep = Resource;
