//! The command line: see `rtcstorm help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rtcstorm::cli::main()
}
