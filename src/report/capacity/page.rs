use maud::{DOCTYPE, PreEscaped, html};

use super::CapacityReport;
use crate::report::{chart, html as report_page};

/// The search as a page: one file that needs nothing else.
pub fn page(report: &CapacityReport) -> Vec<u8> {
    let failed: Vec<_> = report
        .steps
        .iter()
        .filter(|step| !step.reasons.is_empty())
        .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Capacity: " (report.scenario) " – rtcstorm" }
                style { (PreEscaped(report_page::style())) }
            }
            body {
                header.top { h1 { "rtcstorm " span { "capacity" } } }
                main {
                    article.run {
                        header {
                            h2 { (report.scenario) " " span.seed { (report.metrics.join(", ")) } }
                            p.facts-line { (report.target) " · started " (report.started_at) " · " (report.machine) }
                        }
                        p.about { strong { (report.found()) } " " (report.whose()) }
                        @if report.interrupted {
                            p.about { "It was interrupted: this is of what was measured until then." }
                        }
                        @if !report.steps.is_empty() { section { (chart::curve(report).markup()) } }
                        @if !failed.is_empty() {
                            section {
                                h3 { "Why loads did not hold" }
                                ul.reasons {
                                    @for step in failed {
                                        li { (step.peers) " peers, seed " (step.seed) ": " (step.reasons.join("; ")) }
                                    }
                                }
                            }
                        }
                        section { h3 { "Again" } pre { code { (report.repeat) } } }
                    }
                }
                footer { p { "Made by rtcstorm. A failure counts as infinitely long." } }
            }
        }
    };
    page.into_string().into_bytes()
}
