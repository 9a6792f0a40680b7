//! One run of a search for a knee, and what became of it.

use std::path::Path;

use serde_json::Value;

use super::{artifacts::SUMMARY, compare_runs::Trouble};
use crate::{capacity::Outcome, report::capacity::StepLine, verdict::CPU_LIMIT_PERCENT};

/// What is known of a run beside what it has written.
pub(super) struct Played<'a> {
    pub load: u32,
    pub peers: u32,
    pub seed: u64,
    pub folder: &'a Path,
    pub server_cpu_percent: Option<f64>,
    /// It uses the cores of this machine, too.
    pub server_is_here: bool,
    /// Those that this machine gives.
    pub cores: Option<usize>,
}

impl Played<'_> {
    /// Reads what the run has come to. A failure under a saturated generator is the generator's: the verdict has said so
    /// already.
    ///
    /// # Errors
    /// There is nothing that can be read, or the scenario does not measure what is asked for.
    pub fn step(&self) -> Result<StepLine, Trouble> {
        let path = self.folder.join(SUMMARY);
        let trouble = |what: String| {
            Trouble::new(
                format!("{}: {what}", path.display()),
                "look at the run's folder, or play it by itself with `rtcstorm run`",
            )
        };
        let bytes = std::fs::read(&path).map_err(|error| trouble(error.to_string()))?;
        let summary: Value = serde_json::from_slice(&bytes).map_err(|error| trouble(error.to_string()))?;
        self.read(&summary).map_err(trouble)
    }

    /// Why a figure that does not hold is the generator's, although its clocks were well: a short run is over before they
    /// suffer, while all cores are busy, most with the generator.
    fn used_up(&self, own: f64) -> Option<String> {
        let cores = self.cores? as f64;
        let server = self.server_cpu_percent.filter(|_| self.server_is_here);
        let server = server.unwrap_or(0.0);
        let is_used_up = own + server >= cores * CPU_LIMIT_PERCENT && own >= server;
        is_used_up.then(|| {
            format!(
                "all of the {cores} cores were busy, {own:.0} % with the generator and {server:.0} % with the server (100 for a core)"
            )
        })
    }

    fn read(&self, summary: &Value) -> Result<StepLine, String> {
        let mut reasons: Vec<String> = (summary["reasons"].as_array().into_iter().flatten())
            .filter_map(|reason| reason.as_str().map(str::to_owned))
            .collect();
        let thresholds = summary["thresholds"].as_array().map_or(&[][..], Vec::as_slice);
        if let Some(empty) = thresholds.iter().find(|line| line["status"] == "no_samples") {
            return Err(format!(
                "{} had no samples with {} peers: the scenario does not measure it",
                empty["selector"].as_str().unwrap_or("a metric"),
                self.peers
            ));
        }
        let generator_cpu_percent = number(&summary["generator"]["cpu_percent"]);
        let outcome = match summary["verdict"].as_str() {
            Some("pass") => Outcome::Held,
            Some("fail") => {
                let used_up = generator_cpu_percent.and_then(|own| self.used_up(own));
                let held_back = used_up.is_none().then(|| held_back(summary)).flatten();
                let outcome = match (&used_up, &held_back) {
                    (Some(_), _) => Outcome::Saturated,
                    (None, Some(_)) => Outcome::Unproven,
                    (None, None) => Outcome::Broke,
                };
                reasons.splice(..0, used_up.or(held_back));
                outcome
            }
            Some("invalid") => invalid(&summary["invalid_by"]),
            other => return Err(format!("the run ended as {}", other.unwrap_or("nothing"))),
        };
        let metric = |name: &str, figure: &str| number(&summary["metrics"][name][figure]);
        Ok(StepLine {
            load: self.load,
            peers: self.peers,
            seed: self.seed,
            outcome,
            actual: thresholds.iter().map(|line| number(&line["actual"])).collect(),
            connect_ms_p95: metric("connect_ms", "p95"),
            failed: metric("connect_failed", "value"),
            generator_cpu_percent,
            generator_lag_ms_p99: number(&summary["generator"]["lag_ms_p99"]),
            server_cpu_percent: self.server_cpu_percent,
            reasons,
            folder: self.folder.display().to_string(),
        })
    }
}

/// Why a figure that does not hold may be nobody's: sockets have waited for their turn, and it holds that wait.
fn held_back(summary: &Value) -> Option<String> {
    let waited = summary["counters"]["limits_hit{of:user}"].as_u64()?;
    Some(format!(
        "signaling sockets waited for their turn {waited} times: what did not hold may be that. A higher `--max-rate` would show the server"
    ))
}

/// What an INVALID run says of its load. A generator at its end is named only if that is all that is wrong with the run: of
/// evidence that was lost nobody knows what it would have told.
fn invalid(by: &Value) -> Outcome {
    let by = |name: &str| (by.as_array().into_iter().flatten()).any(|by| by == name);
    let is_lost = by("evidence_lost") || by("panicked") || by("server_commands_failed");
    match by("saturated") && !is_lost {
        true => Outcome::Saturated,
        false => Outcome::Unproven,
    }
}

/// A number, or `"inf"`.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) if text == "inf" => Some(f64::INFINITY),
        value => value.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn played() -> Played<'static> {
        Played {
            load: 5,
            peers: 20,
            seed: 7,
            folder: Path::new("out"),
            server_cpu_percent: Some(50.0),
            server_is_here: true,
            cores: Some(2),
        }
    }

    fn summary(verdict: &str, status: &str) -> Value {
        json!({
            "verdict": verdict,
            "reasons": ["why"],
            "thresholds": [{"selector": "connect_ms", "actual": "inf", "status": status}],
            "metrics": {"connect_ms": {"p95": "inf"}, "connect_failed": {"value": 0.5}},
            "generator": {"cpu_percent": 80.5, "lag_ms_p99": null},
        })
    }

    #[test]
    fn the_verdict_says_what_became_of_the_load() {
        for (verdict, outcome) in [
            ("pass", Outcome::Held),
            ("fail", Outcome::Broke),
            ("invalid", Outcome::Unproven),
        ] {
            let step = played().read(&summary(verdict, "failed")).expect("it is whole");
            assert_eq!(step.outcome, outcome);
            assert_eq!(
                (step.connect_ms_p95, step.failed),
                (Some(f64::INFINITY), Some(0.5))
            );
            assert_eq!(
                (step.generator_cpu_percent, step.generator_lag_ms_p99),
                (Some(80.5), None)
            );
        }
    }

    #[test]
    fn only_a_generator_at_its_end_is_called_the_generators_end() {
        for (by, outcome) in [
            (&["saturated"][..], Outcome::Saturated),
            (&["saturated", "load_not_offered"], Outcome::Saturated),
            (&["evidence_lost"], Outcome::Unproven),
            (&["evidence_lost", "saturated"], Outcome::Unproven),
            (&["server_commands_failed", "saturated"], Outcome::Unproven),
            (&["load_not_offered"], Outcome::Unproven),
        ] {
            let mut told = summary("invalid", "failed");
            told["invalid_by"] = json!(by);
            let step = played().read(&told).expect("it is whole");
            assert_eq!(step.outcome, outcome, "{by:?}");
        }
    }

    #[test]
    fn a_figure_that_breaks_where_all_cores_are_busy_is_the_generators_if_most_of_them_are() {
        let outcome = |generator: f64, server: f64, here: bool| {
            let mut told = summary("fail", "failed");
            told["generator"]["cpu_percent"] = json!(generator);
            let played = Played {
                server_cpu_percent: Some(server),
                server_is_here: here,
                ..played()
            };
            let step = played.read(&told).expect("it is whole");
            (step.outcome, step.reasons.len())
        };
        assert_eq!(outcome(187.0, 30.0, true), (Outcome::Saturated, 2));
        assert_eq!(outcome(185.0, 30.0, false), (Outcome::Saturated, 2));
        // Elsewhere it has cores of its own.
        assert_eq!(outcome(150.0, 190.0, false), (Outcome::Broke, 1));
        assert_eq!(outcome(95.0, 100.0, true), (Outcome::Broke, 1));
        assert_eq!(outcome(100.0, 50.0, true), (Outcome::Broke, 1));
    }

    #[test]
    fn what_broke_while_sockets_were_held_back_is_not_the_servers() {
        let mut told = summary("fail", "failed");
        told["counters"] = json!({ "limits_hit{of:user}": 7 });
        let step = played().read(&told).expect("it is whole");
        assert_eq!(step.outcome, Outcome::Unproven);
        assert!(
            step.reasons[0].contains("waited for their turn 7 times"),
            "{step:?}"
        );
        told["generator"]["cpu_percent"] = json!(195.0);
        assert_eq!(
            played().read(&told).expect("it is whole").outcome,
            Outcome::Saturated
        );
        let mut held = summary("pass", "passed");
        held["counters"] = json!({ "limits_hit{of:user}": 7 });
        assert_eq!(played().read(&held).expect("it is whole").outcome, Outcome::Held);
    }

    #[test]
    fn what_says_nothing_of_the_load_ends_the_search() {
        let told = played()
            .read(&summary("invalid", "no_samples"))
            .expect_err("nothing is measured");
        assert!(told.contains("connect_ms had no samples with 20 peers"), "{told}");
        let told = played()
            .read(&summary("aborted", "failed"))
            .expect_err("it is not whole");
        assert!(told.contains("aborted"), "{told}");
    }
}
