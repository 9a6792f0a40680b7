//! The steps that do something to the frames of a peer's signaling, or send what a client would not.

use std::time::Duration;

use super::{
    diagnostic::did_you_mean,
    faults::read_with,
    fields::{Fields, Reader},
    source::Span,
    tree::{Entry, Node, Value},
    types::{MAX_COPIES, Party, RawFrames, RawSet, SignalingFault, Step, StepKind},
};
use crate::{
    base::{DurationRange, Fraction},
    impair::{Corruption, FrameKind, FrameWay, Treatment},
};

/// The keys of a `signaling` step, what happens first.
pub(super) const SIGNALING_KEYS: [&str; 12] = [
    "drop",
    "delay",
    "reorder",
    "duplicate",
    "corrupt",
    "share",
    "as",
    "of",
    "way",
    "with",
    "for",
    "count",
];
/// Those of them that say what happens; there is one of them.
pub(super) const TREATMENTS: [&str; 5] = ["drop", "delay", "reorder", "duplicate", "corrupt"];
/// How a frame can be broken.
pub(super) const CORRUPTIONS: [(&str, Corruption); 2] =
    [("json", Corruption::Text), ("sdp", Corruption::Sdp)];
/// The keys of a `late_answer`.
pub(super) const LATE_KEYS: [&str; 3] = ["by", "for", "with"];
/// The key of a `glare` or `stale_offer`.
pub(super) const WITH_KEYS: [&str; 1] = ["with"];
/// The keys of a `send_raw`.
pub(super) const RAW_KEYS: [&str; 3] = ["text", "set", "times"];
/// What a `send_raw` can send besides a text.
pub(super) const RAW_SETS: [(&str, RawSet); 3] = [
    ("garbage", RawSet::Garbage),
    ("misplaced", RawSet::Misplaced),
    ("oversized", RawSet::Oversized),
];
/// The longest text of a `send_raw`, in characters.
pub(super) const MAX_RAW: usize = 4_096;
/// The most frames that a rule can count.
pub(super) const MAX_FRAMES: u32 = 1_000_000;

const DESCRIPTIONS: [FrameKind; 2] = [FrameKind::Offer, FrameKind::Answer];

pub(super) fn read_signaling(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    let wants = "a map like `{drop: 50%, of: answer, for: 5s}`";
    let mut fields = reader.map(&entry.value, "`signaling`", wants)?;
    let treated: Vec<&Entry> = TREATMENTS.iter().filter_map(|key| fields.take(key)).collect();
    let as_entry = fields.take("as");
    let share_entry = fields.take("share");
    let how = as_entry.map_or(Some(Corruption::Text), |entry| reader.choice(entry, &CORRUPTIONS));
    let treatment = match treated[..] {
        [one] => read_treatment(reader, one, how),
        [first, second, ..] => {
            let message = format!("`{}` can't stand beside `{}`", second.key, first.key);
            let help = "one step does one thing to frames: say `signaling` once more for the other";
            reader.mistake_help(second.key_span, message, help);
            None
        }
        [] => {
            if !fields.has_rest() {
                let message = "`signaling` doesn't say what happens to the frames";
                let help = format!("one of {}: for example `drop: 50%`", TREATMENTS.join(", "));
                reader.mistake_help(entry.key_span, message, help);
            }
            None
        }
    };
    let only_with = |reader: &mut Reader<'_>, key: Option<&Entry>, needs: &str| match key {
        Some(key) if treated.iter().all(|one| one.key != needs) => {
            let message = format!("`{}` without `{needs}`", key.key);
            let help = match needs {
                "delay" => "the others say their share themselves: `drop: 50%`",
                _ => "it says how frames are corrupted",
            };
            reader.mistake_help(key.key_span, message, help);
            false
        }
        _ => true,
    };
    let placed = [
        only_with(reader, share_entry, "delay"),
        only_with(reader, as_entry, "corrupt"),
    ];
    let share = share_entry.map_or(Some(Fraction::WHOLE), |entry| read_share(reader, entry));
    let of_entry = fields.take("of");
    let of = of_entry.map_or(Some(Vec::new()), |entry| read_kinds(reader, entry));
    let way_entry = fields.take("way");
    let way = way_entry.map_or(Some(None), |entry| {
        reader.choice(entry, &FrameWay::NAMES).map(Some)
    });
    let with_entry = fields.take("with");
    let with = with_entry.map_or(Some(Vec::new()), |entry| read_with(reader, entry));
    let count = fields.take("count");
    let count = count.map_or(Some(None), |entry| reader.count(entry, MAX_FRAMES).map(Some));
    let lasting = read_lasting(reader, &mut fields, entry.key_span, count != Some(None));
    fields.finish(reader, &SIGNALING_KEYS);
    let (treatment, own_share) = treatment?;
    let mut fault = SignalingFault {
        treatment,
        share: own_share.unwrap_or(share?),
        of: of?,
        way: way?,
        with: with?,
        lasting: lasting?,
        count: count?,
    };
    let sound = check_kinds(reader, &mut fault, of_entry, way_entry, with_entry);
    (sound && placed == [true; 2]).then_some(StepKind::Signaling(fault))
}

/// What happens, and to which share if that is said with it.
fn read_treatment(
    reader: &mut Reader<'_>,
    entry: &Entry,
    how: Option<Corruption>,
) -> Option<(Treatment, Option<Fraction>)> {
    if entry.key == "delay" {
        return Some((Treatment::Delay(read_delay(reader, entry)?), None));
    }
    let share = Some(read_share(reader, entry)?);
    let treatment = match entry.key.as_str() {
        "drop" => Treatment::Drop,
        "reorder" => Treatment::Reorder,
        "duplicate" => Treatment::Duplicate,
        _ => Treatment::Corrupt(how?),
    };
    Some((treatment, share))
}

fn read_delay(reader: &mut Reader<'_>, entry: &Entry) -> Option<DurationRange> {
    let what = format!("`{}`", entry.key);
    let range: DurationRange =
        reader.unit(&entry.value, &what, "a duration or a range: `500ms`, `0s..500ms`")?;
    if range.max().is_zero() {
        reader.mistake(entry.value.span, format!("{what} must be longer than zero"));
        return None;
    }
    Some(range)
}

fn read_share(reader: &mut Reader<'_>, entry: &Entry) -> Option<Fraction> {
    let what = format!("`{}`", entry.key);
    let share: Fraction = reader.unit(&entry.value, &what, "a share of the frames, like `50%`")?;
    if share.as_f64() == 0.0 {
        let help = "say which share of the frames, above zero and up to `100%`";
        reader.mistake_help(entry.value.span, format!("{what} of no frames"), help);
        return None;
    }
    Some(share)
}

/// One kind of frame, or a list of them.
fn read_kinds(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<FrameKind>> {
    let kind = |reader: &mut Reader<'_>, node: &Node| {
        let text = reader.scalar(node, "a kind of frame in `of`", "a word like `offer`")?;
        let found = FrameKind::NAMES.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names = FrameKind::NAMES.map(|(name, _)| name);
            let message = format!("there are no frames called `{text}`");
            reader.mistake_help(node.span, message, did_you_mean(text, &names));
        }
        found.map(|(_, kind)| *kind)
    };
    if let Value::Scalar(_) = entry.value.value {
        return Some(vec![kind(reader, &entry.value)?]);
    }
    let items = reader.list(&entry.value, "`of`", "kinds of frames, like `[offer, answer]`")?;
    if items.is_empty() {
        let help = "leave it out: every frame is meant then";
        reader.mistake_help(entry.value.span, "`of` is empty", help);
        return None;
    }
    let kinds: Vec<_> = items.iter().map(|item| kind(reader, item)).collect();
    kinds.into_iter().collect()
}

/// `for`, which a rule needs that doesn't end by its count.
fn read_lasting(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    at: Span,
    counts: bool,
) -> Option<Option<Duration>> {
    if let Some(entry) = fields.take("for") {
        return reader.positive_duration(entry).map(Some);
    }
    if counts {
        return Some(None);
    }
    if !fields.has_near("for") && !fields.has_near("count") {
        let help = "say how long, or for how many frames: `for: 5s`, `count: 3`";
        reader.mistake_help(at, "`for` is missing", help);
    }
    None
}

/// Whether there are frames that it can mean.
fn check_kinds(
    reader: &mut Reader<'_>,
    fault: &mut SignalingFault,
    of: Option<&Entry>,
    way: Option<&Entry>,
    with: Option<&Entry>,
) -> bool {
    let before = reader.mistakes.len();
    if let (Some(entry), Some(way)) = (way, fault.way) {
        for kind in &fault.of {
            if kind.only_way().is_some_and(|only| only != way) {
                let message = format!("`{}` frames never go {}", kind.name(), way.name());
                reader.mistake_help(entry.value.span, message, "leave `way` out, or the kind");
            }
        }
    }
    if fault.treatment == Treatment::Corrupt(Corruption::Sdp) {
        match of {
            Some(entry) if fault.of.iter().any(|kind| !DESCRIPTIONS.contains(kind)) => {
                let message = "only offers and answers hold a description that can be corrupted";
                reader.mistake_help(
                    entry.value.span,
                    message,
                    "say `of: [offer, answer]`, or `as: json`",
                );
            }
            Some(_) => {}
            None => fault.of = DESCRIPTIONS.to_vec(),
        }
    }
    if let Some(entry) = with
        && !fault.of.is_empty()
        && !fault.of.iter().any(|kind| kind.names_remote())
    {
        let message = format!(
            "`with` beside `{}` frames, which are about nobody",
            fault.of[0].name()
        );
        reader.mistake_help(entry.key_span, message, "leave it out");
    }
    reader.mistakes.len() == before
}

pub(super) fn read_late_answer(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    let mut fields = reader.map(&entry.value, "`late_answer`", "a map like `{by: 2s, for: 10s}`")?;
    let by = fields.need(reader, "by", entry.key_span, "by: 2s");
    let by = by.and_then(|entry| read_delay(reader, entry));
    let lasting = read_lasting(reader, &mut fields, entry.key_span, false);
    let with = fields.take("with");
    let with = with.map_or(Some(Vec::new()), |entry| read_with(reader, entry));
    fields.finish(reader, &LATE_KEYS);
    Some(StepKind::Signaling(SignalingFault {
        treatment: Treatment::Delay(by?),
        share: Fraction::WHOLE,
        of: vec![FrameKind::Answer],
        way: Some(FrameWay::Out),
        with: with?,
        lasting: lasting?,
        count: None,
    }))
}

/// The `with` of a step that has nothing else to say.
pub(super) fn read_parties(reader: &mut Reader<'_>, word: &str, given: Option<&Entry>) -> Option<Vec<Party>> {
    let Some(entry) = given else {
        return Some(Vec::new());
    };
    let wants = "nothing, or a map like `{with: [guest-1]}`";
    let mut fields = reader.map(&entry.value, &format!("`{word}`"), wants)?;
    let with = fields.take("with");
    let misspelt = fields.has_rest();
    fields.finish(reader, &WITH_KEYS);
    let with = with.map_or(Some(Vec::new()), |entry| read_with(reader, entry))?;
    (!misspelt).then_some(with)
}

pub(super) fn read_raw(reader: &mut Reader<'_>, entry: &Entry) -> Option<StepKind> {
    if let Value::Scalar(_) = entry.value.value {
        let text = reader.text(entry, MAX_RAW)?;
        return Some(StepKind::SendRaw(RawFrames::Text { text, times: 1 }));
    }
    let wants = "a text, or a map like `{set: garbage}` or `{text: hello, times: 3}`";
    let mut fields = reader.map(&entry.value, "`send_raw`", wants)?;
    let (text, set, times) = (fields.take("text"), fields.take("set"), fields.take("times"));
    let misspelt = fields.has_rest();
    fields.finish(reader, &RAW_KEYS);
    let count = times.map_or(Some(1), |entry| reader.count(entry, MAX_COPIES));
    let raw = match (text, set) {
        (Some(text), None) => RawFrames::Text {
            text: reader.text(text, MAX_RAW)?,
            times: count?,
        },
        (None, Some(set)) => {
            if let Some(times) = times {
                let help = "each frame of a set is sent once: use `repeat` for more";
                reader.mistake_help(times.key_span, "`times` beside `set`", help);
                return None;
            }
            RawFrames::Set(reader.choice(set, &RAW_SETS)?)
        }
        (Some(_), Some(set)) => {
            let help = "one step sends one of them";
            reader.mistake_help(set.key_span, "`set` can't stand beside `text`", help);
            return None;
        }
        (None, None) => {
            if !misspelt {
                let help = "say `text: …` or `set: garbage`";
                reader.mistake_help(entry.value.span, "`send_raw` has nothing to send", help);
            }
            return None;
        }
    };
    (!misspelt).then_some(StepKind::SendRaw(raw))
}

/// A rule that is on, as far as that is known before the run.
struct On<'a> {
    fault: &'a SignalingFault,
    from: Duration,
    until: Duration,
}

/// Reports rules that can't do anything: the frames are dropped by another that is on all the while, or the script
/// is over.
pub(super) fn check_signaling(reader: &mut Reader<'_>, steps: &[Step]) {
    if let Some(last) = steps.last().filter(|step| is_rule(step)) {
        let message = "the script ends here, and with it what happens to frames";
        let help = "put it before what it is to disturb";
        reader.mistake_help(last.span, message, help);
    }
    let mut after = Duration::ZERO;
    walk(reader, steps, &mut after, &mut Vec::new());
}

fn is_rule(step: &Step) -> bool {
    matches!(step.kind, StepKind::Signaling(_))
}

/// `after`: the least time since the last anchor. An anchor may let go at once or much later: what is on after one
/// is not known.
fn walk<'a>(reader: &mut Reader<'_>, steps: &'a [Step], after: &mut Duration, on: &mut Vec<On<'a>>) {
    for step in steps {
        match &step.kind {
            StepKind::Wait { .. } | StepKind::Barrier { .. } => {
                *after = Duration::ZERO;
                on.clear();
            }
            StepKind::Pause(range) if range.min() == range.max() => {
                *after = after.saturating_add(range.max());
            }
            // How long is drawn for each peer.
            StepKind::Pause(_) => {
                *after = Duration::ZERO;
                on.clear();
            }
            StepKind::Chat { lasts, .. } => *after = after.saturating_add(*lasts),
            StepKind::DropNetwork { lasting, .. } => *after = after.saturating_add(*lasting),
            StepKind::Repeat { steps, .. } => walk(reader, steps, after, on),
            StepKind::Signaling(fault) => {
                let until = fault.lasting.map_or(Duration::MAX, |l| after.saturating_add(l));
                let new = On {
                    fault,
                    from: *after,
                    until,
                };
                if on.iter().any(|old| old.hides(&new) || new.hides(old)) {
                    let message = "frames can't be dropped and treated otherwise at the same time";
                    let help = "another `signaling` step drops every one of these frames: one of the two does nothing";
                    reader.mistake_help(step.span, message, help);
                }
                on.push(new);
            }
            _ => {}
        }
    }
}

impl On<'_> {
    /// Whether it leaves nothing to do to `other`.
    fn hides(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.fault, other.fault);
        let drops_all =
            mine.treatment == Treatment::Drop && mine.share == Fraction::WHOLE && mine.count.is_none();
        let all_the_while = self.from <= other.from && other.until <= self.until;
        let way = mine.way.is_none() || mine.way == theirs.way;
        let of = mine.of.is_empty()
            || !theirs.of.is_empty() && theirs.of.iter().all(|kind| mine.of.contains(kind));
        let names = |party: &Party| mine.with.iter().any(|mine| mine.name == party.name);
        let with = mine.with.is_empty() || !theirs.with.is_empty() && theirs.with.iter().all(names);
        drops_all && all_the_while && way && of && with
    }
}
