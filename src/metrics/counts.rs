use super::{EventKind, IgnoreReason, tally::Series};

/// The counter that goes up by one with an event of this kind, whatever else the event means.
pub(super) fn counter_of(kind: &EventKind) -> Option<Series> {
    let name = match kind {
        EventKind::WaitExpired { .. } => "wait_expired",
        EventKind::BarrierExpired { .. } => "barrier_expired",
        EventKind::SignalingLost { .. } => "signaling_lost",
        EventKind::SignalingError { .. } => "signaling_errors",
        EventKind::ConnectionCreated { .. } => "connections_created",
        EventKind::Glare { .. } => "glare",
        EventKind::OperationFailed { .. } => "operations_failed",
        EventKind::CrossedGeneration { .. } => "generations_crossed",
        EventKind::StaleIgnored { .. } => "stale_ignored",
        EventKind::DtlsFlightRepeated { .. } => "dtls_flights_repeated",
        EventKind::LimitHit { .. } => "limits_hit",
        EventKind::FaultDetected { .. } => "faults_detected",
        EventKind::Crashed { .. } => "crashes",
        EventKind::FaultStarted { cause, .. } => {
            return Some(Series::tagged("faults_started", [("cause", cause.name())]));
        }
        EventKind::RecoveryStarted { path, .. } => {
            return Some(Series::tagged("recoveries_started", [("path", path.name())]));
        }
        EventKind::DescriptionIgnored { reason, .. } => {
            let reason = match reason {
                IgnoreReason::Duplicate => "duplicate",
                IgnoreReason::Glare => "glare",
                IgnoreReason::Unexpected => "unexpected",
                IgnoreReason::NotAMember => "not_a_member",
                IgnoreReason::QueueFull => "queue_full",
            };
            return Some(Series::tagged("descriptions_ignored", [("reason", reason)]));
        }
        _ => return None,
    };
    Some(name.into())
}
