use super::{EventKind, IgnoreReason, tally::Series};
use crate::base::{Instant, SignalingFailure};

/// The counter that goes up by one with an event of this kind, whatever else the event means.
pub(super) fn counter_of(kind: &EventKind) -> Option<Series> {
    let name = match kind {
        EventKind::WaitExpired { .. } => "wait_expired",
        EventKind::BarrierExpired { .. } => "barrier_expired",
        EventKind::JoinRelayed { .. } => "joins_relayed",
        EventKind::SignalingError { .. } => "signaling_errors",
        EventKind::ConnectionCreated { .. } => "connections_created",
        EventKind::Glare { .. } => "glare",
        EventKind::OperationFailed { .. } => "operations_failed",
        EventKind::CrossedGeneration { .. } => "generations_crossed",
        EventKind::StaleIgnored { .. } => "stale_ignored",
        EventKind::DtlsFlightRepeated { .. } => "dtls_flights_repeated",
        EventKind::FaultDetected { .. } => "faults_detected",
        EventKind::LinkGivenUp { .. } => "links_given_up",
        EventKind::Crashed { .. } => "crashes",
        EventKind::NoPath { .. } => "links_without_path",
        EventKind::ServerRestarted { .. } => "server_restarts",
        EventKind::ServerCrashed { .. } => "server_crashes",
        EventKind::ServerPaused { .. } => "server_pauses",
        EventKind::ServerSlowed { .. } => "server_slowdowns",
        EventKind::ServerCommand { failed: Some(_), .. } => "server_commands_failed",
        EventKind::OfferOverdue { .. } => "offers_overdue",
        EventKind::ExternalJoined { .. } => "externals_joined",
        EventKind::ExternalOpened { .. } => "external_channels_opened",
        EventKind::ExternalMessageSent { .. } => "external_messages_sent",
        EventKind::ExternalMessageUnsent { .. } => "external_messages_unsent",
        EventKind::ExternalMessageReceived { .. } => "external_messages_received",
        EventKind::SignalingLost { failure, .. } => return Some(lost_by(*failure)),
        EventKind::LimitHit { of, .. } => {
            return Some(Series::tagged("limits_hit", [("of", of.name())]));
        }
        EventKind::FrameTreated {
            treatment,
            frame,
            way,
        } => {
            let tags = [
                ("frame", frame.name()),
                ("treatment", treatment.name()),
                ("way", way.name()),
            ];
            return Some(Series::tagged("frames_treated", tags));
        }
        EventKind::FrameForged { forgery } => {
            return Some(Series::tagged("frames_forged", [("forgery", forgery.name())]));
        }
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
                IgnoreReason::Locked => "locked",
                IgnoreReason::State => "state",
                IgnoreReason::Broken => "broken",
                IgnoreReason::Stale => "stale",
            };
            return Some(Series::tagged("descriptions_ignored", [("reason", reason)]));
        }
        _ => return None,
    };
    Some(name.into())
}

/// Where an event that was planned counts; one that was not counts where it happened.
pub(super) fn planned_of(kind: &EventKind) -> Option<Instant> {
    match *kind {
        EventKind::FaultStarted { planned, .. }
        | EventKind::Crashed { planned, .. }
        | EventKind::ServerRestarted { planned, .. }
        | EventKind::ServerCrashed { planned, .. }
        | EventKind::ServerPaused { planned, .. }
        | EventKind::ServerSlowed { planned, .. } => Some(planned),
        _ => None,
    }
}

/// Whether it is about the run itself, and so is counted whenever it happens, in the warm-up, too: a verdict rests
/// on it.
pub(super) fn is_of_the_run(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::NoPath { .. } | EventKind::LimitHit { .. } | EventKind::ServerCommand { .. }
    )
}

/// The counters that go up by what an event of this kind tells, without those that don't.
pub(super) fn amounts_of(kind: &EventKind) -> impl Iterator<Item = (Series, u64)> {
    let plain = match *kind {
        EventKind::NetworkDropped {
            lost,
            queue_full,
            blocked,
            overflowed,
        } => [
            ("datagrams_lost", lost),
            ("datagrams_queue_full", queue_full),
            ("datagrams_blocked", blocked),
            ("datagrams_overflowed", overflowed),
        ],
        EventKind::NetworkAltered {
            duplicated,
            corrupted,
            reordered,
        } => [
            ("datagrams_duplicated", duplicated),
            ("datagrams_corrupted", corrupted),
            ("datagrams_reordered", reordered),
            ("", 0),
        ],
        EventKind::SignalingReceived { frames, bytes, .. } => [
            ("signaling_frames_received", frames),
            ("signaling_bytes_received", bytes),
            ("", 0),
            ("", 0),
        ],
        _ => [("", 0); 4],
    };
    let wasted = match *kind {
        EventKind::SignalingReceived {
            other_room_frames,
            other_room_bytes,
            other_member_frames,
            other_member_bytes,
            server_frames,
            server_bytes,
            ..
        } => [
            ("other_room", other_room_frames, other_room_bytes),
            ("other_member", other_member_frames, other_member_bytes),
            ("server", server_frames, server_bytes),
        ],
        _ => [("", 0, 0); 3],
    };
    let wasted = wasted.into_iter().flat_map(|(whose, frames, bytes)| {
        let series = |name| Series::tagged(name, [("whose", whose)]);
        [
            (series("fanout_waste_frames"), frames),
            (series("fanout_waste_bytes"), bytes),
        ]
    });
    let plain = plain.into_iter().map(|(name, more)| (name.into(), more));
    plain.chain(wasted).filter(|(_, more)| *more > 0)
}

/// Sockets that were lost, or could not be opened, by that.
pub(super) fn lost_by(failure: SignalingFailure) -> Series {
    Series::tagged("signaling_lost", [("failure", failure.name())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_dropped_is_counted_by_why() {
        let dropped = EventKind::NetworkDropped {
            lost: 3,
            queue_full: 0,
            blocked: 20,
            overflowed: 1,
        };
        let told: Vec<_> = amounts_of(&dropped).collect();
        assert_eq!(
            told,
            [
                ("datagrams_lost".into(), 3),
                ("datagrams_blocked".into(), 20),
                ("datagrams_overflowed".into(), 1)
            ]
        );
        let altered = EventKind::NetworkAltered {
            duplicated: 2,
            corrupted: 0,
            reordered: 5,
        };
        let told: Vec<_> = amounts_of(&altered).collect();
        let reordered = ("datagrams_reordered".into(), 5);
        assert_eq!(told, [("datagrams_duplicated".into(), 2), reordered]);
        assert_eq!(amounts_of(&EventKind::RunEnded).count(), 0);
    }

    #[test]
    fn what_nobody_of_the_room_sent_is_counted_by_whose_it_is() {
        let received = EventKind::SignalingReceived {
            frames: 10,
            bytes: 2_000,
            other_room_frames: 7,
            other_room_bytes: 1_500,
            other_member_frames: 0,
            other_member_bytes: 0,
            server_frames: 1,
            server_bytes: 80,
        };
        let of = |name, whose| Series::tagged(name, [("whose", whose)]);
        let told: Vec<_> = amounts_of(&received).collect();
        assert_eq!(
            told,
            [
                ("signaling_frames_received".into(), 10),
                ("signaling_bytes_received".into(), 2_000),
                (of("fanout_waste_frames", "other_room"), 7),
                (of("fanout_waste_bytes", "other_room"), 1_500),
                (of("fanout_waste_frames", "server"), 1),
                (of("fanout_waste_bytes", "server"), 80),
            ]
        );
    }
}
