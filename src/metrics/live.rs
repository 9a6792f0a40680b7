use crate::base::SignalingFailure;

/// What a progress view shows while a run is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Peers that are confirmed members now.
    pub peers_joined: u32,
    /// Pairs whose both ends report an open data channel now.
    pub links_open: u32,
    /// Messages delivered in time so far.
    pub messages_delivered: u64,
    /// Links and messages that have failed so far: the numerators of all rates.
    pub failures: u64,
    /// Signaling sockets that could not be opened or were lost so far, and the most frequent reason.
    pub sockets_lost: u64,
    /// The name of that; of equal ones the first.
    pub lost_most_by: Option<SignalingFailure>,
}
