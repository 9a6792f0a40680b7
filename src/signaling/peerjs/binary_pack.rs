//! BinaryPack, what PeerJS's clients pack values in: MessagePack's older form, with other marks for texts and bytes.
//!
//! As `peerjs-js-binarypack` 2.1.0 writes and reads it. Pure.

use serde_json::{Map, Number, Value};

/// How deep lists and maps may lie in each other.
const MAX_DEPTH: usize = 64;
/// What fits behind a mark of its own.
const FIX: usize = 0x0f;
/// 2^53: up to there every whole number is one of JavaScript's.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value of JavaScript's, as far as it can be packed.
#[derive(Debug, Clone, PartialEq)]
pub enum Packed {
    /// `null` or `undefined`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// One above that.
    Large(u64),
    /// Any other number.
    Double(f64),
    /// A text.
    Text(String),
    /// An `ArrayBuffer`, or a view of one.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Packed>),
    /// An object, its keys in their order.
    Map(Vec<(String, Packed)>),
}

impl Packed {
    /// What stands at `key`, if it is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The number, if it is a whole one from 0.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            Self::Large(number) => Some(*number),
            _ => None,
        }
    }

    /// The same as JSON has it. Bytes are `null` there.
    pub fn into_json(self) -> Value {
        match self {
            Self::Null | Self::Bytes(_) => Value::Null,
            Self::Bool(flag) => flag.into(),
            Self::Integer(number) => number.into(),
            Self::Large(number) => number.into(),
            Self::Double(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            Self::Text(text) => text.into(),
            Self::List(items) => items.into_iter().map(Self::into_json).collect(),
            Self::Map(entries) => {
                let entries = entries.into_iter().map(|(key, value)| (key, value.into_json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

impl From<Value> for Packed {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), _, _) => Self::Integer(number),
                (_, Some(number), _) => Self::Large(number),
                // JavaScript tells no whole number from one with a point.
                (_, _, Some(number)) if number.fract() == 0.0 && number.abs() <= EXACT => {
                    Self::Integer(number as i64)
                }
                (_, _, number) => Self::Double(number.unwrap_or_default()),
            },
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(entries) => {
                let entries = entries.into_iter().map(|(key, value)| (key, value.into()));
                Self::Map(entries.collect())
            }
        }
    }
}

/// Packs a value.
pub fn pack(value: &Packed) -> Vec<u8> {
    let mut into = Vec::new();
    pack_into(&mut into, value);
    into
}

fn pack_into(into: &mut Vec<u8>, value: &Packed) {
    match value {
        Packed::Null => into.push(0xc0),
        Packed::Bool(false) => into.push(0xc2),
        Packed::Bool(true) => into.push(0xc3),
        Packed::Integer(number) => pack_integer(into, *number),
        Packed::Large(number) => match i64::try_from(*number) {
            Ok(number) => pack_integer(into, number),
            Err(_) => {
                into.push(0xcf);
                into.extend(number.to_be_bytes());
            }
        },
        Packed::Double(number) => {
            into.push(0xcb);
            into.extend(number.to_be_bytes());
        }
        Packed::Text(text) => {
            pack_length(into, text.len(), [0xb0, 0xd8, 0xd9]);
            into.extend(text.as_bytes());
        }
        Packed::Bytes(bytes) => {
            pack_length(into, bytes.len(), [0xa0, 0xda, 0xdb]);
            into.extend(bytes);
        }
        Packed::List(items) => {
            pack_length(into, items.len(), [0x90, 0xdc, 0xdd]);
            items.iter().for_each(|item| pack_into(into, item));
        }
        Packed::Map(entries) => {
            pack_length(into, entries.len(), [0x80, 0xde, 0xdf]);
            for (key, value) in entries {
                pack_length(into, key.len(), [0xb0, 0xd8, 0xd9]);
                into.extend(key.as_bytes());
                pack_into(into, value);
            }
        }
    }
}

/// By the marks for up to 15, up to 65,535 and more. No message is so long that four bytes would not do.
fn pack_length(into: &mut Vec<u8>, length: usize, [fix, two, four]: [u8; 3]) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if length <= FIX => into.push(fix + short),
        (_, Ok(medium)) => {
            into.push(two);
            into.extend(medium.to_be_bytes());
        }
        _ => {
            into.push(four);
            into.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

fn pack_integer(into: &mut Vec<u8>, number: i64) {
    let low = number.to_be_bytes();
    let (mark, bytes): (Option<u8>, &[u8]) = match number {
        -32..=0x7f => (None, &low[7..]),
        0x80..=0xff => (Some(0xcc), &low[7..]),
        -0x80..=-33 => (Some(0xd0), &low[7..]),
        0x100..=0xffff => (Some(0xcd), &low[6..]),
        -0x8000..=-0x81 => (Some(0xd1), &low[6..]),
        0x1_0000..=0xffff_ffff => (Some(0xce), &low[4..]),
        -0x8000_0000..=-0x8001 => (Some(0xd2), &low[4..]),
        _ => (Some(0xd3), &low),
    };
    into.extend(mark);
    into.extend(bytes);
}

/// Reads one value; `None` where the bytes are no such, end too early, or go on behind it.
pub fn unpack(bytes: &[u8]) -> Option<Packed> {
    let mut reader = Reader { bytes };
    let value = reader.value(MAX_DEPTH)?;
    reader.bytes.is_empty().then_some(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    /// A whole number of so many bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let taken = self.take(bytes)?;
        Some(
            taken
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    }

    fn length(&mut self, bytes: usize) -> Option<usize> {
        usize::try_from(self.number(bytes)?).ok()
    }

    fn value(&mut self, depth: usize) -> Option<Packed> {
        let mark = *self.take(1)?.first()?;
        let short = usize::from(mark) & FIX;
        Some(match mark {
            0x00..=0x7f => Packed::Integer(mark.into()),
            0x80..=0x8f => self.map(short, depth)?,
            0x90..=0x9f => self.list(short, depth)?,
            0xa0..=0xaf => Packed::Bytes(self.take(short)?.to_vec()),
            0xb0..=0xbf => self.text(short)?,
            // The last four are the client's own marks for what it does not read: `undefined`.
            0xc0 | 0xc1 | 0xd4..=0xd7 => Packed::Null,
            0xc2 | 0xc3 => Packed::Bool(mark == 0xc3),
            0xca => Packed::Double(f32::from_bits(u32::try_from(self.number(4)?).ok()?).into()),
            0xcb => Packed::Double(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => {
                let number = self.number(1 << (mark - 0xcc))?;
                i64::try_from(number).map_or(Packed::Large(number), Packed::Integer)
            }
            0xd0..=0xd3 => {
                let bytes = 1 << (mark - 0xd0);
                let unused = 64 - 8 * bytes as u32;
                Packed::Integer((self.number(bytes)? << unused) as i64 >> unused)
            }
            0xd8 | 0xd9 => {
                let length = self.length(2 << (mark - 0xd8))?;
                self.text(length)?
            }
            0xda | 0xdb => {
                let length = self.length(2 << (mark - 0xda))?;
                Packed::Bytes(self.take(length)?.to_vec())
            }
            0xdc | 0xdd => {
                let length = self.length(2 << (mark - 0xdc))?;
                self.list(length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(2 << (mark - 0xde))?;
                self.map(length, depth)?
            }
            0xe0..=0xff => Packed::Integer(i64::from(mark) - 0x100),
            // Nothing is packed so.
            0xc4..=0xc9 => return None,
        })
    }

    /// Whatever the length claims, an item takes a byte at least.
    fn list(&mut self, length: usize, depth: usize) -> Option<Packed> {
        let depth = depth.checked_sub(1)?;
        if length > self.bytes.len() {
            return None;
        }
        let items: Option<Vec<Packed>> = (0..length).map(|_| self.value(depth)).collect();
        items.map(Packed::List)
    }

    fn map(&mut self, length: usize, depth: usize) -> Option<Packed> {
        let depth = depth.checked_sub(1)?;
        if length > self.bytes.len() {
            return None;
        }
        let entry = |_| {
            let key = match self.value(depth)? {
                Packed::Text(key) => key,
                Packed::Integer(key) => key.to_string(),
                _ => return None,
            };
            Some((key, self.value(depth)?))
        };
        let entries: Option<Vec<_>> = (0..length).map(entry).collect();
        entries.map(Packed::Map)
    }

    fn text(&mut self, length: usize) -> Option<Packed> {
        let bytes = self.take(length)?;
        Some(Packed::Text(String::from_utf8_lossy(bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `pack` of npm's `peerjs-js-binarypack` 2.1.0 makes of values, printed by Node 20 as
    /// `Buffer.from(pack(value)).toString('hex')`.
    const VECTORS: [(&str, &str); 8] = [
        ("null", "c0"),
        ("[true,false]", "92c3c2"),
        (
            "[0,127,128,255,256,65535,65536,4294967295,4294967296]",
            "99007fcc80ccffcd0100cdffffce00010000ceffffffffd30000000100000000",
        ),
        (
            "[-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,-5000000000]",
            "9affe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffffd3fffffffed5fa0e00",
        ),
        (
            "[0.5,-1.25,3.141592653589793,1732800000000]",
            "94cb3fe0000000000000cbbff4000000000000cb400921fb54442d18d30000019372edb000",
        ),
        ("\"xxxxxxxxxxxxxxxx\"", "d8001078787878787878787878787878787878"),
        ("\"grüße 🙂\"", "bc6772c3bcc39f6520f09f9982"),
        (
            r#"{"__peerData":{"type":"close"},"a":{"b":[1,"2"]}}"#,
            "82ba5f5f706565724461746181b474797065b5636c6f7365b16181b1629201b132",
        ),
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    #[test]
    fn values_are_packed_and_read_as_the_client_does() {
        for (json, packed) in VECTORS {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(hex(&pack(&value.clone().into())), packed, "{json}");
            assert_eq!(unpack(&bytes(packed)).unwrap().into_json(), value, "{packed}");
        }
    }

    /// By the same package: `{__peerData: 1, n: 0, data: new Uint8Array(16).buffer, total: 2}`.
    #[test]
    fn a_chunk_is_packed_as_the_client_does() {
        let chunk = Packed::Map(vec![
            ("__peerData".to_owned(), Packed::Integer(1)),
            ("n".to_owned(), Packed::Integer(0)),
            ("data".to_owned(), Packed::Bytes(vec![0; 16])),
            ("total".to_owned(), Packed::Integer(2)),
        ]);
        let packed = "84ba5f5f706565724461746101b16e00b464617461\
                      da001000000000000000000000000000000000b5746f74616c02";
        assert_eq!(hex(&pack(&chunk)), packed);
        assert_eq!(unpack(&bytes(packed)), Some(chunk));
    }

    #[test]
    fn the_largest_number_and_long_lists_and_objects_too() {
        assert_eq!(
            hex(&pack(&Packed::Large(18_446_744_073_709_549_568))),
            "cffffffffffffff800"
        );
        let twenty = Packed::List((0..20).map(Packed::Integer).collect());
        assert_eq!(
            hex(&pack(&twenty)),
            "dc0014000102030405060708090a0b0c0d0e0f10111213"
        );
        let many = (0..17).map(|n| (format!("k{n}"), Packed::Integer(n)));
        let packed = hex(&pack(&Packed::Map(many.collect())));
        assert!(packed.starts_with("de0011b26b3000b26b3101"), "{packed}");
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_none() {
        for packed in [
            "",
            "91",
            "d8ffff",
            "dd7fffffff",
            "dfffffffff01",
            "a3ff",
            "c9",
            "0101",
            "81c0c0",
        ] {
            assert_eq!(unpack(&bytes(packed)), None, "{packed}");
        }
        assert_eq!(unpack(&[0x91; 1_000]), None, "too deep");
    }

    fn any_value() -> impl Strategy<Value = Packed> {
        let leaf = prop_oneof![
            Just(Packed::Null),
            any::<bool>().prop_map(Packed::Bool),
            any::<i64>().prop_map(Packed::Integer),
            (0.1..1e9).prop_map(Packed::Double),
            ".{0,40}".prop_map(Packed::Text),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Packed::Bytes),
        ];
        leaf.prop_recursive(4, 40, 20, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(Packed::List),
                proptest::collection::vec((".{0,20}", inner), 0..20).prop_map(Packed::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_reads_back(value in any_value()) {
            prop_assert_eq!(unpack(&pack(&value)), Some(value));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }
}
