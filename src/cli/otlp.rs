//! `--otlp`: what a run comes to, for an OpenTelemetry collector. A collector that is away costs nothing but a warning.

use std::{
    collections::BTreeSet,
    fmt, io,
    str::FromStr,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::Uri;
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
    time,
};

use super::{live::Board, readers::Shared};
use crate::{
    metrics::{JoinStories, RunEvent},
    net::post,
    plan::Plan,
    report::{
        Launch, RunReport, VerdictWord,
        otlp::{Traced, metrics, traces},
    },
    run::EventReader,
};

/// Between two reports.
const EVERY: Duration = Duration::from_secs(10);
/// How long the collector may take to answer.
const WITHIN: Duration = Duration::from_secs(5);
/// The same when the run is over and is waited for by somebody.
const WITHIN_AT_END: Duration = Duration::from_secs(2);
/// Failed joins that wait to be sent; more are counted.
const MAX_WAITING: usize = 256;
/// Failed joins that go into one request.
const MAX_AT_ONCE: usize = 64;
/// Where OpenTelemetry looks for headers to be sent along, as `name=value,name=value`.
pub(super) const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOBUF: &str = "application/x-protobuf";

/// A collector that takes OTLP over HTTP: `http://127.0.0.1:4318`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OtlpUrl(String);

impl FromStr for OtlpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "an http:// or https:// URL of a collector: http://127.0.0.1:4318".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let plain = uri.query().is_none() && !uri.authority().is_some_and(|host| host.as_str().contains('@'));
        if !known || uri.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        if !plain {
            return Err(format!(
                "no credentials and no query in it: headers go into {HEADERS}"
            ));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for OtlpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OtlpUrl {
    fn of(&self, signal: &str) -> Uri {
        let uri = format!("{}/v1/{signal}", self.0);
        uri.parse().expect("a path goes behind a URL without a query")
    }
}

/// Sends on a thread of its own, until [`Otlp::end`].
pub(super) struct Otlp {
    failed: mpsc::Sender<Traced>,
    end: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Looks for joins that fail. It has to read after whoever gathers.
pub(super) struct JoinReader {
    gathered: Shared,
    stories: JoinStories,
    plan: Arc<Plan>,
    launch: Launch,
    failed: mpsc::Sender<Traced>,
}

impl Otlp {
    /// Sends what is on the board, every 10 s.
    ///
    /// # Errors
    /// In words: the headers are none, or there is no thread.
    pub fn start(url: &OtlpUrl, board: Arc<Board>) -> Result<Self, String> {
        let headers = headers(&std::env::var(HEADERS).unwrap_or_default())?;
        let no_thread = |error: io::Error| format!("no thread to send from: {error}");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(no_thread)?;
        let (failed, waiting) = mpsc::channel(MAX_WAITING);
        let (end, ended) = watch::channel(false);
        let sender = Sender {
            url: url.clone(),
            headers,
            board,
            waiting,
            unsent: Vec::new(),
            done: BTreeSet::new(),
            warned: false,
        };
        let thread = std::thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || runtime.block_on(sender.send_until(ended)))
            .map_err(no_thread)?;
        Ok(Self { failed, end, thread })
    }

    /// What tells this of the joins of a run that fail.
    pub fn reader(&self, launch: &Launch, plan: Arc<Plan>, gathered: Shared) -> JoinReader {
        JoinReader {
            gathered,
            stories: JoinStories::default(),
            plan,
            launch: launch.clone(),
            failed: self.failed.clone(),
        }
    }

    /// Sends the rest, which takes a few seconds at most. Not to be called inside of a runtime.
    pub fn end(self) {
        self.end.send_replace(true);
        let _ = self.thread.join();
    }
}

impl EventReader for JoinReader {
    fn read(&mut self, event: &RunEvent) {
        self.stories.observe(event);
        let failed = self
            .gathered
            .with(|gathered| gathered.recorder.take_failed_joins());
        for join in failed.into_iter().flatten() {
            let peer = self.plan.peers.get(join.peer.index());
            // Where nobody takes them they are too many to be looked at, one by one.
            let _ = self.failed.try_send(Traced {
                version: self.launch.version.clone(),
                scenario: self.plan.scenario.clone(),
                world: self.launch.world.clone(),
                seed: self.launch.seed,
                started: Duration::from_millis(self.launch.started_at_unix_ms),
                room: peer.map(|peer| peer.room),
                story: self.stories.story(join, event.at),
            });
        }
    }
}

struct Sender {
    url: OtlpUrl,
    headers: Vec<(String, String)>,
    board: Arc<Board>,
    waiting: mpsc::Receiver<Traced>,
    unsent: Vec<Traced>,
    /// Runs whose last figures have arrived: by their start and name.
    done: BTreeSet<(u64, String)>,
    warned: bool,
}

impl Sender {
    async fn send_until(mut self, mut ended: watch::Receiver<bool>) {
        let mut every = time::interval_at(time::Instant::now() + EVERY, EVERY);
        every.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                _ = ended.wait_for(|ended| *ended) => break,
            }
            // The end does not wait for a collector that is slow.
            tokio::select! {
                () = self.send(WITHIN) => {}
                _ = ended.wait_for(|ended| *ended) => break,
            }
        }
        self.send(WITHIN_AT_END).await;
        if !self.unsent.is_empty() {
            eprintln!(
                "warning: --otlp {}: {} failed joins were not sent",
                self.url,
                self.unsent.len()
            );
        }
    }

    async fn send(&mut self, within: Duration) {
        let sent = self.try_to_send(within).await;
        if let Err(why) = sent
            && !self.warned
        {
            self.warned = true;
            eprintln!(
                "warning: --otlp {}: {why}; it is tried again, and the run goes on",
                self.url
            );
        }
    }

    async fn try_to_send(&mut self, within: Duration) -> Result<(), String> {
        let reports = self
            .board
            .view()
            .map_or_else(Vec::new, |view| view.reports().to_vec());
        for report in reports {
            let run = key(&report);
            if self.done.contains(&run) {
                continue;
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.post("metrics", metrics(&report, now), within).await?;
            if report.verdict.word != VerdictWord::Running {
                self.done.insert(run);
            }
        }
        while self.unsent.len() < MAX_WAITING
            && let Ok(failed) = self.waiting.try_recv()
        {
            self.unsent.push(failed);
        }
        while !self.unsent.is_empty() {
            let count = self.unsent.len().min(MAX_AT_ONCE);
            self.post("traces", traces(&self.unsent[..count]), within).await?;
            self.unsent.drain(..count);
        }
        Ok(())
    }

    async fn post(&self, signal: &str, body: Vec<u8>, within: Duration) -> Result<(), String> {
        post(&self.url.of(signal), PROTOBUF, &self.headers, body, within).await
    }
}

fn key(report: &RunReport) -> (u64, String) {
    (report.started_at.unix_ms, report.scenario.name.clone())
}

/// `name=value,name=value`.
fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (name.trim(), value.trim());
            let sound = name.parse::<hyper::header::HeaderName>().is_ok()
                && value.parse::<hyper::header::HeaderValue>().is_ok()
                && !value.is_empty();
            sound
                .then(|| (name.to_owned(), value.to_owned()))
                // What is in it may be a secret.
                .ok_or_else(|| format!("{HEADERS} is not like `name=value,name=value`"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_its_url() {
        let url: OtlpUrl = "http://127.0.0.1:4318/".parse().expect("it is one");
        assert_eq!(url.of("traces"), "http://127.0.0.1:4318/v1/traces");
        let url: OtlpUrl = "https://collector.example/otlp".parse().expect("it is one");
        assert_eq!(url.of("metrics").path(), "/otlp/v1/metrics");
        for wrong in [
            "",
            "127.0.0.1:4318",
            "grpc://127.0.0.1:4317",
            "http://",
            "http://a:b@c/",
            "http://a/?b",
        ] {
            assert!(wrong.parse::<OtlpUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_pairs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            headers("api-key=a=b, x=1,").as_deref(),
            Ok(&[pair("api-key", "a=b"), pair("x", "1")][..])
        );
        assert_eq!(headers(""), Ok(Vec::new()));
        for wrong in ["secret", "a b=c", "=x", "a="] {
            let refused = headers(wrong).expect_err(wrong);
            assert!(!refused.contains("secret"));
        }
    }
}
