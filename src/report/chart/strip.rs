use std::fmt::Write;

use maud::html;

use super::{
    axis::{num, pct, tick_below, time_ticks},
    figure::{Figure, Table},
};
use crate::{
    metrics::{RoomCell, RoomLine, Timeline},
    report::units,
};

/// Rooms that are drawn; those with failures come first, then those with faults.
const MAX_ROOMS: usize = 80;
/// Rooms that have a row with room for a label each.
const ROOMY: usize = 30;
/// Units of a row, of which a gap is left to the next.
const ROW: usize = 10;
const FULL: usize = 8;
/// Units that a fault takes under a row.
const FAULT: usize = 2;

/// Each room over time: a bar that is as tall as its share of open links, a line under it while a fault is on, and a
/// stroke across it where something failed. `None` without a room or a slice.
pub(in crate::report) fn strip(timeline: &Timeline, is_virtual: bool) -> Option<Figure> {
    let slices = timeline.slices.len();
    if slices == 0 || timeline.rooms.is_empty() {
        return None;
    }
    let rooms = drawn(&timeline.rooms);
    let left_out = timeline.rooms.len() - rooms.len();
    let row = if rooms.len() <= ROOMY { 20.0 } else { 9.0 };
    let labelled = if rooms.len() <= ROOMY { 1 } else { 5 };
    let bottom = rooms.len() as f64 * row;
    let slice_ms = timeline.slice.as_secs_f64() * 1_000.0;
    let length_ms = slice_ms * slices as f64;
    let mut whole = String::new();
    let mut part = String::new();
    let mut alone = String::new();
    let mut faulty = String::new();
    let mut failed = String::new();
    for (nth, line) in rooms.iter().enumerate() {
        let foot = nth * ROW + FULL;
        for (cell, from, until) in runs(&line.cells) {
            let wide = until - from;
            let tall = (share(&cell) * FULL as f64 * 10.0).round() / 10.0;
            let path = match (cell.members, cell.links_possible) {
                (0, _) => None,
                (_, 0) => Some(&mut alone),
                _ if tall >= FULL as f64 => Some(&mut whole),
                _ => Some(&mut part),
            };
            if let Some(path) = path {
                let tall = tall.max(1.0);
                let _ = write!(path, "M{from} {foot}v-{}h{wide}v{}z", num(tall), num(tall));
            }
            if cell.faulty {
                let _ = write!(faulty, "M{from} {foot}h{wide}v{FAULT}h-{wide}z");
            }
        }
        for (at, _) in line
            .cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.failures > 0)
        {
            let _ = write!(failed, "M{at}.5 {}v{ROW}", nth * ROW);
        }
    }
    let drawing = html! {
        @for (nth, line) in rooms.iter().enumerate().filter(|(nth, _)| nth % labelled == 0) {
            text class="tick" x="-7" y=(num((nth as f64 + 0.42) * row)) dy=".32em" text-anchor="end" { (line.room.0) }
        }
        svg x="0" y="0" width="100%" height=(num(bottom)) viewBox={ "0 0 " (slices) " " (rooms.len() * ROW) } preserveAspectRatio="none" {
            @for (class, path) in [("room-alone", alone), ("room-part", part), ("room-whole", whole), ("room-fault", faulty), ("room-failed", failed)] {
                @if !path.is_empty() { path class=(class) d=(path) {} }
            }
        }
        line class="base" x1="0" x2="100%" y1=(num(bottom + 2.0)) y2=(num(bottom + 2.0)) {}
        @for (share, label, wide) in time_ticks(length_ms) { (tick_below(share, bottom + 18.0, &label, wide)) }
        text class="axis" x=(pct(1.0)) y=(num(bottom + 34.0)) text-anchor="end" {
            @if is_virtual { "virtual time since the run's start" } @else { "time since the run's start" }
        }
    };
    let left_out_text = match left_out {
        0 => String::new(),
        count => format!(
            " {count} more rooms are not drawn; those with failures, then those with faults, were taken first."
        ),
    };
    let mut table = Table::of(&[
        "room",
        "members at most",
        "all links open first",
        "all links open for",
        "failures",
        "faults on for",
    ]);
    table.more = left_out;
    for line in &rooms {
        table.rows.push(table_row(line, slice_ms));
    }
    Some(Figure {
        title: "Rooms over time".to_owned(),
        about: format!(
            "A row for each of {} rooms, by number: the taller, the more of its links are open.{left_out_text}",
            timeline.rooms.len()
        ),
        height: bottom + 42.0,
        drawing,
        legend: vec![
            ("sw-whole", "all links open (full height)".to_owned()),
            ("sw-part", "some missing (lower)".to_owned()),
            ("sw-alone", "a member alone (thin line)".to_owned()),
            ("sw-fault", "a fault is on (line below)".to_owned()),
            ("sw-failed", "a failure (upright stroke)".to_owned()),
        ],
        table,
    })
}

/// Those that are drawn, by number.
fn drawn(rooms: &[RoomLine]) -> Vec<&RoomLine> {
    let mut drawn: Vec<&RoomLine> = rooms.iter().collect();
    if drawn.len() > MAX_ROOMS {
        drawn.sort_by_key(|line| {
            let failed = line.cells.iter().any(|cell| cell.failures > 0);
            let faulty = line.cells.iter().any(|cell| cell.faulty);
            (!failed, !faulty, line.room)
        });
        drawn.truncate(MAX_ROOMS);
        drawn.sort_by_key(|line| line.room);
    }
    drawn
}

/// Cells that look the same, from one slice to before another.
fn runs(cells: &[RoomCell]) -> Vec<(RoomCell, usize, usize)> {
    let mut runs: Vec<(RoomCell, usize, usize)> = Vec::new();
    for (nth, cell) in cells.iter().enumerate() {
        let cell = RoomCell { failures: 0, ..*cell };
        match runs.last_mut() {
            Some((known, _, until)) if *known == cell => *until = nth + 1,
            _ => runs.push((cell, nth, nth + 1)),
        }
    }
    runs
}

/// Which part of the links that its members could have is open.
fn share(cell: &RoomCell) -> f64 {
    match cell.links_possible {
        0 => 0.0,
        possible => (f64::from(cell.links_open) / f64::from(possible)).min(1.0),
    }
}

fn table_row(line: &RoomLine, slice_ms: f64) -> Vec<String> {
    let is_whole = |cell: &RoomCell| share(cell) >= 1.0;
    let for_ = |is: &dyn Fn(&RoomCell) -> bool| {
        let count = line.cells.iter().filter(|cell| is(cell)).count();
        match count {
            0 => "-".to_owned(),
            count => units::edge(count as f64 * slice_ms),
        }
    };
    let first = line.cells.iter().position(is_whole);
    vec![
        line.room.0.to_string(),
        line.cells
            .iter()
            .map(|cell| cell.members)
            .max()
            .unwrap_or(0)
            .to_string(),
        first.map_or("never".to_owned(), |nth| {
            format!("by {}", units::edge((nth + 1) as f64 * slice_ms))
        }),
        for_(&is_whole),
        line.cells
            .iter()
            .map(|cell| u64::from(cell.failures))
            .sum::<u64>()
            .to_string(),
        for_(&|cell| cell.faulty),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{base::RoomId, metrics::Slice};

    fn cell(members: u32, links_open: u32) -> RoomCell {
        RoomCell {
            members,
            links_open,
            links_possible: members * members.saturating_sub(1) / 2,
            ..RoomCell::default()
        }
    }

    fn of(rooms: u32, cells: &[RoomCell]) -> Timeline {
        let line = |room| RoomLine {
            room: RoomId(room),
            cells: cells.to_vec(),
        };
        Timeline {
            slice: Duration::from_millis(250),
            slices: vec![Slice::default(); cells.len()],
            rooms: (0..rooms).map(line).collect(),
            ..Timeline::default()
        }
    }

    #[test]
    fn what_stays_the_same_is_one_piece() {
        let cells = [cell(0, 0), cell(4, 3), cell(4, 3), cell(4, 6)];
        assert_eq!(runs(&cells).len(), 3);
        let drawn = strip(&of(1, &cells), false).expect("cells").drawing.into_string();
        assert!(drawn.contains(r#"class="room-part" d="M1 8v-4h2v4z""#), "{drawn}");
        assert!(
            drawn.contains(r#"class="room-whole" d="M3 8v-8h1v8z""#),
            "{drawn}"
        );
    }

    #[test]
    fn who_has_nobody_to_link_to_is_alone() {
        let one_link = RoomCell {
            links_possible: 1,
            ..cell(1, 1)
        };
        let drawn = strip(&of(1, &[cell(1, 0), one_link]), false).expect("cells");
        let drawn = drawn.drawing.into_string();
        assert!(
            drawn.contains(r#"class="room-alone" d="M0 8v-1h1v1z""#),
            "{drawn}"
        );
        assert!(
            drawn.contains(r#"class="room-whole" d="M1 8v-8h1v8z""#),
            "{drawn}"
        );
    }

    #[test]
    fn of_many_rooms_those_that_failed_are_drawn_first() {
        let mut times = of(200, &[cell(4, 6)]);
        times.rooms[199].cells[0].failures = 2;
        let figure = strip(&times, false).expect("cells");
        assert_eq!((figure.table.rows.len(), figure.table.more), (80, 120));
        assert_eq!(figure.table.rows[79][0], "199");
        assert_eq!(figure.table.rows[79][4], "2");
    }
}
