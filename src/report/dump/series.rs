use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::connection::{Connection, States, Traffic};
use crate::{base::Instant, metrics::CandidateKind, report::wall_clock::WallClock};

/// How far samples are apart, as in Chrome; a longer life has them at a multiple of it.
pub const PERIOD: Duration = Duration::from_secs(1);
/// Samples of a connection that is alone, as many as Chrome keeps.
pub const MAX_SAMPLES: u64 = 1_000;
/// Samples of all connections of a dump.
pub const MAX_SAMPLES_OF_ALL: u64 = 400_000;
/// However many connections there are, each has so many.
pub const MIN_SAMPLES: u64 = 50;

/// What is told where the stack knows an address.
const NO_ADDRESS: &str = "not recorded";

/// One figure of one object of `getStats()` over time.
#[derive(Debug, Serialize)]
pub struct Series {
    #[serde(rename = "startTime")]
    start_time: String,
    #[serde(rename = "endTime")]
    end_time: String,
    #[serde(rename = "statsType")]
    stats_type: &'static str,
    /// A JSON array, as text.
    values: String,
}

/// The series of a connection until `end`, by id and figure, as Chrome names them: `D1-messagesSent`. A figure has as
/// many values as its id's `timestamp`, or only a `null`.
pub fn series(
    connection: &Connection,
    remote_pair: Option<CandidateKind>,
    end: Instant,
    samples: u64,
    clock: WallClock,
) -> Vec<(String, Series)> {
    let ticks = ticks(connection.created, connection.closed.unwrap_or(end), samples);
    let samples: Vec<Sample> = ticks
        .iter()
        .map(|at| Sample {
            at: *at,
            states: known_at(&connection.states, *at).unwrap_or(connection.states[0].1),
            traffic: known_at(&connection.traffic, *at).unwrap_or_default(),
        })
        .collect();
    let mut all = Vec::new();
    let mut object = |id: &str, stats_type: &'static str, of: &[Sample], figures: &[Figure<'_>]| {
        if of.is_empty() {
            return;
        }
        let timestamps = of.iter().map(|sample| json!(clock.unix_ms(sample.at)));
        let timestamps: Vec<Value> = timestamps.collect();
        let mut add = |figure: &str, values: &[Value]| {
            let series = Series {
                start_time: clock.iso(of[0].at),
                end_time: clock.iso(of[of.len() - 1].at),
                stats_type,
                values: Value::from(values).to_string(),
            };
            all.push((format!("{id}-{figure}"), series));
        };
        add("timestamp", &timestamps);
        for (figure, value) in figures {
            match value {
                Some(value) => add(figure, &of.iter().map(value).collect::<Vec<Value>>()),
                // Viewers take it for the last value.
                None => add(figure, &[Value::Null]),
            }
        }
        for (figure, value, factor) in RATES.iter().filter(|_| stats_type == "data-channel") {
            let begin = [Value::from(0)];
            let rates = of.windows(2).map(|two| {
                let seconds = two[1].at.since(two[0].at).as_secs_f64();
                let by = value(&two[1].traffic) - value(&two[0].traffic);
                json!(((by * factor) as f64 / seconds * 1_000.0).round() / 1_000.0)
            });
            let rates: Vec<Value> = begin.into_iter().chain(rates).collect();
            add(figure, &rates);
        }
    };
    object("P", "peer-connection", &samples, &peer_connection());
    object("T01", "transport", &samples, &transport());
    object("D1", "data-channel", &samples, &data_channel());
    let first = samples.iter().position(|sample| sample.states.pair.is_some());
    let paired = first.map_or(&[][..], |first| &samples[first..]);
    object(PAIR, "candidate-pair", paired, &pair());
    object(LOCAL, "local-candidate", paired, &candidate(None));
    object(REMOTE, "remote-candidate", paired, &candidate(Some(remote_pair)));
    all
}

/// The beginning, then every period, then the end.
fn ticks(from: Instant, until: Instant, samples: u64) -> Vec<Instant> {
    let lasts = until.since(from);
    let periods = u64::try_from(lasts.as_micros().div_ceil(PERIOD.as_micros())).unwrap_or(u64::MAX);
    let period = PERIOD.as_secs().saturating_mul(periods.div_ceil(samples).max(1));
    let period = Duration::from_secs(period);
    let mut ticks = vec![from];
    let mut next = from + period;
    while next < until {
        ticks.push(next);
        next += period;
    }
    if until > from {
        ticks.push(until);
    }
    ticks
}

/// The last of what was known by then.
fn known_at<T: Copy>(changes: &[(Instant, T)], at: Instant) -> Option<T> {
    let known = changes.partition_point(|(then, _)| *then <= at);
    known.checked_sub(1).map(|last| changes[last].1)
}

struct Sample {
    at: Instant,
    states: States,
    traffic: Traffic,
}

/// A figure and its value in a sample; `None` is what only the stack knows.
type Figure<'a> = (&'static str, Option<Box<dyn Fn(&Sample) -> Value + 'a>>);

const PAIR: &str = "CPlocal_remote";
const LOCAL: &str = "Ilocal";
const REMOTE: &str = "Iremote";

/// A rate's name, what it is the rate of, and the factor to its unit.
type Rate = (&'static str, fn(&Traffic) -> u64, u64);

/// Chrome computes these from the figures before.
const RATES: [Rate; 4] = [
    ("[messagesSent/s]", |traffic| traffic.messages_sent, 1),
    ("[messagesReceived/s]", |traffic| traffic.messages_received, 1),
    ("[bytesSent_in_bits/s]", |traffic| traffic.bytes_sent, 8),
    ("[bytesReceived_in_bits/s]", |traffic| traffic.bytes_received, 8),
];

fn always<'a>(name: &'static str, value: Value) -> Figure<'a> {
    figure(name, move |_| value.clone())
}

fn figure<'a>(name: &'static str, of: impl Fn(&Sample) -> Value + 'a) -> Figure<'a> {
    (name, Some(Box::new(of)))
}

/// What only the stack knows.
fn unknown<'a>(names: &[&'static str]) -> Vec<Figure<'a>> {
    names.iter().map(|name| (*name, None)).collect()
}

fn peer_connection<'a>() -> Vec<Figure<'a>> {
    vec![
        figure("dataChannelsOpened", |s| s.states.channels_opened.into()),
        figure("dataChannelsClosed", |s| s.states.channels_closed.into()),
    ]
}

fn transport<'a>() -> Vec<Figure<'a>> {
    let mut figures = vec![
        figure("dtlsState", |s| s.states.dtls.into()),
        figure("iceState", |s| s.states.ice.into()),
        figure("selectedCandidatePairId", |s| {
            s.states.pair.map_or(Value::Null, |_| PAIR.into())
        }),
    ];
    figures.extend(unknown(&[
        "bytesSent",
        "bytesReceived",
        "packetsSent",
        "packetsReceived",
        "selectedCandidatePairChanges",
    ]));
    figures
}

fn data_channel<'a>() -> Vec<Figure<'a>> {
    vec![
        always("label", "chat".into()),
        always("protocol", "".into()),
        ("dataChannelIdentifier", None),
        figure("state", |s| s.states.channel.into()),
        figure("messagesSent", |s| s.traffic.messages_sent.into()),
        figure("bytesSent", |s| s.traffic.bytes_sent.into()),
        figure("messagesReceived", |s| s.traffic.messages_received.into()),
        figure("bytesReceived", |s| s.traffic.bytes_received.into()),
    ]
}

fn pair<'a>() -> Vec<Figure<'a>> {
    let mut figures = vec![
        always("transportId", "T01".into()),
        always("localCandidateId", LOCAL.into()),
        always("remoteCandidateId", REMOTE.into()),
        always("nominated", true.into()),
        figure("state", |s| match s.states.ice {
            "failed" => "failed".into(),
            _ => "succeeded".into(),
        }),
    ];
    figures.extend(unknown(&[
        "priority",
        "bytesSent",
        "bytesReceived",
        "packetsSent",
        "packetsReceived",
        "requestsSent",
        "consentRequestsSent",
        "responsesReceived",
        "requestsReceived",
        "responsesSent",
        "currentRoundTripTime",
        "totalRoundTripTime",
        "availableOutgoingBitrate",
    ]));
    figures
}

/// `remote`: as what the other end knows its own; `None` for this end's.
fn candidate<'a>(remote: Option<Option<CandidateKind>>) -> Vec<Figure<'a>> {
    let kind = move |sample: &Sample| {
        let kind = remote.unwrap_or(sample.states.pair);
        match kind {
            Some(CandidateKind::Host) => "host".into(),
            Some(CandidateKind::Srflx) => "srflx".into(),
            Some(CandidateKind::Prflx) => "prflx".into(),
            Some(CandidateKind::Relay) => "relay".into(),
            Some(CandidateKind::Unknown) | None => Value::Null,
        }
    };
    let mut figures = vec![
        always("transportId", "T01".into()),
        always("isRemote", remote.is_some().into()),
        figure("candidateType", kind),
        always("address", NO_ADDRESS.into()),
    ];
    figures.extend(unknown(&[
        "ip",
        "port",
        "protocol",
        "priority",
        "relayProtocol",
        "networkType",
    ]));
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_a_second_apart_and_further_in_a_long_life() {
        let at = Instant::from_millis;
        assert_eq!(ticks(at(500), at(500), 10), [at(500)]);
        assert_eq!(ticks(at(500), at(700), 10), [at(500), at(700)]);
        assert_eq!(ticks(at(0), at(2_500), 10), [0, 1_000, 2_000, 2_500].map(at));
        assert_eq!(
            ticks(at(0), at(20_000), 10),
            [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20].map(|s| at(s * 1_000))
        );
        assert_eq!(ticks(at(0), Instant::from_micros(u64::MAX), 10).len(), 11);
    }
}
