use super::print_data;
use crate::{
    metrics::CATALOGUE,
    scenario::{self, MetricWords},
    verdict::{ExitCode, Threshold},
};

/// `rtcstorm schema`: the language, with the metrics there are.
pub(super) fn schema() -> ExitCode {
    let metrics = CATALOGUE.iter().map(|metric| MetricWords {
        name: metric.name,
        about: metric.definition,
        kind: metric.kind.to_string(),
        conditions: Threshold::pattern(metric.kind),
    });
    let schema = scenario::schema(&metrics.collect::<Vec<_>>());
    print_data(format!("{schema:#}\n"));
    ExitCode::Pass
}
