//! What it takes until a link, or the way to the server, counts as recovered.

use std::time::Duration;

use rtcstorm::{
    base::{Generation, Incarnation, Instant, PeerId},
    metrics::{CandidateKind, EventKind, RecoveryPath, SignalingState},
    peer::{ConnectionCommand, ConnectionEvent, ConnectionOperation, Done, Link, LinkOutput, TransportState},
    plan::{Action, Condition, Cut, JoinOutcome},
    scenario::ClientRules,
    signaling::{Description, SdpType},
};

use crate::stage::{Stage, script};

fn description(sdp_type: SdpType, version: u32, ufrag: &str) -> Description {
    let sdp = format!("o=- 1 {version}\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 AA\r\n");
    Description {
        sdp_type,
        sdp: sdp.into(),
    }
}

/// An offering link and what it wants, step by step.
struct Offerer {
    link: Link,
    generation: Generation,
    now: Instant,
}

impl Offerer {
    fn new(rules: ClientRules) -> Self {
        Self::between(rules, PeerId(0), PeerId(1))
    }

    fn between(rules: ClientRules, me: PeerId, remote: PeerId) -> Self {
        let mut link = Link::new(rules, me, remote, Incarnation(1), Generation(0));
        link.offer();
        let generation = link.generation();
        Self {
            link,
            generation,
            now: Instant::START,
        }
    }

    fn happens(&mut self, event: ConnectionEvent) {
        self.link.handle_connection(self.generation, event, self.now);
    }

    fn done(&mut self, operation: ConnectionOperation, before: SignalingState, made: Option<Description>) {
        self.happens(ConnectionEvent::OperationDone(Done {
            operation,
            before,
            allowed: true,
            result: Ok(made),
        }));
    }

    /// Fires what is due `ms` after the start.
    fn at(&mut self, ms: u64) {
        self.now = Instant::from_millis(ms);
        self.link.handle_timeout(self.now);
    }

    /// Everything that the link wants by now.
    fn drain(&mut self) -> Vec<LinkOutput> {
        std::iter::from_fn(|| self.link.poll_output()).collect()
    }

    fn offered(&mut self, version: u32, ice_restart: bool) {
        let offer = description(SdpType::Offer, version, "ours");
        let operation = ConnectionOperation::Offer { ice_restart };
        self.done(operation, SignalingState::Stable, Some(offer));
    }

    fn answer_is_set(&mut self, answer: Description) {
        let operation = ConnectionOperation::SetRemote(answer);
        self.done(operation, SignalingState::HaveLocalOffer, None);
    }

    /// Through the first exchange to an open channel.
    fn open(mut self) -> Self {
        self.offered(1, false);
        let answer = description(SdpType::Answer, 1, "theirs");
        self.link.handle_description(answer.clone(), Instant::START);
        self.answer_is_set(answer);
        self.happens(ConnectionEvent::IceState(TransportState::Checking));
        self.happens(ConnectionEvent::IceState(TransportState::Connected));
        let pair = CandidateKind::Host;
        self.happens(ConnectionEvent::ChannelOpened { pair });
        self.drain();
        self
    }
}

fn is_restarted(outputs: &[LinkOutput]) -> bool {
    outputs.contains(&LinkOutput::Restarted)
}

#[test]
fn a_restart_is_done_whichever_of_ice_and_the_answer_comes_first() {
    for ice_first in [false, true] {
        let mut offerer = Offerer::new(ClientRules::default()).open();
        assert!(offerer.link.restart_ice());
        let wanted = ConnectionCommand::Perform(ConnectionOperation::Offer { ice_restart: true });
        let generation = offerer.generation;
        assert!(
            offerer
                .drain()
                .contains(&LinkOutput::Connection(generation, wanted))
        );
        offerer.offered(2, true);
        let answer = description(SdpType::Answer, 2, "theirs anew");
        offerer.link.handle_description(answer.clone(), Instant::START);
        offerer.happens(ConnectionEvent::IceState(TransportState::Checking));
        assert!(!is_restarted(&offerer.drain()));
        let connected = ConnectionEvent::IceState(TransportState::Connected);
        if ice_first {
            offerer.happens(connected.clone());
            assert!(!is_restarted(&offerer.drain()), "the answer is not set yet");
            offerer.answer_is_set(answer);
        } else {
            offerer.answer_is_set(answer);
            assert!(!is_restarted(&offerer.drain()), "ICE is not back yet");
            offerer.happens(connected);
        }
        assert!(is_restarted(&offerer.drain()), "ICE first: {ice_first}");
    }
}

/// Found by `hunt network-drops --schedule pct:3`: the answer to a restart went to the half-open socket of the
/// one who had offered, who then offered the same over a new one, and was taken for a duplicate.
#[test]
fn who_offers_the_same_again_gets_the_same_answer_again() {
    let told = |rules: ClientRules| {
        let mut link = Link::new(rules, PeerId(1), PeerId(0), Incarnation(1), Generation(0));
        let (offer, answer) = (
            description(SdpType::Offer, 1, "theirs"),
            description(SdpType::Answer, 1, "ours"),
        );
        let done = |link: &mut Link, operation, before, made| {
            let done = Done {
                operation,
                before,
                allowed: true,
                result: Ok(made),
            };
            link.handle_connection(
                Generation(1),
                ConnectionEvent::OperationDone(done),
                Instant::START,
            );
        };
        link.handle_description(offer.clone(), Instant::START);
        done(
            &mut link,
            ConnectionOperation::SetRemote(offer.clone()),
            SignalingState::Stable,
            None,
        );
        // While it is being answered a copy needs no answer of its own.
        link.handle_description(offer.clone(), Instant::START);
        let answers = offer.fingerprint();
        done(
            &mut link,
            ConnectionOperation::Answer { answers },
            SignalingState::HaveRemoteOffer,
            Some(answer.clone()),
        );
        link.handle_description(offer.clone(), Instant::START);
        // What was offered since went the same way.
        let own = description(SdpType::Offer, 2, "ours anew");
        done(
            &mut link,
            ConnectionOperation::Offer { ice_restart: true },
            SignalingState::Stable,
            Some(own.clone()),
        );
        link.handle_description(offer, Instant::START);
        let sent: Vec<_> = std::iter::from_fn(|| link.poll_output())
            .filter_map(|output| match output {
                LinkOutput::SendDescription(description) => Some(description),
                _ => None,
            })
            .collect();
        let count = |wanted: &Description| sent.iter().filter(|sent| *sent == wanted).count();
        [count(&answer), count(&own)]
    };
    assert_eq!(told(ClientRules::default()), [3, 2]);
    let rules = ClientRules {
        repeat_unanswered: false,
        ..ClientRules::default()
    };
    assert_eq!(told(rules), [1, 1]);
}

#[test]
fn a_cut_socket_has_not_recovered_before_another_one_has_been_answered() {
    let join = Action::Join {
        name: "Ann".into(),
        expect: JoinOutcome::Accepted,
        again: false,
    };
    let wait = |condition| Action::Wait {
        condition,
        within: Duration::from_secs(2),
    };
    // The stage does not carry the cut out, so nothing ever makes up for it.
    let steps = [
        (0, join),
        (0, wait(Condition::Joined)),
        (0, Action::CutSignaling { how: Cut::Reset }),
        (0, wait(Condition::Recovered)),
    ];
    let stage = Stage::new(ClientRules::default(), &[0], vec![script(&steps, 0)]).play();
    assert_eq!(stage.count(|k| matches!(k, EventKind::WaitExpired { .. })), 1);
}

fn is_closed(outputs: &[LinkOutput], generation: Generation) -> bool {
    outputs.contains(&LinkOutput::Connection(generation, ConnectionCommand::Close))
}

fn events(outputs: Vec<LinkOutput>) -> Vec<EventKind> {
    let events = outputs.into_iter().filter_map(|output| match output {
        LinkOutput::Event(kind) => Some(kind),
        _ => None,
    });
    events.collect()
}

#[test]
fn what_is_dead_for_long_enough_is_removed_if_its_channel_is_closed() {
    let second = Some(Duration::from_secs(1));
    let never = ClientRules {
        replace_failed: false,
        ..ClientRules::default()
    };
    let failed = ClientRules {
        remove_after_failed: second,
        ..never
    };
    let disconnected = ClientRules {
        remove_after_disconnected: second,
        ..never
    };
    let (f, d, c) = (
        TransportState::Failed,
        TransportState::Disconnected,
        TransportState::Connected,
    );
    for (rules, states, closed, removed) in [
        (never, vec![f], true, false),
        (failed, vec![f], true, true),
        (failed, vec![f], false, false),
        (failed, vec![d], true, false),
        (disconnected, vec![d], true, true),
        (disconnected, vec![d], false, false),
        (disconnected, vec![f], true, false),
        // It is well again.
        (disconnected, vec![d, c], true, false),
    ] {
        let mut offerer = Offerer::new(rules).open();
        if closed {
            offerer.happens(ConnectionEvent::ChannelClosed);
        }
        for state in &states {
            offerer.happens(ConnectionEvent::State(*state));
        }
        offerer.at(999);
        assert!(!is_closed(&offerer.drain(), offerer.generation), "{states:?}");
        offerer.at(1_000);
        assert_eq!(
            is_closed(&offerer.drain(), offerer.generation),
            removed,
            "{rules:?} {states:?} {closed}"
        );
    }
}

#[test]
fn a_connection_whose_channel_does_not_open_is_replaced_unless_it_gets_on() {
    let never = ClientRules {
        open_within: None,
        ..ClientRules::default()
    };
    let connected = TransportState::Connected;
    let (ice, dtls) = (
        ConnectionEvent::IceState(connected),
        ConnectionEvent::State(connected),
    );
    let pair = CandidateKind::Host;
    let channel = ConnectionEvent::ChannelOpened { pair };
    let (polite, impolite) = ([0, 1], [1, 0]);
    for (ends, rules, happens, replaced) in [
        (impolite, ClientRules::default(), vec![(0, &ice)], Some(10_000)),
        (polite, ClientRules::default(), vec![(0, &ice)], Some(12_000)),
        (impolite, never, vec![(0, &ice)], None),
        (impolite, ClientRules::default(), vec![], None),
        // What has connected before does not count.
        (
            impolite,
            ClientRules::default(),
            vec![(0, &ice), (9_000, &dtls), (12_000, &ice), (15_000, &dtls)],
            Some(19_000),
        ),
        (
            impolite,
            ClientRules::default(),
            vec![(0, &ice), (9_000, &dtls), (18_999, &channel)],
            None,
        ),
    ] {
        let mut offerer = Offerer::between(rules, PeerId(ends[0]), PeerId(ends[1]));
        offerer.offered(1, false);
        let answer = description(SdpType::Answer, 1, "theirs");
        offerer.link.handle_description(answer.clone(), Instant::START);
        offerer.answer_is_set(answer);
        for (at, event) in &happens {
            offerer.at(*at);
            offerer.happens((*event).clone());
        }
        let mut when = None;
        for at in [9_999, 10_000, 11_999, 12_000, 18_999, 19_000, 60_000] {
            if happens.last().is_none_or(|(last, _)| at >= *last) {
                offerer.at(at);
                let closed = is_closed(&offerer.drain(), offerer.generation);
                when = when.or(closed.then_some(at));
            }
        }
        assert_eq!(when, replaced, "{ends:?} {rules:?} {happens:?}");
    }
}

#[test]
fn ice_that_has_failed_is_restarted_as_often_as_the_rules_let_it() {
    let restarts = |rules: ClientRules, reconnects: bool| {
        let mut offerer = Offerer::new(rules).open();
        let mut restarts = 0;
        for round in 2..6 {
            offerer.happens(ConnectionEvent::IceState(TransportState::Failed));
            offerer.at(u64::from(round));
            let wanted = ConnectionCommand::Perform(ConnectionOperation::Offer { ice_restart: true });
            let wanted = LinkOutput::Connection(offerer.generation, wanted);
            if offerer.drain().contains(&wanted) {
                restarts += 1;
                offerer.offered(round, true);
                let answer = description(SdpType::Answer, round, "theirs");
                offerer.link.handle_description(answer.clone(), offerer.now);
                offerer.answer_is_set(answer);
            }
            if reconnects {
                offerer.happens(ConnectionEvent::State(TransportState::Connected));
            }
        }
        restarts
    };
    let never = ClientRules {
        restart_ice_after: None,
        restart_failed: false,
        replace_failed: false,
        ..ClientRules::default()
    };
    let rules = ClientRules {
        restart_failed: true,
        ..never
    };
    let twice = ClientRules {
        max_restarts: Some(2),
        ..rules
    };
    assert_eq!(restarts(never, false), 0);
    assert_eq!(restarts(rules, false), 4);
    assert_eq!(restarts(twice, false), 2);
    assert_eq!(restarts(twice, true), 4, "counted anew once it is connected");
}

/// The remote replaces a connection whose channel has closed before we do: our timer is still running.
#[test]
fn a_timer_of_a_replaced_connection_acts_on_its_successor_only_without_the_rule() {
    for check_generation in [true, false] {
        let rules = ClientRules {
            check_generation,
            ..ClientRules::default()
        };
        let mut offerer = Offerer::new(rules).open();
        offerer.happens(ConnectionEvent::ChannelClosed);
        let sdp = "a=ice-ufrag:new\r\na=fingerprint:sha-256 BB\r\n".into();
        let offer = Description {
            sdp_type: SdpType::Offer,
            sdp,
        };
        offerer.link.handle_description(offer, offerer.now);
        let successor = offerer.link.generation();
        assert_ne!(successor, offerer.generation);
        offerer.drain();
        offerer.at(10_000);
        let outputs = offerer.drain();
        assert_eq!(is_closed(&outputs, successor), !check_generation);
        let crossed = |kind: &EventKind| matches!(kind, EventKind::CrossedGeneration { .. });
        assert_eq!(events(outputs).iter().any(crossed), !check_generation);
    }
}

impl Offerer {
    /// The current connection fails: how long until it is replaced, or what the link says when it is not any more.
    fn fails(&mut self) -> Result<u64, (u32, String)> {
        let failed = self.now;
        self.happens(ConnectionEvent::State(TransportState::Failed));
        loop {
            for output in self.drain() {
                if let LinkOutput::Event(EventKind::LinkGivenUp { attempts, why, .. }) = output {
                    return Err((attempts, why));
                }
            }
            if self.link.generation() != self.generation {
                self.generation = self.link.generation();
                return Ok(self.now.since(failed).as_millis() as u64);
            }
            let due = self.link.next_timeout().expect("something is to be done");
            self.at(due.as_micros().div_ceil(1_000));
        }
    }
}

#[test]
fn replacements_in_vain_wait_longer_and_longer_until_the_link_is_given_up() {
    let rules = ClientRules {
        retry_max: Duration::from_secs(5),
        ..ClientRules::default()
    };
    let mut offerer = Offerer::between(rules, PeerId(1), PeerId(0)).open();
    for wait in [0, 1_000, 2_000, 4_000, 5_000] {
        assert_eq!(offerer.fails(), Ok(wait));
    }
    let why = "no candidate pair worked: none here, none there".to_owned();
    assert_eq!(offerer.fails(), Err((5, why)));
    assert!(offerer.link.is_given_up() && offerer.link.timers() == 0);
    assert!(offerer.drain().is_empty() && offerer.link.next_timeout().is_none());
    // The remote may still come back.
    let offer = description(SdpType::Offer, 9, "theirs anew");
    offerer.link.handle_description(offer, offerer.now);
    offerer.generation = offerer.link.generation();
    let pair = CandidateKind::Host;
    offerer.happens(ConnectionEvent::ChannelOpened { pair });
    assert!(!offerer.link.is_given_up());
    assert!(offerer.link.is_open());
}

#[test]
fn replacements_are_counted_anew_once_a_channel_has_opened() {
    let rules = ClientRules {
        give_up_after: Some(2),
        ..ClientRules::default()
    };
    let mut offerer = Offerer::between(rules, PeerId(1), PeerId(0));
    for _ in 0..3 {
        assert_eq!(offerer.fails(), Ok(0));
        assert_eq!(offerer.fails(), Ok(1_000));
        let pair = CandidateKind::Host;
        offerer.happens(ConnectionEvent::IceState(TransportState::Connected));
        offerer.happens(ConnectionEvent::ChannelOpened { pair });
    }
    let never = ClientRules {
        give_up_after: None,
        ..rules
    };
    let mut offerer = Offerer::between(never, PeerId(1), PeerId(0));
    for _ in 0..40 {
        assert!(offerer.fails().is_ok());
    }
}

#[test]
fn ice_that_does_not_connect_has_its_connection_replaced_and_a_restart_does_not() {
    let checking = || ConnectionEvent::IceState(TransportState::Checking);
    for (ends, ice_within, was_open, replaced) in [
        ([1, 0], Some(15), false, Some(15_000)),
        ([0, 1], Some(15), false, Some(17_000)),
        ([1, 0], None, false, None),
        ([1, 0], Some(15), true, None),
    ] {
        let rules = ClientRules {
            ice_within: ice_within.map(Duration::from_secs),
            ..ClientRules::default()
        };
        let mut offerer = Offerer::between(rules, PeerId(ends[0]), PeerId(ends[1]));
        if was_open {
            offerer = offerer.open();
        }
        offerer.happens(checking());
        let mut when = None;
        for at in [14_999, 15_000, 16_999, 17_000, 60_000] {
            offerer.at(at);
            let closed = is_closed(&offerer.drain(), offerer.generation);
            when = when.or(closed.then_some(at));
        }
        assert_eq!(when, replaced, "{ends:?} {ice_within:?} {was_open}");
    }
}

impl Offerer {
    /// What the link does by itself, in ms after the start, until `end`.
    fn acts_until(&mut self, end: u64) -> Vec<(u64, RecoveryPath)> {
        let mut acts = Vec::new();
        loop {
            let acted = events(self.drain()).into_iter().filter_map(|kind| match kind {
                EventKind::RecoveryStarted { path, .. } => Some(path),
                _ => None,
            });
            acts.extend(acted.map(|path| (self.now.as_micros() / 1_000, path)));
            match self.link.next_timeout() {
                Some(due) if due <= Instant::from_millis(end) => self.at(due.as_micros().div_ceil(1_000)),
                _ => {
                    self.at(end);
                    return acts;
                }
            }
        }
    }

    /// ICE fails after it was disconnected. Browsers tell of ICE first, this stack of the connection.
    fn fails_ice(&mut self, ice_first: bool) {
        let failed = TransportState::Failed;
        let mut states = [ConnectionEvent::State(failed), ConnectionEvent::IceState(failed)];
        if ice_first {
            states.reverse();
        }
        self.happens(ConnectionEvent::IceState(TransportState::Disconnected));
        states.into_iter().for_each(|state| self.happens(state));
    }

    /// The restart that was wanted goes through its exchange.
    fn restarts(&mut self, version: u32) {
        self.offered(version, true);
        let answer = description(SdpType::Answer, version, "theirs anew");
        self.link.handle_description(answer.clone(), self.now);
        self.happens(ConnectionEvent::IceState(TransportState::Checking));
        self.answer_is_set(answer);
    }
}

/// The polite end and the impolite one; neither waits longer by chance.
fn ends(change: fn(&mut ClientRules)) -> [Offerer; 2] {
    let mut rules = ClientRules {
        recovery_jitter: Duration::ZERO,
        ..ClientRules::default()
    };
    change(&mut rules);
    [[0, 1], [1, 0]].map(|[me, remote]| Offerer::between(rules, PeerId(me), PeerId(remote)).open())
}

#[test]
fn ice_that_has_failed_is_restarted_at_once_by_the_polite_end_and_replaced_if_that_is_in_vain() {
    use RecoveryPath::{IceRestart, Replace};
    for ice_first in [true, false] {
        let [mut polite, mut impolite] = ends(|_| {});
        for end in [&mut polite, &mut impolite] {
            end.at(100);
            end.fails_ice(ice_first);
        }
        // Nobody answers: the impolite end restarts by itself, and is the first to replace.
        assert_eq!(polite.acts_until(7_099), [(100, IceRestart)]);
        assert_eq!(polite.acts_until(7_100), [(7_100, Replace)]);
        assert_eq!(impolite.acts_until(5_099), [(3_100, IceRestart)]);
        assert_eq!(impolite.acts_until(5_100), [(5_100, Replace)]);
    }
}

#[test]
fn what_no_restart_can_bring_back_is_replaced_at_once() {
    use RecoveryPath::Replace;
    // DTLS has failed; the channel is closed; the rules say so.
    type Rules = fn(&mut ClientRules);
    let cases: [(Rules, &[ConnectionEvent]); 4] = [
        (|_| {}, &[]),
        (
            |_| {},
            &[
                ConnectionEvent::ChannelClosed,
                ConnectionEvent::IceState(TransportState::Failed),
            ],
        ),
        (
            |rules| rules.restart_failed = false,
            &[ConnectionEvent::IceState(TransportState::Failed)],
        ),
        (
            |rules| rules.restart_within = None,
            &[ConnectionEvent::IceState(TransportState::Failed)],
        ),
    ];
    for (change, before) in cases {
        let [mut polite, mut impolite] = ends(change);
        for end in [&mut polite, &mut impolite] {
            end.at(100);
            before.iter().for_each(|event| end.happens(event.clone()));
            end.happens(ConnectionEvent::State(TransportState::Failed));
        }
        assert_eq!(impolite.acts_until(1_000), [(100, Replace)], "{before:?}");
        // It leaves that to the other end for a second.
        assert_eq!(polite.acts_until(1_100), [(1_100, Replace)], "{before:?}");
    }
}

#[test]
fn a_restart_that_was_answered_has_so_long_to_bring_ice_back() {
    use RecoveryPath::{IceRestart, Replace};
    for (answered, back, within, then) in [
        (true, false, Some(5), vec![(10_000, Replace)]),
        (true, true, Some(5), vec![]),
        (true, false, None, vec![]),
        // Without an answer it may be the whole network that is away.
        (false, false, Some(5), vec![]),
    ] {
        let [mut polite, mut impolite] = ends(|_| {});
        if within.is_none() {
            [polite, impolite] = ends(|rules| rules.restart_within = None);
        }
        polite.happens(ConnectionEvent::IceState(TransportState::Disconnected));
        impolite.happens(ConnectionEvent::IceState(TransportState::Disconnected));
        assert_eq!(polite.acts_until(3_000), [(2_000, IceRestart)]);
        if answered {
            polite.restarts(2);
            // The other end has taken it.
            let offer = description(SdpType::Offer, 2, "theirs anew");
            impolite.at(3_000);
            impolite.link.handle_description(offer.clone(), impolite.now);
            let operation = ConnectionOperation::SetRemote(offer.clone());
            impolite.done(operation, SignalingState::Stable, None);
            impolite.happens(ConnectionEvent::IceState(TransportState::Checking));
            let operation = ConnectionOperation::Answer {
                answers: offer.fingerprint(),
            };
            let answer = description(SdpType::Answer, 2, "ours anew");
            impolite.done(operation, SignalingState::HaveRemoteOffer, Some(answer));
        } else {
            polite.offered(2, true);
        }
        if back {
            for end in [&mut polite, &mut impolite] {
                end.happens(ConnectionEvent::IceState(TransportState::Connected));
                let asked = end.drain().contains(&LinkOutput::Probe);
                assert!(asked, "only data proves that it works");
                end.link.probe_sent(1);
                end.link.probe_returned(1);
            }
        }
        assert_eq!(polite.acts_until(10_000), then, "{answered} {back} {within:?}");
        if answered {
            let first = then.iter().map(|_| (8_000, Replace)).collect::<Vec<_>>();
            assert_eq!(impolite.acts_until(8_000), first, "{back} {within:?}");
        }
    }
}

#[test]
fn ice_that_is_back_without_data_is_replaced_after_a_restart_from_failed_too() {
    let [mut polite, _] = ends(|_| {});
    polite.fails_ice(true);
    assert_eq!(polite.acts_until(1), [(0, RecoveryPath::IceRestart)]);
    polite.restarts(2);
    polite.happens(ConnectionEvent::State(TransportState::Connecting));
    polite.happens(ConnectionEvent::IceState(TransportState::Connected));
    polite.link.probe_sent(1);
    assert_eq!(polite.acts_until(5_001), [(5_001, RecoveryPath::Replace)]);
}

/// ICE fails at an end after the other end's restart has come: that restart has its time.
#[test]
fn who_has_answered_a_restart_does_not_replace_what_fails_a_moment_later() {
    let [_, mut impolite] = ends(|_| {});
    impolite.happens(ConnectionEvent::IceState(TransportState::Disconnected));
    let offer = description(SdpType::Offer, 2, "theirs anew");
    impolite.link.handle_description(offer.clone(), impolite.now);
    let operation = ConnectionOperation::SetRemote(offer.clone());
    impolite.done(operation, SignalingState::Stable, None);
    let operation = ConnectionOperation::Answer {
        answers: offer.fingerprint(),
    };
    let answer = description(SdpType::Answer, 2, "ours anew");
    impolite.done(operation, SignalingState::HaveRemoteOffer, Some(answer));
    impolite.at(100);
    impolite.fails_ice(false);
    assert_eq!(impolite.acts_until(4_999), []);
    assert_eq!(impolite.acts_until(5_000), [(5_000, RecoveryPath::Replace)]);
}
