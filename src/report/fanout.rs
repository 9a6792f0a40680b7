//! What of the signaling that came to peers nobody of their room had sent to them or to the room.

use crate::metrics::{MetricKey, Snapshot};

use super::units;

/// In two sentences; `None` where the server keeps what is said in a room in it.
pub(super) fn fanout(metrics: &Snapshot) -> Option<[String; 2]> {
    let counted = |key: MetricKey| metrics.counters.get(&key).copied().unwrap_or(0);
    let whole = |name: &str| counted(MetricKey::new(name));
    let wasted = |whose: &str| counted(MetricKey::new("fanout_waste_frames").with("whose", whose));
    let [room, member, server] = ["other_room", "other_member", "server"].map(wasted);
    if room + member == 0 {
        return None;
    }
    let (all, all_bytes) = (
        whole("signaling_frames_received"),
        whole("signaling_bytes_received"),
    );
    let (waste, waste_bytes) = (whole("fanout_waste_frames"), whole("fanout_waste_bytes"));
    let share = units::percent(Some(waste as f64 / all.max(waste) as f64));
    let peers = whole("signaling_receivers").max(1);
    Some([
        format!(
            "Of {all} signaling frames ({}), {waste} ({share}, {}) were sent to a peer by nobody of its room: {} frames and {} a peer.",
            units::bytes(all_bytes),
            units::bytes(waste_bytes),
            waste / peers,
            units::bytes(waste_bytes / peers),
        ),
        format!(
            "{room} were other rooms', {member} a member's for another one, and {server} the server's for everybody."
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(counts: &[(&str, Option<&str>, u64)]) -> Snapshot {
        let mut metrics = Snapshot::default();
        for (name, whose, count) in counts {
            let key = MetricKey::new(name);
            let key = match whose {
                Some(whose) => key.with("whose", whose),
                None => key,
            };
            metrics.counters.insert(key, *count);
        }
        metrics
    }

    #[test]
    fn waste_is_told_with_its_share_and_for_each_peer() {
        let metrics = received(&[
            ("signaling_frames_received", None, 12_345),
            ("signaling_bytes_received", None, 9_000_000),
            ("signaling_receivers", None, 60),
            ("fanout_waste_frames", None, 9_876),
            ("fanout_waste_frames", Some("other_room"), 9_000),
            ("fanout_waste_frames", Some("other_member"), 276),
            ("fanout_waste_frames", Some("server"), 600),
            ("fanout_waste_bytes", None, 6_000_000),
        ]);
        assert_eq!(
            fanout(&metrics),
            Some([
                "Of 12345 signaling frames (9.00MB), 9876 (80.0%, 6.00MB) were sent to a peer by nobody of its room: 164 frames and 100kB a peer.".to_owned(),
                "9000 were other rooms', 276 a member's for another one, and 600 the server's for everybody.".to_owned(),
            ])
        );
    }

    #[test]
    fn where_rooms_are_kept_apart_there_is_nothing_to_tell() {
        let metrics = received(&[
            ("signaling_frames_received", None, 100),
            ("fanout_waste_frames", None, 6),
            ("fanout_waste_frames", Some("server"), 6),
        ]);
        assert_eq!(fanout(&metrics), None);
    }
}
