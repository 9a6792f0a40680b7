//! What a peer's access link is like: `network`, of the scenario, of a group, and as a step.

use super::{
    diagnostic::did_you_mean,
    fields::Reader,
    tree::{Entry, Node, Value},
};
use crate::{
    base::{BitRate, Fraction, show_duration},
    impair::Profile,
};

/// The keys of a `network` written long.
pub(super) const NETWORK_KEYS: [&str; 6] = ["profile", "delay", "jitter", "loss", "rate", "queue"];

/// The name of a profile, or a map whose values stand over those of the profile that it names.
pub(super) fn read_network(reader: &mut Reader<'_>, entry: &Entry) -> Option<Profile> {
    if let Value::Scalar(_) = entry.value.value {
        return read_profile(reader, &entry.value);
    }
    let wants = "the name of a profile, or a map like `{profile: wifi, delay: 20ms, loss: 1%}`";
    let mut fields = reader.map(&entry.value, "`network`", wants)?;
    let base = fields
        .take("profile")
        .map_or(Some(Profile::none()), |entry| read_profile(reader, &entry.value));
    let (delay, jitter) = (fields.take("delay"), fields.take("jitter"));
    let queue = fields.take("queue");
    let (loss, rate) = (fields.take("loss"), fields.take("rate"));
    // Everything is read before what is broken ends it.
    let durations = [delay, jitter, queue].map(|entry| match entry {
        Some(entry) => reader.duration(entry).map(Some),
        None => Some(None),
    });
    let loss = loss.map(|entry| reader.unit::<Fraction>(&entry.value, "`loss`", "a share like `1%`"));
    let rate = rate.map(|entry| reader.unit::<BitRate>(&entry.value, "`rate`", "a bit rate like `10mbit`"));
    fields.finish(reader, &NETWORK_KEYS);

    let mut profile = base?;
    let [given_delay, given_jitter, given_queue] = durations;
    profile.delay = given_delay?.unwrap_or(profile.delay);
    profile.jitter = given_jitter?.unwrap_or(profile.jitter);
    if profile.jitter > profile.delay {
        let message = format!(
            "a jitter of {} is greater than the delay of {}",
            show_duration(profile.jitter),
            show_duration(profile.delay)
        );
        let help = "each delay is drawn from `delay` ± `jitter`, and none is below zero: set both";
        let at = jitter.or(delay).map_or(entry.key_span, |entry| entry.value.span);
        reader.mistake_help(at, message, help);
        return None;
    }
    profile.queue = given_queue?.unwrap_or(profile.queue);
    if let Some(loss) = loss {
        profile.loss = loss?;
    }
    if let Some(rate) = rate {
        profile.rate_bits_per_s = Some(rate?.0);
    }
    Some(profile)
}

fn read_profile(reader: &mut Reader<'_>, node: &Node) -> Option<Profile> {
    let wants = format!("one of {}", Profile::NAMES.join(", "));
    let name = reader.scalar(node, "a network's profile", &wants)?;
    let profile = Profile::named(name);
    if profile.is_none() {
        let message = format!("unknown profile `{name}`");
        reader.mistake_help(node.span, message, did_you_mean(name, &Profile::NAMES));
    }
    profile
}
