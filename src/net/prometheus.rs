//! What a server holds, read from its metrics in the text format of Prometheus (version 0.0.4).

use crate::world::ServerLoad;

/// The name under which every process tells its resident memory.
const RESIDENT: &str = "process_resident_memory_bytes";

/// The name under which every process tells the processor time that it has used, in seconds.
const CPU: &str = "process_cpu_seconds_total";

/// The processor time that the server's process has used, in seconds.
pub(super) fn cpu_s(page: &str) -> Option<f64> {
    sum(page, CPU)
}

/// The figures of a page that are known; `None` if none is. What is no sample is passed over.
pub(super) fn load(page: &str) -> Option<ServerLoad> {
    let load = ServerLoad {
        rooms: figure(page, "rooms"),
        members: figure(page, "members"),
        sockets: figure(page, "sockets"),
        waiting_frames: figure(page, "queue_frames"),
        waiting_bytes: figure(page, "queue_bytes"),
        rss_bytes: total(page, RESIDENT),
    };
    (load != ServerLoad::default()).then_some(load)
}

/// That of the metric of this name, with whatever prefix; of several, of the one with the shortest.
fn figure(page: &str, word: &str) -> Option<u64> {
    let is_meant = |name: &&str| {
        let prefix = name.strip_suffix(word);
        prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('_'))
    };
    let names = samples(page).map(|(name, _)| name).filter(is_meant);
    total(page, names.min_by_key(|name| name.len())?)
}

/// The sum over all labels.
fn total(page: &str, name: &str) -> Option<u64> {
    sum(page, name).map(|sum| sum as u64)
}

fn sum(page: &str, name: &str) -> Option<f64> {
    let values = samples(page).filter(|sample| sample.0 == name);
    let sum = values.map(|(_, value)| value).reduce(|a, b| a + b)?;
    // NaN and the infinities are no figure of anything that is held.
    (sum.is_finite() && sum >= 0.0).then_some(sum)
}

/// Names and values.
fn samples(page: &str) -> impl Iterator<Item = (&str, f64)> {
    page.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<(&str, f64)> {
    let line = line.trim_start();
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let rest = match rest.strip_prefix('{') {
        Some(labels) => behind_labels(labels)?,
        None => rest,
    };
    // A timestamp may follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name, value))
}

/// What follows the brace that ends the labels; within quotes one means nothing.
fn behind_labels(text: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_figures_are_read_whatever_stands_around_them() {
        let page = r#"
# HELP app_rooms Rooms open now.
# TYPE app_rooms gauge
app_rooms 3 1700000000000
app_sockets{node="a",note="a \"brace\" } 9"} 2
app_sockets{node="b"} 4.0
app_closed_sockets 90
app_sockets_opened_total 700
classrooms 8
app_queue_bytes 1.5e3
app_members NaN
this is no sample
app_queue_frames{broken="
process_resident_memory_bytes 52428800
process_cpu_seconds_total 12.25
"#;
        assert_eq!(cpu_s(page), Some(12.25));
        let expected = ServerLoad {
            rooms: Some(3),
            sockets: Some(6),
            waiting_bytes: Some(1_500),
            rss_bytes: Some(52_428_800),
            ..ServerLoad::default()
        };
        assert_eq!(load(page), Some(expected));
    }

    #[test]
    fn a_page_without_a_known_figure_is_none() {
        for page in [
            "",
            "<html>rooms 3</html>",
            "up 1\n",
            "rooms\n",
            "{} 3\n",
            "rooms{ 3",
        ] {
            assert_eq!(load(page), None, "{page}");
        }
    }
}
