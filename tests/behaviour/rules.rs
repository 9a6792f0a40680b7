//! Rules of deployed clients: what each changes, and the race in which it shows. Those of the reference that
//! came from mistakes of theirs are here, too.

use std::time::Duration;

use rtcstorm::{
    base::{Generation, Incarnation, Instant, PeerId, SignalingEnd, SignalingFailure},
    metrics::{DescriptionKind, EventKind, IgnoreReason, RecoveryPath, SignalingState},
    peer::{
        ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, Link, LinkOutput, Peer, PeerInput,
        PeerOutput,
    },
    plan::{Action, JoinOutcome},
    scenario::{ClientRules, SignalingStates},
    signaling::{Description, SdpType},
};

use crate::{
    negotiation::{
        Mutant, NONE, assert_caught, connected, failure, glare, ignored, is_kind, join, leaving, reference,
        repeated, sent, staying, without,
    },
    stage::{Fate, Stage, Way, script},
};

const ANN: PeerId = PeerId(0);
const BOB: PeerId = PeerId(1);

// ---- the races

/// A renegotiation: a duplicated offer without copies.
pub fn renegotiate() -> Action {
    Action::DuplicateOffer {
        copies: 0,
        within: Duration::ZERO,
        afresh: false,
    }
}

/// Ann renegotiates half a second after the link has opened.
fn renegotiation(rules: ClientRules) -> Stage {
    let ann = [(0, join("Ann")), (0, connected()), (500, renegotiate())];
    let bob = [(0, join("Bob")), (0, connected())];
    Stage::new(rules, &[0, 10], vec![script(&ann, 1_000), script(&bob, 1_000)])
}

/// Bob's answer to Ann's second offer is so late that he has offered himself meanwhile, and Ann has rolled back.
fn answer_after_rollback(rules: ClientRules) -> Stage {
    let ann = [(0, join("Ann")), (0, connected()), (500, renegotiate())];
    let bob = [(0, join("Bob")), (0, connected()), (550, renegotiate())];
    let mut answers = 0;
    Stage::new(rules, &[0, 10], vec![script(&ann, 2_000), script(&bob, 2_000)]).with_rule(
        move |from, frame| {
            if from == BOB && is_kind(frame, "webrtc-answer") {
                answers += 1;
                if answers == 2 {
                    return Fate::Delay(Duration::from_millis(200));
                }
            }
            Fate::Deliver
        },
    )
}

/// The signaling socket breaks while the first answer is on its way.
fn lost_answer(rules: ClientRules) -> Stage {
    let mut answered = false;
    staying(rules, 10, 3_000)
        .with_rule(move |_, frame| {
            if is_kind(frame, "webrtc-answer") && !std::mem::replace(&mut answered, true) {
                return Fate::Drop;
            }
            Fate::Deliver
        })
        .with_cut(20, BOB)
}

/// Making Ann's first offer takes longer than Bob waits for it.
fn slow_offer(rules: ClientRules) -> Stage {
    let mut calls = 0;
    staying(rules, 10, 3_000).with_latency(Box::new(move |way| {
        calls += u32::from(way == Way::Return);
        match way {
            Way::Return if calls == 1 => Duration::from_millis(1_200),
            _ => Duration::from_millis(1),
        }
    }))
}

/// Bob leaves while his answer is being made.
fn left_unfinished(rules: ClientRules) -> Stage {
    let ann = script(&[(0, join("Ann"))], 100);
    let bob = script(&[(0, join("Bob")), (6, Action::Leave)], 20);
    Stage::new(rules, &[0, 10], vec![ann, bob]).with_latency(Box::new(|way| {
        Duration::from_micros(match way {
            Way::Return => 2_000,
            _ => 500,
        })
    }))
}

/// Bob asks for a name that is taken, and for another one before the server has answered.
fn second_thoughts(rules: ClientRules) -> Stage {
    let refused = Action::Join {
        name: "Ann".into(),
        expect: JoinOutcome::Rejected,
        again: false,
    };
    let ann = script(&[(0, join("Ann")), (0, connected())], 2_000);
    let bob = [
        (0, refused),
        (150, Action::Leave),
        (150, join("Bob")),
        (150, connected()),
    ];
    Stage::new(rules, &[0, 200], vec![ann, script(&bob, 1_000)]).with_latency(Box::new(|way| match way {
        Way::Up | Way::Down => Duration::from_millis(100),
        _ => Duration::ZERO,
    }))
}

/// Bob's socket breaks, and is back before the server's grace is over; the play goes on for longer.
fn cut(rules: ClientRules) -> Stage {
    staying(rules, 10, 8_000).with_cut(500, BOB)
}

/// Bob comes back within the lock of the offer that his last membership took.
fn rejoin_at_once(rules: ClientRules) -> Stage {
    leaving(rules, 500, true)
}

/// Bob's process ends without a word, and he is back under his old id at once.
fn crash(rules: ClientRules) -> Stage {
    let ann = script(&[(0, join("Ann")), (0, connected())], 4_000);
    let bob = [
        (0, join("Bob")),
        (0, connected()),
        (500, Action::Crash),
        (600, join("Bob")),
        (600, connected()),
    ];
    Stage::new(rules, &[0, 10], vec![ann, script(&bob, 1_000)])
}

/// ICE and DTLS connect, and that is all.
fn no_channel(rules: ClientRules) -> Stage {
    let ann = script(&[(0, join("Ann"))], 20_000);
    let bob = script(&[(0, join("Bob"))], 20_000);
    Stage::new(rules, &[0, 10], vec![ann, bob]).with_stuck(1)
}

// ---- the mutants

#[test]
fn every_further_mutant_is_caught_and_the_reference_is_not_accused() {
    assert_caught(vec![
        Mutant {
            name: "expect_answers",
            rules: without(|r| r.expect_answers = false),
            race: answer_after_rollback,
            breaks: &[5],
        },
        Mutant {
            name: "replace_in_glare",
            rules: without(|r| r.replace_in_glare = false),
            race: glare,
            breaks: &[1],
        },
        Mutant {
            name: "repeat_unanswered",
            rules: without(|r| r.repeat_unanswered = false),
            race: lost_answer,
            // As above: both wait for the other until ICE gives up.
            breaks: &NONE,
        },
        Mutant {
            name: "register_first",
            rules: without(|r| r.register_first = false),
            race: slow_offer,
            breaks: &[2],
        },
        Mutant {
            name: "close_unfinished",
            rules: without(|r| r.close_unfinished = false),
            race: left_unfinished,
            breaks: &[2],
        },
        Mutant {
            name: "count_answers",
            rules: without(|r| r.count_answers = false),
            race: second_thoughts,
            breaks: &[2, 6],
        },
        Mutant {
            name: "resume_membership",
            rules: without(|r| r.resume_membership = false),
            race: cut,
            breaks: &[6],
        },
        Mutant {
            name: "replace_failed",
            rules: without(|r| r.replace_failed = false),
            race: failure,
            breaks: &[1],
        },
        Mutant {
            name: "open_within",
            rules: without(|r| r.open_within = None),
            race: no_channel,
            breaks: &[1],
        },
        Mutant {
            name: "replace_stale, where a member has crashed",
            rules: without(|r| r.replace_stale = false),
            race: crash,
            breaks: &[1],
        },
        Mutant {
            name: "offers_in",
            rules: without(|r| r.offers_in.stable = false),
            race: |rules| staying(rules, 10, 100),
            breaks: &[1, 5],
        },
        Mutant {
            // By the time that the offer is made again, the lock is over.
            name: "answer_lock, answer_within",
            rules: without(|r| {
                (r.answer_lock, r.answer_within) = (Duration::from_secs(1), None);
            }),
            race: renegotiation,
            breaks: &[5],
        },
        Mutant {
            // The newcomer's own offer would make up for the one that the lock drops, and so would the same once more.
            name: "forget_on_leave, offer_lock, offer_fallback, answer_within",
            rules: without(|r| {
                (r.forget_on_leave, r.offer_fallback, r.answer_within) = (false, false, None);
                r.offer_lock = Duration::from_secs(2);
            }),
            race: rejoin_at_once,
            breaks: &[1, 5],
        },
        Mutant {
            // The SDP's first line is all that it looks at.
            name: "dedupe_prefix",
            rules: without(|r| r.dedupe_prefix = Some(30)),
            race: renegotiation,
            breaks: &[5],
        },
    ]);
}

// ---- rules with a value

/// When something first happened, in ms.
fn first(stage: &Stage, is: impl Fn(&EventKind) -> bool) -> Option<u64> {
    let event = stage.events.iter().find(|event| is(&event.kind));
    event.map(|event| event.at.as_micros() / 1_000)
}

fn restarted(kind: &EventKind) -> bool {
    matches!(kind, EventKind::RecoveryStarted { path, .. } if *path == RecoveryPath::IceRestart)
}

#[test]
fn ice_is_restarted_when_the_rules_say_so() {
    let seconds = Duration::from_secs;
    let exact = |change: &dyn Fn(&mut ClientRules)| {
        without(|r| {
            r.recovery_jitter = Duration::ZERO;
            change(r);
        })
    };
    let polite = |after| (ANN, exact(&|r| r.restart_ice_after = after));
    let impolite = |later| {
        let rules = exact(&|r| (r.restart_ice_after, r.impolite_restart_after) = (Some(seconds(0)), later));
        (BOB, rules)
    };
    // Disconnected at 1 s, and a millisecond later it is told.
    for ((whose, rules), restart) in [
        (polite(Some(seconds(0))), Some(1_001)),
        (polite(Some(seconds(2))), Some(3_001)),
        (polite(None), None),
        (impolite(seconds(0)), Some(1_001)),
        (impolite(seconds(3)), Some(4_001)),
    ] {
        let stage = staying(rules, 10, 6_000).with_silence(1_000, whose).play();
        assert_eq!(first(&stage, restarted), restart, "{whose}, {rules:?}");
    }
}

#[test]
fn an_offer_that_the_lock_drops_is_lost() {
    for (lock, dropped) in [(0, 0), (400, 0), (600, 1)] {
        let rules = without(|r| r.offer_lock = Duration::from_millis(lock));
        // Half a second after the first.
        let stage = renegotiation(rules).play();
        assert_eq!(ignored(&stage, IgnoreReason::Locked), dropped, "{lock} ms");
    }
}

/// Bob is back after the server's grace; by then Ann offers to him as to anybody who joins.
#[test]
fn a_crash_forgets_what_a_leave_does_not() {
    for (goes, opens) in [(Action::Leave, 2), (Action::Crash, 4)] {
        let rules = without(|r| {
            (r.forget_on_leave, r.offer_fallback, r.answer_within) = (false, false, None);
            r.offer_lock = Duration::from_secs(20);
        });
        let ann = script(&[(0, join("Ann")), (0, connected())], 9_000);
        let bob = [
            (0, join("Bob")),
            (0, connected()),
            (500, goes.clone()),
            (6_500, join("Bob")),
        ];
        let stage = Stage::new(rules, &[0, 10], vec![ann, script(&bob, 8_000)]).play();
        let opened = stage.count(|kind| matches!(kind, EventKind::ChannelOpened { .. }));
        assert_eq!(opened, opens, "{goes:?}");
    }
}

#[test]
fn the_lock_is_held_while_an_offer_is_in_process() {
    let rules = without(|r| r.offer_lock = Duration::from_micros(1));
    let stage = repeated(rules, "webrtc-offer").play();
    assert_eq!(ignored(&stage, IgnoreReason::Locked), 2);
}

#[test]
fn a_fingerprint_is_forgotten_in_time() {
    for (remembered, dropped) in [(None, 1), (Some(400), 0), (Some(600), 1)] {
        let rules = without(|r| {
            (r.dedupe_prefix, r.dedupe_answers, r.answer_within) = (Some(30), false, None);
            r.dedupe_for = remembered.map(Duration::from_millis);
        });
        let stage = renegotiation(rules).play();
        assert_eq!(
            ignored(&stage, IgnoreReason::Duplicate),
            dropped,
            "{remembered:?} ms"
        );
    }
}

#[test]
fn with_a_time_what_was_dropped_counts_as_had() {
    let offer = Description {
        sdp_type: SdpType::Offer,
        sdp: "v=0\r\na=ice-ufrag:u\r\na=fingerprint:sha-256 AA\r\n".into(),
    };
    for (remembered, second) in [
        (None, IgnoreReason::Glare),
        (Some(Duration::from_secs(10)), IgnoreReason::Duplicate),
    ] {
        let rules = without(|r| {
            r.dedupe_for = remembered;
            r.queue_descriptions = false;
        });
        // Impolite, and offering.
        let mut link = Link::new(rules, BOB, ANN, Incarnation(1), Generation(0));
        link.offer();
        for _ in 0..2 {
            link.handle_description(offer.clone(), Instant::START);
        }
        let reasons: Vec<IgnoreReason> = std::iter::from_fn(|| link.poll_output())
            .filter_map(|output| match output {
                LinkOutput::Event(EventKind::DescriptionIgnored { reason, .. }) => Some(reason),
                _ => None,
            })
            .collect();
        assert_eq!(reasons, [IgnoreReason::Glare, second]);
    }
}

/// Bob's socket is away for longer than the server waits: he joins anew, and the link to him has lived on.
#[test]
fn a_living_connection_is_kept_when_its_member_joins_again() {
    for keep_living in [false, true] {
        let rules = without(|r| {
            r.keep_living = keep_living;
            r.reconnect_first = Duration::from_secs(6);
            r.reconnect_jitter = false;
        });
        let stage = staying(rules, 10, 10_000).with_cut(500, BOB).play();
        let kept = sent(&stage, DescriptionKind::Offer) == 1;
        assert_eq!((kept, stage.broken()), (keep_living, NONE.to_vec()));
    }
}

/// Both are disconnected, and Ann restarts ICE: her offer comes to a connection that does not live.
#[test]
fn an_offer_to_a_connection_that_does_not_live_is_answered_by_another_one() {
    for (keep_living, replaced) in [(false, 0), (true, 1)] {
        let rules = without(|r| {
            r.keep_living = keep_living;
            // Nothing else is to replace it.
            (r.replace_failed, r.replace_stale) = (false, false);
            r.restart_ice_after = Some(Duration::ZERO);
        });
        let stage = staying(rules, 10, 1_000)
            .with_silence(500, BOB)
            .with_silence(510, ANN)
            .play();
        let is_replaced =
            |k: &EventKind| matches!(k, EventKind::ConnectionClosed { cause, .. } if cause == "replaced");
        assert_eq!(stage.count(is_replaced), replaced, "{keep_living}");
    }
}

/// Only a rollback answers an offer here, and nothing else.
#[test]
fn an_offer_is_taken_in_the_states_that_the_rules_name() {
    for (states, answers) in [
        (SignalingStates::ALL, 1),
        (
            SignalingStates {
                have_local_offer: true,
                ..SignalingStates::default()
            },
            1,
        ),
        (
            SignalingStates {
                stable: true,
                ..SignalingStates::default()
            },
            0,
        ),
    ] {
        let rules = without(|r| {
            r.offers_in = states;
            r.replace_in_glare = false;
        });
        // Ann, polite, has an offer out when Bob's comes.
        let mut link = Link::new(rules, ANN, BOB, Incarnation(1), Generation(0));
        link.offer();
        let offer = |name: &str| Description {
            sdp_type: SdpType::Offer,
            sdp: format!("a=fingerprint:sha-256 {name}\r\n").into(),
        };
        let made = ConnectionEvent::OperationDone(Done {
            operation: ConnectionOperation::Offer { ice_restart: false },
            before: SignalingState::Stable,
            allowed: true,
            result: Ok(Some(offer("A"))),
        });
        link.handle_connection(link.generation(), made, Instant::START);
        link.handle_description(offer("B"), Instant::START);
        let taken = |output: &LinkOutput| {
            matches!(
                output,
                LinkOutput::Connection(_, ConnectionCommand::Perform(ConnectionOperation::SetRemote(_)))
            )
        };
        let outputs = std::iter::from_fn(|| link.poll_output());
        assert_eq!(outputs.filter(taken).count(), answers, "{states:?}");
    }
}

// ---- the socket

/// A peer whose socket is open, and what it asks for.
struct Online {
    peer: Peer,
    now: Instant,
    socket: u32,
}

impl Online {
    fn new(rules: ClientRules) -> Self {
        let stage = staying(rules, 10, 60_000);
        let peer = Peer::new(&stage.plan, ANN, 0);
        let mut online = Self {
            peer,
            now: Instant::START,
            socket: 0,
        };
        online.peer.handle(PeerInput::Arrive, online.now);
        online.drain();
        let opened = PeerInput::SignalingOpened(online.socket);
        online.peer.handle(opened, online.now);
        online.drain();
        online
    }

    /// The frames that it sends, and the sockets that it opens.
    fn drain(&mut self) -> (Vec<String>, usize) {
        let (mut frames, mut sockets) = (Vec::new(), 0);
        while let Some(output) = self.peer.poll_output() {
            match output {
                PeerOutput::SendFrame(frame) => frames.push(frame),
                PeerOutput::OpenSignaling(number) => {
                    self.socket = number;
                    sockets += 1;
                }
                _ => {}
            }
        }
        (frames, sockets)
    }

    /// Lets time pass to `until`.
    fn pass(&mut self, until: Instant) -> (Vec<String>, usize) {
        let (mut frames, mut sockets) = (Vec::new(), 0);
        while let Some(at) = self.peer.next_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.peer.handle_timeout(at);
            let (more, opened) = self.drain();
            frames.extend(more);
            sockets += opened;
            if sockets > 0 {
                break;
            }
        }
        (frames, sockets)
    }

    /// How long it waits for each attempt, until it makes no more.
    fn attempts(&mut self) -> Vec<u128> {
        let mut waits = Vec::new();
        loop {
            let lost = self.now;
            let gone =
                PeerInput::SignalingLost(self.socket, SignalingEnd::new(SignalingFailure::Closed, "test"));
            self.peer.handle(gone, self.now);
            self.drain();
            if self.pass(lost + Duration::from_secs(29)).1 == 0 {
                return waits;
            }
            waits.push(self.now.since(lost).as_millis());
        }
    }
}

#[test]
fn a_lost_socket_is_opened_again_as_the_rules_say() {
    let even = without(|r| r.reconnect_jitter = false);
    let longest = [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000];
    assert_eq!(Online::new(even).attempts(), longest);
    let slow = without(|r| {
        r.reconnect_jitter = false;
        r.recovery_jitter = Duration::ZERO;
        r.reconnect_first = Duration::from_secs(1);
        r.reconnect_max = Duration::from_secs(3);
        r.reconnect_attempts = 4;
    });
    assert_eq!(Online::new(slow).attempts(), [1_000, 2_000, 3_000, 3_000]);
}

/// Who has lost the same server does not come back in one instant.
#[test]
fn each_wait_for_a_socket_is_shortened_by_chance() {
    let waits = Online::new(reference()).attempts();
    let longest = [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000];
    assert_eq!(waits.len(), longest.len());
    for (wait, longest) in std::iter::zip(&waits, longest) {
        assert!((longest / 2..=longest).contains(wait), "{waits:?}");
    }
    assert_ne!(waits, longest);
}

#[test]
fn the_server_is_asked_as_often_as_the_rules_say() {
    for (every, most) in [(None, 0), (Some(5), 1), (Some(2), 2)] {
        let rules = without(|r| r.heartbeat_every = every.map(Duration::from_secs));
        let mut online = Online::new(rules);
        let (frames, _) = online.pass(Instant::from_millis(5_500));
        let pings = frames.iter().filter(|frame| is_kind(frame, "ping")).count();
        assert_eq!(pings, most, "{every:?}");
    }
}
