use maud::{Markup, html};

use crate::{
    metrics::{Outage, OutageKey, Snapshot},
    report::outages::{FAULTS, PATHS, REST, cells},
};

/// Rows of the matrix.
const MAX_ROWS: usize = 100;

/// What faults came to, by cause and planned length: the share of links that came back by each path, as text and as the
/// cell's shade.
pub(super) fn outages(metrics: &Snapshot, prefix: &str) -> Markup {
    let all = metrics.outages.len();
    html! {
        @if all > 0 {
            section id={ (prefix) "-outages" } {
                h3 { "Outages" }
                p.about {
                    "Which share of the torn links came back by which path, how long that took from the fault's end, and which share of the messages due meanwhile was lost. The longer a cell's bar, the larger its share."
                }
                div.scroll tabindex="0" role="region" aria-label="Outages" {
                    table.matrix {
                        caption.unseen { "Outages by cause and planned length" }
                        thead {
                            tr {
                                th scope="col" { "cause" }
                                th scope="col" { "length" }
                                th scope="col" { (FAULTS) }
                                @for (head, _) in PATHS { th scope="col" { (head) } }
                                @for head in REST { th scope="col" { (head) } }
                            }
                        }
                        tbody { @for (key, outage) in metrics.outages.iter().take(MAX_ROWS) { (row(key, outage)) } }
                    }
                }
                @if all > MAX_ROWS { p.more { "and " (all - MAX_ROWS) " more: see summary.json" } }
            }
        }
    }
}

fn row(key: &OutageKey, outage: &Outage) -> Markup {
    let faults = outage.faults().max(1) as f64;
    let share = |count: u64| count as f64 / faults;
    let paths = PATHS.map(|(_, path)| (share(outage.recovered_by(path)), "mends"));
    let ends = [(share(outage.failed), "breaks"), (share(outage.abandoned), "cut")];
    let lost = (outage.messages.value().unwrap_or(0.0), "breaks");
    let mut shares = vec![None];
    shares.extend(paths.into_iter().chain(ends).map(Some));
    shares.extend([None, None, Some(lost)]);
    let length = super::super::outages::length(key);
    html! {
        tr {
            th scope="row" { (key.cause.name()) }
            td { (length) }
            @for (cell, share) in cells(outage).iter().zip(shares) {
                @match share {
                    Some((share, class)) if share > 0.0 => {
                        td class={ "share " (class) } style=(format!("--share:{:.0}%", (share * 100.0).clamp(2.0, 100.0))) { (cell) }
                    }
                    _ => td { (cell) },
                }
            }
        }
    }
}
