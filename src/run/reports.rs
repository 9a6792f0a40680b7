//! What the other end of a connection says of the media that it is sent.

use std::{collections::VecDeque, time::Instant as StdInstant};

use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        self, receiver_report::ReceiverReport, reception_report::ReceptionReport, sender_report::SenderReport,
    },
    sansio::Protocol,
    shared::error::Error,
};
use tokio::sync::watch;

/// Reads the receiver reports that come in (RFC 3550, 6.4), which the stack keeps to itself: each time, the highest
/// sequence number of what is published that the other end has.
pub(super) struct ReportReader {
    published: Option<u32>,
    highest: watch::Sender<u16>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl ReportReader {
    /// Every report is told to the receiver, also one that says the same again.
    pub(super) fn new() -> (Self, watch::Receiver<u16>) {
        let (highest, reported) = watch::channel(0);
        let reader = Self {
            published: None,
            highest,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        };
        (reader, reported)
    }

    fn read(&self, packet: &dyn rtcp::Packet) {
        let packet = packet.as_any();
        let receiver = packet
            .downcast_ref::<ReceiverReport>()
            .map(|report| &report.reports);
        let sender = || {
            packet
                .downcast_ref::<SenderReport>()
                .map(|report| &report.reports)
        };
        let reports = receiver.or_else(sender).into_iter().flatten();
        let of_ours = |report: &&ReceptionReport| Some(report.ssrc) == self.published;
        for report in reports.filter(of_ours) {
            // Its upper half counts how often the number began anew.
            self.highest.send_replace(report.last_sequence_number as u16);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for ReportReader {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = StdInstant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            packets.iter().for_each(|packet| self.read(&**packet));
        }
        self.reads.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for ReportReader {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.published = Some(info.ssrc);
    }

    fn unbind_local_stream(&mut self, _info: &StreamInfo) {
        self.published = None;
    }

    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}

    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use rtc::shared::TransportContext;

    use super::*;

    const OURS: u32 = 7;
    const ANOTHER: u32 = 8;

    fn block((ssrc, last_sequence_number): (u32, u32)) -> ReceptionReport {
        ReceptionReport {
            ssrc,
            last_sequence_number,
            ..ReceptionReport::default()
        }
    }

    /// What is told of RTCP packets that come in together.
    fn told(packets: Vec<Box<dyn rtcp::Packet>>) -> Option<u16> {
        let (mut reader, reported) = ReportReader::new();
        reader.bind_local_stream(&StreamInfo {
            ssrc: OURS,
            ..StreamInfo::default()
        });
        let message = TaggedPacket {
            now: StdInstant::now(),
            transport: TransportContext::default(),
            message: Packet::Rtcp(packets).into(),
        };
        reader.handle_read(message).expect("it takes anything");
        assert!(reader.poll_read().is_some(), "whoever comes after it has it too");
        let is_told = reported.has_changed().expect("the reader lives");
        is_told.then(|| *reported.borrow())
    }

    #[test]
    fn what_the_other_end_has_of_the_published_stream_is_told() {
        let receiver = |reports: &[(u32, u32)]| -> Box<dyn rtcp::Packet> {
            Box::new(ReceiverReport {
                reports: reports.iter().copied().map(block).collect(),
                ..ReceiverReport::default()
            })
        };
        assert_eq!(told(vec![receiver(&[(OURS, 12)])]), Some(12));
        assert_eq!(
            told(vec![receiver(&[(ANOTHER, 9), (OURS, 0x0002_0003)])]),
            Some(3)
        );
        assert_eq!(told(vec![receiver(&[]), receiver(&[(OURS, 5)])]), Some(5));
        assert_eq!(told(vec![receiver(&[(ANOTHER, 9)])]), None);
        assert_eq!(told(vec![receiver(&[])]), None);
        let sender = SenderReport {
            reports: vec![block((OURS, 4))],
            ..SenderReport::default()
        };
        assert_eq!(
            told(vec![Box::new(sender)]),
            Some(4),
            "who sends as well says it there"
        );
    }
}
