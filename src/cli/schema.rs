use super::{
    args::{SchemaArgs, SchemaOf},
    print_data,
};
use crate::{
    metrics::CATALOGUE,
    report::schemas,
    scenario::{self, MetricWords},
    verdict::{ExitCode, Threshold},
};

/// `rtcstorm schema`: the language, or what a command writes.
pub(super) fn schema(args: &SchemaArgs) -> ExitCode {
    match args.of {
        SchemaOf::Scenario => language(),
        SchemaOf::Summary => print_data(schemas::SUMMARY),
        SchemaOf::Machine => print_data(schemas::MACHINE),
        SchemaOf::Run => print_data(schemas::RUN),
        SchemaOf::Event => print_data(schemas::EVENT),
        SchemaOf::Comparison => print_data(schemas::COMPARISON),
        SchemaOf::Capacity => print_data(schemas::CAPACITY),
    }
    ExitCode::Pass
}

/// With the metrics there are.
fn language() {
    let metrics = CATALOGUE.iter().map(|metric| MetricWords {
        name: metric.name,
        about: metric.definition,
        kind: metric.kind.to_string(),
        conditions: Threshold::pattern(metric.kind),
    });
    let schema = scenario::schema(&metrics.collect::<Vec<_>>());
    print_data(format!("{schema:#}\n"));
}
