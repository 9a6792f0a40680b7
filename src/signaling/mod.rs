//! One file per protocol: frames ↔ one neutral [`Message`].
//!
//! Pure. Knows nothing of sockets, peers or scenarios.

mod broken;
mod channel;
mod dashboard;
mod message;
mod sdp;

pub use broken::{broken_sdp, broken_text};
pub use channel::{ChannelMessage, ChatId, Seq};
pub use dashboard::Dashboard;
pub use message::{Candidate, Description, LeaveReason, Member, Message, Received, SdpType, Waste};
pub use sdp::{SessionVersions, with_origin};
