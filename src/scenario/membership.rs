use std::collections::BTreeSet;

use super::{
    TurnFault,
    fields::Reader,
    source::Span,
    types::{RelayMode, Step, StepKind, WaitFor},
};

/// Reports steps that don't fit the peer's place at that moment. `alone`: nobody else is in its room. `relay_mode`: that
/// of its server.
pub(super) fn check_membership(reader: &mut Reader<'_>, steps: &[Step], alone: bool, relay_mode: RelayMode) {
    let mut walk = Walk {
        reader,
        place: Place::Outside(Before::Nothing),
        broken: false,
        alone,
        relay_mode,
        left: false,
        blamed: BTreeSet::new(),
        rounds: 0,
    };
    walk.steps(steps);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside(Before),
    Inside,
    /// After a join that the server is expected to refuse.
    Refused,
}

/// What was before a peer came to be outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Leave,
    Crash,
}

impl Before {
    fn told(self) -> &'static str {
        match self {
            Self::Nothing => "before any `join`",
            Self::Leave => "after a `leave`",
            Self::Crash => "after a `crash`",
        }
    }
}

struct Walk<'r, 's> {
    reader: &'r mut Reader<'s>,
    place: Place,
    /// There was a fault or a restart, from which one can recover.
    broken: bool,
    alone: bool,
    relay_mode: RelayMode,
    /// A membership has ended with a `leave`.
    left: bool,
    blamed: BTreeSet<Span>,
    /// In how many `repeat`s this is the second round.
    rounds: usize,
}

impl Walk<'_, '_> {
    fn blame(&mut self, span: Span, message: String, help: &str) {
        if !self.blamed.insert(span) {
            return;
        }
        let message = match self.rounds {
            0 => message,
            _ => format!("{message}, when it is repeated"),
        };
        self.reader.mistake_help(span, message, help);
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let span = step.span;
        match &step.kind {
            StepKind::Join { expect_rejected } => {
                if self.place == Place::Inside {
                    let message = "`join` while in the room".to_owned();
                    self.blame(span, message, "`leave` before it, or say `rejoin`");
                }
                if *expect_rejected && self.relay_mode == RelayMode::Deployed {
                    let message =
                        "`join: {expect: rejected}` beside `relay_mode: deployed`: that server refuses nobody"
                            .to_owned();
                    let help =
                        "leave out the `expect`, or play it where rooms are kept apart (`relay_mode: rooms`)";
                    self.blame(span, message, help);
                }
                self.place = match expect_rejected {
                    true => Place::Refused,
                    false => Place::Inside,
                };
            }
            StepKind::JoinTwice => {
                if self.place == Place::Inside {
                    let message = "`join_twice` while in the room".to_owned();
                    self.blame(span, message, "`leave` before it");
                }
                self.place = Place::Inside;
            }
            StepKind::Leave => {
                self.inside(span, "`leave`");
                self.left = true;
                self.place = Place::Outside(Before::Leave);
            }
            StepKind::Rejoin => {
                self.inside(span, "`rejoin`");
                self.left = true;
                self.place = Place::Inside;
            }
            StepKind::Chat { .. } => self.inside(span, "`chat`"),
            StepKind::Wait { target, .. } => self.wait(span, *target),
            StepKind::DuplicateOffer { .. } => {
                self.inside(span, "`duplicate_offer`");
                self.in_company(span, "`duplicate_offer`", "offer to");
            }
            StepKind::DuplicateAnswer { .. } => self.inside(span, "`duplicate_answer`"),
            StepKind::IceRestart { .. } => {
                self.inside(span, "`ice_restart`");
                self.in_company(span, "`ice_restart`", "connect to");
                self.broken = true;
            }
            StepKind::DropNetwork(_) => {
                self.inside(span, "`drop_network`");
                self.broken = true;
            }
            StepKind::BlockUdp { .. } => {
                self.inside(span, "`block_udp`");
                self.in_company(span, "`block_udp`", "connect to");
                self.broken = true;
            }
            StepKind::Roam { .. } => {
                self.inside(span, "`roam`");
                self.broken = true;
            }
            StepKind::NatRebind => {
                self.inside(span, "`nat_rebind`");
                self.in_company(span, "`nat_rebind`", "connect to");
                self.broken = true;
            }
            StepKind::Suspend { .. } => {
                self.inside(span, "`suspend`");
                self.broken = true;
            }
            StepKind::CutSignaling(_) => {
                self.inside(span, "`cut_signaling`");
                self.broken = true;
            }
            StepKind::Crash => {
                self.inside(span, "`crash`");
                self.place = Place::Outside(Before::Crash);
                self.broken = true;
            }
            // Also for who is outside: it is everybody's server.
            StepKind::Server(_) | StepKind::Turn(TurnFault::Stop { .. }) => self.broken = true,
            StepKind::Repeat { times, steps } => {
                let before = self.place;
                self.steps(steps);
                // The second round can begin elsewhere than the first; the third begins like the second.
                if *times > 1 && self.place != before {
                    self.rounds += 1;
                    self.steps(steps);
                    self.rounds -= 1;
                }
            }
            StepKind::Signaling(fault) => {
                if !fault.of.is_empty() && fault.of.iter().all(|kind| kind.names_remote()) {
                    self.in_company(span, "`signaling` of such frames", "exchange them with");
                }
            }
            StepKind::Glare { .. } => {
                self.inside(span, "`glare`");
                self.in_company(span, "`glare`", "offer to");
            }
            StepKind::StaleOffer { .. } => {
                self.inside(span, "`stale_offer`");
                self.in_company(span, "`stale_offer`", "offer to");
                if !self.left {
                    let message =
                        "`stale_offer` in the first membership: there is no earlier offer".to_owned();
                    self.blame(span, message, "`rejoin` before it");
                }
            }
            StepKind::SendRaw(_) => self.inside(span, "`send_raw`"),
            StepKind::Pause(_)
            | StepKind::Barrier { .. }
            | StepKind::Rename(_)
            | StepKind::Network(_)
            | StepKind::Turn(_) => {}
        }
    }

    fn inside(&mut self, span: Span, what: &str) {
        let why = match self.place {
            Place::Inside => return,
            Place::Outside(before) => before.told(),
            Place::Refused => "after a join that is expected to be rejected",
        };
        self.blame(span, format!("{what} {why}"), "`join` first");
    }

    fn in_company(&mut self, span: Span, what: &str, for_what: &str) {
        if self.alone {
            let message = format!("{what} in a room of one: there is nobody to {for_what}");
            self.blame(
                span,
                message,
                "give the room at least two peers (`rooms: {peers: 2}`)",
            );
        }
    }

    fn wait(&mut self, span: Span, target: WaitFor) {
        let what = match target {
            WaitFor::Connected | WaitFor::ConnectedToPresent => "`wait: connected`",
            WaitFor::Joined => "`wait: joined`",
            WaitFor::Rejected => "`wait: rejected`",
            WaitFor::Recovered => "`wait: recovered`",
            WaitFor::External { .. } => "`wait: external`",
        };
        match (target, self.place) {
            (WaitFor::Rejected, Place::Refused) => {}
            (WaitFor::Rejected, Place::Inside) => {
                let message = format!("{what} after a join that is expected to be accepted");
                self.blame(span, message, "say `join: {expect: rejected}` before it");
            }
            (WaitFor::Rejected, Place::Outside(before)) => {
                let message = format!("{what} {}", before.told());
                self.blame(span, message, "`join: {expect: rejected}` first");
            }
            _ => self.inside(span, what),
        }
        match target {
            WaitFor::Connected | WaitFor::ConnectedToPresent => self.in_company(span, what, "connect to"),
            WaitFor::Recovered if !self.broken => {
                let message = format!("{what} before any fault: there is nothing to recover from");
                let help = "put `drop_network`, `roam`, `suspend`, `cut_signaling`, `crash` or another fault before it";
                self.blame(span, message, help);
            }
            _ => {}
        }
    }
}
