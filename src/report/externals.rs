//! Members from outside of the plan whom nobody wanted to meet.

use crate::metrics::{MetricKey, Snapshot};

/// In a sentence; `None` where there were none.
pub(super) fn ignored_externals(metrics: &Snapshot) -> Option<String> {
    let ignored = metrics.counters.get(&MetricKey::new("externals_ignored"));
    let ignored = ignored.copied().filter(|ignored| *ignored > 0)?;
    let members = match ignored {
        1 => "1 member from outside was ignored".to_owned(),
        _ => format!("{ignored} members from outside were ignored"),
    };
    Some(format!(
        "{members}: peers meet such where a step of their room waits for `external`, each up to 64."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_ignored_is_told_and_why() {
        let told = |ignored| {
            let mut metrics = Snapshot::default();
            metrics
                .counters
                .insert(MetricKey::new("externals_ignored"), ignored);
            ignored_externals(&metrics)
        };
        assert_eq!(told(0), None);
        assert_eq!(ignored_externals(&Snapshot::default()), None);
        let why = "peers meet such where a step of their room waits for `external`, each up to 64.";
        assert_eq!(told(1), Some(format!("1 member from outside was ignored: {why}")));
        assert_eq!(
            told(3),
            Some(format!("3 members from outside were ignored: {why}"))
        );
    }
}
