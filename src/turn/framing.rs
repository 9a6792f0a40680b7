//! STUN messages and ChannelData in a stream (RFC 8489 §6.2.2, RFC 8656 §12.5).

/// Header of a STUN message, and of ChannelData.
const STUN_HEADER_BYTES: usize = 20;
const CHANNEL_HEADER_BYTES: usize = 4;

/// A datagram to or from a TURN server as it goes through a stream: ChannelData is padded to four bytes, STUN
/// messages are so anyhow. `None`: it is neither, or not whole.
pub fn frame(datagram: &[u8]) -> Option<Vec<u8>> {
    let length = length_of(datagram)?;
    let message = datagram.get(..length.message)?;
    let mut framed = message.to_vec();
    framed.resize(length.framed, 0);
    Some(framed)
}

/// What came in is no STUN message and no ChannelData: nothing says where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// Takes a stream apart.
#[derive(Debug, Default)]
pub struct Deframer {
    bytes: Vec<u8>,
}

impl Deframer {
    /// These bytes came in. It holds at most one message (64 KiB) that is not whole, and what is given here.
    pub fn take_in(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, as it would come in a datagram.
    ///
    /// # Errors
    /// The stream is out of step; it stays so.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        if self.bytes.len() < CHANNEL_HEADER_BYTES {
            return Ok(None);
        }
        let length = length_of(&self.bytes).ok_or(Broken)?;
        if self.bytes.len() < length.framed {
            return Ok(None);
        }
        let mut message: Vec<u8> = self.bytes.drain(..length.framed).collect();
        message.truncate(length.message);
        Ok(Some(message))
    }
}

struct Length {
    message: usize,
    /// With its padding.
    framed: usize,
}

fn length_of(bytes: &[u8]) -> Option<Length> {
    let (kind, said) = (*bytes.first()?, bytes.get(2..4)?);
    let said = usize::from(u16::from_be_bytes([said[0], said[1]]));
    match kind {
        0..=3 if said % 4 == 0 => Some(Length {
            message: STUN_HEADER_BYTES + said,
            framed: STUN_HEADER_BYTES + said,
        }),
        // The channels that are left to TURN (RFC 8656 §12).
        0x40..=0x4f => Some(Length {
            message: CHANNEL_HEADER_BYTES + said,
            framed: (CHANNEL_HEADER_BYTES + said).next_multiple_of(4),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stun(words: u8) -> Vec<u8> {
        let mut message = vec![0; STUN_HEADER_BYTES + 4 * usize::from(words)];
        message[3] = 4 * words;
        message
    }

    fn channel_data(length: u8) -> Vec<u8> {
        let mut message = vec![7; 4 + usize::from(length)];
        message[..4].copy_from_slice(&[0x40, 1, 0, length]);
        message
    }

    #[test]
    fn channel_data_is_padded_to_four_bytes_and_comes_out_without() {
        let framed = frame(&channel_data(5)).expect("sound");
        assert_eq!(framed.len(), 12);
        let mut deframer = Deframer::default();
        deframer.take_in(&framed);
        assert_eq!(deframer.next_message(), Ok(Some(channel_data(5))));
        assert_eq!(deframer.next_message(), Ok(None));
        // The stack pads it in datagrams, too: then it goes as it is.
        assert_eq!(frame(&framed), Some(framed));
    }

    #[test]
    fn what_is_neither_is_not_framed_and_breaks_a_stream() {
        assert_eq!(frame(&[22, 0xfe, 0xfd, 0]), None);
        assert_eq!(frame(&[]), None);
        assert_eq!(frame(&[0x40, 1, 0, 9, 1]), None, "not whole");
        let mut deframer = Deframer::default();
        deframer.take_in(b"SSH-2.0-x");
        assert_eq!(deframer.next_message(), Err(Broken));
        assert_eq!(deframer.next_message(), Err(Broken));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_the_stream_is_cut(
            sizes in prop::collection::vec((any::<bool>(), 0..60_u8), 0..12),
            cuts in prop::collection::vec(1..40_usize, 1..9),
        ) {
            let messages: Vec<Vec<u8>> = sizes
                .into_iter()
                .map(|(is_stun, size)| if is_stun { stun(size) } else { channel_data(size) })
                .collect();
            let stream: Vec<u8> = messages.iter().flat_map(|m| frame(m).expect("sound")).collect();
            let (mut deframer, mut out, mut rest) = (Deframer::default(), Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                deframer.take_in(now);
                while let Some(message) = deframer.next_message().expect("in step") {
                    out.push(message);
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(out, messages);
        }
    }
}
