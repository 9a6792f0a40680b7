use crate::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{
        CandidateKind, DescriptionKind, EventKind, IgnoreReason, LimitOf, Operation, RecoveryPath, RunEvent,
        ServerHoldings, SignalingState,
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
        JoinRelayed { incarnation, relayed } => {
            format!("was heard to act on by nobody ({incarnation}): relayed at {relayed}")
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
        SignalingLost { failure, reason } => format!("signaling is lost: {failure}: {reason}"),
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
            let to = answers.map_or(String::new(), |offer| format!(" to offer {offer}"));
            format!(
                "sent {} {}{to} on {generation}",
                kind_name(*description),
                fingerprint
            )
        }
        DescriptionReceived {
            description,
            fingerprint,
        } => {
            format!("got {} {}", kind_name(*description), fingerprint)
        }
        DescriptionIgnored {
            description,
            fingerprint,
            reason,
        } => {
            format!(
                "ignored {} {}: {}",
                kind_name(*description),
                fingerprint,
                ignored(*reason)
            )
        }
        FrameTreated {
            treatment,
            frame,
            way,
        } => {
            let (what, frame) = (treatment.name(), frame.name());
            format!("a frame going {} ({frame}) met a fault: {what}", way.name())
        }
        FrameForged { forgery } => format!("sent what its client would not: {}", forgery.name()),
        OfferOverdue { generation, attempt } => {
            format!("has no answer on {generation} and offers again, attempt {attempt}")
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
            format!("{generation} is open over {}", candidate(*pair))
        }
        ChannelClosed { generation } => format!("{generation} is open no more"),
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
        FaultStarted { cause, planned, ends } => {
            let until = match ends.since(*planned).is_zero() {
                true if kind.is_endless() => ", for good".to_owned(),
                true => String::new(),
                false => format!(", to end at {ends}"),
            };
            format!("{} hits the link{until}", cause.name())
        }
        FaultDetected { generation } => format!("noticed that {generation} is not well"),
        RecoveryStarted { generation, path } => recovering(*path, *generation),
        LinkRecovered { generation, path } => {
            format!("data flows both ways on {generation} again, by {}", path.name())
        }
        RecoveryFailed { path } => format!("has not recovered, last by {}", path.name()),
        LinkGivenUp {
            generation,
            attempts,
            why,
        } => format!("gave the link up on {generation}, after {attempts} replacements in a row: {why}"),
        Crashed { incarnation, .. } => format!("crashed ({incarnation})"),
        ServerRestarted { planned, ends } => {
            let until = match ends.since(*planned).is_zero() {
                true => String::new(),
                false => format!(", away until {ends}"),
            };
            format!("restarted the server{until}")
        }
        ServerCrashed { ends: None, .. } => "crashed the server, for good".to_owned(),
        ServerCrashed { ends: Some(ends), .. } => format!("crashed the server, away until {ends}"),
        ServerPaused { ends, .. } => format!("paused the server until {ends}"),
        ServerSlowed { ends, by_ms, .. } => {
            format!("slowed the server by {by_ms} ms a frame until {ends}")
        }
        ServerCommand {
            command,
            took_ms,
            failed,
            ..
        } => match failed {
            None => format!("the server's `{command}` command took {took_ms} ms"),
            Some(why) => format!("the server's `{command}` command failed after {took_ms} ms: {why}"),
        },
        MembershipResumed { incarnation } => format!("took its membership over ({incarnation})"),
        NetworkDropped {
            lost,
            queue_full,
            blocked,
            overflowed,
        } => {
            format!(
                "its link dropped datagrams: {lost} lost, {queue_full} at a full queue, {blocked} blocked, {overflowed} over our limit"
            )
        }
        SignalingReceived {
            frames,
            bytes,
            other_room_frames,
            other_member_frames,
            server_frames,
            ..
        } => {
            format!(
                "was sent {frames} frames, {bytes} bytes: {other_room_frames} of other rooms, {other_member_frames} for other members, {server_frames} of the server for everybody"
            )
        }
        NetworkAltered {
            duplicated,
            corrupted,
            reordered,
        } => {
            format!(
                "its link altered datagrams: {duplicated} copied, {corrupted} with a bit flipped, {reordered} ahead of others"
            )
        }
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

        ExternalJoined { external, name, .. } => {
            format!("was told that {name} ({external}) joined from outside")
        }
        ExternalIgnored { external } => {
            format!("was told of {external}, from outside, and ignored it")
        }
        ExternalLeft { external, reason } => {
            format!("was told that {external}, from outside, left ({reason})")
        }
        ExternalOpened {
            external, generation, ..
        } => format!("opened its channel with {external}, from outside, on {generation}"),
        ExternalClosed {
            external,
            generation,
            cause,
        } => format!("closed {generation} with {external}, from outside ({cause})"),
        ExternalMessageSent {
            external, seq, bytes, ..
        } => format!("sent message {seq}, {bytes} B, to {external}, from outside"),
        ExternalMessageUnsent { external, seq, .. } => {
            format!("had no open channel to {external}, from outside, for message {seq}")
        }
        ExternalMessageReceived { external, bytes, .. } => {
            format!("got a message, {bytes} B, from {external}, from outside")
        }

        NoPath { reason } => reason.clone(),
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
            ..
        } => {
            format!(
                "the generator uses {cpu_percent:.0} % and {}",
                units::bytes(*rss_bytes)
            )
        }
        Holdings {
            connections,
            tasks,
            timers,
            sockets,
            server,
            ..
        } => {
            let server = server.as_ref().map(by_server).unwrap_or_default();
            format!(
                "held now: {connections} connections, {tasks} tasks, {timers} timers, {sockets} sockets{server}"
            )
        }
        ServerMetricsFailed { why } => format!("the server did not tell what it holds: {why}"),
        EventLoopLag { late_us } => {
            let worst = late_us.last().map_or(0, |(micros, _)| *micros);
            let timers: u64 = late_us.iter().map(|(_, count)| count).sum();
            let worst = units::duration(Some(worst as f64 / 1_000.0));
            format!("the event loops were late by {worst} at most, of {timers} timers")
        }
        LimitHit { limit, of } => match of {
            LimitOf::Harness => format!("a limit was hit: {limit}"),
            LimitOf::Client => format!("a limit of the client was hit: {limit}"),
            LimitOf::User => format!("a limit of the command line was hit: {limit}"),
        },
        Interrupted => "was interrupted".to_owned(),
        DeadlineReached => "reached its deadline".to_owned(),
        RunEnded => "ended".to_owned(),
    }
}

/// What the server tells, behind what the run holds.
fn by_server(server: &ServerHoldings) -> String {
    let counts = [
        ("rooms", server.rooms),
        ("members", server.members),
        ("sockets", server.sockets),
        ("waiting frames", server.waiting_frames),
    ];
    let counts = counts
        .iter()
        .filter_map(|(what, count)| Some(format!("{} {what}", (*count)?)));
    let sizes = [("waiting", server.waiting_bytes), ("of memory", server.rss_bytes)];
    let sizes = sizes
        .iter()
        .filter_map(|(what, size)| Some(format!("{} {what}", units::bytes((*size)?))));
    let told: Vec<String> = counts.chain(sizes).collect();
    format!("; the server: {}", told.join(", "))
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
fn kind_name(description: DescriptionKind) -> &'static str {
    match description {
        DescriptionKind::Offer => "offer",
        DescriptionKind::Answer => "answer",
    }
}

pub(crate) fn ignored(reason: IgnoreReason) -> &'static str {
    match reason {
        IgnoreReason::Duplicate => "a duplicate",
        IgnoreReason::Glare => "it collides with one's own",
        IgnoreReason::Unexpected => "it answers nothing",
        IgnoreReason::NotAMember => "no member",
        IgnoreReason::QueueFull => "the queue is full",
        IgnoreReason::Locked => "the lock of an earlier one is held",
        IgnoreReason::State => "none is taken in this signaling state",
        IgnoreReason::Broken => "it is cut off",
        IgnoreReason::Stale => "it was made in an earlier membership",
    }
}

/// What an end does to bring a link back.
fn recovering(path: RecoveryPath, generation: Generation) -> String {
    match path {
        RecoveryPath::Resume => format!("waits for {generation} to come back"),
        RecoveryPath::IceRestart => format!("restarts ICE on {generation}"),
        RecoveryPath::Replace => format!("replaces {generation}"),
        RecoveryPath::Rejoin => format!("joins again to replace {generation}"),
    }
}

pub(crate) fn state_name(state: SignalingState) -> &'static str {
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

pub(crate) fn call(operation: Operation) -> &'static str {
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
    use crate::metrics::FaultCause;

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
            fingerprint: 7,
            answers: Some(5),
        };
        assert_eq!(
            describe(&event(answer)),
            "    1204.311 ms  peer-1 → peer-0  sent answer 7 to offer 5 on g2"
        );
        let opened = EventKind::ChannelOpened {
            generation: Generation(2),
            incarnation: Incarnation(1),
            pair: CandidateKind::Host,
        };
        assert_eq!(
            describe(&event(opened)),
            "    1204.311 ms  peer-1 – peer-0  g2 is open over host"
        );
    }

    #[test]
    fn a_fault_and_what_becomes_of_it_read_as_sentences() {
        let generation = Generation(1);
        let fault = |cause, ends| EventKind::FaultStarted {
            cause,
            planned: Instant::from_millis(1_000),
            ends: Instant::from_millis(ends),
        };
        let started = |path| EventKind::RecoveryStarted { generation, path };
        let events = [
            fault(FaultCause::DropNetwork, 4_000),
            fault(FaultCause::IceRestart, 1_000),
            EventKind::FaultDetected { generation },
            started(RecoveryPath::Resume),
            started(RecoveryPath::IceRestart),
            started(RecoveryPath::Replace),
            started(RecoveryPath::Rejoin),
            EventKind::LinkRecovered {
                generation: Generation(2),
                path: RecoveryPath::Replace,
            },
            EventKind::RecoveryFailed {
                path: RecoveryPath::Replace,
            },
            EventKind::Crashed {
                planned: Instant::START,
                incarnation: Incarnation(1),
            },
            EventKind::ServerRestarted {
                planned: Instant::from_millis(1_000),
                ends: Instant::from_millis(1_500),
            },
            EventKind::MembershipResumed {
                incarnation: Incarnation(1),
            },
            EventKind::NetworkDropped {
                lost: 3,
                queue_full: 1,
                blocked: 20,
                overflowed: 0,
            },
        ];
        assert_eq!(
            events.iter().map(what).collect::<Vec<_>>(),
            [
                "drop_network hits the link, to end at 4000.000 ms",
                "ice_restart hits the link",
                "noticed that g1 is not well",
                "waits for g1 to come back",
                "restarts ICE on g1",
                "replaces g1",
                "joins again to replace g1",
                "data flows both ways on g2 again, by replace",
                "has not recovered, last by replace",
                "crashed (i1)",
                "restarted the server, away until 1500.000 ms",
                "took its membership over (i1)",
                "its link dropped datagrams: 3 lost, 1 at a full queue, 20 blocked, 0 over our limit",
            ]
        );
    }
}
