//! What a socket's datagrams are to the driver: several in one buffer on the way out, one a buffer on the way in.

use std::net::SocketAddr;

use webrtc::runtime::{RecvMeta, Transmit};

/// The datagrams of one send: the stack may join those of one length.
pub fn segments<'a>(transmit: &Transmit<'a>) -> impl Iterator<Item = &'a [u8]> {
    let length = transmit.segment_size.unwrap_or(transmit.contents.len());
    transmit.contents.chunks(length.max(1))
}

/// Gives the driver one datagram of a read. What does not fit into its buffer is cut off, as the system does it.
pub fn hand_up(read: &RecvMeta, datagram: &[u8], buf: &mut [u8], meta: &mut RecvMeta) {
    let length = datagram.len().min(buf.len());
    buf[..length].copy_from_slice(&datagram[..length]);
    *meta = *read;
    meta.len = length;
    meta.stride = length.max(1);
}

/// A read of which nothing is known but who has sent it.
pub fn read_from(sender: SocketAddr) -> RecvMeta {
    let mut read = RecvMeta::default();
    read.addr = sender;
    read
}
