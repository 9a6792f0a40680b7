//! What a peer's access link is like: `network`, of the scenario, of a group, and as a step.

use std::time::Duration;

use super::{
    diagnostic::did_you_mean,
    faults::read_with,
    fields::{Fields, Reader},
    source::Span,
    tree::{Entry, Node, Value},
    types::Party,
};
use crate::{
    base::{BitRate, Fraction, show_duration},
    impair::{AccessLink, Distribution, GilbertElliott, Loss, Profile},
};

/// The keys of one direction written long; all of them are keys of a `network`, too.
pub(super) const WAY_KEYS: [&str; 9] = [
    "profile",
    "delay",
    "jitter",
    "loss",
    "duplicate",
    "reorder",
    "corrupt",
    "rate",
    "queue",
];
/// These and three more.
const fn with_way(more: [&'static str; 3]) -> [&'static str; 12] {
    let mut keys = [""; 12];
    let mut at = 0;
    while at < WAY_KEYS.len() {
        keys[at] = WAY_KEYS[at];
        at += 1;
    }
    while at < keys.len() {
        keys[at] = more[at - WAY_KEYS.len()];
        at += 1;
    }
    keys
}

/// The keys of a `network` written long.
pub(super) const NETWORK_KEYS: [&str; 12] = with_way(["up", "down", "to"]);
/// The keys of an entry of `to`.
pub(super) const TO_KEYS: [&str; 12] = with_way(["up", "down", "with"]);
/// The keys of a `jitter` written long.
pub(super) const JITTER_KEYS: [&str; 2] = ["spread", "distribution"];
/// The keys of a `loss` written long, in the order of the model's parameters.
pub(super) const LOSS_KEYS: [&str; 4] = ["good_to_bad", "bad_to_good", "in_good", "in_bad"];

/// What a peer's way to the others is like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Its access link, which everything crosses.
    pub link: AccessLink,
    /// What lies beyond it towards single remotes.
    pub to: Vec<Towards>,
}

/// What lies beyond the access link towards some remotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Towards {
    /// Towards whom. Never empty.
    pub with: Vec<Party>,
    /// What is crossed on the way to each of them beside the access link.
    pub link: AccessLink,
}

impl Network {
    /// A link that does nothing.
    pub fn none() -> Self {
        Self::default()
    }
}

impl From<AccessLink> for Network {
    fn from(link: AccessLink) -> Self {
        Self { link, to: Vec::new() }
    }
}

/// The name of a profile, or a map whose values stand over those of the profile that it names.
pub(super) fn read_network(reader: &mut Reader<'_>, entry: &Entry) -> Option<Network> {
    if let Value::Scalar(_) = entry.value.value {
        return read_profile(reader, &entry.value).map(Network::from);
    }
    let wants = "the name of a profile, or a map like `{profile: wifi, delay: 20ms, loss: 1%}`";
    let mut fields = reader.map(&entry.value, "`network`", wants)?;
    let link = read_link(reader, &mut fields, entry.key_span);
    let to = fields
        .take("to")
        .map_or(Some(Vec::new()), |entry| read_to(reader, entry));
    fields.finish(reader, &NETWORK_KEYS);
    Some(Network { link: link?, to: to? })
}

fn read_to(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Towards>> {
    let wants = "a list like `[{with: guest, delay: 80ms}]`";
    let items = reader.list(&entry.value, "`to`", wants)?;
    if items.is_empty() {
        let help = "leave it out: nothing lies beyond the access link then";
        reader.mistake_help(entry.value.span, "`to` is empty", help);
        return None;
    }
    let read = |reader: &mut Reader<'_>, item: &Node| {
        let wants = "a map like `{with: guest, delay: 80ms}`";
        let mut fields = reader.map(item, "an entry of `to`", wants)?;
        let with = fields.need(reader, "with", item.span, "with: guest");
        let with = with.and_then(|entry| read_with(reader, entry));
        let at = fields.span;
        let link = read_link(reader, &mut fields, at);
        fields.finish(reader, &TO_KEYS);
        Some(Towards {
            with: with?,
            link: link?,
        })
    };
    let all: Vec<Option<Towards>> = items.iter().map(|item| read(reader, item)).collect();
    all.into_iter().collect()
}

/// The values that both directions have in common, and over them those of each. `at`: where the whole of it
/// begins.
fn read_link(reader: &mut Reader<'_>, fields: &mut Fields<'_>, at: Span) -> Option<AccessLink> {
    let given = ["up", "down"].map(|key| fields.take(key));
    let common = Values::read(reader, fields);
    let owns = given.map(|entry| entry.map(|entry| (entry, read_way(reader, entry))));
    let common = common?;
    let [mut up, mut down] = [common.base.up, common.base.down].map(|way| common.over(way));
    for (way, own, of) in [
        (&mut up, &owns[0], AccessLink::up as fn(&AccessLink) -> Profile),
        (&mut down, &owns[1], AccessLink::down),
    ] {
        let Some((entry, own)) = own else { continue };
        let own = own.as_ref()?;
        let base = if own.named { of(&own.base) } else { *way };
        *way = own.over(base);
        own.check(reader, way, entry.key_span)?;
    }
    if owns[0].is_none() {
        common.check(reader, &up, at)?;
    }
    if owns[1].is_none() && (owns[0].is_some() || up != down) {
        common.check(reader, &down, at)?;
    }
    Some(AccessLink { up, down })
}

/// One direction: the name of a profile, or values.
fn read_way(reader: &mut Reader<'_>, entry: &Entry) -> Option<Values> {
    if let Value::Scalar(_) = entry.value.value {
        return Some(Values {
            base: read_profile(reader, &entry.value)?,
            named: true,
            ..Values::default()
        });
    }
    let wants = "the name of a profile, or a map like `{delay: 20ms, rate: 5mbit}`";
    let mut fields = reader.map(&entry.value, &format!("`{}`", entry.key), wants)?;
    let values = Values::read(reader, &mut fields);
    fields.finish(reader, &WAY_KEYS);
    values
}

/// What a map says of a direction.
#[derive(Debug, Default)]
struct Values {
    base: AccessLink,
    /// The map names a profile.
    named: bool,
    delay: Option<(Duration, Span)>,
    jitter: Option<(Duration, Distribution, Span)>,
    loss: Option<Loss>,
    duplicate: Option<Fraction>,
    reorder: Option<(Fraction, Span)>,
    corrupt: Option<Fraction>,
    rate: Option<BitRate>,
    queue: Option<Duration>,
}

impl Values {
    /// Everything is read before what is broken ends it.
    fn read(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Self> {
        let profile = fields.take("profile");
        let base = profile.map_or(Some(AccessLink::none()), |entry| {
            read_profile(reader, &entry.value)
        });
        let [delay, jitter, loss, rate, queue] =
            ["delay", "jitter", "loss", "rate", "queue"].map(|key| fields.take(key));
        let shares = ["duplicate", "reorder", "corrupt"].map(|key| fields.take(key));
        let reorder_at = shares[1].map(|entry| entry.value.span);
        let delay = read(delay, |entry| Some((reader.duration(entry)?, entry.value.span)));
        let jitter = read(jitter, |entry| {
            let (spread, distribution) = read_jitter(reader, entry)?;
            Some((spread, distribution, entry.value.span))
        });
        let queue = read(queue, |entry| reader.duration(entry));
        let loss = read(loss, |entry| read_loss(reader, entry));
        let [duplicate, reorder, corrupt] =
            shares.map(|entry| read(entry, |entry| read_share(reader, entry)));
        let rate = read(rate, |entry| {
            reader.unit::<BitRate>(&entry.value, "`rate`", "a bit rate like `10mbit`")
        });
        Some(Self {
            base: base?,
            named: profile.is_some(),
            delay: delay?,
            jitter: jitter?,
            loss: loss?,
            duplicate: duplicate?,
            reorder: reorder?.zip(reorder_at),
            corrupt: corrupt?,
            rate: rate?,
            queue: queue?,
        })
    }

    /// What stands over the values of `way`.
    fn over(&self, way: Profile) -> Profile {
        Profile {
            delay: self.delay.map_or(way.delay, |(delay, _)| delay),
            jitter: self.jitter.map_or(way.jitter, |(spread, ..)| spread),
            distribution: self.jitter.map_or(way.distribution, |(_, how, _)| how),
            loss: self.loss.unwrap_or(way.loss),
            duplicate: self.duplicate.unwrap_or(way.duplicate),
            reorder: self.reorder.map_or(way.reorder, |(share, _)| share),
            corrupt: self.corrupt.unwrap_or(way.corrupt),
            rate_bits_per_s: self.rate.map_or(way.rate_bits_per_s, |rate| Some(rate.0)),
            queue: self.queue.unwrap_or(way.queue),
        }
    }

    /// Whether what has come of them can be. `at`: where to point if none of them is to blame.
    fn check(&self, reader: &mut Reader<'_>, way: &Profile, at: Span) -> Option<()> {
        let delay_at = self.delay.map(|(_, span)| span);
        if way.jitter > way.delay {
            let message = format!(
                "a jitter of {} is greater than the delay of {}",
                show_duration(way.jitter),
                show_duration(way.delay)
            );
            let help = "delays are spread around `delay`, and none is below zero: set both";
            let span = self.jitter.map(|(_, _, span)| span).or(delay_at).unwrap_or(at);
            reader.mistake_help(span, message, help);
            return None;
        }
        if way.reorder.as_f64() > 0.0 && way.delay.is_zero() {
            let help = "what overtakes travels in no time: give the others a `delay` like `20ms`";
            let span = self.reorder.map(|(_, span)| span).or(delay_at).unwrap_or(at);
            reader.mistake_help(span, "`reorder` without a `delay`: nothing is on its way", help);
            return None;
        }
        Some(())
    }
}

/// What is not there is nothing, and no mistake.
fn read<T>(entry: Option<&Entry>, read: impl FnOnce(&Entry) -> Option<T>) -> Option<Option<T>> {
    match entry {
        Some(entry) => read(entry).map(Some),
        None => Some(None),
    }
}

fn read_share(reader: &mut Reader<'_>, entry: &Entry) -> Option<Fraction> {
    reader.unit(&entry.value, &format!("`{}`", entry.key), "a share like `1%`")
}

/// A duration for what is spread evenly, or a map.
fn read_jitter(reader: &mut Reader<'_>, entry: &Entry) -> Option<(Duration, Distribution)> {
    if !matches!(entry.value.value, Value::Map(_)) {
        return Some((reader.duration(entry)?, Distribution::Uniform));
    }
    let wants = "a duration, or a map like `{spread: 5ms, distribution: pareto}`";
    let mut fields = reader.map(&entry.value, "`jitter`", wants)?;
    let spread = fields.need(reader, "spread", entry.key_span, "spread: 5ms");
    let spread = spread.and_then(|entry| reader.duration(entry));
    let distribution = fields.take("distribution");
    let distribution = distribution.map_or(Some(Distribution::Uniform), |entry| {
        reader.choice(entry, &Distribution::WORDS)
    });
    fields.finish(reader, &JITTER_KEYS);
    let (spread, distribution) = (spread?, distribution?);
    // Without a spread they are all the same.
    let even = spread.is_zero();
    Some((spread, if even { Distribution::Uniform } else { distribution }))
}

/// A share, the name of bursts, or the four figures of their model.
fn read_loss(reader: &mut Reader<'_>, entry: &Entry) -> Option<Loss> {
    let Value::Map(_) = entry.value.value else {
        let text = reader.scalar(&entry.value, "`loss`", "a share like `1%`, or bursts")?;
        if text.starts_with(|c: char| c.is_alphabetic()) && GilbertElliott::named(text).is_none() {
            let message = format!("unknown bursts `{text}`");
            reader.mistake_help(
                entry.value.span,
                message,
                did_you_mean(text, &GilbertElliott::NAMES),
            );
            return None;
        }
        return reader.unit(&entry.value, "`loss`", "a share like `1%`");
    };
    let wants = "a share, or a map like `{good_to_bad: 1%, bad_to_good: 25%}`";
    let mut fields = reader.map(&entry.value, "`loss`", wants)?;
    let p = fields.need(reader, "good_to_bad", entry.key_span, "good_to_bad: 1%");
    let r = fields.need(reader, "bad_to_good", entry.key_span, "bad_to_good: 25%");
    let (in_good, in_bad) = (fields.take("in_good"), fields.take("in_bad"));
    let [good_to_bad, bad_to_good, good, bad] =
        [p, r, in_good, in_bad].map(|entry| read(entry, |entry| read_share(reader, entry)));
    fields.finish(reader, &LOSS_KEYS);
    let (good_to_bad, bad_to_good) = (good_to_bad??, bad_to_good??);
    let zero = Fraction::ZERO;
    let model = GilbertElliott {
        good_to_bad,
        bad_to_good,
        in_good: good?.unwrap_or(zero),
        in_bad: bad?.unwrap_or(Fraction::ONE),
    };
    let at = |given: Option<&Entry>| given.map_or(entry.key_span, |given| given.value.span);
    let mistake = if model.good_to_bad == zero {
        let help = "for losses that are independent of each other, write `loss: 1%`";
        Some((at(p), "`good_to_bad` is zero: the link is never bad", help))
    } else if model.bad_to_good == zero {
        let help = "1 / `bad_to_good` is how many datagrams the bad state lasts for: `25%` is 4";
        Some((
            at(r),
            "`bad_to_good` is zero: a link that is bad would stay so",
            help,
        ))
    } else if model.in_good > model.in_bad {
        let help = "`in_bad` is 100% if it is not said";
        let span = at(in_good.or(in_bad));
        Some((span, "a good link loses more than a bad one", help))
    } else if model.in_bad == zero {
        let help = "leave it out for 100%";
        Some((at(in_bad), "a bad link loses nothing, either", help))
    } else {
        None
    };
    if let Some((span, message, help)) = mistake {
        reader.mistake_help(span, message, help);
        return None;
    }
    Some(Loss::Bursts(model))
}

fn read_profile(reader: &mut Reader<'_>, node: &Node) -> Option<AccessLink> {
    let wants = format!("one of {}", AccessLink::NAMES.join(", "));
    let name = reader.scalar(node, "a network's profile", &wants)?;
    let link = AccessLink::named(name);
    if link.is_none() {
        let message = format!("unknown profile `{name}`");
        reader.mistake_help(node.span, message, did_you_mean(name, &AccessLink::NAMES));
    }
    link
}
