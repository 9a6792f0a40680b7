use std::{collections::BTreeMap, fmt::Write};

use maud::{Markup, html};

use super::{
    axis::{Scale, count_label, duration_label, num, pct, tick_below, time_ticks},
    figure::{Figure, Table},
};
use crate::{
    metrics::{FaultBand, Slice, Timeline},
    report::units,
};

/// A panel's plot, and the room over it for its title.
const PANEL: f64 = 56.0;
const HEAD: f64 = 30.0;
/// A panel of nothing.
const FLAT: f64 = 6.0;
/// A lane of faults.
const LANE: f64 = 12.0;
/// Lines of the table: slices are put together to come to no more.
const MAX_ROWS: usize = 60;
/// Faults that are drawn of each cause.
const MAX_BANDS: usize = 200;

/// One quantity over time.
struct Panel {
    title: &'static str,
    class: &'static str,
    values: Vec<Option<f64>>,
    /// A stem for each slice instead of a line.
    is_stems: bool,
    label: fn(f64) -> String,
}

/// A run from slice to slice of its time: one panel over the other, with the faults behind all of them. `None` of a
/// run without a slice.
pub(in crate::report) fn timeline(timeline: &Timeline, is_virtual: bool) -> Option<Figure> {
    if timeline.slices.is_empty() {
        return None;
    }
    let panels = panels(timeline);
    let length_ms = slice_ms(timeline) * timeline.slices.len() as f64;
    let lanes = lanes(timeline);
    let lanes_tall = match lanes.len() {
        0 => 0.0,
        count => HEAD + count as f64 * (LANE + 14.0),
    };
    let tops = panels.iter().scan(0.0, |top, panel| {
        let own = *top + HEAD;
        *top = own + panel.tall();
        Some(own)
    });
    let tops: Vec<f64> = tops.collect();
    let panels_tall: f64 = panels.iter().map(|panel| HEAD + panel.tall()).sum();
    let bottom = panels_tall + lanes_tall;
    let drawing = html! {
        @for (class, from, until) in shadows(timeline, length_ms) {
            rect class=(class) x=(pct(from)) y="4" width=(pct((until - from).max(0.0015))) height=(num(bottom - 4.0)) {}
        }
        @for (panel, top) in panels.iter().zip(&tops) { (panel.draw(*top)) }
        @if !lanes.is_empty() {
            @let top = panels_tall;
            text class="label" x="0" y=(num(top + 21.0)) { "faults" }
            @for (nth, (cause, bands)) in lanes.iter().enumerate() {
                @let y = top + HEAD + nth as f64 * (LANE + 14.0);
                text class="tick" x="0" y=(num(y + 8.0)) { (cause) }
                @for band in bands.iter().take(MAX_BANDS) {
                    @let (from, until) = extent(band, length_ms);
                    rect class="fault" x=(pct(from)) y=(num(y + 12.0)) width=(pct((until - from).max(0.004))) height=(num(LANE - 4.0)) {}
                }
            }
        }
        line class="base" x1="0" x2="100%" y1=(num(bottom)) y2=(num(bottom)) {}
        @for (share, label, wide) in time_ticks(length_ms) { (tick_below(share, bottom + 16.0, &label, wide)) }
        text class="axis" x="100%" y=(num(bottom + 32.0)) text-anchor="end" {
            @if is_virtual { "virtual time since the run's start" } @else { "time since the run's start" }
        }
    };
    let mut legend = Vec::new();
    if !lanes.is_empty() {
        legend.push(("shadow", "a scripted fault is on".to_owned()));
    }
    Some(Figure {
        title: "The run over time".to_owned(),
        about: about(timeline),
        height: bottom + 40.0,
        drawing,
        legend,
        table: table(timeline),
    })
}

fn about(timeline: &Timeline) -> String {
    let most = |of: fn(&Slice) -> u64| timeline.slices.iter().map(of).max().unwrap_or(0);
    let failures: u64 = timeline.slices.iter().map(|slice| slice.failures).sum();
    let faults = timeline.faults.len() as u64 + timeline.more_faults;
    let measured = match timeline.slices.iter().any(|slice| slice.cpu_percent.is_some()) {
        true => "",
        false => " The generator's processor time was not measured.",
    };
    format!(
        "At most {} peers and {} open links, {failures} failures, {faults} scripted faults; a slice is {}.{measured}",
        most(|slice| u64::from(slice.peers_joined)),
        most(|slice| u64::from(slice.links_open)),
        units::edge(slice_ms(timeline)),
    )
}

fn panels(timeline: &Timeline) -> Vec<Panel> {
    let seconds = slice_ms(timeline) / 1_000.0;
    let values = |of: &dyn Fn(&Slice) -> Option<f64>| timeline.slices.iter().map(of).collect::<Vec<_>>();
    let panel = |title, class, values| Panel {
        title,
        class,
        values,
        is_stems: false,
        label: count_label,
    };
    let mut panels = vec![
        panel(
            "peers joined",
            "l1",
            values(&|slice| Some(f64::from(slice.peers_joined))),
        ),
        panel(
            "links open",
            "l2",
            values(&|slice| Some(f64::from(slice.links_open))),
        ),
    ];
    // Where links carry media there are none.
    if timeline.slices.iter().any(|slice| slice.messages > 0) {
        panels.push(panel(
            "messages/s",
            "l3",
            values(&|slice| Some(slice.messages as f64 / seconds)),
        ));
    }
    panels.push(Panel {
        is_stems: true,
        ..panel("failures", "failed", values(&|slice| Some(slice.failures as f64)))
    });
    let lag = values(&|slice| slice.lag_ms);
    let cpu = values(&|slice| slice.cpu_percent);
    if cpu.iter().any(Option::is_some) {
        panels.push(Panel {
            label: |cpu| format!("{}%", num(cpu)),
            ..panel("generator: CPU, 100% for a core", "l4", cpu)
        });
    }
    // In virtual time nothing is ever late.
    if lag.iter().flatten().any(|lag| *lag > 0.0) {
        panels.push(Panel {
            is_stems: true,
            label: duration_label,
            ..panel("generator: lag of the latest step", "l4", lag)
        });
    }
    panels
}

impl Panel {
    fn is_nothing(&self) -> bool {
        self.is_stems && self.values.iter().flatten().all(|value| *value == 0.0)
    }

    fn tall(&self) -> f64 {
        if self.is_nothing() { FLAT } else { PANEL }
    }

    fn draw(&self, top: f64) -> Markup {
        if self.is_nothing() {
            return html! {
                text class="label" x="0" y=(num(top - 9.0)) { (self.title) ": none" }
                line class="base" x1="0" x2="100%" y1=(num(top)) y2=(num(top)) {}
            };
        }
        let max = self.values.iter().flatten().copied().fold(0.0, f64::max);
        let scale = match max {
            max if max <= 4.0 && max.fract() == 0.0 => Scale::Linear { max: max.max(1.0) },
            max => Scale::linear(max),
        };
        let Scale::Linear { max } = scale else {
            unreachable!("both are linear")
        };
        // A panel is low: its end and its middle are enough.
        let middle = (max % 2.0 == 0.0).then_some(max / 2.0);
        let count = self.values.len();
        let first = self.values.iter().position(Option::is_some).unwrap_or(0);
        let path = if self.is_stems {
            self.stems(scale)
        } else {
            self.line(scale)
        };
        html! {
            text class="label" x="0" y=(num(top - 9.0)) { (self.title) }
            line class="base" x1="0" x2="100%" y1=(num(top + PANEL)) y2=(num(top + PANEL)) {}
            @for tick in [Some(0.0), middle, Some(max)].into_iter().flatten() {
                @let y = num(top + PANEL * (1.0 - scale.share(tick)));
                @if tick > 0.0 { line class="grid" x1="0" x2="100%" y1=(y) y2=(y) {} }
                text class="tick" x="-7" y=(y) dy=".32em" text-anchor="end" { ((self.label)(tick)) }
            }
            svg x="0" y=(num(top)) width="100%" height=(num(PANEL)) viewBox={ "0 0 " (count) " " (PANEL) } preserveAspectRatio="none" {
                @if !self.is_stems && !path.is_empty() {
                    path class={ "area " (self.class) } d={ (path) "V" (PANEL) "H" (first) "Z" } {}
                }
                path class={ (if self.is_stems { "stems " } else { "line " }) (self.class) } d=(path) {}
            }
        }
    }

    /// A step for each slice, from the first that was measured on; what was not measured later is as before.
    fn line(&self, scale: Scale) -> String {
        let mut path = String::new();
        let mut last = None;
        for (nth, value) in self.values.iter().enumerate() {
            let Some(value) = *value else { continue };
            if last == Some(value) {
                continue;
            }
            let y = num(PANEL * (1.0 - scale.share(value)));
            let _ = match last {
                None => write!(path, "M{nth} {y}"),
                Some(_) => write!(path, "H{nth}V{y}"),
            };
            last = Some(value);
        }
        if !path.is_empty() {
            let _ = write!(path, "H{}", self.values.len());
        }
        path
    }

    fn stems(&self, scale: Scale) -> String {
        let mut path = String::new();
        for (nth, value) in self.values.iter().enumerate() {
            let Some(value) = value.filter(|value| *value > 0.0) else {
                continue;
            };
            let tall = (PANEL * scale.share(value)).max(1.5);
            let _ = write!(path, "M{nth}.5 {}v-{}", num(PANEL), num(tall));
        }
        path
    }
}

/// The faults by cause, in the order in which they first struck.
fn lanes(timeline: &Timeline) -> Vec<(&'static str, Vec<FaultBand>)> {
    let mut lanes: Vec<(&'static str, Vec<FaultBand>)> = Vec::new();
    for band in &timeline.faults {
        match lanes.iter_mut().find(|(cause, _)| *cause == band.cause.name()) {
            Some((_, bands)) => bands.push(*band),
            None => lanes.push((band.cause.name(), vec![*band])),
        }
    }
    lanes
}

/// When at least one fault was on, as shares of the width.
fn shadows(timeline: &Timeline, length_ms: f64) -> Vec<(&'static str, f64, f64)> {
    let mut extents: Vec<(f64, f64)> = timeline
        .faults
        .iter()
        .map(|band| extent(band, length_ms))
        .collect();
    extents.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut shadows: Vec<(&'static str, f64, f64)> = Vec::new();
    for (from, until) in extents {
        match shadows.last_mut() {
            Some((_, _, end)) if from <= *end + 0.001 => *end = end.max(until),
            _ => shadows.push(("shadow", from, until)),
        }
    }
    shadows
}

fn extent(band: &FaultBand, length_ms: f64) -> (f64, f64) {
    let share = |at: f64| (at / length_ms).clamp(0.0, 1.0);
    (
        share(band.from.as_millis_f64()),
        share(band.until.as_millis_f64()),
    )
}

fn table(timeline: &Timeline) -> Table {
    let mut table = Table::of(&[
        "from",
        "peers joined",
        "links open",
        "messages/s",
        "failures",
        "CPU",
        "memory",
        "lag",
        "faults on",
    ]);
    let together = timeline.slices.len().div_ceil(MAX_ROWS);
    let row_ms = slice_ms(timeline) * together as f64;
    let mut begun: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for band in &timeline.faults {
        let first = (band.from.as_millis_f64() / row_ms) as usize;
        let last = (band.until.as_millis_f64() / row_ms) as usize;
        for row in first..=last.min(MAX_ROWS) {
            let causes = begun.entry(row).or_default();
            if !causes.contains(&band.cause.name()) {
                causes.push(band.cause.name());
            }
        }
    }
    for (nth, slices) in timeline.slices.chunks(together).enumerate() {
        let last = slices[slices.len() - 1];
        let most = |of: fn(&Slice) -> Option<f64>| slices.iter().filter_map(of).reduce(f64::max);
        let messages: u64 = slices.iter().map(|slice| slice.messages).sum();
        let seconds = slice_ms(timeline) * slices.len() as f64 / 1_000.0;
        table.rows.push(vec![
            duration_label(nth as f64 * row_ms),
            last.peers_joined.to_string(),
            last.links_open.to_string(),
            units::number((messages as f64 / seconds * 10.0).round() / 10.0),
            slices.iter().map(|slice| slice.failures).sum::<u64>().to_string(),
            most(|slice| slice.cpu_percent).map_or("-".to_owned(), |cpu| format!("{}%", cpu.round())),
            slices
                .iter()
                .filter_map(|slice| slice.rss_bytes)
                .max()
                .map_or("-".to_owned(), units::bytes),
            units::duration(most(|slice| slice.lag_ms)),
            begun.get(&nth).map_or("-".to_owned(), |causes| causes.join(", ")),
        ]);
    }
    table
}

fn slice_ms(timeline: &Timeline) -> f64 {
    (timeline.slice.as_secs_f64() * 1_000.0).max(1e-3)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{base::Instant, metrics::FaultCause};

    fn of(slices: usize) -> Timeline {
        let slice = |nth: usize| Slice {
            peers_joined: nth.min(4) as u32,
            messages: 5,
            failures: u64::from(nth == 3),
            ..Slice::default()
        };
        Timeline {
            slice: Duration::from_millis(250),
            slices: (0..slices).map(slice).collect(),
            ..Timeline::default()
        }
    }

    #[test]
    fn what_was_not_measured_has_no_panel_and_is_said_not_to_be_there() {
        let shown = |timeline_: &Timeline| timeline(timeline_, true).expect("slices").markup().into_string();
        let mut times = of(8);
        let without = shown(&times);
        assert!(!without.contains("generator: CPU") && without.contains("was not measured"));
        assert!(without.contains("virtual time"));
        times.slices[2].cpu_percent = Some(40.0);
        let with = shown(&times);
        assert!(with.contains("generator: CPU"));
        // From its slice on: what was not measured is not drawn as nothing.
        assert!(with.contains(r#"d="M2 0H8V56H2Z""#), "{with}");
        assert!(timeline(&Timeline::default(), false).is_none());
    }

    #[test]
    fn faults_have_a_lane_by_cause_and_shadow_the_panels_once_where_they_overlap() {
        let mut times = of(8);
        let band = |cause, from, until| FaultBand {
            cause,
            room: None,
            from: Instant::from_millis(from),
            until: Instant::from_millis(until),
        };
        times.faults = vec![
            band(FaultCause::DropNetwork, 500, 1_000),
            band(FaultCause::Crash, 900, 900),
            band(FaultCause::DropNetwork, 1_500, 2_500),
        ];
        assert_eq!(lanes(&times).len(), 2);
        assert_eq!(
            shadows(&times, 2_000.0),
            [("shadow", 0.25, 0.5), ("shadow", 0.75, 1.0)]
        );
        let rows = table(&times).rows;
        assert_eq!(rows[3].last().map(String::as_str), Some("drop_network, crash"));
    }

    #[test]
    fn a_table_of_a_long_run_is_short() {
        assert_eq!(table(&of(240)).rows.len(), 60);
        assert_eq!(table(&of(240)).rows[0][3], "20");
    }
}
