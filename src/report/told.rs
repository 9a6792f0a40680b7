//! What a `summary.json` says of its run as a whole, read again.

use serde::Deserialize;
use serde_json::Value;

use super::{
    json,
    model::{AbortLine, ThresholdLine, ThresholdStatus, VerdictLine, VerdictWord, WindowLine},
};

/// What a summary said of the run as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What it was found to be.
    pub verdict: VerdictLine,
    /// How long it took, in milliseconds of its own clock.
    pub took_ms: f64,
    /// The threshold that ended it, if one did.
    pub aborted: Option<AbortLine>,
}

/// Reads what a summary said of the run as a whole.
///
/// # Errors
/// In words, if it is none, or none of this schema.
pub fn verdict_of(summary: &[u8]) -> Result<Told, String> {
    let head: Head = serde_json::from_slice(summary).map_err(|error| error.to_string())?;
    if head.schema != json::SCHEMA {
        return Err(format!("its schema is `{}`, not `{}`", head.schema, json::SCHEMA));
    }
    let word = VerdictWord::ALL
        .into_iter()
        .find(|word| json::verdict(*word) == head.verdict)
        .ok_or_else(|| format!("its verdict is `{}`", head.verdict))?;
    let verdict = VerdictLine {
        word,
        exit_code: head.exit_code,
        reasons: head.reasons,
        invalid_by: head.invalid_by,
        warnings: head.warnings,
    };
    Ok(Told {
        verdict,
        took_ms: head.took_ms,
        aborted: head.aborted.map(AbortedHead::line),
    })
}

#[derive(Deserialize)]
struct Head {
    schema: String,
    verdict: String,
    exit_code: u8,
    reasons: Vec<String>,
    #[serde(default)]
    invalid_by: Vec<String>,
    warnings: Vec<String>,
    #[serde(alias = "virtual_ms", alias = "duration_ms")]
    took_ms: f64,
    aborted: Option<AbortedHead>,
}

/// What a summary has under `aborted`.
#[derive(Deserialize)]
struct AbortedHead {
    at_ms: f64,
    selector: String,
    expression: String,
    /// A number, or `"inf"`.
    actual: Value,
    window: Option<WindowHead>,
}

#[derive(Deserialize)]
struct WindowHead {
    length_ms: f64,
    from_ms: Option<f64>,
    until_ms: Option<f64>,
}

impl AbortedHead {
    fn line(self) -> AbortLine {
        AbortLine {
            at_ms: self.at_ms,
            threshold: ThresholdLine {
                selector: self.selector,
                expression: self.expression,
                actual: match &self.actual {
                    Value::String(_) => Some(f64::INFINITY),
                    figure => figure.as_f64(),
                },
                status: ThresholdStatus::Failed,
                window: self.window.map(|window| WindowLine {
                    length_ms: window.length_ms,
                    worst_ms: window.from_ms.zip(window.until_ms),
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn what_was_written_is_what_is_told() {
        let mut report = samples::busy_run();
        let worst = ThresholdLine {
            actual: Some(f64::INFINITY),
            window: Some(WindowLine {
                length_ms: 5_000.0,
                worst_ms: Some((5_000.0, 10_000.0)),
            }),
            status: ThresholdStatus::Failed,
            ..report.thresholds[0].clone()
        };
        report.aborted = Some(AbortLine {
            threshold: worst,
            at_ms: 10_000.0,
        });
        report.verdict.invalid_by = vec!["saturated".to_owned()];
        let told = Told {
            verdict: report.verdict.clone(),
            took_ms: report.duration_ms,
            aborted: report.aborted.clone(),
        };
        assert_eq!(verdict_of(&json::summary(&report)), Ok(told));
    }

    #[test]
    fn what_is_no_summary_says_why() {
        let told = |text: &str| verdict_of(text.as_bytes()).expect_err("it is none");
        assert!(told("{").contains("EOF"));
        let other = String::from_utf8(json::summary(&samples::empty_run())).expect("text");
        assert!(told(&other.replace(json::SCHEMA, "rtcstorm.summary/9")).contains("summary/9"));
        assert!(told(&other.replace("\"interrupted\"", "\"splendid\"")).contains("splendid"));
    }
}
