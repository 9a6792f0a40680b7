use super::{
    Diagnostics, Override, Scenario, ThresholdCheck,
    diagnostic::Diagnostic,
    fields::Reader,
    read::read_scenario,
    source::{SourceId, Sources, Span},
    tree,
};

/// Reads a scenario. `name` is shown in diagnostics: a path or the name of a bundled scenario.
///
/// # Errors
/// Every mistake in the text at once. Broken YAML hides what comes after it, and only that.
pub fn parse(name: &str, text: &str, thresholds: &dyn ThresholdCheck) -> Result<Scenario, Diagnostics> {
    Scenario::with_overrides(name, text, &[], thresholds)
}

impl Scenario {
    /// Reads a scenario with values put over those of its text, the last one winning. A mistake in an
    /// override is reported like one in the file, with the override's text as the source.
    ///
    /// # Errors
    /// Every mistake in the text and in the overrides at once.
    pub fn with_overrides(
        name: &str,
        text: &str,
        overrides: &[Override],
        thresholds: &dyn ThresholdCheck,
    ) -> Result<Self, Diagnostics> {
        let mut sources = Sources::default();
        let file = sources.add(name, text);
        let mut mistakes = Vec::new();
        let root = tree::read(&sources, file, &mut mistakes);
        let scenario = match root {
            Some(mut root) => {
                for each in overrides {
                    each.apply(&mut root, &mut sources, &mut mistakes);
                }
                let mut reader = Reader {
                    sources: &sources,
                    mistakes,
                };
                let scenario = read_scenario(&mut reader, &root, thresholds);
                mistakes = reader.mistakes;
                scenario
            }
            None => {
                if mistakes.is_empty() {
                    mistakes.push(empty(&sources, file));
                }
                None
            }
        };
        match (scenario, Diagnostics::new(mistakes)) {
            (_, Some(diagnostics)) => Err(diagnostics),
            (Some(scenario), None) => Ok(Self {
                hash: hash(text, overrides),
                ..scenario
            }),
            (None, None) => unreachable!("what can't be read has been reported"),
        }
    }
}

fn empty(sources: &Sources, file: SourceId) -> Diagnostic {
    let start = Span::new(file, 0, 0);
    Diagnostic::new(sources, start, "the scenario is empty".to_owned())
        .with_help("for example `{name: hello, rooms: {peers: 2}, steps: [join, {wait: connected}]}`")
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): tells scenarios apart in reports, withstands no attack. A seed and a URL
/// that are set from outside are not in it: reports tell them beside it, and runs of many seeds are of one scenario.
fn hash(text: &str, overrides: &[Override]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let is_apart = |set: &String| ["seed=", "target.url="].iter().any(|path| set.starts_with(path));
    let overrides = overrides.iter().map(Override::canonical);
    let overrides: Vec<String> = overrides.filter(|set| !is_apart(set)).collect();
    for part in std::iter::once(text).chain(overrides.iter().map(String::as_str)) {
        // 0xff is no byte of UTF-8: it keeps the parts apart.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_text_and_overrides_and_is_the_same_everywhere() {
        let set = |text| Override::set("--set", text);
        assert_eq!(hash("a", &[]), "089bc907b544c769");
        assert_ne!(hash("a", &[]), hash("a", &[set("rooms.count=1")]));
        assert_ne!(hash("a", &[set("b=1"), set("c=2")]), hash("a", &[set("b=1c=2")]));
        assert_eq!(
            hash("a", &[set("rooms.count=1")]),
            hash("a", &[Override::rooms("--rooms", "1")])
        );
        // Reports tell these beside the hash.
        for apart in [
            set("seed=1"),
            Override::seed("--seed", "1"),
            Override::url("--url", "ws://a"),
        ] {
            assert_eq!(hash("a", &[apart]), hash("a", &[]));
        }
    }
}
