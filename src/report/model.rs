use crate::{
    base::{Instant, PeerId},
    metrics::{Slope, Snapshot, Timeline},
    verdict::invariants::InvariantResult,
};

/// Everything a report shows of one run. Reporters turn it into bytes and add nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// rtcstorm's own version.
    pub version: String,
    /// What was run.
    pub scenario: ScenarioLine,
    /// `local`, `live` or `sim`.
    pub world: String,
    /// Whom the peers talked to, as it may be shown: no tokens, no credentials; and by what protocol, if it is not the
    /// dashboard's.
    pub target: String,
    /// When the run began, by the wall clock.
    pub started_at: StartedAt,
    /// How long it took, in milliseconds of the run's own clock: virtual ones in a simulation.
    pub duration_ms: f64,
    /// What began before this, in milliseconds from the run's start, left no sample; `None`: there was no warm-up.
    pub warm_up_ms: Option<f64>,
    /// The threshold whose failure ended the run, as it was then.
    pub aborted: Option<AbortLine>,
    /// The hash of the bytes of `events.ndjson`, in a simulation; elsewhere no two runs have the same.
    pub log_hash: Option<u64>,
    /// What is the machine's.
    pub machine: MachineLine,
    /// What it came to.
    pub verdict: VerdictLine,
    /// All figures.
    pub metrics: Snapshot,
    /// In the order of the scenario.
    pub thresholds: Vec<ThresholdLine>,
    /// By number.
    pub invariants: Vec<InvariantResult>,
    /// What the generator itself used.
    pub generator: GeneratorLine,
    /// The first failures, in the order in which they happened.
    pub failures: Vec<FailureLine>,
    /// How many more there were.
    pub more_failures: u64,
    /// What it looked like from slice to slice of its time.
    pub timeline: Timeline,
    /// The command line that repeats the run, to be pasted.
    pub repeat: String,
    /// Where the run's files are.
    pub files: Vec<FileLine>,
}

impl RunReport {
    /// Whether its durations are virtual.
    pub fn is_virtual(&self) -> bool {
        self.world == "sim"
    }
}

/// Which scenario was run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScenarioLine {
    /// Its `name`.
    pub name: String,
    /// Its `about`, if it has one.
    pub about: Option<String>,
    /// The root seed.
    pub seed: u64,
    /// A hash of what was planned: two runs of one hash and seed did the same.
    pub hash: String,
}

/// The wall clock at the run's start, told by the edge of the program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StartedAt {
    /// As text (RFC 3339), shown as it is.
    pub text: String,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// Where and how long the run was played: what differs between two runs of one seed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MachineLine {
    /// Operating system and processor, as Rust names them.
    pub os: String,
    /// See `os`.
    pub arch: String,
    /// Cores that the process may use.
    pub cores: Option<usize>,
    /// How long the run took by the machine's clock, in milliseconds.
    pub took_ms: f64,
    /// The run's folder.
    pub folder: String,
}

/// The verdict of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictLine {
    /// In one word.
    pub word: VerdictWord,
    /// What the process exits with.
    pub exit_code: u8,
    /// Why it is no PASS, most important first; empty for a PASS.
    pub reasons: Vec<String>,
    /// Of an INVALID run, what spoils it, by names for programs.
    pub invalid_by: Vec<String>,
    /// What the reader should know and does not change the verdict.
    pub warnings: Vec<String>,
}

/// The verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictWord {
    /// Everything held.
    Pass,
    /// A threshold or an invariant did not.
    Fail,
    /// The run proves nothing: no samples, a saturated generator.
    Invalid,
    /// The user stopped it; what ran is reported.
    Interrupted,
    /// A threshold with `abortOnFail` stopped it.
    Aborted,
    /// A bug of rtcstorm's own.
    Error,
    /// The run did not come to its end: it was killed, or its log is cut off.
    Incomplete,
    /// It is under way.
    Running,
}

impl VerdictWord {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pass,
        Self::Fail,
        Self::Invalid,
        Self::Interrupted,
        Self::Aborted,
        Self::Error,
        Self::Incomplete,
        Self::Running,
    ];

    /// As it is printed: `PASS`, `FAIL`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
            Self::Interrupted => "INTERRUPTED",
            Self::Aborted => "ABORTED",
            Self::Error => "ERROR",
            Self::Incomplete => "INCOMPLETE",
            Self::Running => "RUNNING",
        }
    }
}

/// One threshold and what it was compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdLine {
    /// The metric with its tags: `reconnect_ms{path:rejoin}`.
    pub selector: String,
    /// As the scenario has it: `p(95)<2000`.
    pub expression: String,
    /// The figure that was compared, in the unit of the expression; infinite if it fell on a failure,
    /// `None` without samples.
    pub actual: Option<f64>,
    /// Whether it held.
    pub status: ThresholdStatus,
    /// Of one that has to hold in every window: how long they are, and which was the worst.
    pub window: Option<WindowLine>,
}

/// The windows of a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowLine {
    /// How long each is, in milliseconds.
    pub length_ms: f64,
    /// Where the one with the worst figure begins and ends, in milliseconds from the run's start; `None`: none had
    /// samples.
    pub worst_ms: Option<(f64, f64)>,
}

/// What ended a run.
#[derive(Debug, Clone, PartialEq)]
pub struct AbortLine {
    /// The threshold, as it was then.
    pub threshold: ThresholdLine,
    /// When that was, in milliseconds from the run's start.
    pub at_ms: f64,
}

/// What became of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThresholdStatus {
    /// It held.
    Passed,
    /// It did not.
    Failed,
    /// There was nothing to compare: the run is INVALID.
    NoSamples,
}

/// What the generator itself used. What the machine does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GeneratorLine {
    /// The highest use of processor time in any second, 100 for one core.
    pub cpu_percent: Option<f64>,
    /// The highest resident memory, in bytes.
    pub rss_bytes: Option<u64>,
    /// How resident memory grew, in bytes an hour of the run's time; `None` for a short run. It is the machine's:
    /// of a simulation it is no part of the verdict.
    pub rss_growth: Option<Slope>,
    /// The 99th percentile of `generator_lag_ms`, outside declared bursts.
    pub lag_ms_p99: Option<f64>,
    /// The 99th percentile of `event_loop_lag_ms`, outside declared bursts.
    pub event_loop_lag_ms_p99: Option<f64>,
    /// The most files that were open at a time.
    pub open_files: Option<u64>,
    /// How many may be.
    pub open_files_allowed: Option<u64>,
}

/// One failure, attributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureLine {
    /// Whose it is; `None` for the run's own.
    pub peer: Option<PeerId>,
    /// The other end of the link, if it concerns one.
    pub remote: Option<PeerId>,
    /// When.
    pub at: Instant,
    /// What failed.
    pub what: String,
}

/// A file that the run has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// Its path as the reader may open it.
    pub path: String,
    /// What is in it.
    pub what: String,
}
