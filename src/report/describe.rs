use crate::{
    base::{Incarnation, Instant, PeerId},
    metrics::{
        CandidateKind, DescriptionKind, EventKind, FaultCause, IgnoreReason, Operation, RecoveryPath,
        RunEvent, SignalingState,
    },
};

use super::units;

/// An event as a person reads it, on one line: `1204.311 ms  peer-1 → peer-0  sent an answer (g2)`.
///
/// The arrow says which way something went; a dash is something at this end.
pub fn describe(event: &RunEvent) -> String {
    let who = match (event.peer, event.remote) {
        (Some(peer), Some(remote)) => format!("{peer} {} {remote}", arrow(&event.kind)),
        (Some(peer), None) => peer.to_string(),
        (None, _) => "the run".to_owned(),
    };
    format!(
        "{:>12.3} ms  {who}  {}",
        event.at.as_millis_f64(),
        what(&event.kind)
    )
}

fn arrow(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::DescriptionSent { .. } | EventKind::MessageSent { .. } => "→",
        EventKind::DescriptionReceived { .. }
        | EventKind::MessageReceived { .. }
        | EventKind::ProbeReceived { .. } => "←",
        _ => "–",
    }
}

/// What happened, without who and when: `did not get in (i1): no answer within 30 s`.
pub fn what(kind: &EventKind) -> String {
    use EventKind::*;
    match kind {
        StepStarted { planned, step } => format!("began {step}, planned for {planned}"),
        WaitSatisfied { condition } => format!("has waited for {condition}"),
        WaitExpired { condition } => format!("waited for {condition} in vain"),
        BarrierReleased { barrier } => format!("was let go by {barrier}"),
        BarrierExpired { barrier } => format!("waited at {barrier} in vain"),
        ScriptEnded => "has no step left".to_owned(),

        JoinStarted {
            incarnation,
            name,
            expect_rejected,
            ..
        } => {
            let hope = if *expect_rejected { ", to be refused" } else { "" };
            format!("asked to join as \"{name}\" ({incarnation}){hope}")
        }
        Joined { incarnation } => format!("joined ({incarnation})"),
        JoinRejected { incarnation, reason } => format!("was refused ({incarnation}): {reason}"),
        JoinFailed { incarnation, reason } => format!("did not get in ({incarnation}): {reason}"),
        LeaveStarted {
            incarnation,
            scripted,
            ..
        } => {
            let why = if *scripted { "" } else { ", the run being over" };
            format!("began to leave ({incarnation}){why}")
        }
        Left {
            incarnation,
            connections,
            timers,
        } => {
            format!("has left ({incarnation}) with {connections} connections and {timers} timers")
        }
        MemberJoined { again } => format!("heard of it joining{}", if *again { " again" } else { "" }),
        MemberLeft { reason } => format!("heard of it leaving: {reason}"),
        RosterSeen { server, believed } => {
            format!("was told of {}, believes in {}", peers(server), peers(believed))
        }

        SignalingConnected => "signaling is connected".to_owned(),
        SignalingLost { reason } => format!("signaling is lost: {reason}"),
        SignalingError { reason, message } => format!("the server reports {reason}: {message}"),

        ConnectionCreated {
            generation,
            incarnation,
            offerer,
        } => {
            let role = if *offerer { "offers" } else { "is offered to" };
            format!("made connection {generation} and {role} ({incarnation})")
        }
        ConnectionClosed { generation, cause } => format!("closed connection {generation}: {cause}"),
        DescriptionSent {
            generation,
            description,
            fingerprint,
            answers,
        } => {
            let to = answers.map_or(String::new(), |offer| format!(" to offer {}", short(offer)));
            format!(
                "sent {} {}{to} on {generation}",
                kind_name(*description),
                short(*fingerprint)
            )
        }
        DescriptionReceived {
            description,
            fingerprint,
        } => {
            format!("got {} {}", kind_name(*description), short(*fingerprint))
        }
        DescriptionIgnored {
            description,
            fingerprint,
            reason,
        } => {
            format!(
                "ignored {} {}: {}",
                kind_name(*description),
                short(*fingerprint),
                ignored(*reason)
            )
        }
        Glare { generation, polite } => {
            let role = if *polite {
                "polite, rolled back"
            } else {
                "impolite"
            };
            format!("glare on {generation}: {role}")
        }
        SignalingStateChanged { generation, state } => format!("{generation} is {}", state_name(*state)),
        IceStateChanged { generation, state } => format!("{generation} ICE is {state}"),
        ConnectionStateChanged { generation, state } => format!("{generation} connection is {state}"),
        ChannelOpened { generation, pair, .. } => {
            format!("{generation} data channel is open over {}", candidate(*pair))
        }
        ChannelClosed { generation } => format!("{generation} data channel is closed"),
        OperationFailed {
            generation,
            operation,
            state,
            allowed,
            error,
        } => {
            let rule = if *allowed { "allowed" } else { "not allowed" };
            let (operation, state) = (call(*operation), state_name(*state));
            format!("{operation} on {generation} failed in {state} ({rule}): {error}")
        }
        CrossedGeneration { from, on } => format!("a callback or timer of {from} took effect on {on}"),
        StaleIgnored { generation, input } => format!("ignored {input} of replaced {generation}"),
        FaultStarted { cause, ends, .. } => format!("{} began, to end at {ends}", cause_name(*cause)),
        FaultDetected { generation } => format!("{generation} is not well"),
        RecoveryStarted { generation, path } => format!("{generation}: began to {}", path_name(*path)),
        LinkRecovered { generation, path } => format!("{generation} has recovered by {}", path_name(*path)),
        RecoveryFailed { path } => format!("has not recovered, last by {}", path_name(*path)),
        Crashed { incarnation, .. } => format!("crashed ({incarnation})"),
        MembershipResumed { incarnation } => format!("took its membership over ({incarnation})"),
        DtlsFlightRepeated { generation } => format!("{generation} repeated a DTLS flight"),
        LinkSettled {
            generation,
            open_channels,
            signaling_state,
        } => {
            let state = state_name(*signaling_state);
            format!("settled on {generation}: open channels {open_channels}, {state}")
        }

        MessageSent {
            incarnation,
            seq,
            bytes,
            ..
        } => format!("sent message {}, {bytes} B", id(*incarnation, *seq)),
        MessageUnsent { incarnation, seq, .. } => {
            format!("had no open channel for message {}", id(*incarnation, *seq))
        }
        MessageReceived {
            generation,
            incarnation,
            seq,
            bytes,
        } => {
            format!(
                "got message {}, {bytes} B, on {generation}",
                id(*incarnation, *seq)
            )
        }
        ProbeReceived { generation, .. } => format!("got a probe on {generation}"),

        RunStarted { world } => format!("began in the {world} world"),
        ServerRoster {
            room,
            members,
            after_end,
        } => {
            let when = if *after_end {
                "after its end"
            } else {
                "when settled"
            };
            format!("the server's roster of {room} {when}: {}", peers(members))
        }
        Leftovers {
            connections,
            tasks,
            timers,
            sockets,
        } => {
            format!("left over: {connections} connections, {tasks} tasks, {timers} timers, {sockets} sockets")
        }
        Generator {
            cpu_percent,
            rss_bytes,
        } => {
            format!(
                "the generator uses {cpu_percent:.0} % and {}",
                units::bytes(*rss_bytes)
            )
        }
        LimitHit { limit } => format!("a limit was hit: {limit}"),
        Interrupted => "was interrupted".to_owned(),
        DeadlineReached => "reached its deadline".to_owned(),
        RunEnded => "ended".to_owned(),
    }
}

/// Where something happened, in front of it: `peer-1 with peer-0 at 1204.311 ms`.
pub(super) fn place(peer: Option<PeerId>, remote: Option<PeerId>, at: Instant) -> String {
    match (peer, remote) {
        (Some(peer), Some(remote)) => format!("{peer} with {remote} at {at}"),
        (Some(peer), None) => format!("{peer} at {at}"),
        (None, _) => format!("the run at {at}"),
    }
}

fn peers(peers: &[PeerId]) -> String {
    match peers {
        [] => "nobody".to_owned(),
        peers => peers.iter().map(PeerId::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn id(incarnation: Incarnation, seq: u32) -> String {
    format!("{incarnation}-{seq}")
}

/// The first half of a fingerprint tells descriptions apart.
fn short(fingerprint: u64) -> String {
    format!("{:08x}", fingerprint >> 32)
}

fn kind_name(description: DescriptionKind) -> &'static str {
    match description {
        DescriptionKind::Offer => "offer",
        DescriptionKind::Answer => "answer",
    }
}

fn ignored(reason: IgnoreReason) -> &'static str {
    match reason {
        IgnoreReason::Duplicate => "a duplicate",
        IgnoreReason::Glare => "it collides with one's own",
        IgnoreReason::Unexpected => "it answers nothing",
        IgnoreReason::NotAMember => "no member",
        IgnoreReason::QueueFull => "the queue is full",
    }
}

fn cause_name(cause: FaultCause) -> &'static str {
    match cause {
        FaultCause::DropNetwork => "drop_network",
        FaultCause::IceRestart => "ice_restart",
        FaultCause::CutSignaling => "cut_signaling",
        FaultCause::Crash => "crash",
        FaultCause::Rejoin => "rejoin",
    }
}

fn path_name(path: RecoveryPath) -> &'static str {
    match path {
        RecoveryPath::Resume => "resume",
        RecoveryPath::IceRestart => "ice_restart",
        RecoveryPath::Replace => "replace",
        RecoveryPath::Rejoin => "rejoin",
    }
}

fn state_name(state: SignalingState) -> &'static str {
    match state {
        SignalingState::Stable => "stable",
        SignalingState::HaveLocalOffer => "have-local-offer",
        SignalingState::HaveRemoteOffer => "have-remote-offer",
        SignalingState::Closed => "closed",
    }
}

fn candidate(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Host => "host",
        CandidateKind::Srflx => "srflx",
        CandidateKind::Prflx => "prflx",
        CandidateKind::Relay => "relay",
        CandidateKind::Unknown => "an unknown pair",
    }
}

fn call(operation: Operation) -> &'static str {
    match operation {
        Operation::CreateConnection => "RTCPeerConnection()",
        Operation::CreateOffer => "createOffer",
        Operation::CreateAnswer => "createAnswer",
        Operation::SetLocalDescription => "setLocalDescription",
        Operation::SetRemoteDescription => "setRemoteDescription",
        Operation::AddIceCandidate => "addIceCandidate",
        Operation::Send => "send",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Generation;

    #[test]
    fn an_event_reads_as_a_sentence() {
        let event = |kind| RunEvent {
            at: Instant::from_micros(1_204_311),
            peer: Some(PeerId(1)),
            remote: Some(PeerId(0)),
            kind,
        };
        let answer = EventKind::DescriptionSent {
            generation: Generation(2),
            description: DescriptionKind::Answer,
            fingerprint: 0x3fa9_0021_0000_0000,
            answers: Some(0x77aa_0000_0000_0000),
        };
        assert_eq!(
            describe(&event(answer)),
            "    1204.311 ms  peer-1 → peer-0  sent answer 3fa90021 to offer 77aa0000 on g2"
        );
        let opened = EventKind::ChannelOpened {
            generation: Generation(2),
            incarnation: Incarnation(1),
            pair: CandidateKind::Host,
        };
        assert_eq!(
            describe(&event(opened)),
            "    1204.311 ms  peer-1 – peer-0  g2 data channel is open over host"
        );
    }
}
