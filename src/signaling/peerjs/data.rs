//! What PeerJS's clients send over their data channels: values of JavaScript, packed or as JSON, always as bytes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::binary_pack::{Packed, pack, unpack};
use crate::signaling::{ChannelData, ChannelMessage};

/// The most bytes of a message that goes in one piece: the client's `chunkedMTU`.
pub const CHUNKED_MTU: usize = 16_300;
/// What the client keeps for itself in the objects that it sends.
const OWN_KEY: &str = "__peerData";
/// Messages of one channel that are not whole yet, and the bytes of each.
const MAX_UNFINISHED: usize = 64;
const MAX_BYTES: usize = 64 << 20;

/// Pieces of messages that are not whole yet: those of one connection.
#[derive(Debug, Default)]
pub struct Chunks {
    unfinished: BTreeMap<u64, Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    pieces: BTreeMap<u64, Vec<u8>>,
    total: u64,
    bytes: usize,
}

/// A value in BinaryPack: in one piece, or in as many as it takes. `number` tells the pieces of one message from those
/// of others.
pub fn write_binary(json: &str, number: u32) -> Vec<ChannelData> {
    let value = serde_json::from_str::<Value>(json).unwrap_or_default();
    let packed = pack(&value.into());
    if packed.len() <= CHUNKED_MTU {
        return vec![ChannelData::Binary(packed)];
    }
    let total = packed.len().div_ceil(CHUNKED_MTU);
    let whole = |number: usize| Packed::Integer(number as i64);
    let chunks = packed.chunks(CHUNKED_MTU).enumerate().map(|(n, data)| {
        let chunk = Packed::Map(vec![
            (OWN_KEY.to_owned(), Packed::Integer(number.into())),
            ("n".to_owned(), whole(n)),
            ("data".to_owned(), Packed::Bytes(data.to_vec())),
            ("total".to_owned(), whole(total)),
        ]);
        ChannelData::Binary(pack(&chunk))
    });
    chunks.collect()
}

/// What a message in BinaryPack says, once it is whole.
pub fn read_binary(data: &ChannelData, chunks: &mut Chunks) -> Option<ChannelMessage> {
    let ChannelData::Binary(bytes) = data else {
        return Some(foreign(data));
    };
    let Some(value) = unpack(bytes) else {
        return Some(foreign(data));
    };
    match value.get(OWN_KEY) {
        Some(own) if is_close(own.get("type").and_then(text)) => Some(ChannelMessage::Close),
        Some(own) => {
            let number = own.count()?;
            let whole = chunks.take(number, &value)?;
            // What is in pieces is no piece itself.
            let message = unpack(&whole).map(|value| of_value(&value.into_json(), whole.len()));
            Some(message.unwrap_or_else(|| foreign(&ChannelData::Binary(whole))))
        }
        None => Some(of_value(&value.into_json(), bytes.len())),
    }
}

/// The same in JSON.
pub fn read_json(data: &ChannelData) -> ChannelMessage {
    let text = match data {
        ChannelData::Text(text) => Some(text.as_str()),
        ChannelData::Binary(bytes) => std::str::from_utf8(bytes).ok(),
    };
    match text.map(ChannelMessage::decode) {
        Some(ours @ (ChannelMessage::Chat { .. } | ChannelMessage::ForeignChat { .. })) => ours,
        _ => {
            let value = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
            let own = value.as_ref().and_then(|value| value.get(OWN_KEY));
            match own {
                Some(own) if is_close(own.get("type").and_then(Value::as_str)) => ChannelMessage::Close,
                _ => foreign(data),
            }
        }
    }
}

/// As it is, without a meaning of the client's own.
pub fn read_raw(data: &ChannelData) -> ChannelMessage {
    match data {
        ChannelData::Text(text) => of_ours(ChannelMessage::decode(text), text.len()),
        ChannelData::Binary(_) => foreign(data),
    }
}

fn text(value: &Packed) -> Option<&str> {
    match value {
        Packed::Text(text) => Some(text),
        _ => None,
    }
}

fn is_close(kind: Option<&str>) -> bool {
    kind == Some("close")
}

fn of_value(value: &Value, bytes: usize) -> ChannelMessage {
    of_ours(ChannelMessage::decode_value(value), bytes)
}

/// What an application sends is its own business: anything is a message.
fn of_ours(message: ChannelMessage, bytes: usize) -> ChannelMessage {
    match message {
        chat @ (ChannelMessage::Chat { .. } | ChannelMessage::ForeignChat { .. }) => chat,
        _ => of_length(bytes),
    }
}

fn foreign(data: &ChannelData) -> ChannelMessage {
    of_length(match data {
        ChannelData::Text(text) => text.len(),
        ChannelData::Binary(bytes) => bytes.len(),
    })
}

fn of_length(bytes: usize) -> ChannelMessage {
    ChannelMessage::ForeignChat {
        bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
    }
}

impl Chunks {
    /// Takes a piece of the message `number`; gives the message back once it is whole. Pieces that contradict what came
    /// before are passed over.
    fn take(&mut self, number: u64, piece: &Packed) -> Option<Vec<u8>> {
        let (n, total) = (piece.get("n")?.count()?, piece.get("total")?.count()?);
        let Some(Packed::Bytes(data)) = piece.get("data") else {
            return None;
        };
        if n >= total {
            return None;
        }
        if !self.unfinished.contains_key(&number) && self.unfinished.len() == MAX_UNFINISHED {
            // The one that has waited longest, by the order in which the client numbers them.
            self.unfinished.pop_first();
        }
        let message = self.unfinished.entry(number).or_insert(Unfinished {
            pieces: BTreeMap::new(),
            total,
            bytes: 0,
        });
        if message.total == total && message.pieces.insert(n, data.clone()).is_none() {
            message.bytes += data.len();
        }
        if message.bytes > MAX_BYTES {
            self.unfinished.remove(&number);
            return None;
        }
        if message.pieces.len() as u64 != message.total {
            return None;
        }
        let whole = self.unfinished.remove(&number)?;
        Some(whole.pieces.into_values().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        base::{Incarnation, PeerNumber},
        signaling::{ChatId, Seq},
    };

    fn chat(size: u32) -> (String, ChannelMessage) {
        let id = ChatId {
            peer: PeerNumber(3),
            incarnation: Incarnation(2),
            seq: Seq::Chat(17),
        };
        let json = ChannelMessage::encode_chat(id, "room", "user", "Ann \"A\"", size, 1_732_800_000_000);
        (json, ChannelMessage::Chat { id, bytes: size })
    }

    fn lengths(data: &[ChannelData]) -> Vec<usize> {
        let length = |data: &ChannelData| match data {
            ChannelData::Binary(bytes) => bytes.len(),
            ChannelData::Text(_) => panic!("the client sends bytes"),
        };
        data.iter().map(length).collect()
    }

    #[test]
    fn a_message_goes_in_one_piece_up_to_the_limit_and_in_several_above_it() {
        for (size, pieces) in [(0, 1), (256, 1), (16_000, 1), (16_300, 2), (100_000, 7)] {
            let (json, message) = chat(size);
            let written = write_binary(&json, 5);
            assert_eq!(written.len(), pieces, "{size}");
            assert!(lengths(&written).iter().all(|length| *length <= CHUNKED_MTU + 40));
            let mut chunks = Chunks::default();
            let read: Vec<_> = written
                .iter()
                .map(|data| read_binary(data, &mut chunks))
                .collect();
            let (last, before) = read.split_last().unwrap();
            assert_eq!(last.as_ref(), Some(&message));
            assert!(before.iter().all(Option::is_none));
            assert!(chunks.unfinished.is_empty());
        }
    }

    #[test]
    fn messages_in_pieces_may_cross_and_pieces_come_in_any_order_and_twice() {
        let (json, message) = chat(40_000);
        let (other, other_message) = chat(20_000);
        let (mut first, second) = (write_binary(&json, 1), write_binary(&other, 2));
        first.reverse();
        let mut chunks = Chunks::default();
        let mut said = Vec::new();
        for data in [&first[0], &second[0], &first[0], &first[1], &second[1], &first[2]] {
            said.extend(read_binary(data, &mut chunks));
        }
        assert_eq!(said, [other_message, message]);
    }

    #[test]
    fn pieces_that_never_become_whole_are_not_kept_for_ever() {
        let mut chunks = Chunks::default();
        let (json, _) = chat(20_000);
        for number in 0..1_000 {
            assert_eq!(read_binary(&write_binary(&json, number)[0], &mut chunks), None);
        }
        assert_eq!(chunks.unfinished.len(), MAX_UNFINISHED);
    }

    #[test]
    fn whatever_a_page_sends_is_a_message_and_its_wish_to_close_is_none() {
        let foreign = |bytes| ChannelMessage::ForeignChat { bytes };
        let json = |text: &str| read_json(&ChannelData::Binary(text.as_bytes().to_vec()));
        let packed = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            let data = ChannelData::Binary(pack(&value.into()));
            read_binary(&data, &mut Chunks::default()).unwrap()
        };
        for (text, length) in [
            (r#""hello""#, 6),
            ("7", 1),
            ("null", 1),
            (r#"{"a":[1]}"#, 5),
            ("[]", 1),
        ] {
            assert_eq!(json(text), foreign(text.len() as u32), "{text}");
            assert_eq!(packed(text), foreign(length), "{text}");
        }
        let close = r#"{"__peerData":{"type":"close"}}"#;
        assert_eq!(
            (json(close), packed(close)),
            (ChannelMessage::Close, ChannelMessage::Close)
        );
        assert_eq!(json(r#"{"__peerData":{"type":"open"}}"#), foreign(30));
        let (ours, message) = chat(3);
        assert_eq!((json(&ours), packed(&ours)), (message.clone(), message));
        assert_eq!(json("{"), foreign(1));
        assert_eq!(read_raw(&ChannelData::Text("hello".to_owned())), foreign(5));
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
            let mut chunks = Chunks::default();
            for data in [ChannelData::Binary(bytes), ChannelData::Text(text)] {
                read_binary(&data, &mut chunks);
                read_json(&data);
                read_raw(&data);
            }
        }
    }
}
