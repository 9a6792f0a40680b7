//! What `webrtc` calls back, as events of a connection.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use webrtc::{
    data_channel::DataChannel,
    media_stream::track_remote::TrackRemote,
    peer_connection::{
        PeerConnectionEventHandler, RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionIceEvent,
        RTCPeerConnectionState,
    },
};

use super::connection::Identity;
use crate::{
    peer::{ConnectionEvent, TransportState},
    signaling::Candidate,
};

/// Hands the callbacks of `webrtc` on.
pub(super) struct Handler {
    pub identity: Identity,
    pub gathering: Arc<Notify>,
    pub connected: Arc<Notify>,
    pub channels: mpsc::Sender<Arc<dyn DataChannel>>,
    pub tracks: mpsc::Sender<Arc<dyn TrackRemote>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let Ok(candidate) = event.candidate.to_json() else {
            return;
        };
        let candidate = Candidate {
            candidate: candidate.candidate,
            // The stack leaves the mid empty; the index names the section.
            sdp_mid: candidate.sdp_mid.filter(|mid| !mid.is_empty()),
            sdp_m_line_index: candidate.sdp_mline_index,
            username_fragment: candidate.username_fragment,
        };
        self.identity
            .tell(ConnectionEvent::LocalCandidate(candidate))
            .await;
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathering.notify_one();
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        let state = match state {
            RTCIceConnectionState::Checking => TransportState::Checking,
            RTCIceConnectionState::Connected => TransportState::Connected,
            RTCIceConnectionState::Completed => TransportState::Completed,
            RTCIceConnectionState::Disconnected => TransportState::Disconnected,
            RTCIceConnectionState::Failed => TransportState::Failed,
            RTCIceConnectionState::Closed => TransportState::Closed,
            _ => TransportState::New,
        };
        self.identity.tell(ConnectionEvent::IceState(state)).await;
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let state = match state {
            RTCPeerConnectionState::Connecting => TransportState::Connecting,
            RTCPeerConnectionState::Connected => TransportState::Connected,
            RTCPeerConnectionState::Disconnected => TransportState::Disconnected,
            RTCPeerConnectionState::Failed => TransportState::Failed,
            RTCPeerConnectionState::Closed => TransportState::Closed,
            _ => TransportState::New,
        };
        self.identity.tell(ConnectionEvent::State(state)).await;
        if state == TransportState::Connected {
            self.connected.notify_one();
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.tracks.send(track).await;
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.channels.send(channel).await;
    }
}
