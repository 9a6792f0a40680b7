use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    flows::{Flows, Parcel},
    line::{Arguments, Lines, Nanos, arguments},
    link::Link,
    process::Threads,
    track::Track,
};
use crate::{
    base::{Instant, PeerId},
    metrics::{DescriptionKind, EventKind, RunEvent},
    report::{describe::ignored, events::kind_name, redact::redacted, what},
};

/// One peer's process.
#[derive(Debug)]
pub struct Peer {
    id: PeerId,
    pid: u64,
    script: Track,
    membership: Track,
    signaling: Track,
    links: BTreeMap<PeerId, Link>,
}

impl Peer {
    pub fn new(id: PeerId, pid: u64, threads: &mut Threads, lines: &mut Lines) -> Self {
        let mut track = |name: &str, place| Track::new(threads.add(pid, name, place, lines));
        Self {
            id,
            pid,
            script: track("script", 1),
            membership: track("membership", 2),
            signaling: track("signaling", 3),
            links: BTreeMap::new(),
        }
    }

    /// Something that the report says of it, rather than an event.
    pub fn finding(&self, at: Instant, name: &str, args: &Arguments, lines: &mut Lines) {
        lines.instant(self.membership.thread, name, "finding", Nanos::of(at), "p", args);
    }

    pub fn read(&mut self, event: &RunEvent, threads: &mut Threads, flows: &mut Flows, lines: &mut Lines) {
        match event.remote {
            Some(remote) => self.with(remote, event, threads, flows, lines),
            None => self.alone(event, lines),
        }
    }

    /// Whatever is going on ends here.
    pub fn end(&mut self, at: Instant, lines: &mut Lines) {
        let unfinished = [("unfinished", Value::from(true))];
        for track in [&mut self.script, &mut self.membership, &mut self.signaling] {
            track.end_to(0, at, &unfinished, lines);
        }
        for link in self.links.values_mut() {
            link.end(at, lines);
        }
    }

    fn alone(&mut self, event: &RunEvent, lines: &mut Lines) {
        let at = event.at;
        let said = redacted(&what(&event.kind));
        let args = arguments([("what", said.clone().into())]);
        match &event.kind {
            EventKind::StepStarted { planned, step } => {
                self.script.end_to(0, at, &[], lines);
                let late_ms = at.since(*planned).as_secs_f64() * 1_000.0;
                let args = arguments([
                    ("planned_ms", planned.as_millis_f64().into()),
                    ("late_ms", late_ms.into()),
                ]);
                self.script.begin(at, redacted(step), "script", args);
            }
            EventKind::WaitSatisfied { .. } | EventKind::BarrierReleased { .. } => {
                self.script.end_to(0, at, &[("result", said.into())], lines);
            }
            EventKind::WaitExpired { .. } | EventKind::BarrierExpired { .. } => {
                self.script
                    .instant(at, &kind_name(event), "failure", &args, lines);
                self.script.end_to(0, at, &[("result", said.into())], lines);
            }
            EventKind::ScriptEnded => self.script.end_to(0, at, &[], lines),

            EventKind::JoinStarted {
                incarnation, name, ..
            } => {
                self.membership.end_to(0, at, &[], lines);
                let name = format!("{} ({incarnation})", redacted(name));
                self.membership.begin(at, name, "membership", args);
                self.membership
                    .begin(at, "joining", "membership", Arguments::new());
            }
            EventKind::Joined { .. } => {
                self.membership.end_to(1, at, &[], lines);
                if self.membership.depth() == 1 {
                    self.membership
                        .begin(at, "member", "membership", Arguments::new());
                }
            }
            EventKind::JoinRejected { .. } | EventKind::JoinFailed { .. } => {
                self.membership
                    .instant(at, &kind_name(event), "failure", &args, lines);
                self.membership.end_to(0, at, &[("result", said.into())], lines);
            }
            EventKind::LeaveStarted { .. } => {
                self.membership.end_to(1, at, &[], lines);
                if self.membership.depth() == 1 {
                    self.membership.begin(at, "leaving", "membership", args);
                }
            }
            EventKind::Left { .. } => {
                self.membership.end_to(0, at, &[("result", said.into())], lines);
                self.signaling.end_to(0, at, &[], lines);
            }
            EventKind::Crashed { .. } => {
                self.membership
                    .instant(at, &kind_name(event), "fault", &args, lines);
                for track in [&mut self.script, &mut self.membership, &mut self.signaling] {
                    track.end_to(0, at, &[("result", "crashed".into())], lines);
                }
            }

            EventKind::SignalingConnected => {
                self.signaling.end_to(0, at, &[], lines);
                self.signaling.begin(at, "socket", "signaling", Arguments::new());
            }
            EventKind::SignalingLost { .. } => {
                self.signaling
                    .instant(at, &kind_name(event), "signaling", &args, lines);
                self.signaling.end_to(0, at, &[("result", said.into())], lines);
            }
            EventKind::SignalingError { .. }
            | EventKind::MembershipResumed { .. }
            | EventKind::FrameTreated { .. }
            | EventKind::FrameForged { .. } => {
                self.signaling
                    .instant(at, &kind_name(event), "signaling", &args, lines);
            }
            _ => self
                .membership
                .instant(at, &kind_name(event), "membership", &args, lines),
        }
    }

    fn with(
        &mut self,
        remote: PeerId,
        event: &RunEvent,
        threads: &mut Threads,
        flows: &mut Flows,
        lines: &mut Lines,
    ) {
        let (me, at, pid) = (self.id, event.at, self.pid);
        match &event.kind {
            EventKind::WaitExpired { .. } => return self.alone(event, lines),
            EventKind::MemberJoined { .. } | EventKind::MemberLeft { .. } => {
                let args = arguments([("what", redacted(&what(&event.kind)).into())]);
                let name = format!("{}: {remote}", kind_name(event));
                return self.membership.instant(at, &name, "membership", &args, lines);
            }
            EventKind::FrameTreated { .. } | EventKind::FrameForged { .. } => {
                let args = arguments([("what", redacted(&what(&event.kind)).into())]);
                let name = format!("{}: {remote}", kind_name(event));
                return self.signaling.instant(at, &name, "signaling", &args, lines);
            }
            _ => {}
        }
        let link = self
            .links
            .entry(remote)
            .or_insert_with(|| Link::new(remote, pid, threads, lines));
        match &event.kind {
            EventKind::DescriptionSent {
                description,
                fingerprint,
                answers,
                ..
            } => {
                let name = format!("sent {}", described(*description, *fingerprint));
                let place = link.point(at, &name, "signaling", &Arguments::new(), lines);
                let parcel = flows.description(*description, *fingerprint, *answers);
                flows.see(parcel, place, true);
            }
            EventKind::DescriptionReceived {
                description,
                fingerprint,
            } => {
                let name = format!("received {}", described(*description, *fingerprint));
                let place = link.point(at, &name, "signaling", &Arguments::new(), lines);
                let parcel = flows.description(*description, *fingerprint, None);
                flows.see(parcel, place, false);
            }
            EventKind::DescriptionIgnored {
                description,
                fingerprint,
                reason,
            } => {
                let name = format!("ignored {}", described(*description, *fingerprint));
                let args = arguments([("why", ignored(*reason).into())]);
                link.point(at, &name, "signaling", &args, lines);
            }
            EventKind::MessageSent {
                incarnation,
                seq,
                bytes,
                ..
            } => {
                let args = arguments([("bytes", (*bytes).into())]);
                let place = link.point(
                    at,
                    &format!("sent message {incarnation}-{seq}"),
                    "message",
                    &args,
                    lines,
                );
                flows.see(Parcel::Message(me, remote, *incarnation, *seq), place, true);
            }
            EventKind::MessageReceived {
                incarnation,
                seq,
                bytes,
                ..
            } => {
                let args = arguments([("bytes", (*bytes).into())]);
                let name = format!("received message {incarnation}-{seq}");
                let place = link.point(at, &name, "message", &args, lines);
                flows.see(Parcel::Message(remote, me, *incarnation, *seq), place, false);
            }
            _ => link.read(event, threads, lines),
        }
    }
}

fn described(kind: DescriptionKind, number: u64) -> String {
    match kind {
        DescriptionKind::Offer => format!("offer {number}"),
        DescriptionKind::Answer => format!("answer {number}"),
    }
}
