use std::{collections::BTreeMap, time::Duration};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::base::{DurationRange, Fraction, Instant, PeerId};

/// Frames that are held back at a time, both ways together; what is more goes on at once.
pub const MAX_HELD_FRAMES: usize = 1_024;
/// How long a frame that is to be overtaken is held back if no other comes.
pub const OVERTAKEN_WITHIN: Duration = Duration::from_secs(1);

/// Which way a frame goes, as its peer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameWay {
    /// From the server.
    In,
    /// To the server.
    Out,
}

/// What a frame says, whatever the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    Offer,
    Answer,
    Candidate,
    Join,
    Leave,
    Ping,
    Welcome,
    JoinRejected,
    MemberJoined,
    MemberLeft,
    Roster,
    Pong,
    Error,
    /// One that says nothing to this peer.
    Other,
}

/// What a rule does to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It never arrives.
    Drop,
    /// It is held back for so long, and others overtake it; frames that one rule delays keep their order.
    Delay(DurationRange),
    /// It is held back until a later one has passed, at most [`OVERTAKEN_WITHIN`].
    Reorder,
    /// It arrives twice.
    Duplicate,
    /// It arrives broken.
    Corrupt(Corruption),
}

/// How a frame is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// Its text ends in the middle.
    Text,
    /// The description in it does, the frame around it is sound.
    Sdp,
}

/// Which kind of treatment a frame has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treated {
    Drop,
    Delay,
    Reorder,
    Duplicate,
    Corrupt,
}

/// What happens to which frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRule {
    /// What happens.
    pub treatment: Treatment,
    /// To which share of those that it is about, drawn for each.
    pub share: Fraction,
    /// Of which kinds; empty: of all.
    pub of: Vec<FrameKind>,
    /// Which way they go; `None`: both.
    pub way: Option<FrameWay>,
    /// Only what is from, for or about one of these; empty: whatever it is about.
    pub with: Vec<PeerId>,
    /// After so many the rule is over.
    pub count: Option<u32>,
}

/// A frame, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which way it goes.
    pub way: FrameWay,
    /// What it says.
    pub kind: FrameKind,
    /// Who it is from, for or about.
    pub remote: Option<PeerId>,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Passed<T> {
    /// What goes on now, in this order: the frame, its copies, and what it has overtaken.
    pub on: Vec<T>,
    /// What was done to it, in the order of the rules.
    pub treated: Vec<Treated>,
    /// It was to be held back, and too many are.
    pub overflowed: bool,
}

/// The faults of one peer's signaling: frame and time in, fate out. Every rule that is on looks at every frame, in
/// the order in which they began: a drop ends it, delays add up.
#[derive(Debug)]
pub struct Frames<T> {
    rules: Vec<Active>,
    rng: ChaCha8Rng,
    /// By when they go on, then in the order in which they came.
    held: BTreeMap<(Instant, u64), Held<T>>,
    count: u64,
}

#[derive(Debug)]
struct Active {
    rule: FrameRule,
    until: Option<Instant>,
    treated: u32,
    /// When the last frame that it has delayed goes on.
    last: Instant,
}

#[derive(Debug)]
struct Held<T> {
    way: FrameWay,
    frame: T,
    /// Until another one has passed.
    to_be_overtaken: bool,
}

impl FrameKind {
    /// Every kind, by the name that scenarios and metrics give it.
    pub const NAMES: [(&str, Self); 14] = [
        ("offer", Self::Offer),
        ("answer", Self::Answer),
        ("candidate", Self::Candidate),
        ("join", Self::Join),
        ("leave", Self::Leave),
        ("ping", Self::Ping),
        ("welcome", Self::Welcome),
        ("join_rejected", Self::JoinRejected),
        ("member_joined", Self::MemberJoined),
        ("member_left", Self::MemberLeft),
        ("roster", Self::Roster),
        ("pong", Self::Pong),
        ("error", Self::Error),
        ("other", Self::Other),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, kind)| *kind == self);
        found.map_or("other", |(name, _)| name)
    }

    /// The only way that such frames go; `None`: both.
    pub fn only_way(self) -> Option<FrameWay> {
        match self {
            Self::Offer | Self::Answer | Self::Candidate => None,
            Self::Join | Self::Leave | Self::Ping => Some(FrameWay::Out),
            Self::Welcome
            | Self::JoinRejected
            | Self::MemberJoined
            | Self::MemberLeft
            | Self::Roster
            | Self::Pong
            | Self::Error
            | Self::Other => Some(FrameWay::In),
        }
    }

    /// Whether such a frame is from, for or about one remote.
    pub fn names_remote(self) -> bool {
        matches!(
            self,
            Self::Offer | Self::Answer | Self::Candidate | Self::MemberJoined | Self::MemberLeft
        )
    }
}

impl FrameWay {
    /// Both, by the name that scenarios and metrics give them.
    pub const NAMES: [(&str, Self); 2] = [("in", Self::In), ("out", Self::Out)];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl Treated {
    /// Its name, which is that of the key of a `signaling` step.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Delay => "delay",
            Self::Reorder => "reorder",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
        }
    }
}

impl Treatment {
    /// Which kind it is.
    pub fn kind(self) -> Treated {
        match self {
            Self::Drop => Treated::Drop,
            Self::Delay(_) => Treated::Delay,
            Self::Reorder => Treated::Reorder,
            Self::Duplicate => Treated::Duplicate,
            Self::Corrupt(_) => Treated::Corrupt,
        }
    }
}

impl FrameRule {
    /// Whether it is about that frame.
    pub fn is_about(&self, seen: &Seen) -> bool {
        let way = self.way.is_none_or(|way| way == seen.way);
        let kind = self.of.is_empty() || self.of.contains(&seen.kind);
        let remote = self.with.is_empty() || seen.remote.is_some_and(|remote| self.with.contains(&remote));
        way && kind && remote
    }
}

impl<T: Clone> Frames<T> {
    /// Without any rule. `rng` is its own.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rules: Vec::new(),
            rng,
            held: BTreeMap::new(),
            count: 0,
        }
    }

    /// From now on `rule` holds, before `until`.
    pub fn begin(&mut self, rule: FrameRule, until: Option<Instant>) {
        self.rules.push(Active {
            rule,
            until,
            treated: 0,
            last: Instant::START,
        });
    }

    /// Whether every frame goes on as it is.
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty() && self.held.is_empty()
    }

    /// A frame comes by at `now`; `broken` makes what a corruption makes of it.
    pub fn pass(
        &mut self,
        seen: Seen,
        mut frame: T,
        now: Instant,
        broken: impl Fn(&T, Corruption) -> T,
    ) -> Passed<T> {
        self.rules.retain(|active| active.is_on(now));
        let mut passed = Passed {
            on: Vec::new(),
            treated: Vec::new(),
            overflowed: false,
        };
        let (mut copies, mut wait, mut to_be_overtaken) = (0, Duration::ZERO, false);
        let mut delayed_by = Vec::new();
        for (index, active) in self.rules.iter_mut().enumerate() {
            if !active.rule.is_about(&seen) {
                continue;
            }
            // Always as many draws for a frame: what one rule does changes nothing for the next frame.
            let hit = self.rng.random::<f64>() < active.rule.share.as_f64();
            let drawn = match active.rule.treatment {
                Treatment::Delay(range) => range.draw(&mut self.rng),
                _ => Duration::ZERO,
            };
            if !hit {
                continue;
            }
            active.treated += 1;
            passed.treated.push(active.rule.treatment.kind());
            match active.rule.treatment {
                Treatment::Drop => return passed,
                Treatment::Delay(_) => {
                    wait += drawn;
                    delayed_by.push(index);
                }
                Treatment::Reorder => to_be_overtaken = true,
                Treatment::Duplicate => copies += 1,
                Treatment::Corrupt(how) => frame = broken(&frame, how),
            }
        }
        let mut at = now + wait;
        for index in delayed_by {
            at = at.max(self.rules[index].last);
            self.rules[index].last = at;
        }
        if at == now && to_be_overtaken {
            at = now + OVERTAKEN_WITHIN;
        } else {
            to_be_overtaken = false;
        }
        let all = std::iter::repeat_n(frame, copies + 1);
        if at > now && self.held.len() + copies < MAX_HELD_FRAMES {
            for frame in all {
                self.count += 1;
                let held = Held {
                    way: seen.way,
                    frame,
                    to_be_overtaken,
                };
                self.held.insert((at, self.count), held);
            }
            return passed;
        }
        passed.overflowed = at > now;
        passed.on.extend(all);
        passed.on.extend(self.overtaken(seen.way));
        passed
    }

    /// When [`Frames::release`] has something to give.
    pub fn next(&self) -> Option<Instant> {
        self.held.first_key_value().map(|((at, _), _)| *at)
    }

    /// What was held back until `now`, and what that has overtaken.
    pub fn release(&mut self, now: Instant) -> Vec<(FrameWay, T)> {
        let mut released = Vec::new();
        while self.next().is_some_and(|at| at <= now)
            && let Some((_, Held { way, frame, .. })) = self.held.pop_first()
        {
            released.push((way, frame));
            released.extend(self.overtaken(way).into_iter().map(|frame| (way, frame)));
        }
        released
    }

    /// The end of all rules: what is held back goes on now.
    pub fn end(&mut self) -> Vec<(FrameWay, T)> {
        self.rules.clear();
        let held = std::mem::take(&mut self.held);
        held.into_values().map(|held| (held.way, held.frame)).collect()
    }

    /// What is held back is lost, with its socket.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    /// What has waited for another one to pass.
    fn overtaken(&mut self, way: FrameWay) -> Vec<T> {
        let waits = |_: &(Instant, u64), held: &mut Held<T>| held.to_be_overtaken && held.way == way;
        self.held
            .extract_if(.., waits)
            .map(|(_, held)| held.frame)
            .collect()
    }
}

impl Active {
    fn is_on(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until) && self.rule.count.is_none_or(|count| self.treated < count)
    }
}

#[cfg(test)]
mod tests {
    use crate::base::{PeerNumber, Purpose, RootSeed};

    use super::*;

    const ANSWER_IN: Seen = Seen {
        way: FrameWay::In,
        kind: FrameKind::Answer,
        remote: Some(PeerId(1)),
    };

    const NOTHING: [u32; 0] = [];

    fn rule(treatment: Treatment) -> FrameRule {
        FrameRule {
            treatment,
            share: "100%".parse().expect("a share"),
            of: Vec::new(),
            way: None,
            with: Vec::new(),
            count: None,
        }
    }

    fn frames(rules: impl IntoIterator<Item = FrameRule>) -> Frames<u32> {
        let mut frames = Frames::new(RootSeed(7).peer(PeerNumber(0), Purpose::Frames));
        for rule in rules {
            frames.begin(rule, Some(ms(1_000)));
        }
        frames
    }

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn exactly(ms: u64) -> DurationRange {
        let time = Duration::from_millis(ms);
        DurationRange::new(time, time).expect("a range")
    }

    fn on(frames: &mut Frames<u32>, seen: Seen, frame: u32, now: Instant) -> Vec<u32> {
        frames.pass(seen, frame, now, |frame, _| frame + 1_000).on
    }

    #[test]
    fn a_rule_is_about_its_kinds_way_and_remotes_and_about_no_other_frame() {
        let mut frames = frames([FrameRule {
            of: vec![FrameKind::Answer],
            way: Some(FrameWay::In),
            with: vec![PeerId(1)],
            ..rule(Treatment::Drop)
        }]);
        assert_eq!(on(&mut frames, ANSWER_IN, 1, ms(0)), NOTHING);
        let others = [
            Seen {
                way: FrameWay::Out,
                ..ANSWER_IN
            },
            Seen {
                kind: FrameKind::Offer,
                ..ANSWER_IN
            },
            Seen {
                remote: Some(PeerId(2)),
                ..ANSWER_IN
            },
            Seen {
                remote: None,
                ..ANSWER_IN
            },
        ];
        for other in others {
            assert_eq!(on(&mut frames, other, 1, ms(0)), [1], "{other:?}");
        }
    }

    #[test]
    fn a_rule_is_over_after_its_time_and_after_its_count() {
        let mut frames = frames([FrameRule {
            count: Some(2),
            ..rule(Treatment::Drop)
        }]);
        assert_eq!(on(&mut frames, ANSWER_IN, 1, ms(0)), NOTHING);
        assert_eq!(on(&mut frames, ANSWER_IN, 2, ms(0)), NOTHING);
        assert_eq!(on(&mut frames, ANSWER_IN, 3, ms(0)), [3]);

        let mut frames = self::frames([rule(Treatment::Drop)]);
        assert_eq!(on(&mut frames, ANSWER_IN, 1, ms(999)), NOTHING);
        assert_eq!(on(&mut frames, ANSWER_IN, 2, ms(1_000)), [2]);
        assert!(frames.is_idle());
    }

    #[test]
    fn a_delayed_frame_is_overtaken_by_others_and_not_by_its_like() {
        let mut frames = frames([FrameRule {
            of: vec![FrameKind::Answer],
            ..rule(Treatment::Delay("10ms..90ms".parse().expect("a range")))
        }]);
        let candidate = Seen {
            kind: FrameKind::Candidate,
            ..ANSWER_IN
        };
        for frame in 0..20 {
            assert_eq!(on(&mut frames, ANSWER_IN, frame, ms(0)), NOTHING);
        }
        assert_eq!(on(&mut frames, candidate, 99, ms(1)), [99]);
        assert!(frames.release(ms(9)).is_empty());
        let all: Vec<u32> = frames.release(ms(90)).into_iter().map(|(_, f)| f).collect();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_reordered_frame_comes_right_after_the_next_one_of_its_way_or_a_second_later() {
        let mut frames = frames([FrameRule {
            count: Some(1),
            ..rule(Treatment::Reorder)
        }]);
        assert_eq!(on(&mut frames, ANSWER_IN, 1, ms(0)), NOTHING);
        let out = Seen {
            way: FrameWay::Out,
            ..ANSWER_IN
        };
        assert_eq!(on(&mut frames, out, 7, ms(0)), [7]);
        assert_eq!(on(&mut frames, ANSWER_IN, 2, ms(5)), [2, 1]);

        let mut frames = self::frames([rule(Treatment::Reorder)]);
        assert_eq!(on(&mut frames, ANSWER_IN, 1, ms(0)), NOTHING);
        assert_eq!(frames.next(), Some(Instant::START + OVERTAKEN_WITHIN));
        assert_eq!(frames.release(ms(1_000)), [(FrameWay::In, 1)]);
    }

    #[test]
    fn rules_add_up_and_a_drop_ends_it() {
        let mut frames = frames([
            rule(Treatment::Corrupt(Corruption::Text)),
            rule(Treatment::Duplicate),
            rule(Treatment::Delay(exactly(5))),
            rule(Treatment::Delay(exactly(5))),
        ]);
        let passed = frames.pass(ANSWER_IN, 1, ms(0), |frame, _| frame + 1_000);
        let kinds = [
            Treated::Corrupt,
            Treated::Duplicate,
            Treated::Delay,
            Treated::Delay,
        ];
        assert_eq!(passed.treated, kinds);
        assert_eq!(frames.next(), Some(ms(10)));
        let twice = [(FrameWay::In, 1_001), (FrameWay::In, 1_001)];
        assert_eq!(frames.release(ms(10)), twice);
        frames.begin(rule(Treatment::Drop), None);
        assert_eq!(on(&mut frames, ANSWER_IN, 2, ms(20)), NOTHING);
        assert_eq!(frames.next(), None);
    }

    #[test]
    fn a_share_is_about_that_share_and_one_seed_is_one_run() {
        let run = || -> Vec<u32> {
            let half = FrameRule {
                share: "30%".parse().expect("a share"),
                ..rule(Treatment::Drop)
            };
            let mut frames = frames([half]);
            (0..2_000)
                .flat_map(|n| on(&mut frames, ANSWER_IN, n, ms(0)))
                .collect()
        };
        let through = run();
        // Six standard deviations of 2,000 draws are 123.
        assert!((1_277..=1_523).contains(&through.len()), "{}", through.len());
        assert_eq!(through, run());
    }

    #[test]
    fn no_more_is_held_back_than_the_limit_and_the_end_lets_all_of_it_go() {
        let mut frames = frames([rule(Treatment::Delay(exactly(500)))]);
        let most = u32::try_from(MAX_HELD_FRAMES).expect("a small number");
        for frame in 0..most {
            assert_eq!(on(&mut frames, ANSWER_IN, frame, ms(0)), NOTHING);
        }
        let passed = frames.pass(ANSWER_IN, most, ms(0), |frame, _| *frame);
        assert!(passed.overflowed && passed.on == [most]);
        assert_eq!(frames.end().len(), MAX_HELD_FRAMES);
        assert!(frames.is_idle());
    }
}
