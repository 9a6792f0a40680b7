use super::CapacityReport;

const COLUMNS: [&str; 9] = [
    "peers",
    "seed",
    "outcome",
    "actual",
    "connect_ms_p95",
    "connect_failed",
    "generator_cpu_percent",
    "generator_lag_ms_p99",
    "server_cpu_percent",
];

/// `capacity.csv`: a row for each run, in its order. `actual` is of the first metric; a cell without a figure is empty,
/// and what falls on a failure is `inf`.
///
/// # Errors
/// Never: it is written to memory.
pub fn steps(report: &CapacityReport) -> Result<Vec<u8>, String> {
    let mut table = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let told = |error: csv::Error| error.to_string();
    table.write_record(COLUMNS).map_err(told)?;
    for step in &report.steps {
        let figures = [
            step.actual.first().copied().flatten(),
            step.connect_ms_p95,
            step.failed,
            step.generator_cpu_percent,
            step.generator_lag_ms_p99,
            step.server_cpu_percent,
        ];
        let row = [
            step.peers.to_string(),
            step.seed.to_string(),
            step.word().to_owned(),
        ];
        let figures = figures.map(|figure| figure.map(|value| value.to_string()).unwrap_or_default());
        table.write_record(row.iter().chain(&figures)).map_err(told)?;
    }
    table.into_inner().map_err(|error| error.to_string())
}
