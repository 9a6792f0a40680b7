use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::{
    report::{RunReport, VerdictWord, html, prometheus},
    verdict::ExitCode,
};

/// How things stood at one instant, as page and Prometheus show it.
pub(in crate::cli) struct View {
    /// Counts up with each that shows something else.
    pub number: u64,
    pub head: Head,
    /// Every run that is over, the one under way last; of two of one name in one world the newer.
    reports: Vec<Arc<RunReport>>,
    charts: OnceLock<String>,
    text: OnceLock<String>,
}

/// What stands above the charts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(in crate::cli) struct Head {
    /// The scenario's name.
    pub name: String,
    /// What it is about, if it says so.
    pub about: String,
    /// `RUNNING`, or the verdict.
    pub verdict: &'static str,
    /// How far it is.
    pub line: String,
    /// Why it is no PASS.
    pub reasons: Vec<String>,
    /// The scenarios that are over, with their verdicts, if there are several.
    pub ended: Vec<(String, &'static str)>,
    /// Said when nothing comes any more.
    pub over: Option<String>,
}

impl View {
    pub fn new(
        number: u64,
        scenarios: usize,
        ended: &[Arc<RunReport>],
        current: Option<Arc<RunReport>>,
        over: Option<ExitCode>,
    ) -> Self {
        let shown = current.as_deref().or(ended.last().map(Arc::as_ref));
        let head = Head {
            name: shown.map_or_else(String::new, |run| run.scenario.name.clone()),
            about: shown
                .and_then(|run| run.scenario.about.clone())
                .unwrap_or_default(),
            verdict: shown.map_or("", |run| run.verdict.word.as_str()),
            line: shown.map_or_else(String::new, line),
            reasons: shown.map_or_else(Vec::new, |run| run.verdict.reasons.clone()),
            ended: match scenarios {
                1 => Vec::new(),
                _ => ended
                    .iter()
                    .map(|run| (run.scenario.name.clone(), run.verdict.word.as_str()))
                    .collect(),
            },
            over: over.map(|code| {
                let of = match (scenarios, ended.len()) {
                    (1, 1) => "The run is over.".to_owned(),
                    (all, ran) if all == ran => format!("All {all} runs are over."),
                    (all, ran) => format!("Ended after {ran} of {all} runs."),
                };
                format!("{of} Exit code {}.", code.number())
            }),
        };
        let mut reports: Vec<Arc<RunReport>> = Vec::new();
        for run in ended.iter().cloned().chain(current) {
            reports.retain(|known| known.scenario.name != run.scenario.name || known.world != run.world);
            reports.push(run);
        }
        Self {
            number,
            head,
            reports,
            charts: OnceLock::new(),
            text: OnceLock::new(),
        }
    }

    pub fn shows_the_same(&self, other: &Self) -> bool {
        let mut pairs = self.reports.iter().zip(&other.reports);
        self.head == other.head
            && self.reports.len() == other.reports.len()
            && pairs.all(|(one, two)| Arc::ptr_eq(one, two) || one == two)
    }

    /// The charts of the newest run, as HTML; made when somebody wants them.
    pub fn charts(&self) -> &str {
        self.charts
            .get_or_init(|| self.report().map_or_else(String::new, html::charts))
    }

    pub fn is_over(&self) -> bool {
        self.head.over.is_some()
    }

    /// The newest report.
    pub fn report(&self) -> Option<&RunReport> {
        self.reports.last().map(Arc::as_ref)
    }

    /// All of them, the newest last.
    pub fn reports(&self) -> &[Arc<RunReport>] {
        &self.reports
    }

    /// All reports, for Prometheus.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| prometheus::text(&self.all()))
    }

    /// The same with native histograms.
    pub fn protobuf(&self) -> Vec<u8> {
        prometheus::protobuf(&self.all())
    }

    fn all(&self) -> Vec<&RunReport> {
        self.reports.iter().map(Arc::as_ref).collect()
    }
}

fn line(run: &RunReport) -> String {
    let number = |n: u64, one: &str, many: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    let seconds = run.duration_ms / 1e3;
    let time = match run.is_virtual() {
        true => format!("{seconds:.1} s of virtual time"),
        false => format!("{seconds:.1} s"),
    };
    let failures = run.failures.len() as u64 + run.more_failures;
    let failures = match failures {
        0 => "no failures".to_owned(),
        n => number(n, "failure", "failures"),
    };
    let messages: u64 = run.timeline.slices.iter().map(|slice| slice.messages).sum();
    let messages = number(messages, "message", "messages");
    let seed = run.scenario.seed;
    let world = &run.world;
    if run.verdict.word != VerdictWord::Running {
        return format!("{time}, {messages}, {failures}; seed {seed}, world {world}");
    }
    let now = run.timeline.slices.last().copied().unwrap_or_default();
    let peers = number(u64::from(now.peers_joined), "peer joined", "peers joined");
    let links = number(u64::from(now.links_open), "link open", "links open");
    format!("{time}, {peers}, {links}, {messages}, {failures}; seed {seed}, world {world}")
}
