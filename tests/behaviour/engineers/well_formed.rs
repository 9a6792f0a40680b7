//! Whether a trace is one, by the rules of the Trace Event Format and by what Perfetto and catapult make of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

type Thread = (u64, u64);

/// A span of a thread.
#[derive(Debug, Clone, Copy)]
struct Span {
    begin: f64,
    end: f64,
}

/// Everything that is wrong with a trace.
pub fn complaints(text: &str) -> Vec<String> {
    let Ok(root) = serde_json::from_str::<Value>(text) else {
        return vec!["it is no JSON".to_owned()];
    };
    let Some(events) = root["traceEvents"].as_array() else {
        return vec!["there are no traceEvents".to_owned()];
    };
    let mut wrong: Vec<String> = events.iter().filter_map(field).collect();
    if wrong.is_empty() {
        wrong.extend(order(events));
        wrong.extend(names(events));
        let spans = spans(events);
        wrong.extend(nesting(&spans));
        wrong.extend(overlapping(events));
        wrong.extend(flows(events, &spans));
    }
    wrong
}

/// What every event of a kind must have.
fn field(event: &Value) -> Option<String> {
    let number = |name: &str| event[name].as_f64().is_some_and(|n| n.is_finite() && n >= 0.0);
    let text = |name: &str| event[name].as_str().is_some_and(|text| !text.is_empty());
    let common = text("name") && number("ts") && event["pid"].is_u64() && event["tid"].is_u64();
    let own = match event["ph"].as_str() {
        Some("M") => event["args"].is_object(),
        Some("X") => number("dur"),
        Some("i") => ["t", "p", "g"].map(Some).contains(&event["s"].as_str()),
        Some("C") => {
            let values = event["args"].as_object();
            values.is_some_and(|values| !values.is_empty() && values.values().all(Value::is_number))
        }
        Some("b" | "e") => text("cat") && text("id"),
        Some("s" | "t") => text("cat") && text("id"),
        Some("f") => text("cat") && text("id") && event["bp"] == "e",
        _ => false,
    };
    (!common || !own || event["pid"] == 0).then(|| format!("what is this: {event}"))
}

fn ph(event: &Value) -> &str {
    event["ph"].as_str().unwrap_or_default()
}

fn ts(event: &Value) -> f64 {
    event["ts"].as_f64().unwrap_or_default()
}

fn thread(event: &Value) -> Thread {
    let id = |name: &str| event[name].as_u64().unwrap_or_default();
    (id("pid"), id("tid"))
}

/// Metadata first, then by time.
fn order(events: &[Value]) -> Vec<String> {
    let first = events
        .iter()
        .position(|event| ph(event) != "M")
        .unwrap_or(events.len());
    let rest = &events[first..];
    let late = rest.iter().filter(|event| ph(event) == "M");
    let late = late.map(|event| format!("metadata behind events: {event}"));
    let back = rest.windows(2).filter(|two| ts(&two[1]) < ts(&two[0]));
    late.chain(back.map(|two| format!("back in time: {}", two[1])))
        .collect()
}

/// Processes and threads have names, and a thread is of one process.
fn names(events: &[Value]) -> Vec<String> {
    let named = |what: &str| -> Vec<Thread> {
        let of = events.iter().filter(|event| event["name"] == what);
        of.map(thread).collect()
    };
    let processes: BTreeSet<u64> = named("process_name").into_iter().map(|(pid, _)| pid).collect();
    let threads = named("thread_name");
    let mut wrong = Vec::new();
    let mut process_of = BTreeMap::new();
    for (pid, tid) in &threads {
        if process_of.insert(*tid, *pid).is_some() {
            wrong.push(format!("thread {tid} is named twice"));
        }
    }
    for event in events.iter().filter(|event| ph(event) != "M") {
        let (pid, tid) = thread(event);
        if !processes.contains(&pid) || process_of.get(&tid) != Some(&pid) {
            wrong.push(format!("nobody's: {event}"));
        }
    }
    wrong
}

fn spans(events: &[Value]) -> BTreeMap<Thread, Vec<Span>> {
    let mut spans: BTreeMap<Thread, Vec<Span>> = BTreeMap::new();
    for event in events.iter().filter(|event| ph(event) == "X") {
        let begin = ts(event);
        let end = begin + event["dur"].as_f64().unwrap_or_default();
        spans.entry(thread(event)).or_default().push(Span { begin, end });
    }
    for of_thread in spans.values_mut() {
        of_thread.sort_by(|a, b| a.begin.total_cmp(&b.begin).then(b.end.total_cmp(&a.end)));
    }
    spans
}

/// Of two spans of a thread, one is inside the other or they have nothing in common. No two begin at once: viewers
/// disagree about which is the outer one.
fn nesting(spans: &BTreeMap<Thread, Vec<Span>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (thread, spans) in spans {
        let mut open: Vec<Span> = Vec::new();
        let mut last = f64::NEG_INFINITY;
        for span in spans {
            if span.begin <= last {
                wrong.push(format!("two begin at once on {thread:?}: {span:?}"));
            }
            last = span.begin;
            // Sums of fractions differ in the last digits: a hundredth of what is between two edges.
            while open.last().is_some_and(|outer| outer.end <= span.begin + 1e-4) {
                open.pop();
            }
            if let Some(outer) = open.last()
                && span.end > outer.end + 1e-4
            {
                wrong.push(format!("{span:?} reaches out of {outer:?} on {thread:?}"));
            }
            open.push(*span);
        }
    }
    wrong
}

/// Asynchronous spans: each id begins and ends once, in this order, under one name.
fn overlapping(events: &[Value]) -> Vec<String> {
    let mut by_id: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for event in events.iter().filter(|event| ["b", "e"].contains(&ph(event))) {
        let key = format!("{} {}", event["cat"], event["id"]);
        by_id.entry(key).or_default().push(event);
    }
    let unsound = by_id.into_iter().filter(|(_, two)| {
        let [begin, end] = two[..] else { return true };
        ph(begin) != "b" || ph(end) != "e" || ts(begin) > ts(end) || begin["name"] != end["name"]
    });
    unsound
        .map(|(key, two)| format!("{key} does not begin and end: {two:?}"))
        .collect()
}

/// A flow begins once and ends once, goes forward in time, and is inside a span wherever it is.
fn flows(events: &[Value], spans: &BTreeMap<Thread, Vec<Span>>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_id: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for event in events.iter().filter(|event| ["s", "t", "f"].contains(&ph(event))) {
        by_id.entry(event["id"].to_string()).or_default().push(event);
        let inside = spans.get(&thread(event)).is_some_and(|spans| {
            let at = ts(event);
            spans.iter().any(|span| span.begin < at && at < span.end)
        });
        if !inside {
            wrong.push(format!("a flow outside of spans: {event}"));
        }
    }
    for (id, places) in by_id {
        let last = places.len() - 1;
        let sound = places.len() >= 2
            && places.iter().enumerate().all(|(nth, place)| {
                let expected = match nth {
                    0 => "s",
                    _ if nth == last => "f",
                    _ => "t",
                };
                ph(place) == expected
                    && place["name"] == places[0]["name"]
                    && place["cat"] == places[0]["cat"]
            });
        if !sound {
            wrong.push(format!("flow {id} does not begin and end: {places:?}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"{"traceEvents":[
{"name":"process_name","ph":"M","ts":0,"pid":1,"tid":0,"args":{"name":"p"}},
{"name":"thread_name","ph":"M","ts":0,"pid":1,"tid":2,"args":{"name":"t"}},
{"name":"outer","ph":"X","ts":1,"dur":9,"pid":1,"tid":2},
{"name":"inner","ph":"X","ts":2,"dur":3,"pid":1,"tid":2},
{"name":"flow","cat":"c","id":"1","ph":"s","ts":3,"pid":1,"tid":2},
{"name":"async","cat":"c","id":"2","ph":"b","ts":3,"pid":1,"tid":2},
{"name":"flow","cat":"c","id":"1","ph":"f","bp":"e","ts":4,"pid":1,"tid":2},
{"name":"async","cat":"c","id":"2","ph":"e","ts":5,"pid":1,"tid":2},
{"name":"count","ph":"C","ts":5,"pid":1,"tid":2,"args":{"value":1}},
{"name":"now","ph":"i","s":"t","ts":6,"pid":1,"tid":2}
]}"#;

    #[test]
    fn whatever_is_wrong_is_found() {
        assert_eq!(complaints(SOUND), [""; 0]);
        for (sound, broken) in [
            ("]}", "]"),
            ("traceEvents", "events"),
            ("\"dur\":3", "\"dur\":9"),
            ("\"dur\":3", "\"dur\":-1"),
            ("\"ts\":2,", "\"ts\":1,"),
            ("\"ts\":6", "\"ts\":4"),
            ("\"ph\":\"f\",\"bp\":\"e\"", "\"ph\":\"f\""),
            ("\"ph\":\"f\",\"bp\":\"e\"", "\"ph\":\"t\""),
            ("\"id\":\"1\",\"ph\":\"f\"", "\"id\":\"3\",\"ph\":\"f\""),
            ("\"id\":\"2\",\"ph\":\"e\"", "\"id\":\"3\",\"ph\":\"e\""),
            ("\"ts\":1,\"dur\":9", "\"ts\":1,\"dur\":2"),
            ("\"name\":\"process_name\"", "\"name\":\"x\""),
            (
                "\"pid\":1,\"tid\":2,\"args\":{\"name\"",
                "\"pid\":1,\"tid\":3,\"args\":{\"name\"",
            ),
            ("{\"value\":1}", "{\"value\":\"1\"}"),
            ("\"s\":\"t\"", "\"s\":\"x\""),
            ("\"ph\":\"i\"", "\"ph\":\"Q\""),
        ] {
            let broken = SOUND.replacen(sound, broken, 1);
            assert_ne!(broken, SOUND, "{sound}");
            assert!(!complaints(&broken).is_empty(), "{broken}");
        }
    }
}
