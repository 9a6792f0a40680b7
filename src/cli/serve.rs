use std::process::ExitCode;

/// `rtcstorm serve`: the reference server, as its own binary runs it.
pub(super) fn serve(args: reference_server::cli::Args) -> ExitCode {
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(reference_server::cli::serve(args)),
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            crate::verdict::ExitCode::Bug.into()
        }
    }
}
