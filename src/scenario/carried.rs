//! Whether the protocol carries what the steps and thresholds ask for.

use super::{
    fields::Reader,
    source::Span,
    types::{RawFrames, RawSet, RelayMode, Step, StepKind, Target, Threshold, WaitFor},
};
use crate::{
    impair::FrameKind,
    signaling::{Abilities, Capability},
};

/// Reports every step and threshold that asks for what the target's protocol does not carry.
pub(super) fn check_carried<'a>(
    reader: &mut Reader<'_>,
    target: &Target,
    steps: impl Iterator<Item = &'a [Step]>,
    thresholds: &[Threshold],
) {
    let deployed = target.relay_mode == RelayMode::Deployed;
    let mut check = Check {
        reader,
        abilities: target.protocol.abilities_with(deployed),
        speaker: match deployed {
            true => format!("`{}` in `relay_mode: deployed`", target.protocol),
            false => format!("`{}`", target.protocol),
        },
    };
    steps.for_each(|steps| check.steps(steps));
    for threshold in thresholds {
        let metric = threshold.selector.split('{').next().unwrap_or_default().trim();
        if metric == "joins_rejected" {
            let help = "no join is ever refused there: leave the threshold out";
            check.ask(
                Capability::RefusedJoins,
                threshold.span,
                "a threshold on `joins_rejected`",
                help,
            );
        }
    }
}

struct Check<'r, 's> {
    reader: &'r mut Reader<'s>,
    abilities: Abilities,
    speaker: String,
}

impl Check<'_, '_> {
    fn ask(&mut self, capability: Capability, at: Span, what: &str, help: &str) {
        if !self.abilities.carries(capability) {
            let message = format!("{what}: {} carries no {}", self.speaker, capability.name());
            let help = format!("{help} (docs/PROTOCOLS.md)");
            self.reader.mistake_help(at, message, help);
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let nobody = "nobody is refused there: leave `rejected` out, or play it where somebody is (`relay_mode: rooms`)";
        match &step.kind {
            StepKind::Repeat { steps, .. } => self.steps(steps),
            StepKind::Join {
                expect_rejected: true,
            } => {
                self.ask(
                    Capability::RefusedJoins,
                    step.span,
                    "`join: {expect: rejected}`",
                    nobody,
                );
            }
            StepKind::Wait {
                target: WaitFor::Rejected,
                ..
            } => self.ask(Capability::RefusedJoins, step.span, "`wait: rejected`", nobody),
            StepKind::SendRaw(RawFrames::Set(RawSet::Misplaced)) => {
                let help = "send a `text` of your own, or another `set`; a description lists such frames under `send: {misplaced: [...]}`";
                self.ask(
                    Capability::Misplaced,
                    step.span,
                    "`send_raw: {set: misplaced}`",
                    help,
                );
            }
            StepKind::Signaling(fault) => {
                for kind in &fault.of {
                    if let Some(capability) = needed(*kind) {
                        let what = format!("`signaling` of `{}` frames", kind.name());
                        self.ask(
                            capability,
                            step.span,
                            &what,
                            "there are no such frames: name others in `of`",
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

/// What has to be carried for there to be frames of that kind.
fn needed(kind: FrameKind) -> Option<Capability> {
    match kind {
        FrameKind::Candidate => Some(Capability::Candidates),
        FrameKind::Ping | FrameKind::Pong => Some(Capability::Pings),
        FrameKind::Welcome => Some(Capability::ConfirmedJoins),
        FrameKind::JoinRejected => Some(Capability::RefusedJoins),
        FrameKind::MemberJoined => Some(Capability::Newcomers),
        FrameKind::MemberLeft => Some(Capability::Departures),
        FrameKind::Roster => Some(Capability::Rosters),
        FrameKind::Offer
        | FrameKind::Answer
        | FrameKind::Join
        | FrameKind::Leave
        | FrameKind::Error
        | FrameKind::Other => None,
    }
}
