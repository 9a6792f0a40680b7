//! Membership at a server of PeerJS, which knows no rooms: the harness's list tells who is there.

use std::time::Duration;

use rtcstorm::{
    base::{Instant, PeerId, SignalingEnd, SignalingFailure},
    metrics::EventKind,
    peer::{Introduction, Peer, PeerInput, PeerOutput},
    plan::{Action, Condition, Cut, JoinOutcome},
    scenario::ClientRules,
    signaling::{LeaveReason, Member},
};

use crate::stage::{Script, Stage, script};

const OPEN: &str = r#"{"type":"OPEN"}"#;
const OTHER: PeerId = PeerId(1);

fn join() -> Action {
    Action::Join {
        name: "Ann".into(),
        expect: JoinOutcome::Accepted,
        again: false,
    }
}

fn wait(condition: Condition) -> Action {
    Action::Wait {
        condition,
        within: Duration::from_secs(10),
    }
}

/// Peer 0 of a room of two, and the clock.
struct Ann {
    peer: Peer,
    now: Instant,
    socket: u32,
}

impl Ann {
    /// She has arrived, and her socket is open.
    fn new(steps: &[(u64, Action)]) -> Self {
        let scripts: [Script; 2] = [script(steps, 60_000), script(&[], 0)];
        let stage = Stage::new(ClientRules::default(), &[0, 0], scripts.into()).at_peer_server();
        let mut ann = Self {
            peer: Peer::new(&stage.plan, PeerId(0), 0),
            now: Instant::START,
            socket: 0,
        };
        ann.told(PeerInput::Arrive);
        ann
    }

    /// Tells her something; what she wants then, but for events of steps.
    fn told(&mut self, input: PeerInput) -> Vec<PeerOutput> {
        self.peer.handle(input, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<PeerOutput> {
        let outputs: Vec<_> = std::iter::from_fn(|| self.peer.poll_output()).collect();
        for output in &outputs {
            if let PeerOutput::OpenSignaling(number) = output {
                self.socket = *number;
            }
        }
        outputs
    }

    fn after(&mut self, ms: u64) -> Vec<PeerOutput> {
        self.now += Duration::from_millis(ms);
        self.peer.handle_timeout(self.now);
        self.drain()
    }

    fn frame(&mut self, frame: &str) -> Vec<PeerOutput> {
        self.told(PeerInput::Frame(self.socket, frame.to_owned()))
    }

    /// She is in, alone.
    fn joins(&mut self) {
        self.told(PeerInput::SignalingOpened(self.socket));
        let outputs = self.frame(OPEN);
        assert!(
            wants(&outputs, |output| matches!(output, PeerOutput::Introduce(_))),
            "{outputs:?}"
        );
        let outputs = self.told(PeerInput::Introduced(Vec::new()));
        assert!(
            has(&outputs, |kind| matches!(kind, EventKind::Joined { .. })),
            "{outputs:?}"
        );
    }

    fn meets(&mut self) -> Vec<PeerOutput> {
        self.told(PeerInput::Met {
            remote: OTHER,
            introduction: Introduction {
                user_id: "p0001".to_owned(),
                name: "Bob".to_owned(),
                goes_on_with: None,
            },
            again: false,
        })
    }
}

fn wants(outputs: &[PeerOutput], wanted: impl Fn(&PeerOutput) -> bool) -> bool {
    outputs.iter().any(wanted)
}

fn has(outputs: &[PeerOutput], wanted: impl Fn(&EventKind) -> bool) -> bool {
    wants(
        outputs,
        |output| matches!(output, PeerOutput::Event { kind, .. } if wanted(kind)),
    )
}

fn left(outputs: &[PeerOutput]) -> Option<&str> {
    outputs.iter().find_map(|output| match output {
        PeerOutput::Event {
            kind: EventKind::MemberLeft { reason },
            ..
        } => Some(reason.as_str()),
        _ => None,
    })
}

#[test]
fn a_socket_is_opened_for_a_membership_and_closed_with_it() {
    let mut ann = Ann::new(&[(1_000, join()), (2_000, Action::Leave), (3_000, join())]);
    assert_eq!(ann.socket, 0, "nobody registers before it joins");
    ann.after(1_000);
    assert_eq!(ann.socket, 1);
    ann.joins();
    let outputs = ann.after(1_000);
    assert!(wants(&outputs, |output| *output
        == PeerOutput::Withdraw(LeaveReason::Left)));
    assert!(wants(&outputs, |output| *output == PeerOutput::CloseSignaling));
    ann.after(1_000);
    assert_eq!(ann.socket, 2);
}

#[test]
fn the_list_tells_who_of_the_plan_leaves_and_the_server_who_has_long_not_been_there() {
    let leave = r#"{"type":"LEAVE","src":"p0001","dst":"p0000"}"#;
    let expire = r#"{"type":"EXPIRE","src":"p0001","dst":"p0000"}"#;
    let mut ann = Ann::new(&[(0, join())]);
    ann.joins();
    assert_eq!(left(&ann.frame(expire)), None, "nobody is there to go");
    ann.meets();
    ann.after(500);
    assert_eq!(
        left(&ann.frame(leave)),
        None,
        "it may be about an earlier membership"
    );
    assert_eq!(left(&ann.frame(expire)), None, "it was sent before that one came");
    ann.after(5_500);
    assert_eq!(left(&ann.frame(expire)), Some("closed"));
    ann.meets();
    let parted = PeerInput::Parted {
        remote: OTHER,
        reason: LeaveReason::Left,
    };
    assert_eq!(left(&ann.told(parted.clone())), Some("left"));
    assert_eq!(left(&ann.told(parted)), None, "once");
}

/// What the list has to say of a membership that is over comes late: it says nothing to the next.
#[test]
fn an_introduction_is_of_the_membership_that_it_was_asked_for() {
    let mut ann = Ann::new(&[(0, join()), (1_000, Action::Leave), (0, join())]);
    ann.told(PeerInput::SignalingOpened(1));
    ann.frame(OPEN);
    ann.after(1_000);
    ann.told(PeerInput::SignalingOpened(2));
    let bob = Member {
        user_id: "p0001".to_owned(),
        name: "Bob".to_owned(),
    };
    let late = ann.told(PeerInput::Introduced(vec![(OTHER, bob)]));
    assert!(
        !has(&late, |kind| matches!(kind, EventKind::Joined { .. })),
        "{late:?}"
    );
    assert!(!has(&ann.meets(), |kind| matches!(
        kind,
        EventKind::MemberJoined { .. }
    )));
    ann.frame(OPEN);
    let outputs = ann.told(PeerInput::Introduced(Vec::new()));
    assert!(has(&outputs, |kind| matches!(kind, EventKind::Joined { .. })));
}

#[test]
fn who_was_refused_or_lost_its_membership_has_no_socket_and_is_on_no_list() {
    let taken = r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#;
    let mut ann = Ann::new(&[(0, join())]);
    ann.told(PeerInput::SignalingOpened(1));
    let outputs = ann.frame(taken);
    assert!(has(&outputs, |kind| matches!(
        kind,
        EventKind::JoinRejected { .. }
    )));
    assert!(wants(&outputs, |output| *output == PeerOutput::CloseSignaling));

    let mut ann = Ann::new(&[(0, join())]);
    ann.joins();
    let end = SignalingEnd::new(SignalingFailure::ConnectionLost, "cut");
    ann.told(PeerInput::SignalingLost(1, end));
    let outputs = ann.after(1_000);
    assert!(wants(&outputs, |output| *output == PeerOutput::OpenSignaling(2)));
    ann.told(PeerInput::SignalingOpened(2));
    let outputs = ann.frame(taken);
    assert!(wants(&outputs, |output| *output
        == PeerOutput::Withdraw(LeaveReason::Closed)));
    assert!(wants(&outputs, |output| *output == PeerOutput::CloseSignaling));
}

#[test]
fn a_socket_that_is_back_takes_the_membership_over_and_nothing_is_made_anew() {
    let cut = Action::CutSignaling { how: Cut::Closed };
    let (connected, recovered) = (wait(Condition::Connected), wait(Condition::Recovered));
    let ann = script(
        &[(0, join()), (0, connected.clone()), (500, cut), (0, recovered)],
        0,
    );
    let bob = script(&[(0, join()), (0, connected)], 3_000);
    let stage = Stage::new(ClientRules::default(), &[0, 10], vec![ann, bob]);
    let stage = stage.at_peer_server().with_cut(600, PeerId(0)).play();
    assert_eq!(stage.broken(), [0; 0]);
    let count = |wanted: fn(&EventKind) -> bool| stage.count(wanted);
    assert_eq!(
        count(|kind| matches!(kind, EventKind::MembershipResumed { .. })),
        1
    );
    assert_eq!(count(|kind| matches!(kind, EventKind::WaitExpired { .. })), 0);
    assert_eq!(
        count(|kind| matches!(kind, EventKind::ConnectionCreated { .. })),
        2
    );
}
