//! Events without what a server says again of the secrets that let us in.

use crate::{base::PeerId, metrics::EventKind, world::World};

/// Puts something else in the place of each secret in a text that did not begin here.
pub(super) fn hide_secrets(world: &dyn World, peer: Option<PeerId>, kind: &mut EventKind) {
    for text in texts(kind) {
        if let Some(hidden) = world.without_secrets(peer, text) {
            *text = hidden;
        }
    }
}

/// What others have said in it.
fn texts(kind: &mut EventKind) -> Vec<&mut String> {
    match kind {
        EventKind::SignalingError { reason, message } => vec![reason, message],
        EventKind::SignalingLost { reason, .. }
        | EventKind::JoinRejected { reason, .. }
        | EventKind::JoinFailed { reason, .. }
        | EventKind::MemberLeft { reason } => vec![reason],
        EventKind::OperationFailed { error, .. } => vec![error],
        _ => Vec::new(),
    }
}
