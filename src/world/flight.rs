//! Repair of lost DTLS flights, as a machine that sees datagrams go by.
//!
//! `rtc-dtls` 0.21 stops its retransmission timer on every handshake record that comes in, the remote's
//! own retransmission included, and does not answer that: where flight 3, 4 or 5 (RFC 6347 §4.2.4) is lost,
//! both sides wait for ever. RFC 6347 wants a side that sees the remote repeat itself to send its last
//! flight again, and that can be done from outside: the receiver's replay window drops what it already had.
//! The repetition itself is kept from the stack, so that its timer goes on: the copy may get lost, too.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
};

/// Datagrams of one flight that are kept; a longer flight is repeated in part.
const MAX_DATAGRAMS: usize = 16;
/// How often one flight is repeated.
const MAX_REPEATS: u32 = 12;
/// Handshake messages whose repetition is recognised.
const MAX_MESSAGES: usize = 64;

/// Remembers the last handshake flight that was sent to each remote address, and says when to send it again.
#[derive(Debug, Default)]
pub struct FlightRepair {
    remotes: BTreeMap<SocketAddr, Handshake>,
}

#[derive(Debug, Default)]
struct Handshake {
    /// The datagrams of the last flight, as they were sent.
    flight: VecDeque<Vec<u8>>,
    /// Something new has come in since: the next datagram begins a flight.
    answered: bool,
    /// Handshake messages (or fragments of them) that have come in.
    seen: BTreeSet<MessageKey>,
    /// Those that have come in again since the flight last went out: one that is among them already begins
    /// another repetition of the remote's flight.
    again: BTreeSet<MessageKey>,
    repeats: u32,
    /// Application data has gone out.
    data_sent: bool,
    /// Application data has come in.
    data_received: bool,
}

impl Handshake {
    /// Over on both sides, once data has flowed both ways.
    fn is_done(&self) -> bool {
        self.data_sent && self.data_received
    }

    /// Frees what is no longer needed.
    fn note_data(&mut self) {
        if self.is_done() {
            self.flight = VecDeque::new();
            self.seen = BTreeSet::new();
            self.again = BTreeSet::new();
        }
    }

    /// Whether it is in the flight already: then this is the stack's own repetition.
    fn has(&self, dtls: &[u8]) -> bool {
        let mut flight = self.flight.iter().filter_map(|datagram| dtls_of(datagram));
        flight.any(|datagram| beginning(datagram) == beginning(dtls))
    }
}

/// What is to be done about a datagram that has come in.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Hand it to the stack.
    HandUp,
    /// The stack had it, and answered it. Keep it back, and send these to where it came from: the flight,
    /// or nothing, if another datagram of the same repetition has brought that.
    Repeat(Vec<Vec<u8>>),
}

/// Type, `message_seq` and fragment offset of a handshake message.
type MessageKey = (u8, u16, u32);

impl FlightRepair {
    /// A datagram goes out.
    pub fn sent(&mut self, to: SocketAddr, datagram: &[u8]) {
        let Some(dtls) = dtls_of(datagram) else {
            return;
        };
        let handshake = self.remotes.entry(to).or_default();
        if handshake.is_done() {
            return;
        }
        if dtls.first() == Some(&APPLICATION_DATA) {
            handshake.data_sent = true;
            handshake.note_data();
            return;
        }
        if !is_handshake_traffic(dtls) {
            return;
        }
        if std::mem::take(&mut handshake.answered) {
            handshake.flight.clear();
            handshake.again.clear();
            handshake.repeats = 0;
        }
        if handshake.flight.len() < MAX_DATAGRAMS && !handshake.has(dtls) {
            handshake.flight.push_back(datagram.to_vec());
        }
    }

    /// A datagram came in.
    pub fn received(&mut self, from: SocketAddr, datagram: &[u8]) -> Received {
        let Some(dtls) = dtls_of(datagram) else {
            return Received::HandUp;
        };
        let handshake = self.remotes.entry(from).or_default();
        if handshake.is_done() {
            return Received::HandUp;
        }
        if dtls.first() == Some(&APPLICATION_DATA) {
            handshake.data_received = true;
            handshake.note_data();
            return Received::HandUp;
        }
        let messages: Vec<MessageKey> = handshake_messages(dtls).collect();
        let mut news = messages.is_empty();
        for message in &messages {
            if handshake.seen.len() < MAX_MESSAGES && handshake.seen.insert(*message) {
                handshake.answered = true;
                news = true;
            }
        }
        // What was not answered, the stack may not have been ready for, or it waits for more of the flight.
        let unanswered = handshake.answered || handshake.flight.is_empty();
        if news || unanswered || handshake.repeats >= MAX_REPEATS {
            return Received::HandUp;
        }
        // A repetition is answered once, however many datagrams it has, whichever of them are lost.
        let begins = handshake.again.is_empty() || messages.iter().any(|m| handshake.again.contains(m));
        if begins {
            handshake.again.clear();
            handshake.repeats += 1;
        }
        handshake.again.extend(messages);
        match begins {
            true => Received::Repeat(handshake.flight.iter().cloned().collect()),
            false => Received::Repeat(Vec::new()),
        }
    }
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;

fn is_handshake_traffic(dtls: &[u8]) -> bool {
    dtls.first()
        .is_some_and(|t| (CHANGE_CIPHER_SPEC..=HANDSHAKE).contains(t))
}

/// The DTLS datagram inside of a UDP datagram: itself, or what TURN (RFC 8656) carries.
fn dtls_of(datagram: &[u8]) -> Option<&[u8]> {
    match datagram.first()? {
        20..=63 => Some(datagram),
        // ChannelData: number, length, data.
        0x40..=0x4f => {
            let length = usize::from(be16(datagram, 2)?);
            datagram.get(4..4 + length).and_then(dtls_of)
        }
        // A Send or Data indication: its DATA attribute.
        0..=3 if matches!(be16(datagram, 0)?, 0x0016 | 0x0017) => {
            let mut at = 20;
            loop {
                let (kind, length) = (be16(datagram, at)?, usize::from(be16(datagram, at + 2)?));
                if kind == 0x0013 {
                    return datagram
                        .get(at + 4..at + 4 + length)
                        .filter(|d| matches!(d.first(), Some(20..=63)));
                }
                at += 4 + length.next_multiple_of(4);
            }
        }
        _ => None,
    }
}

/// The type of the first record and, if that can be read, its handshake message.
fn beginning(dtls: &[u8]) -> (Option<u8>, Option<MessageKey>) {
    (dtls.first().copied(), handshake_messages(dtls).next())
}

/// The keys of the unencrypted handshake messages in a DTLS datagram.
fn handshake_messages(mut dtls: &[u8]) -> impl Iterator<Item = MessageKey> {
    let mut keys = Vec::new();
    while let (Some(kind), Some(epoch), Some(length)) = (dtls.first(), be16(dtls, 3), be16(dtls, 11)) {
        let end = RECORD_HEADER + usize::from(length);
        let Some(mut body) = dtls.get(RECORD_HEADER..end) else {
            break;
        };
        while *kind == HANDSHAKE && epoch == 0 && body.len() >= HANDSHAKE_HEADER {
            let (Some(seq), Some(offset), Some(fragment)) = (be16(body, 4), be24(body, 6), be24(body, 9))
            else {
                break;
            };
            keys.push((body[0], seq, offset));
            body = body
                .get(HANDSHAKE_HEADER + fragment as usize..)
                .unwrap_or_default();
        }
        dtls = &dtls[end..];
    }
    keys.into_iter()
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn be24(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 3)?;
    Some(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remote() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    /// A DTLS record with one handshake message of no body.
    fn message(kind: u8, seq: u16) -> Vec<u8> {
        let mut record = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12];
        record.extend([kind, 0, 0, 0]);
        record.extend(seq.to_be_bytes());
        record.extend([0; 6]);
        record
    }

    fn in_channel_data(dtls: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0x40, 0x01];
        datagram.extend(u16::try_from(dtls.len()).expect("short").to_be_bytes());
        datagram.extend(dtls);
        datagram
    }

    fn in_data_indication(dtls: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0x00, 0x17, 0, 0];
        datagram.extend([0; 16]);
        datagram.extend([0x00, 0x12, 0, 8, 0, 1, 0, 9, 127, 0, 0, 1]);
        datagram.extend([0x00, 0x13]);
        datagram.extend(u16::try_from(dtls.len()).expect("short").to_be_bytes());
        datagram.extend(dtls);
        datagram
    }

    fn repeat<const N: usize>(flight: [Vec<u8>; N]) -> Received {
        Received::Repeat(flight.into())
    }

    #[test]
    fn a_repeated_message_brings_the_last_flight_back_once_per_repetition() {
        for wrap in [<[u8]>::to_vec, in_channel_data, in_data_indication] {
            let mut repair = FlightRepair::default();
            assert_eq!(repair.received(remote(), &wrap(&message(1, 0))), Received::HandUp);
            repair.sent(remote(), &wrap(&message(2, 0)));
            repair.sent(remote(), &wrap(&message(11, 1)));
            assert_eq!(
                repair.received(remote(), &wrap(&message(1, 0))),
                repeat([wrap(&message(2, 0)), wrap(&message(11, 1))])
            );
            // The next message of the remote's flight is new, then the flight after it begins.
            assert_eq!(
                repair.received(remote(), &wrap(&message(16, 1))),
                Received::HandUp
            );
            repair.sent(remote(), &wrap(&message(20, 2)));
            assert_eq!(
                repair.received(remote(), &wrap(&message(16, 1))),
                repeat([wrap(&message(20, 2))])
            );
        }
    }

    #[test]
    fn a_flight_of_several_datagrams_is_answered_once_whichever_of_them_are_lost() {
        let mut repair = FlightRepair::default();
        repair.received(remote(), &message(2, 0));
        repair.received(remote(), &message(11, 1));
        repair.sent(remote(), &message(16, 0));
        let flight = || repeat([message(16, 0)]);
        assert_eq!(repair.received(remote(), &message(2, 0)), flight());
        assert_eq!(repair.received(remote(), &message(11, 1)), repeat([]));
        assert_eq!(repair.received(remote(), &message(2, 0)), flight(), "the second");
        assert_eq!(repair.received(remote(), &message(2, 0)), flight(), "the third");
        assert_eq!(repair.received(remote(), &message(11, 1)), repeat([]));
        assert_eq!(
            repair.received(remote(), &message(11, 1)),
            flight(),
            "the fourth, whose first datagram was lost"
        );
    }

    #[test]
    fn what_was_not_answered_is_handed_up_again() {
        let mut repair = FlightRepair::default();
        // Before the stack has begun its handshake.
        for _ in 0..3 {
            assert_eq!(repair.received(remote(), &message(1, 0)), Received::HandUp);
        }
        repair.sent(remote(), &message(2, 0));
        // Half of a flight.
        for _ in 0..3 {
            assert_eq!(repair.received(remote(), &message(11, 1)), Received::HandUp);
        }
    }

    #[test]
    fn the_stacks_own_repetition_does_not_make_the_flight_longer() {
        let mut repair = FlightRepair::default();
        repair.received(remote(), &message(1, 0));
        for _ in 0..3 {
            repair.sent(remote(), &message(2, 0));
            repair.sent(remote(), &message(11, 1));
        }
        assert_eq!(
            repair.received(remote(), &message(1, 0)),
            repeat([message(2, 0), message(11, 1)])
        );
    }

    #[test]
    fn repeats_are_bounded_and_end_with_the_handshake() {
        let mut repair = FlightRepair::default();
        repair.received(remote(), &message(1, 0));
        repair.sent(remote(), &message(2, 0));
        let repeated = (0..100)
            .filter(|_| repair.received(remote(), &message(1, 0)) != Received::HandUp)
            .count();
        assert_eq!(repeated, MAX_REPEATS as usize);

        let mut repair = FlightRepair::default();
        repair.received(remote(), &message(1, 0));
        repair.sent(remote(), &message(2, 0));
        repair.received(remote(), &[APPLICATION_DATA, 0xfe, 0xfd]);
        assert_eq!(
            repair.received(remote(), &message(1, 0)),
            repeat([message(2, 0)]),
            "only one side is done"
        );
        repair.sent(remote(), &[APPLICATION_DATA, 0xfe, 0xfd]);
        assert_eq!(repair.received(remote(), &message(1, 0)), Received::HandUp);
    }

    proptest! {
        #[test]
        fn any_datagram_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut repair = FlightRepair::default();
            repair.sent(remote(), &bytes);
            repair.received(remote(), &bytes);
            repair.received(remote(), &bytes);
        }
    }
}
