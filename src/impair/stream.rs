use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    Loss, Outages, Profile, Shaper, SignalingPath, Way,
    jitter::unit,
    loss::Chain,
    shaper::{draw_delay, happens},
};
use crate::base::Instant;

/// What a sender waits on top of the round trip before it repeats a segment. RFC 6298 §2.4 wants a time-out
/// of at least 1 s, and foresees that less may prove acceptable; Linux, and so most servers and phones, has
/// long had 200 ms (`TCP_RTO_MIN`).
pub const RTO_MIN: Duration = Duration::from_millis(200);
/// The most that a sender waits before it repeats a segment once more (RFC 6298 §2.5 wants at least 60 s;
/// Linux's `TCP_RTO_MAX`).
pub const RTO_MAX: Duration = Duration::from_secs(120);
/// How often a segment is repeated before the sender gives the stream up (Linux's `tcp_retries2`: about a
/// quarter of an hour).
pub const MAX_RETRANSMISSIONS: u32 = 15;
/// Payload of a full segment: 1,500 bytes of Ethernet less 20 of IPv4 and 32 of TCP with timestamps.
pub const SEGMENT_BYTES: usize = 1_448;
/// What a segment has on the wire beside its payload.
pub const SEGMENT_OVERHEAD_BYTES: usize = 52;

/// One direction of the signaling connection, or of one to a TURN server: a byte stream over the peer's access link, as TCP
/// makes it.
///
/// Nothing is lost and nothing overtakes. A lost segment comes a retransmission time-out later, and holds up
/// all that is behind it; fast retransmit (RFC 5681 §3.2) is left out, for signaling is rarely followed by
/// three more segments. A corrupted segment fails TCP's checksum: it is lost. A duplicated one is thrown away, and
/// one that overtakes waits for those before it: TCP hides both, and so neither does anything here. Each repetition waits twice as long as the one before, so after an outage data comes
/// up to as long again after its end as the outage was: that is what TCP does.
#[derive(Debug, Clone)]
pub struct Stream {
    rng: ChaCha8Rng,
    /// Which way it goes; `None`: any outage stalls it.
    way: Option<Way>,
    /// Its segments are bursts' victims on their own account.
    chain: Chain,
    /// Until when the sender repeats itself; what is written meanwhile is sent then.
    stalled_until: Instant,
    /// When the last byte so far arrives.
    last_out: Instant,
    /// The sender has given up.
    broken: bool,
}

impl Stream {
    /// A stream that has carried nothing yet. `rng` is its own: what crosses the link beside it does not
    /// change its luck.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rng,
            way: None,
            chain: Chain::default(),
            stalled_until: Instant::START,
            last_out: Instant::START,
            broken: false,
        }
    }

    /// The same for bytes that go that way: outages of the other one don't stall it. (They do stall the
    /// acknowledgements, and the sender then repeats what has arrived; nobody reads that twice.)
    pub fn towards(mut self, way: Way) -> Self {
        self.way = Some(way);
        self
    }

    /// A new connection takes the place of this one: its time-outs are not those of the last.
    pub fn reconnect(&mut self) {
        self.stalled_until = Instant::START;
        self.last_out = Instant::START;
        self.broken = false;
    }

    /// A message of `bytes` (its payload) is written; when its last byte arrives at the other end of `link`.
    /// It takes its share of the link's rate. `None`: it never arrives, and nothing that follows either.
    pub fn admit(
        &mut self,
        bytes: usize,
        now: Instant,
        link: &mut Shaper,
        outages: &Outages,
    ) -> Option<Instant> {
        let way = self.way;
        self.admit_on(bytes, now, link, |at| outages.signaling_one_way(way, at))
    }

    /// The same where `path` tells how the way is at an instant.
    pub fn admit_on(
        &mut self,
        bytes: usize,
        now: Instant,
        link: &mut Shaper,
        path: impl Fn(Instant) -> SignalingPath,
    ) -> Option<Instant> {
        let full = bytes / SEGMENT_BYTES;
        let rest = bytes % SEGMENT_BYTES;
        let segments =
            std::iter::repeat_n(SEGMENT_BYTES, full).chain((rest > 0 || full == 0).then_some(rest));
        for payload in segments {
            self.send_segment(payload + SEGMENT_OVERHEAD_BYTES, now, link, &path);
        }
        (!self.broken).then_some(self.last_out)
    }

    fn send_segment(
        &mut self,
        bytes: usize,
        now: Instant,
        link: &mut Shaper,
        path: impl Fn(Instant) -> SignalingPath,
    ) {
        let travel = draw_delay(link.profile(), &mut self.rng);
        let mut rto = link.profile().delay * 2 + RTO_MIN;
        let mut at = now.max(self.stalled_until);
        for repetition in 0..=MAX_RETRANSMISSIONS {
            let sent = match path(at) {
                SignalingPath::Muted => break,
                SignalingPath::BlockedUntil(_) => None,
                SignalingPath::Open if self.loses(link.profile(), repetition > 0) => None,
                SignalingPath::Open if at == now => link.transmit(bytes, now),
                // The link's queue at a later instant is not known yet; repetitions are few and small.
                SignalingPath::Open => Some(at + link.sending_time(bytes)),
            };
            if let Some(sent) = sent {
                self.last_out = self.last_out.max(sent + travel);
                return;
            }
            at += rto;
            self.stalled_until = at;
            rto = (rto * 2).min(RTO_MAX);
        }
        self.broken = true;
    }
}

impl Stream {
    /// Whether a segment is of no use when it arrives, or does not. Bursts are counted in datagrams, of which many
    /// pass until a time-out is over: what is repeated is lost as often as any.
    fn loses(&mut self, profile: &Profile, repeated: bool) -> bool {
        let lost = match &profile.loss {
            Loss::Bursts(model) if !repeated => {
                let turn = unit(self.rng.next_u64());
                happens(self.chain.step(model, turn), &mut self.rng)
            }
            loss => happens(loss.mean(), &mut self.rng),
        };
        let corrupt = profile.corrupt.as_f64();
        lost || corrupt > 0.0 && happens(corrupt, &mut self.rng)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;
    use crate::impair::{Delivery, Fate, Remotes, Scope};

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn delayed(delay_ms: u64) -> Profile {
        Profile {
            delay: Duration::from_millis(delay_ms),
            ..Profile::none()
        }
    }

    #[test]
    fn a_new_connection_does_not_inherit_the_back_off_of_the_last() {
        let mut link = Shaper::new(Profile::none(), rng());
        let mut stream = Stream::new(rng());
        let mut away = Outages::default();
        away.drop_network(Scope::Both, Remotes::All, ms(0), ms(5_000))
            .expect("room");
        let late = stream.admit(100, ms(0), &mut link, &away);
        assert!(late > Some(ms(5_500)), "{late:?}");
        stream.reconnect();
        assert_eq!(stream.admit(100, ms(5_100), &mut link, &away), Some(ms(5_100)));
    }

    #[test]
    fn a_message_takes_the_delay_of_the_link_and_its_share_of_the_rate() {
        let mut link = Shaper::new(
            Profile {
                rate_bits_per_s: NonZeroU64::new(1_200_000),
                ..delayed(20)
            },
            rng(),
        );
        let mut stream = Stream::new(rng());
        let none = Outages::default();
        // A full segment is 1,500 bytes on the wire, 10 ms at 1.2 Mbit/s.
        assert_eq!(
            stream.admit(2 * SEGMENT_BYTES, ms(0), &mut link, &none),
            Some(ms(40))
        );
        let media = link.admit(1_500, ms(0));
        assert_eq!(
            media.original,
            Fate::Deliver(Delivery::at(ms(50))),
            "behind the message"
        );
        let empty = stream.admit(0, ms(100), &mut link, &none).expect("it arrives");
        assert!(empty > ms(120), "headers cross the link, too");
    }

    #[test]
    fn a_lost_segment_costs_one_time_out_and_holds_up_what_follows() {
        let lossy = Profile {
            loss: "30%".parse().expect("a share"),
            ..delayed(10)
        };
        let mut link = Shaper::new(lossy, rng());
        let mut stream = Stream::new(rng());
        let rto = 2 * 10 + 200;
        let (mut seen, mut last) = ([0; 4], ms(0));
        for i in 0..200 {
            let now = ms(10_000 * (i + 1));
            let out = stream
                .admit(100, now, &mut link, &Outages::default())
                .expect("it arrives");
            let took = out.since(now).as_millis() as u64;
            // 0, 1, 2, … losses: 1 + 2 + 4 + … time-outs.
            let losses = (0..12)
                .find(|n| took == 10 + rto * ((1 << n) - 1))
                .unwrap_or_else(|| panic!("{took} ms is no number of time-outs"));
            seen[losses.min(3)] += 1;
            if losses > 0 {
                let behind = stream.admit(
                    100,
                    now + Duration::from_millis(1),
                    &mut link,
                    &Outages::default(),
                );
                assert!(behind >= Some(out), "it overtook");
                last = out.max(last);
            }
        }
        assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
    }

    /// Of 2,000 segments those of a burst are late; none is so for longer than a repetition or two takes.
    #[test]
    fn bursts_delay_the_stream_but_do_not_stop_it_and_flipped_bits_are_losses_to_it() {
        let late = |profile: Profile| {
            let mut link = Shaper::new(profile, rng());
            let mut stream = Stream::new(rng());
            let took: Vec<Duration> = (1..=2_000)
                .map(|i| {
                    let now = ms(100_000 * i);
                    let out = stream.admit(100, now, &mut link, &Outages::default());
                    out.expect("it arrives").since(now)
                })
                .collect();
            assert!(
                took.iter().all(|took| took.as_secs() < 10),
                "{:?}",
                took.iter().max()
            );
            took.iter().filter(|took| took.as_millis() >= 200).count()
        };
        // 5 % of 2,000 are 100; in bursts of 10 they vary by 42 (Z = 2.5), each by itself by 10.
        let bursts = late(Profile {
            loss: "long-bursts".parse().expect("a name"),
            ..Profile::none()
        });
        assert!((1..205).contains(&bursts), "{bursts}");
        let corrupt = late(Profile {
            corrupt: "5%".parse().expect("a share"),
            ..Profile::none()
        });
        assert!((60..140).contains(&corrupt), "{corrupt}");
        let disordered = late(Profile {
            duplicate: "50%".parse().expect("a share"),
            reorder: "50%".parse().expect("a share"),
            ..Profile::none()
        });
        assert_eq!(disordered, 0);
    }

    #[test]
    fn what_is_written_in_an_outage_arrives_after_its_end_and_the_back_off() {
        let mut link = Shaper::new(delayed(0), rng());
        let mut stream = Stream::new(rng());
        let mut outages = Outages::default();
        outages
            .drop_network(Scope::Both, Remotes::All, ms(1_000), ms(6_000))
            .expect("room");
        assert_eq!(stream.admit(100, ms(999), &mut link, &outages), Some(ms(999)));
        // Repeated after 0.2, 0.6, 1.4, 3 and 6.2 s: that one is the first after the end.
        assert_eq!(stream.admit(100, ms(1_000), &mut link, &outages), Some(ms(7_200)));
        assert_eq!(
            stream.admit(100, ms(1_400), &mut link, &outages),
            Some(ms(7_200)),
            "one sender has one timer: its own would fire at 7.6 s"
        );
        assert_eq!(stream.admit(100, ms(7_000), &mut link, &outages), Some(ms(7_200)));
        assert_eq!(stream.admit(100, ms(8_000), &mut link, &outages), Some(ms(8_000)));
    }

    #[test]
    fn a_crash_and_a_link_that_loses_everything_end_the_stream() {
        let mut muted = Outages::default();
        muted.mute();
        let mut link = Shaper::new(delayed(0), rng());
        assert_eq!(Stream::new(rng()).admit(1, ms(0), &mut link, &muted), None);

        let mut dead = Shaper::new(
            Profile {
                loss: "100%".parse().expect("a share"),
                ..Profile::none()
            },
            rng(),
        );
        let mut stream = Stream::new(rng());
        assert_eq!(stream.admit(1, ms(0), &mut dead, &Outages::default()), None);
        dead.set_profile(Profile::none());
        assert_eq!(stream.admit(1, ms(1), &mut dead, &Outages::default()), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_overtakes_or_comes_early(
            seed: u64,
            messages in proptest::collection::vec((0_u64..400, 0_usize..5_000), 1..50),
            cut in 0_u64..5_000,
            cut_for in 0_u64..5_000,
        ) {
            let profile = Profile {
                delay: Duration::from_millis(20),
                jitter: Duration::from_millis(20),
                loss: "20%".parse().expect("a share"),
                rate_bits_per_s: NonZeroU64::new(2_000_000),
                queue: Duration::from_millis(10),
                ..Profile::none()
            };
            let mut link = Shaper::new(profile, ChaCha8Rng::seed_from_u64(seed));
            let mut stream = Stream::new(ChaCha8Rng::seed_from_u64(!seed));
            let mut outages = Outages::default();
            outages.drop_network(Scope::Signaling, Remotes::All, ms(cut), ms(cut + cut_for)).expect("room");
            let (mut now, mut last) = (0, ms(0));
            for (pause, bytes) in messages {
                now += pause;
                let out = stream.admit(bytes, ms(now), &mut link, &outages).expect("it arrives");
                prop_assert!(out >= ms(now) && out >= last);
                last = out;
            }
        }
    }
}
