use std::{collections::BTreeMap, fmt::Write};

use super::{
    row::{Row, Widths, heading},
    talk::Talk,
};
use crate::{
    base::{PeerId, RoomId},
    metrics::{EventKind, RunEvent},
    plan::{Action, Plan, RoomPlan},
    report::{RunRecord, paper::width, redact::redacted},
};

/// The text, run by run and room by room; of a room, in the order of the events.
///
/// # Errors
/// None: what is too much for it was not read.
pub fn text(runs: &[RunRecord]) -> Result<Vec<u8>, String> {
    let mut text = String::new();
    for run in runs {
        if !text.is_empty() {
            text.push('\n');
        }
        one(run, &mut text);
    }
    Ok(text.into_bytes())
}

fn one(run: &RunRecord, text: &mut String) {
    let launch = &run.launch;
    let _ = writeln!(
        text,
        "Signaling of {}, seed {}, in the {} world: {}",
        redacted(&run.report.scenario.name),
        launch.seed,
        launch.world,
        run.report.verdict.word.as_str()
    );
    let _ = writeln!(text, "target   {}", redacted(&launch.target));
    let _ = writeln!(text, "started  {}", redacted(&launch.started_at));
    let _ = writeln!(text, "repeat   {}", redacted(&launch.repeat));
    let _ = writeln!(
        text,
        "\nTimes are ms since the run's start; srv is the server; ! marks what went wrong or was made to.\nDescriptions go by their number in the run. There is no SDP, token or credential in here."
    );
    let by_room = by_room(run);
    let mut told = 0;
    for room in &run.plan.rooms {
        let events = by_room.get(&Some(room.id)).into_iter().flatten();
        let of_server = by_room.get(&None).into_iter().flatten();
        let mut events: Vec<(usize, &RunEvent)> = events.chain(of_server).copied().collect();
        events.sort_by_key(|(nth, _)| *nth);
        told += usize::from(in_room(&run.plan, room, &events, text));
    }
    if told == 0 {
        let _ = writeln!(
            text,
            "\nThere is nothing to tell: no event of the run is one of signaling's."
        );
    }
}

/// Events with their place in the run, by room; without one, what befalls the server, which is everybody's.
type ByRoom<'a> = BTreeMap<Option<RoomId>, Vec<(usize, &'a RunEvent)>>;

fn by_room(run: &RunRecord) -> ByRoom<'_> {
    let mut by_room = ByRoom::new();
    for (nth, event) in run.events.iter().enumerate() {
        let Some(peer) = event.peer.and_then(|peer| run.plan.peers.get(peer.index())) else {
            continue;
        };
        let of_server = matches!(
            event.kind,
            EventKind::ServerRestarted { .. }
                | EventKind::ServerCrashed { .. }
                | EventKind::ServerPaused { .. }
                | EventKind::ServerSlowed { .. }
                | EventKind::ServerCommand { .. }
        );
        let room = (!of_server).then_some(peer.room);
        by_room.entry(room).or_default().push((nth, event));
    }
    by_room
}

/// Whether there was anything to tell of the room itself.
fn in_room(plan: &Plan, room: &RoomPlan, events: &[(usize, &RunEvent)], text: &mut String) -> bool {
    let mut talk = Talk::default();
    let rows: Vec<Row> = events.iter().filter_map(|(_, event)| talk.row(event)).collect();
    let Some(last) = rows.last() else { return false };
    let names = room.peers.iter().map(|peer| width(&peer.to_string()));
    let widths = Widths {
        at: width(&format!("{:.3}", last.at.as_millis_f64())).max(2),
        peer: names.max().unwrap_or_default(),
    };
    let _ = writeln!(text, "\n{} ({})", room.id, redacted(&room.wire_id));
    for peer in &room.peers {
        let _ = writeln!(text, "  {}", member(plan, *peer));
    }
    let _ = writeln!(text, "\n{}", heading(widths));
    for row in rows {
        let _ = writeln!(text, "{}", row.line(widths));
    }
    true
}

/// `peer-0  "anna" (user id), of callers`.
fn member(plan: &Plan, peer: PeerId) -> String {
    let Some(planned) = plan.peers.get(peer.index()) else {
        return peer.to_string();
    };
    let name = planned.script.iter().find_map(|step| match &step.action {
        Action::Join { name, .. } => Some(format!("  \"{}\"", redacted(name))),
        _ => None,
    });
    let group = planned
        .group
        .as_ref()
        .map(|group| format!(", of {}", redacted(group)));
    format!(
        "{peer}{}, {}{}",
        name.unwrap_or_default(),
        redacted(&planned.user_id),
        group.unwrap_or_default()
    )
}
