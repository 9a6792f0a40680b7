//! A search for a knee over the load: what was measured in panels one over the other, which share their axis of peers.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    axis::{Scale, count_label, duration_label, num, pct, tick_below},
    figure::{Figure, Key, Table},
    loads::Loads,
};
use crate::{
    capacity::Outcome,
    report::{
        capacity::{CapacityReport, StepLine},
        units,
    },
};

/// The room over a panel for its title.
const HEAD: f64 = 30.0;
/// The plot of the time to connect, and of what else was measured.
const TALL: f64 = 150.0;
const LOW: f64 = 64.0;
/// A panel of nothing.
const FLAT: f64 = 6.0;
/// The lane over a plot for what has no finite figure.
const LANE: f64 = 22.0;
/// Units that a plot is wide for its lines; they are stretched to its width.
const WIDE: f64 = 1_000.0;
/// How large the mark of a run is, in CSS pixels from its middle.
const MARK: f64 = 4.0;

/// One quantity over the load.
struct Panel {
    title: String,
    series: Vec<Series>,
    scale: Scale,
    tall: f64,
    label: fn(f64) -> String,
    /// What has to hold of it.
    bound: Option<f64>,
    /// A run's mark says what became of it, and is no mere dot.
    tells_outcome: bool,
}

/// What one of the two was at each run.
struct Series {
    class: &'static str,
    points: Vec<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    peers: u32,
    value: f64,
    outcome: Outcome,
}

/// How long links took, how many failed and what that cost server and generator, by the number of peers: a mark for each
/// run, a line through the median of each load, and behind all of it the stretch in which the knee lies.
pub(in crate::report) fn curve(report: &CapacityReport) -> Figure {
    let along = Loads::of(report.steps.iter().map(|step| step.peers));
    let panels = panels(report);
    let tops = panels.iter().scan(0.0, |top, panel| {
        let own = *top + HEAD;
        *top = own + panel.height();
        Some(own)
    });
    let tops: Vec<f64> = tops.collect();
    let bottom: f64 = panels.iter().map(|panel| HEAD + panel.height()).sum();
    let ends = [report.knee.holds, report.knee.breaks];
    let ends: Vec<u32> = ends
        .into_iter()
        .flatten()
        .map(|load| report.peers(load))
        .collect();
    let knee = match ends[..] {
        [holds, breaks] => Some((along.share(holds), along.share(breaks))),
        _ => None,
    };
    let drawing = html! {
        @if let Some((from, until)) = knee {
            rect class="shadow" x=(pct(from)) y="4" width=(pct(until - from)) height=(num(bottom - 4.0)) {}
        }
        @for (panel, top) in panels.iter().zip(&tops) { (panel.draw(*top, &along)) }
        @for (peers, wide) in along.ticks(&ends) {
            @let share = along.share(peers);
            line class="grid" x1=(pct(share)) x2=(pct(share)) y1=(num(bottom)) y2=(num(bottom + 4.0)) {}
            (tick_below(share, bottom + 16.0, &count_label(f64::from(peers)), wide))
        }
        text class="axis" x="100%" y=(num(bottom + 32.0)) text-anchor="end" {
            (if along.is_log() { "peers (log)" } else { "peers" })
        }
    };
    Figure {
        title: "Time to connect, failures and processor time by load".to_owned(),
        about: about(report),
        height: bottom + 40.0,
        drawing,
        legend: legend(report, &panels, knee.is_some()),
        table: table(report),
    }
}

fn about(report: &CapacityReport) -> String {
    let measured = |of: fn(&StepLine) -> Option<f64>| report.steps.iter().any(|step| of(step).is_some());
    let missing = match (
        measured(|step| step.server_cpu_percent),
        measured(|step| step.generator_cpu_percent),
    ) {
        (true, _) => "",
        (false, true) => " The server has not told its processor time (--server-metrics).",
        (false, false) => " Processor time was not measured.",
    };
    format!(
        "Each run by the number of its peers; a line goes through the median run of each load (of an even number the higher one).{missing}"
    )
}

fn panels(report: &CapacityReport) -> Vec<Panel> {
    let series = |class, of: fn(&StepLine) -> Option<f64>| Series {
        class,
        points: (report.steps.iter())
            .filter_map(|step| {
                Some(Point {
                    peers: step.peers,
                    value: of(step)?,
                    outcome: step.outcome,
                })
            })
            .collect(),
    };
    let connect = series("l1", |step| step.connect_ms_p95);
    let (low, high) = (connect.finite().chain(report.p95_below_ms))
        .fold((f64::INFINITY, 0.0_f64), |(low, high), ms| {
            (low.min(ms), high.max(ms))
        });
    let scale = Scale::durations(low, high);
    let failed = series("failed", |step| step.failed.map(|share| share * 100.0));
    let most_failed = failed.finite().fold(0.0_f64, f64::max);
    let cpu = [
        series("l2 solid", |step| step.server_cpu_percent),
        series("l4 apart", |step| step.generator_cpu_percent),
    ];
    let cpu: Vec<Series> = (cpu.into_iter())
        .filter(|series| !series.points.is_empty())
        .collect();
    let most_cpu = cpu.iter().flat_map(Series::finite).fold(0.0_f64, f64::max);
    let percent: fn(f64) -> String = |percent| format!("{}%", num(percent));
    let mut panels = vec![
        Panel {
            title: format!("connect_ms p95{}", if scale.is_log() { " (log)" } else { "" }),
            series: vec![connect],
            scale,
            tall: TALL,
            label: duration_label,
            bound: report.p95_below_ms,
            tells_outcome: true,
        },
        Panel {
            title: "connect_failed: links that did not open".to_owned(),
            series: vec![failed],
            scale: Scale::linear(most_failed),
            tall: if most_failed > 0.0 { LOW } else { FLAT },
            label: percent,
            bound: None,
            tells_outcome: false,
        },
    ];
    if !cpu.is_empty() {
        panels.push(Panel {
            title: "CPU, the most in a second (100% for a core)".to_owned(),
            series: cpu,
            scale: Scale::linear(most_cpu),
            tall: LOW,
            label: percent,
            bound: None,
            tells_outcome: false,
        });
    }
    panels
}

impl Panel {
    fn has_infinite(&self) -> bool {
        let mut points = self.series.iter().flat_map(|series| &series.points);
        points.any(|point| point.value.is_infinite())
    }

    /// Of the lane for what is infinite.
    fn lane(&self) -> f64 {
        if self.has_infinite() { LANE } else { 0.0 }
    }

    fn height(&self) -> f64 {
        self.lane() + self.tall
    }

    fn draw(&self, top: f64, along: &Loads) -> Markup {
        if self.tall <= FLAT {
            return html! {
                text class="label" x="0" y=(num(top - 9.0)) { (self.title) ": none" }
                line class="base" x1="0" x2="100%" y1=(num(top)) y2=(num(top)) {}
            };
        }
        let (plot, foot) = (top + self.lane(), top + self.height());
        let y = |value: f64| match value.is_finite() {
            true => plot + self.tall * (1.0 - self.scale.share(value)),
            // Above all that is on the scale.
            false => top + MARK,
        };
        html! {
            text class="label" x="0" y=(num(top - 9.0)) { (self.title) }
            @for (nth, tick) in self.scale.ticks().into_iter().enumerate() {
                @let y = num(y(tick));
                line class=(if nth == 0 { "base" } else { "grid" }) x1="0" x2="100%" y1=(y) y2=(y) {}
                text class="tick" x="-7" y=(y) dy=".32em" text-anchor="end" { ((self.label)(tick)) }
            }
            @if self.has_infinite() {
                line class="grid dashed" x1="0" x2="100%" y1=(num(y(f64::INFINITY))) y2=(num(y(f64::INFINITY))) {}
                text class="tick bad" x="-7" y=(num(y(f64::INFINITY))) dy=".32em" text-anchor="end" { "failed" }
            }
            @if let Some(bound) = self.bound {
                line class="bound" x1="0" x2="100%" y1=(num(y(bound))) y2=(num(y(bound))) {}
            }
            svg x="0" y=(num(top)) width="100%" height=(num(foot - top)) viewBox={ "0 " (num(top)) " " (WIDE) " " (num(foot - top)) } preserveAspectRatio="none" {
                @for series in &self.series {
                    path class={ "line " (series.class) } d=(series.line(|peers| along.share(peers) * WIDE, y)) {}
                }
            }
            @for series in &self.series {
                @for point in &series.points {
                    @let kind = if self.tells_outcome { outcome_mark(point.outcome) } else { "dot" };
                    (mark(kind, series.class, along.share(point.peers), y(point.value)))
                }
            }
        }
    }
}

impl Series {
    fn finite(&self) -> impl Iterator<Item = f64> {
        let values = self.points.iter().map(|point| point.value);
        values.filter(|value| value.is_finite())
    }

    /// Through the median of each load, of an even number the higher one, as far as it is finite.
    fn line(&self, x: impl Fn(u32) -> f64, y: impl Fn(f64) -> f64) -> String {
        let mut loads: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for point in &self.points {
            loads.entry(point.peers).or_default().push(point.value);
        }
        let mut path = String::new();
        for (peers, mut all) in loads {
            all.sort_by(f64::total_cmp);
            let median = all[all.len() / 2];
            if median.is_finite() {
                let letter = if path.is_empty() { "M" } else { "L" };
                path.push_str(&format!("{letter}{} {}", num(x(peers)), num(y(median))));
            }
        }
        path
    }
}

/// The class of a mark by what became of the run; its shape says the same.
fn outcome_mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "held",
        Outcome::Broke => "broke",
        Outcome::Saturated => "saturated",
        Outcome::Unproven => "unproven",
    }
}

/// A mark of a run, at a share of the width.
fn mark(kind: &str, series: &str, share: f64, y: f64) -> Markup {
    let shape = match kind {
        "broke" => "M-4.5 -4.5L4.5 4.5M-4.5 4.5L4.5 -4.5",
        "saturated" => "M0 -5L5 4H-5Z",
        "unproven" => "M0 -5L5 0L0 5L-5 0Z",
        _ => "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    };
    html! {
        svg x=(pct(share)) y=(num(y)) width="1" height="1" {
            path class={ "mark-" (kind) " " (series) } d=(if kind == "dot" { "M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0Z" } else { shape }) {}
        }
    }
}

fn legend(report: &CapacityReport, panels: &[Panel], has_knee: bool) -> Vec<Key> {
    let mut legend = Vec::new();
    for (outcome, class, text) in [
        (Outcome::Held, "sw-held", "a run that held"),
        (Outcome::Broke, "sw-broke", "one that broke"),
        (
            Outcome::Saturated,
            "sw-saturated",
            "one whose generator was saturated",
        ),
        (Outcome::Unproven, "sw-unproven", "one that proves nothing"),
    ] {
        if report.steps.iter().any(|step| step.outcome == outcome) {
            legend.push((class, text.to_owned()));
        }
    }
    let classes = panels
        .iter()
        .flat_map(|panel| &panel.series)
        .map(|series| series.class);
    for class in classes {
        match class {
            "l2 solid" => legend.push((class, "the server's CPU".to_owned())),
            "l4 apart" => legend.push((class, "the generator's".to_owned())),
            _ => {}
        }
    }
    if let Some(bound) = report.p95_below_ms {
        legend.push(("bound", format!("p95 below {} is asked for", units::edge(bound))));
    }
    if has_knee {
        legend.push(("shadow", "where the knee lies".to_owned()));
    }
    legend
}

fn table(report: &CapacityReport) -> Table {
    let mut table = Table::of(&[
        "peers",
        "outcome",
        "connect p95",
        "failed",
        "server CPU",
        "own CPU",
        "own lag p99",
        "seed",
    ]);
    let cpu = |percent: Option<f64>| percent.map_or("-".to_owned(), |percent| format!("{percent:.0}%"));
    let mut steps: Vec<&StepLine> = report.steps.iter().collect();
    steps.sort_by_key(|step| step.peers);
    for step in steps {
        table.rows.push(vec![
            step.peers.to_string(),
            step.word().to_owned(),
            units::duration(step.connect_ms_p95),
            units::percent(step.failed),
            cpu(step.server_cpu_percent),
            cpu(step.generator_cpu_percent),
            units::duration(step.generator_lag_ms_p99),
            step.seed.to_string(),
        ]);
    }
    table
}
