//! Faults that take each other's effect away.
//!
//! Steps of one script come one after the other, and one that lasts moves the next behind its end. So nobody can
//! move while its own network is dropped, or fall asleep while it sleeps; what is left is told here.

use std::collections::BTreeSet;

use super::{
    fields::Reader,
    ice::{Ice, IceServers, TurnTransport},
    source::Span,
    types::{DropNetwork, Scope, SocketOnRoam, Step, StepKind},
};

/// Reports steps of one peer whose effect nobody could see.
/// `ice`: how it finds a path; `None` if that could not be read.
pub(super) fn check_contradictions(reader: &mut Reader<'_>, steps: &[Step], ice: Option<&Ice>) {
    let mut walk = Walk {
        reader,
        only_udp: ice.is_some_and(|ice| match ice.servers {
            IceServers::None => true,
            IceServers::Bundled => ice.transport == TurnTransport::Udp,
            IceServers::Offered | IceServers::Named(_) => false,
        }),
        udp_blocked: false,
        moved: false,
        cut: false,
        changed: false,
        blamed: BTreeSet::new(),
        repeated: false,
    };
    walk.steps(steps);
}

struct Walk<'r, 's> {
    reader: &'r mut Reader<'s>,
    /// It has no relay but over UDP.
    only_udp: bool,
    /// No UDP passes any more, until the end.
    udp_blocked: bool,
    /// It has moved in this very instant.
    moved: bool,
    /// Its signaling socket was cut in this very instant.
    cut: bool,
    /// Its network was changed in this very instant.
    changed: bool,
    blamed: BTreeSet<Span>,
    /// This is the second round of a `repeat`.
    repeated: bool,
}

impl Walk<'_, '_> {
    fn blame(&mut self, span: Span, message: &str, help: &str) {
        if self.blamed.insert(span) {
            let when = if self.repeated {
                ", when it is repeated"
            } else {
                ""
            };
            self.reader.mistake_help(span, format!("{message}{when}"), help);
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    /// Nothing that is media gets anywhere, until the end.
    fn media_dead(&self) -> bool {
        self.udp_blocked && self.only_udp
    }

    /// Time passes.
    fn later(&mut self) {
        (self.moved, self.cut, self.changed) = (false, false, false);
    }

    fn step(&mut self, step: &Step) {
        match &step.kind {
            StepKind::CutSignaling(_) => {
                let again = std::mem::replace(&mut self.cut, true);
                if again {
                    let message = "`cut_signaling` in the instant of another one: the socket is cut already";
                    self.blame(step.span, message, "leave one out, or put a `pause` between them");
                }
            }
            StepKind::Network(_) => {
                let again = std::mem::replace(&mut self.changed, true);
                if again {
                    let message = "`network` in the instant of another one: nobody gets to see the first";
                    let help = "a step replaces the whole network: say all of it in one, or put a `pause` between them";
                    self.blame(step.span, message, help);
                }
            }
            StepKind::BlockUdp { lasting } => {
                if self.udp_blocked {
                    let message = "`block_udp` while UDP is blocked already, until the end";
                    self.blame(
                        step.span,
                        message,
                        "give the first one an end: `block_udp: {for: 10s}`",
                    );
                }
                self.udp_blocked |= lasting.is_none();
                if lasting.is_some() {
                    self.later();
                }
            }
            StepKind::NatRebind => {
                if self.udp_blocked {
                    let message =
                        "`nat_rebind` while UDP is blocked, until the end: nothing is mapped any more";
                    self.blame(
                        step.span,
                        message,
                        "give `block_udp` an end: `block_udp: {for: 10s}`",
                    );
                } else if self.moved {
                    let message =
                        "`nat_rebind` in the instant of a `roam`: the sockets that it maps anew are dead";
                    self.blame(step.span, message, "leave it out, or put a `pause` before it");
                }
            }
            StepKind::Roam { signaling } => {
                if *signaling == SocketOnRoam::Kept && self.media_dead() {
                    let message = "`roam: {signaling: kept}` while UDP is blocked, until the end: there is nothing that moves";
                    self.blame(
                        step.span,
                        message,
                        "give `block_udp` an end: `block_udp: {for: 10s}`",
                    );
                } else if self.moved {
                    let message = "`roam` in the instant of another one: nobody gets to see the first";
                    self.blame(step.span, message, "leave one out, or put a `pause` between them");
                }
                self.moved = true;
            }
            StepKind::Repeat { times, steps } => {
                self.steps(steps);
                if *times > 1 {
                    let outer = std::mem::replace(&mut self.repeated, true);
                    self.steps(steps);
                    self.repeated = outer;
                }
            }
            // What comes back is another machine.
            StepKind::Crash => (self.udp_blocked, self.moved, self.cut) = (false, false, false),
            StepKind::Pause(range) if range.max().is_zero() => {}
            StepKind::DropNetwork(DropNetwork { scope, .. }) => {
                if *scope == Scope::Media && self.media_dead() {
                    let message = "`drop_network: {scope: media}` while UDP is blocked, until the end: there is no media";
                    self.blame(
                        step.span,
                        message,
                        "give `block_udp` an end, or say `scope: signaling`",
                    );
                }
                self.later();
            }
            StepKind::Pause(_)
            | StepKind::Wait { .. }
            | StepKind::Barrier { .. }
            | StepKind::Chat { .. }
            | StepKind::Suspend { .. } => self.later(),
            // At least frames are sent then.
            StepKind::Join { .. } | StepKind::JoinTwice | StepKind::Leave | StepKind::Rejoin => self.later(),
            // At once, and about something else.
            _ => {}
        }
    }
}
