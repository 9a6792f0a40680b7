//! `GET /metrics`: the counters in the text format of Prometheus (version 0.0.4).

use std::fmt::{Display, Write};

use crate::ServerStats;

/// The content type of [`text`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, after so many seconds; those of the process have the names that Prometheus gives them, and are left
/// out where the system does not tell. No value of a label needs escaping: all are words of ours.
#[rustfmt::skip]
pub(crate) fn text(stats: &ServerStats, uptime_seconds: f64, resident_bytes: Option<u64>, cpu_seconds: Option<f64>) -> String {
    let hub = &stats.hub;
    let mut out = Page(String::new());
    out.family("build_info", "gauge", "Always 1; the label tells the version.", "version", [(env!("CARGO_PKG_VERSION"), 1)]);
    out.single("uptime_seconds", "gauge", "Seconds since the start.", uptime_seconds);
    out.single("sockets", "gauge", "WebSockets connected now.", hub.clients);
    out.single("sockets_opened_total", "counter", "WebSockets opened.", stats.sockets_opened);
    out.family("sockets_closed_total", "counter", "WebSockets that ended, by how.", "how", stats.sockets_closed.clone());
    out.family("sockets_refused_total", "counter", "Requests for a WebSocket that got none, by why.", "why", stats.sockets_refused.clone());
    out.single("slow_clients_total", "counter", "WebSockets closed because they did not read.", stats.slow_clients);
    out.single("connections_failed_total", "counter", "Connections that broke off: no TLS, or no HTTP.", stats.connections_failed);
    out.single("rooms", "gauge", "Rooms open now.", hub.rooms);
    out.single("members", "gauge", "Memberships now, those within their grace time included.", hub.members);
    out.single("frames_received_total", "counter", "Frames from clients.", hub.frames_in);
    out.single("frames_sent_total", "counter", "Frames to clients.", hub.frames_out);
    out.family("frames_refused_total", "counter", "Frames refused, by reason.", "reason", hub.refused.iter().map(|(cause, count)| (cause.as_str(), count)));
    out.single("queue_frames", "gauge", "Frames that wait now, for all clients.", stats.queue_frames);
    out.single("queue_bytes", "gauge", "Bytes of the frames that wait now, for all clients.", stats.queue_bytes);
    out.single("queue_frames_high_water", "gauge", "The most frames that ever waited for one client.", stats.queue_frames_high_water);
    out.single("turn_credentials_total", "counter", "TURN credentials given out.", stats.turn_credentials);
    if let Some(bytes) = resident_bytes {
        out.process("process_resident_memory_bytes", "gauge", "Resident memory of the server's process.", bytes);
    }
    if let Some(seconds) = cpu_seconds {
        out.process("process_cpu_seconds_total", "counter", "Processor time that the server's process has used, in seconds.", seconds);
    }
    out.0
}

struct Page(String);

impl Page {
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(format_args!("reference_server_{name} {value}"));
    }

    /// One that is named alike in every process.
    fn process(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        self.line(format_args!("{name} {value}"));
    }

    fn family<V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        self.head(name, kind, help);
        for (word, value) in samples {
            self.line(format_args!(
                "reference_server_{name}{{{label}=\"{word}\"}} {value}"
            ));
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP reference_server_{name} {help}"));
        self.line(format_args!("# TYPE reference_server_{name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes everything");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_metric_has_a_head_of_its_own_and_counters_are_totals() {
        let stats = ServerStats {
            sockets_closed: BTreeMap::from([("left", 3), ("slow", 1)]),
            queue_frames_high_water: 7,
            ..ServerStats::default()
        };
        let text = text(&stats, 1.5, Some(4_096), Some(2.5));
        assert!(text.ends_with('\n'));
        let mut families = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["#", "HELP", name, _, ..] => assert!(families.insert(name), "twice: {name}"),
                ["#", "TYPE", name, kind] => {
                    assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                    family = name;
                }
                [sample, value] => {
                    assert_eq!(sample.split('{').next(), Some(family), "{line}");
                    value.parse::<f64>().expect("a number");
                }
                _ => panic!("{line}"),
            }
        }
        assert!(
            text.contains("\nreference_server_sockets_closed_total{how=\"slow\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("\nreference_server_queue_frames_high_water 7\n"),
            "{text}"
        );
        assert!(text.contains("\nprocess_resident_memory_bytes 4096\n"), "{text}");
        assert!(text.contains("\nprocess_cpu_seconds_total 2.5\n"), "{text}");
        assert!(text.contains("\nreference_server_uptime_seconds 1.5\n"), "{text}");
    }
}
