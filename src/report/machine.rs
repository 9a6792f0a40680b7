//! `machine.json`, schema `rtcstorm.machine/1`: what differs between two runs of one seed of a simulation.

use serde::Serialize;

use super::{
    json::{Figure, Generator},
    launch::SegmentLaunch,
    model::RunReport,
};

/// The value of `schema`.
pub const SCHEMA: &str = "rtcstorm.machine/1";

#[derive(Serialize)]
struct Machine<'a> {
    schema: &'static str,
    version: &'a str,
    os: &'a str,
    arch: &'a str,
    cores: Option<usize>,
    folder: &'a str,
    started_at: &'a str,
    duration_ms: Figure,
    virtual_ms: Figure,
    generator: Generator,
    /// In bytes an hour of the run's time, with its interval.
    memory_growth: Option<Growth>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    segments: &'a [SegmentLaunch],
}

#[derive(Serialize)]
struct Growth {
    bytes_per_hour: Figure,
    low: Figure,
    high: Figure,
}

/// The whole file, indented, with a line feed at its end.
pub fn machine(report: &RunReport) -> Vec<u8> {
    merged(report, &[])
}

/// The same of a merged run, with the machines that have played its segments.
pub fn merged(report: &RunReport, segments: &[SegmentLaunch]) -> Vec<u8> {
    let machine = &report.machine;
    let told = Machine {
        schema: SCHEMA,
        version: &report.version,
        os: &machine.os,
        arch: &machine.arch,
        cores: machine.cores,
        folder: &machine.folder,
        started_at: &report.started_at.text,
        duration_ms: Figure(Some(machine.took_ms)),
        virtual_ms: Figure(report.is_virtual().then_some(report.duration_ms)),
        generator: Generator::of(report.generator),
        memory_growth: report.generator.rss_growth.map(|growth| Growth {
            bytes_per_hour: Figure(Some(growth.per_hour)),
            low: Figure(Some(growth.low)),
            high: Figure(Some(growth.high)),
        }),
        segments,
    };
    let mut bytes = serde_json::to_vec_pretty(&told).expect("its fields are all JSON");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn virtual_time_stands_beside_the_machines() {
        let mut report = samples::empty_run();
        report.duration_ms = 33_000.0;
        report.machine.took_ms = 250.5;
        let told = |report: &RunReport| -> serde_json::Value {
            serde_json::from_slice(&machine(report)).expect("JSON")
        };
        assert_eq!(told(&report)["virtual_ms"], serde_json::Value::Null);
        report.world = "sim".to_owned();
        assert_eq!(told(&report)["schema"], SCHEMA);
        assert_eq!(told(&report)["duration_ms"], 250.5);
        assert_eq!(told(&report)["virtual_ms"], 33_000.0);
    }
}
