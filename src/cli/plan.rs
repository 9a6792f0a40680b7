use super::{args::PlanArgs, load::load, print_data};
use crate::{plan, verdict::ExitCode};

/// `rtcstorm plan`: what every peer will do, as text or JSON.
pub(super) fn plan(args: &PlanArgs) -> ExitCode {
    let Some(loaded) = load(&args.scenario, &args.change, args.segment.segment, None) else {
        return ExitCode::Configuration;
    };
    if args.json {
        let json = serde_json::to_string_pretty(&loaded.plan).expect("a plan is plain data");
        print_data(format!("{json}\n"));
    } else {
        print_data(plan::show(&loaded.plan));
    }
    ExitCode::Pass
}
