use tokio::sync::mpsc;

use super::{
    faulty::{FaultyRuntime, Seen},
    pair::{self, Gathering, PATIENCE, Pair},
    turn_server::TurnServer,
};
use crate::{
    base::{Generation, PeerId, Seat},
    metrics::{CandidateKind, EventKind},
    peer::{Carries, ConnectionCommand, ConnectionEvent, ConnectionOperation, PeerInput},
    run::{connection, ice},
    scenario::ClientRules,
    world::Tricks,
};

/// Whether a datagram goes from a TURN client to its server or back: anything but a STUN Binding, which is
/// an ICE check, and what DTLS sends without TURN's framing.
fn is_turn(datagram: &[u8]) -> bool {
    /// The bits of a STUN message type that hold the method (RFC 8489 §5).
    const METHOD: u16 = 0x3eef;
    const BINDING: u16 = 1;
    match datagram {
        [0x40..=0x4f, ..] => true,
        [a @ 0..=3, b, ..] => u16::from_be_bytes([*a, *b]) & METHOD != BINDING,
        _ => false,
    }
}

/// No datagram gets from one end to the other but through the server.
#[tokio::test]
async fn a_link_opens_through_a_turn_server_and_releases_its_allocations() {
    let server = TurnServer::start();
    let mut pair = Pair::with_ice_servers(Tricks::default(), vec![server.ice_server()], |datagram| {
        !is_turn(datagram)
    });
    assert!(pair.open(PATIENCE, true).await);
    assert_eq!(server.allocations_and_releases().await, (2, 0));
    for end in 0..2 {
        let relayed = |(me, kind): &(usize, EventKind)| {
            let by_relay = matches!(
                kind,
                EventKind::ChannelOpened {
                    pair: CandidateKind::Relay,
                    ..
                }
            );
            *me == end && by_relay
        };
        assert!(pair.events.iter().any(relayed), "{:?}", pair.events);
    }
    let census = pair.close().await;
    assert!(census.is_empty(), "{census:?}");
    assert_eq!(server.allocations_and_releases().await, (0, 2));
}

/// A success response to Allocate (RFC 8656 §7.3).
fn is_allocate_success(datagram: &[u8]) -> bool {
    datagram.starts_with(&[0x01, 0x03])
}

/// `close()` sleeps while the driver sends TURN's release, then aborts it. Here the driver has just
/// received something and is still telling of it, to a peer that is busy: it owes itself a turn, and that
/// debt must not be paid with the sleep of `close()`.
#[tokio::test]
async fn a_close_right_after_a_receive_still_releases_the_turn_allocation() {
    let server = TurnServer::start();
    server.hold_allocations();
    let (runtime, mut seen) = FaultyRuntime::watched();
    let stack = pair::stack(
        runtime.clone(),
        vec![server.ice_server()],
        Tricks::default(),
        Gathering::AsUsual,
    );
    let (sender, mut inputs) = mpsc::channel(1);
    let commands = connection::start(
        &stack,
        &pair::network(),
        (Seat::of_whole(PeerId(0)), PeerId(1)),
        Generation(0),
        connection::Begin::of(
            &ClientRules::default(),
            ice::Path::default(),
            (true, Carries::Channel),
        ),
        sender.clone(),
    );
    let offer = ConnectionCommand::Perform(ConnectionOperation::Offer { ice_restart: false });
    commands.try_send(offer).expect("the queue is long enough");
    let (mut offered, mut host_gathered) = (false, false);
    while !(offered && host_gathered) {
        match event(inputs.recv().await) {
            ConnectionEvent::OperationDone(_) => offered = true,
            ConnectionEvent::LocalCandidate(_) => host_gathered = true,
            other => panic!("{other:?}"),
        }
    }

    // The peer is busy: its queue is full, so the driver waits with the candidate that it receives now.
    sender.try_send(PeerInput::Leave).expect("it was empty");
    server.let_go();
    saw(
        &mut seen,
        |seen| matches!(seen, Seen::Received(d) if is_allocate_success(d)),
    )
    .await;
    // The sleep of `close()` would last as long as the driver needs, if nobody shortens it.
    runtime.stop_timers();
    commands
        .try_send(ConnectionCommand::Close)
        .expect("the queue is long enough");
    saw(&mut seen, |seen| *seen == Seen::Sleep).await;

    assert_eq!(inputs.recv().await, Some(PeerInput::Leave));
    while event(inputs.recv().await) != ConnectionEvent::Closed {}
    assert_eq!(server.allocations_and_releases().await, (0, 1));
}

async fn saw(seen: &mut mpsc::UnboundedReceiver<Seen>, wanted: impl Fn(&Seen) -> bool) {
    while !wanted(&seen.recv().await.expect("the runtime is there")) {}
}

fn event(input: Option<PeerInput>) -> ConnectionEvent {
    match input {
        Some(PeerInput::Connection { event, .. }) => event,
        other => panic!("not of a connection: {other:?}"),
    }
}
