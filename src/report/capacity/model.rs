use crate::capacity::{Knee, Limit, Outcome};

/// Everything that is told of one search.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacityReport {
    /// rtcstorm's own version.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// Whom the peers talked to, without secrets.
    pub target: String,
    /// When it began, by the wall clock.
    pub started_at: String,
    /// Where the generator ran: `linux x86_64, 2 cores`.
    pub machine: String,
    /// What had to hold, each as `connect_ms: p(95)<2000`.
    pub metrics: Vec<String>,
    /// What the 95th percentile of `connect_ms` has to be below, if that is asked for.
    pub p95_below_ms: Option<f64>,
    /// Peers that one unit of load is.
    pub unit: u32,
    /// What is raised: `rooms` or `peers` in each room.
    pub raised: &'static str,
    /// How often each end of the interval is tried.
    pub tries: u32,
    /// Every run, in its order.
    pub steps: Vec<StepLine>,
    /// In units of load.
    pub knee: Knee,
    /// The user has ended it early.
    pub interrupted: bool,
    /// The command line that does the same again.
    pub repeat: String,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLine {
    /// Units of load.
    pub load: u32,
    /// In all rooms.
    pub peers: u32,
    /// Its seed.
    pub seed: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// What each of the metrics was, in their order; infinite where it falls on a failure.
    pub actual: Vec<Option<f64>>,
    /// The 95th percentile of `connect_ms`.
    pub connect_ms_p95: Option<f64>,
    /// `connect_failed`.
    pub failed: Option<f64>,
    /// The most that the generator used in a second, 100 for one core.
    pub generator_cpu_percent: Option<f64>,
    /// How late its steps began at the 99th percentile.
    pub generator_lag_ms_p99: Option<f64>,
    /// The most that the server used in a second, 100 for one core.
    pub server_cpu_percent: Option<f64>,
    /// Why it did not hold.
    pub reasons: Vec<String>,
    /// Where its files are.
    pub folder: String,
}

impl StepLine {
    /// `held`, `broke`, `saturated` or `unproven`.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Held => "held",
            Outcome::Broke => "broke",
            Outcome::Saturated => "saturated",
            Outcome::Unproven => "unproven",
        }
    }
}

impl CapacityReport {
    /// So many units as peers.
    pub fn peers(&self, load: u32) -> u32 {
        load.saturating_mul(self.unit)
    }

    /// `server`, `generator`, `neither` or `unproven`.
    pub fn limit(&self) -> &'static str {
        match self.knee.limit {
            Limit::Server => "server",
            Limit::Generator => "generator",
            Limit::Neither => "neither",
            Limit::Unproven => "unproven",
        }
    }

    /// Where the knee lies, in a sentence.
    pub fn found(&self) -> String {
        let (holds, breaks) = (
            self.knee.holds.map(|load| self.peers(load)),
            self.knee.breaks.map(|load| self.peers(load)),
        );
        let times = match self.tries {
            1 => "once".to_owned(),
            tries => format!("{tries} times of {tries}"),
        };
        match (holds, breaks) {
            _ if self.steps.is_empty() => "Nothing was measured.".to_owned(),
            (Some(holds), Some(breaks)) => {
                format!("Up to {holds} peers everything held, {times}; with {breaks} it did not, {times}.")
            }
            (Some(holds), None) if self.knee.limit == Limit::Neither => {
                format!("Everything held, up to {holds} peers, the largest load: the knee is farther up.")
            }
            (Some(holds), None) if self.knee.limit == Limit::Unproven => {
                format!("Up to {holds} peers everything held, {times}; of more nothing could be proved.")
            }
            (Some(holds), None) => {
                format!("Up to {holds} peers everything held, {times}; farther up no load failed as often.")
            }
            (None, Some(breaks)) => {
                format!("With {breaks} peers it did not hold, {times}, and no smaller load held as often.")
            }
            (None, None) if self.knee.limit == Limit::Unproven => {
                "Too many runs proved nothing: where the knee lies is not known.".to_owned()
            }
            (None, None) => "No load did the same often enough to be told.".to_owned(),
        }
    }

    /// Whose end that is, in a sentence; nothing if nothing was measured.
    pub fn whose(&self) -> &'static str {
        match self.knee.limit {
            _ if self.steps.is_empty() => "",
            Limit::Server => {
                "It is the server's: the generator was within its own limits when the figures were not."
            }
            Limit::Generator => {
                "It is the generator's, not the server's: the generator was at its own limits. Of the server it is known only that it bears what held. Use more cores, or more machines with `--segment K/N`."
            }
            Limit::Neither => "Nobody came to an end.",
            Limit::Unproven => {
                "Whose end it would be can't be told: runs proved nothing, and not for their generator, so the search ended. Each says why."
            }
        }
    }
}
