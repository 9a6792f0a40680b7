use super::print_data;
use crate::{scenario, verdict::ExitCode};

/// `rtcstorm scenarios`: the bundled ones, with what they are about, those without messages, the faults and the known
/// races.
pub(super) fn scenarios() -> ExitCode {
    print_data(listed(scenario::bundled()));
    print_data("\nWithout messages, for SFUs, WHIP and WHEP as well (docs/PROTOCOLS.md):\n");
    print_data(listed(scenario::media()));
    print_data("\nFaults, one after the other (docs/FAULTS.md):\n");
    print_data(listed(scenario::faults()));
    print_data("\nKnown races, to be hunted (`rtcstorm hunt NAME --mutants`):\n");
    print_data(listed(scenario::races()));
    print_data("\nDescribed protocols, for `--protocol NAME` (docs/PROTOCOLS.md):\n");
    print_data(listed(scenario::described_protocols()));
    ExitCode::Pass
}

fn listed(scenarios: &[(&str, &str)]) -> String {
    let width = scenarios.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = scenarios.iter().map(|(name, text)| {
        let about = text
            .lines()
            .find_map(|line| line.strip_prefix("about:"))
            .unwrap_or("");
        format!("{name:width$}  {}\n", about.trim())
    });
    lines.collect()
}
