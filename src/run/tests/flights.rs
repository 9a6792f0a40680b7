use std::sync::Mutex;

use super::pair::{DOUBT, PATIENCE, Pair};
use crate::{metrics::EventKind, world::Tricks};

/// The flights of a DTLS handshake (RFC 6347 §4.2.4), told by what their datagram begins with: each is one
/// datagram here.
const FLIGHTS: [(&str, u8, u8); 6] = [
    ("1: ClientHello", 22, 1),
    ("2: HelloVerifyRequest", 22, 3),
    ("3: ClientHello with cookie", 22, 1),
    ("4: ServerHello to ServerHelloDone", 22, 2),
    ("5: Certificate to Finished", 22, 11),
    ("6: ChangeCipherSpec and Finished", 20, 1),
];

fn is_flight(datagram: &[u8], (_, content, message): (&str, u8, u8)) -> bool {
    datagram.first() == Some(&content) && datagram.get(13) == Some(&message)
}

/// Loses the first datagram of a flight.
fn loses_first(flight: usize) -> impl Fn(&[u8]) -> bool + Send + Sync {
    // Flights 1 and 3 begin alike; they differ in their message_seq.
    let sequence = if flight == 2 { 1 } else { 0 };
    let lost = Mutex::new(false);
    move |datagram| {
        let mut lost = lost.lock().expect("not poisoned");
        let is_it = is_flight(datagram, FLIGHTS[flight])
            && (FLIGHTS[flight].2 != 1 || flight == 5 || datagram.get(18) == Some(&sequence));
        is_it && !std::mem::replace(&mut *lost, true)
    }
}

/// Loses the first datagram of a flight, and those that the stack makes anew when its own timer fires:
/// as if the remote's repetition had stopped that timer, which is what the stack does, but whichever of
/// the two is faster. Copies of the first one pass.
fn loses_first_and_remade(flight: usize) -> impl Fn(&[u8]) -> bool + Send + Sync {
    let first: Mutex<Option<Vec<u8>>> = Mutex::new(None);
    move |datagram| {
        if !is_flight(datagram, FLIGHTS[flight]) {
            return false;
        }
        let mut first = first.lock().expect("not poisoned");
        match &*first {
            None => {
                *first = Some(datagram.to_vec());
                true
            }
            Some(first) => first != datagram,
        }
    }
}

#[tokio::test]
async fn one_lost_datagram_of_any_dtls_flight_is_survived() {
    for (flight, (name, ..)) in FLIGHTS.iter().enumerate() {
        let mut pair = Pair::new(Tricks::default(), loses_first(flight));
        assert!(pair.open(PATIENCE, false).await, "{name}");
        pair.close().await;
    }
}

#[tokio::test]
async fn a_lost_flight_is_repeated_when_the_remote_repeats_its_own() {
    for (flight, (name, ..)) in FLIGHTS.iter().enumerate().skip(3) {
        let mut pair = Pair::new(Tricks::default(), loses_first_and_remade(flight));
        assert!(pair.open(PATIENCE, false).await, "{name}");
        let repeated = |(_, kind): &(usize, EventKind)| matches!(kind, EventKind::DtlsFlightRepeated { .. });
        assert!(pair.events.iter().any(repeated), "{name}");
        pair.close().await;

        let without = Tricks {
            repair_flights: false,
            ..Tricks::default()
        };
        let mut pair = Pair::new(without, loses_first_and_remade(flight));
        assert!(!pair.open(DOUBT, false).await, "{name}: no longer needed");
        pair.close().await;
    }
}
