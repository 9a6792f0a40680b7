use maud::{Markup, html};

use crate::report::{RunRecord, RunReport, units};

/// Where, with what and how the run was made, and how to make it again.
pub(super) fn colophon(record: &RunRecord, prefix: &str) -> Markup {
    let RunRecord { launch, report, .. } = record;
    let machine = &report.machine;
    let cores = machine
        .cores
        .map_or(String::new(), |cores| format!(", {cores} cores"));
    let host = match machine.os.is_empty() {
        true => "-".to_owned(),
        false => format!("{} on {}{cores}", machine.os, machine.arch),
    };
    let took = units::duration(Some(report.duration_ms));
    let mut facts = vec![
        ("world", report.world.clone()),
        ("target", report.target.clone()),
        ("seed", report.scenario.seed.to_string()),
        ("scenario hash", report.scenario.hash.clone()),
        ("segment", launch.segment.clone()),
        ("started", report.started_at.text.clone()),
    ];
    match report.is_virtual() {
        true => facts.push((
            "duration",
            format!(
                "{took} of virtual time, played in {}",
                units::duration(Some(machine.took_ms))
            ),
        )),
        false => facts.push(("duration", took)),
    }
    facts.extend(report.log_hash.map(|hash| ("log", format!("{hash:016x}"))));
    facts.extend(launch.run_id.clone().map(|id| ("run id", id)));
    facts.push(("rtcstorm", report.version.clone()));
    facts.push(("machine", host));
    facts.extend(generator(report).map(|used| ("the generator itself", used)));
    html! {
        section id={ (prefix) "-again" } {
            h3 { "How it was made" }
            dl.facts { @for (name, fact) in facts { div { dt { (name) } dd { (fact) } } } }
            @if !report.repeat.is_empty() {
                h4 { "Again" }
                pre.command tabindex="0" { code { (report.repeat) } }
            }
            @if !report.files.is_empty() {
                h4 { "Files" }
                ul.files { @for file in &report.files { li { code { (file.path) } " " (file.what) } } }
            }
            @if !record.scenario.is_empty() {
                details {
                    summary { "The scenario" }
                    pre tabindex="0" { code { (record.scenario) } }
                }
            }
        }
    }
}

/// What the generator itself used, in the words of the terminal; `None` if nothing was measured.
fn generator(report: &RunReport) -> Option<String> {
    let used = report.generator;
    let cpu = used
        .cpu_percent
        .map(|cpu| format!("cpu {}%", units::number(cpu.round())));
    let memory = used.rss_bytes.map(|rss| format!("memory {}", units::bytes(rss)));
    let lag = used
        .lag_ms_p99
        .map(|lag| format!("lag p99 {}", units::duration(Some(lag))));
    let parts: Vec<String> = [cpu, memory, lag].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
