use super::{RunRecord, Wanted, csv, dump, html, json, junit, markdown, signaling, trace};

/// What a report can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A page for people: one file that needs nothing else.
    Html,
    /// JUnit XML, for CI systems.
    Junit,
    /// For a pull request or a job's summary.
    Markdown,
    /// The metrics, a line each.
    Csv,
    /// `summary.json`.
    Json,
    /// A webrtc-internals dump, for its viewers.
    Dump,
    /// A trace, for Perfetto.
    Trace,
    /// What went through signaling, as text.
    Signaling,
}

impl Format {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Html,
        Self::Junit,
        Self::Markdown,
        Self::Csv,
        Self::Json,
        Self::Dump,
        Self::Trace,
        Self::Signaling,
    ];

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Dump => "dump",
            Self::Trace => "trace",
            Self::Signaling => "signaling",
        }
    }

    /// What its file is called if nobody says otherwise.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Html => "report.html",
            Self::Junit => "junit.xml",
            Self::Markdown => "report.md",
            Self::Csv => "metrics.csv",
            Self::Json => "report.json",
            Self::Dump => "webrtc-internals.json",
            Self::Trace => "trace.json",
            Self::Signaling => "signaling.txt",
        }
    }

    /// What is in it, for the summary.
    pub fn about(self) -> &'static str {
        match self {
            Self::Html => "the report, for a browser",
            Self::Junit => "thresholds and invariants, for CI systems",
            Self::Markdown => "the report, for a pull request",
            Self::Csv => "the metrics, for a spreadsheet",
            Self::Json => "all figures",
            Self::Dump => "connections, for viewers of webrtc-internals dumps",
            Self::Trace => "what went on, for Perfetto",
            Self::Signaling => "what went through signaling",
        }
    }

    /// Which events of the runs it is made from.
    pub fn wanted(self) -> Wanted {
        match self {
            Self::Html | Self::Junit | Self::Markdown => Wanted::Failures,
            Self::Csv | Self::Json => Wanted::Figures,
            Self::Dump | Self::Trace | Self::Signaling => Wanted::All,
        }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// In words, if the format can't take these runs: too many, or too much of them.
    pub fn render(self, runs: &[RunRecord]) -> Result<Vec<u8>, String> {
        match self {
            Self::Html => html::page(runs),
            Self::Junit => junit::suites(runs),
            Self::Markdown => markdown::summary(runs),
            Self::Csv => csv::metrics(runs),
            Self::Json => json::summaries(runs),
            Self::Dump => dump::dump(runs),
            Self::Trace => trace::trace(runs),
            Self::Signaling => signaling::text(runs),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
                format!("the formats are {}", names.join(", "))
            })
    }
}
