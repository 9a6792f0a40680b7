use maud::{Markup, html};

use crate::{
    metrics::{Metric, MetricKey, Trend},
    report::{
        RunReport,
        tables::{HEAD, ORDER, figures, rows},
        units,
    },
};

/// Rows of each table.
const MAX_ROWS: usize = 150;

/// The id of a metric's row; `None` if it has none.
pub(super) fn row_id(report: &RunReport, prefix: &str, name: &str) -> Option<String> {
    let key = MetricKey::new(name);
    let metrics = &report.metrics;
    let is_there = metrics.trends.contains_key(&key)
        || metrics.rates.contains_key(&key)
        || metrics.counters.contains_key(&key);
    is_there.then(|| format!("{prefix}-figures-{name}"))
}

/// All metrics, as the terminal shows them.
pub(super) fn tables(report: &RunReport, prefix: &str) -> Markup {
    let metrics = &report.metrics;
    let mut trends: Vec<(&MetricKey, &Trend)> = rows(&metrics.trends);
    trends.sort_by_key(|(key, _)| {
        ORDER
            .iter()
            .position(|name| *name == key.name)
            .unwrap_or(ORDER.len())
    });
    let rates = rows(&metrics.rates);
    let counters = rows(&metrics.counters);
    let id = |key: &MetricKey| {
        key.tags
            .is_empty()
            .then(|| format!("{prefix}-figures-{}", key.name))
    };
    html! {
        section id={ (prefix) "-figures" } {
            h3 { "All figures" }
            @if trends.is_empty() { p.about { "no samples" } } @else {
                details open[true] {
                    summary { "Durations" }
                    div.scroll tabindex="0" role="region" aria-label="Durations" {
                        table.figures {
                            caption.unseen { "Durations; failures count as infinitely long" }
                            thead { tr { th scope="col" { "metric" } @for head in HEAD { th scope="col" { (head) } } } }
                            tbody {
                                @for (key, trend) in trends.iter().take(MAX_ROWS) {
                                    tr id=[id(key)] {
                                        (heading(key))
                                        @for (nth, figure) in figures(trend).iter().enumerate() {
                                            td class=[(nth == 8 && trend.failed() > 0).then_some("mark bad")] { (figure) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                    (more(trends.len()))
                }
            }
            @if !rates.is_empty() {
                details open[true] {
                    summary { "Rates" }
                    div.scroll tabindex="0" role="region" aria-label="Rates" {
                        table.figures {
                            caption.unseen { "Rates" }
                            thead { tr { th scope="col" { "metric" } th scope="col" { "share" } th scope="col" { "cases" } } }
                            tbody {
                                @for (key, rate) in rates.iter().take(MAX_ROWS) {
                                    tr id=[id(key)] { (heading(key)) td { (units::percent(rate.value())) } td { (rate.hits) " of " (rate.total) } }
                                }
                            }
                        }
                    }
                    (more(rates.len()))
                }
            }
            @if !counters.is_empty() {
                details {
                    summary { "Counters" }
                    div.scroll tabindex="0" role="region" aria-label="Counters" {
                        table.figures {
                            caption.unseen { "Counters" }
                            thead { tr { th scope="col" { "metric" } th scope="col" { "count" } } }
                            tbody {
                                @for (key, count) in counters.iter().take(MAX_ROWS) { tr id=[id(key)] { (heading(key)) td { (count) } } }
                            }
                        }
                    }
                    (more(counters.len()))
                }
            }
        }
    }
}

/// A whole metric by its name, with its definition to hover over; a part of it by its tags.
fn heading(key: &MetricKey) -> Markup {
    let definition = Metric::named(&key.name).map(|metric| metric.definition);
    let full = key.to_string();
    let tags = full.strip_prefix(&key.name).filter(|tags| !tags.is_empty());
    html! {
        @match tags {
            Some(tags) => th.part scope="row" title=(full) { span.unseen { (key.name) } (tags) },
            None => th scope="row" title=[definition] { (full) },
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > MAX_ROWS { p.more { "and " (all - MAX_ROWS) " more: see summary.json" } } }
}
