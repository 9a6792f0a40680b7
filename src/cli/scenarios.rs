use super::print_data;
use crate::{scenario, verdict::ExitCode};

/// `rtcstorm scenarios`: the bundled ones, with what they are about.
pub(super) fn scenarios() -> ExitCode {
    let bundled = scenario::bundled();
    let width = bundled.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, text) in bundled {
        let about = text
            .lines()
            .find_map(|line| line.strip_prefix("about:"))
            .unwrap_or("");
        print_data(format!("{name:width$}  {}\n", about.trim()));
    }
    ExitCode::Pass
}
