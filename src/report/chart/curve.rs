use std::collections::BTreeMap;

use maud::html;

use super::{
    axis::{Scale, axis_titles, count_label, duration_label, num, pct, rulers, tick_below},
    figure::{Figure, Table},
};
use crate::{
    capacity::Outcome,
    report::{
        capacity::{CapacityReport, StepLine},
        units,
    },
};

const HEIGHT: f64 = 200.0;
const TOP: f64 = 26.0;
const WIDE: f64 = 1_000.0;

/// How long links took at the 95th percentile, by the number of peers: a dot for each run, a line through the median of
/// each load, and the stretch in which the knee lies.
pub(in crate::report) fn curve(report: &CapacityReport) -> Figure {
    let finite = |step: &StepLine| step.connect_ms_p95.filter(|ms| ms.is_finite());
    let (low, high) = (report.steps.iter().filter_map(finite))
        .fold((f64::INFINITY, 0.0_f64), |(low, high), ms| {
            (low.min(ms), high.max(ms))
        });
    let upright = Scale::durations(low, high);
    let most = report.steps.iter().map(|step| step.peers).max().unwrap_or(1);
    let along = Scale::counts(u64::from(most));
    let any_failed = report
        .steps
        .iter()
        .any(|step| step.connect_ms_p95 == Some(f64::INFINITY));
    let plot_top = if any_failed { TOP + 22.0 } else { TOP };
    let (tall, bottom) = (TOP + HEIGHT - plot_top, TOP + HEIGHT);
    let y = |ms: f64| match ms.is_finite() {
        true => plot_top + tall * (1.0 - upright.share(ms)),
        false => TOP,
    };
    let x = |peers: u32| along.share(f64::from(peers));
    let knee = report.knee.holds.zip(report.knee.breaks);
    let knee = knee.map(|(holds, breaks)| (x(report.peers(holds)), x(report.peers(breaks))));
    let drawing = html! {
        (rulers(upright, plot_top, tall, duration_label))
        @if any_failed { text class="tick bad" x="-7" y=(num(TOP)) dy=".32em" text-anchor="end" { "failed" } }
        @if let Some((from, until)) = knee {
            rect class="untold" x=(pct(from)) y=(num(TOP)) width=(pct(until - from)) height=(num(HEIGHT)) {}
        }
        @for tick in along.ticks() { (tick_below(along.share(tick), bottom + 16.0, &count_label(tick), false)) }
        svg x="0" y="0" width="100%" height=(num(bottom)) viewBox={ "0 0 " (WIDE) " " (num(bottom)) } preserveAspectRatio="none" {
            path class="line l1" d=(line(report, |peers| x(peers) * WIDE, y)) {}
        }
        @for step in &report.steps {
            @if let Some(ms) = step.connect_ms_p95 {
                text class=(class(step.outcome)) x=(pct(x(step.peers))) y=(num(y(ms))) dy=".32em" text-anchor="middle" {
                    (sign(step.outcome))
                }
            }
        }
        (axis_titles(if upright.is_log() { "connect_ms p95 (log)" } else { "connect_ms p95" }, "peers", TOP - 4.0, bottom))
    };
    Figure {
        title: "Time to connect by load".to_owned(),
        about: format!("{} The shaded stretch is where the knee lies.", report.found()),
        height: bottom + 40.0,
        drawing,
        legend: vec![
            ("l1", "the median run of each load".to_owned()),
            ("", "● held, ✗ broke, ? the generator was saturated".to_owned()),
        ],
        table: table(report),
    }
}

fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "●",
        Outcome::Broke => "✗",
        Outcome::Saturated => "?",
    }
}

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Broke => "tick bad",
        Outcome::Held | Outcome::Saturated => "tick",
    }
}

/// Through the median of each load, as far as it is finite.
fn line(report: &CapacityReport, x: impl Fn(u32) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut loads: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for step in &report.steps {
        loads.entry(step.peers).or_default().extend(step.connect_ms_p95);
    }
    let points = loads.into_iter().filter_map(|(peers, mut all)| {
        all.sort_by(f64::total_cmp);
        let median = *all.get(all.len() / 2)?;
        median.is_finite().then_some((peers, median))
    });
    let commands = points.enumerate().map(|(nth, (peers, ms))| {
        let letter = if nth == 0 { "M" } else { "L" };
        format!("{letter}{} {}", num(x(peers)), num(y(ms)))
    });
    commands.collect()
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
