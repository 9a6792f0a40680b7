use std::{fmt, str::FromStr};

use thiserror::Error;

/// The share of a plan that one of several processes plays: `K/N`, whole rooms. Room `i` (from 0) falls to
/// segment `i mod N + 1`, so that no coordinator is needed and the segments are as equal as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    index: u32,
    count: u32,
}

/// Why a text is no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SegmentError {
    #[error("expected K/N, like 1/3")]
    NotTwoNumbers,
    #[error("segments count from 1")]
    Zero,
    #[error("there is no segment {index} of {count}")]
    Beyond { index: u32, count: u32 },
}

impl Segment {
    /// Everything: `1/1`.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Which one it is, from 1.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// All of so many.
    pub fn all(count: u32) -> impl Iterator<Item = Self> {
        (1..=count).map(move |index| Self { index, count })
    }

    /// Whether any of that many rooms falls to it.
    pub fn has_rooms(self, rooms: u32) -> bool {
        self.index <= rooms
    }

    /// Whether the whole plan's room of that number (from 0) falls to this segment.
    pub fn holds(self, room: u32) -> bool {
        room % self.count + 1 == self.index
    }
}

impl Default for Segment {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Segment {
    type Err = SegmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse().map_err(|_| SegmentError::NotTwoNumbers);
        let (index, count) = text.split_once('/').ok_or(SegmentError::NotTwoNumbers)?;
        match (number(index)?, number(count)?) {
            (0, _) | (_, 0) => Err(SegmentError::Zero),
            (index, count) if index > count => Err(SegmentError::Beyond { index, count }),
            (index, count) => Ok(Self { index, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_go_round_the_segments() {
        let held = |text: &str| -> Vec<u32> {
            let segment: Segment = text.parse().expect("a segment");
            assert_eq!(segment.to_string(), text);
            (0..7).filter(|room| segment.holds(*room)).collect()
        };
        assert_eq!(held("1/3"), [0, 3, 6]);
        assert_eq!(held("2/3"), [1, 4]);
        assert_eq!(held("3/3"), [2, 5]);
        assert_eq!(held("1/1"), [0, 1, 2, 3, 4, 5, 6]);
        assert!(held("9/9").is_empty());
    }

    #[test]
    fn what_is_no_segment_says_why() {
        for (text, told) in [
            ("3", "expected K/N, like 1/3"),
            ("", "expected K/N, like 1/3"),
            ("a/b", "expected K/N, like 1/3"),
            ("-1/3", "expected K/N, like 1/3"),
            ("1/4294967296", "expected K/N, like 1/3"),
            ("0/3", "segments count from 1"),
            ("1/0", "segments count from 1"),
            ("4/3", "there is no segment 4 of 3"),
        ] {
            let error = text.parse::<Segment>().expect_err(text);
            assert_eq!(error.to_string(), told, "{text}");
        }
    }
}
