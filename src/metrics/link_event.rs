use crate::base::{Generation, Incarnation};

use super::{CandidateKind, EventKind, SignalingState};

/// How one end's connection came along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkEvent {
    Created,
    Closed,
    Signaling(SignalingState),
    IceConnected,
    Connected,
    Opened(Incarnation, CandidateKind),
    ChannelClosed,
    Glare,
    Probed,
}

/// What an event says about the connection of a link, if it does.
pub(super) fn link_event(kind: &EventKind) -> Option<(Generation, LinkEvent)> {
    match *kind {
        EventKind::ConnectionCreated { generation, .. } => Some((generation, LinkEvent::Created)),
        EventKind::ConnectionClosed { generation, .. } => Some((generation, LinkEvent::Closed)),
        EventKind::SignalingStateChanged { generation, state } => {
            Some((generation, LinkEvent::Signaling(state)))
        }
        EventKind::IceStateChanged {
            generation,
            ref state,
        } => matches!(state.as_str(), "connected" | "completed")
            .then_some((generation, LinkEvent::IceConnected)),
        EventKind::ConnectionStateChanged {
            generation,
            ref state,
        } => (state == "connected").then_some((generation, LinkEvent::Connected)),
        EventKind::ChannelOpened {
            generation,
            incarnation,
            pair,
        } => Some((generation, LinkEvent::Opened(incarnation, pair))),
        EventKind::ChannelClosed { generation } => Some((generation, LinkEvent::ChannelClosed)),
        EventKind::Glare { generation, .. } => Some((generation, LinkEvent::Glare)),
        EventKind::ProbeReceived { generation, .. } => Some((generation, LinkEvent::Probed)),
        _ => None,
    }
}
