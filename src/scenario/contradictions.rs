//! Faults that take each other's effect away.
//!
//! Steps of one script come one after the other, and one that lasts moves the next behind its end. So nobody can
//! move while its own network is dropped, or fall asleep while it sleeps; what is left is told here.

use std::collections::BTreeSet;

use super::{
    fields::Reader,
    source::Span,
    types::{Step, StepKind},
};

/// Reports steps of one peer whose effect nobody could see.
pub(super) fn check_contradictions(reader: &mut Reader<'_>, steps: &[Step]) {
    let mut walk = Walk {
        reader,
        udp_blocked: false,
        moved: false,
        blamed: BTreeSet::new(),
        repeated: false,
    };
    walk.steps(steps);
}

struct Walk<'r, 's> {
    reader: &'r mut Reader<'s>,
    /// No UDP passes any more, until the end.
    udp_blocked: bool,
    /// It has moved in this very instant.
    moved: bool,
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

    fn step(&mut self, step: &Step) {
        match &step.kind {
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
                self.moved &= lasting.is_none();
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
            StepKind::Roam { .. } => {
                if self.moved {
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
            StepKind::Crash => (self.udp_blocked, self.moved) = (false, false),
            StepKind::Pause(range) => self.moved &= range.max().is_zero(),
            StepKind::Join { .. }
            | StepKind::Leave
            | StepKind::Rejoin
            | StepKind::Wait { .. }
            | StepKind::Barrier { .. }
            | StepKind::Chat { .. }
            | StepKind::DropNetwork(_)
            | StepKind::Suspend { .. } => self.moved = false,
            // At once, and about something else.
            _ => {}
        }
    }
}
