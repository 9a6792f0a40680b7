use maud::{Markup, html};

use super::outages::outages;
use crate::{
    metrics::{MetricKey, Trend},
    report::{RunReport, chart, drawing::by_path, externals::ignored_externals, fanout::fanout},
};

/// The metrics whose distributions are drawn, each with its section's heading and what its samples are.
const DRAWN: [(&str, &str, &str); 3] = [
    ("connect_ms", "Connecting", "connections"),
    ("reconnect_ms", "Reconnecting", "reconnections"),
    ("message_ms", "Messages", "messages"),
];

/// The charts of one run as a piece of HTML, without the page around them: what the live page shows anew each second.
/// Headings in it begin at the third level.
pub fn charts(report: &RunReport) -> String {
    drawn(report, "run").into_string()
}

/// The same, with ids that begin with `prefix`.
pub(super) fn drawn(report: &RunReport, prefix: &str) -> Markup {
    let timeline = chart::timeline(&report.timeline, report.is_virtual());
    let strip = chart::strip(&report.timeline, report.is_virtual());
    html! {
        div.charts {
            @if timeline.is_some() || strip.is_some() {
                section id={ (prefix) "-time" } {
                    h3 { "Over time" }
                    @for figure in timeline.iter().chain(&strip) { (figure.markup()) }
                }
            }
            @for (name, heading, samples) in DRAWN {
                @if let Some(whole) = whole(report, name) {
                    section id={ (prefix) "-" (name) } {
                        h3 { (heading) " " span.metric { (name) } }
                        (distribution(report, name, samples, whole))
                    }
                }
            }
            (outages(&report.metrics, prefix))
            @if let Some(sentences) = fanout(&report.metrics) {
                section id={ (prefix) "-fanout" } {
                    h3 { "Fan-out waste" }
                    @for sentence in sentences { p { (sentence) } }
                }
            }
            @if let Some(sentence) = ignored_externals(&report.metrics) {
                section id={ (prefix) "-externals" } {
                    h3 { "From outside" }
                    p { (sentence) }
                }
            }
        }
    }
}

/// Whether a metric has a section of its own.
pub(super) fn is_drawn(report: &RunReport, name: &str) -> bool {
    DRAWN.iter().any(|(drawn, ..)| *drawn == name) && whole(report, name).is_some()
}

fn whole<'a>(report: &'a RunReport, name: &str) -> Option<&'a Trend> {
    let trend = report.metrics.trends.get(&MetricKey::new(name))?;
    (trend.count() > 0).then_some(trend)
}

/// Histograms, by path where there are several, then the percentiles of all, then what connecting consists of.
fn distribution(report: &RunReport, name: &str, samples: &str, whole: &Trend) -> Markup {
    let paths = by_path(&report.metrics, name);
    let is_split = paths.len() > 1;
    let all = format!("How long {samples} took");
    html! {
        div.pair {
            @if is_split {
                @for (path, part) in &paths {
                    (chart::histogram(&format!("{all}, by {path}"), part, whole).markup())
                }
            } @else {
                (chart::histogram(&all, whole, whole).markup())
            }
            @let lines = if is_split { paths.clone() } else { vec![(samples, whole)] };
            (chart::percentiles(&format!("Percentiles of {samples}"), &lines).markup())
            @if name == "connect_ms" && let Some(phases) = chart::phases(&report.metrics) { (phases.markup()) }
        }
    }
}
