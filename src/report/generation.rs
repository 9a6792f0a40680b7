use crate::{base::Generation, metrics::EventKind};

/// Which connection of its link an event is about, if it says so.
pub(super) fn generation_of(kind: &EventKind) -> Option<Generation> {
    use EventKind::*;
    match *kind {
        ConnectionCreated { generation, .. }
        | ConnectionClosed { generation, .. }
        | DescriptionSent { generation, .. }
        | OfferOverdue { generation, .. }
        | Glare { generation, .. }
        | SignalingStateChanged { generation, .. }
        | IceStateChanged { generation, .. }
        | ConnectionStateChanged { generation, .. }
        | ChannelOpened { generation, .. }
        | ChannelClosed { generation }
        | OperationFailed { generation, .. }
        | CrossedGeneration { on: generation, .. }
        | StaleIgnored { generation, .. }
        | DtlsFlightRepeated { generation }
        | LinkSettled { generation, .. }
        | FaultDetected { generation }
        | RecoveryStarted { generation, .. }
        | LinkRecovered { generation, .. }
        | LinkGivenUp { generation, .. }
        | MessageReceived { generation, .. }
        | ProbeReceived { generation, .. } => Some(generation),
        _ => None,
    }
}
