use rtcstorm::report::{Format, RunRecord};
use serde_json::Value;

use super::record::{SMALL, all, record};

fn dump(of: &RunRecord) -> Value {
    let bytes = Format::Dump
        .render(std::slice::from_ref(of))
        .expect("it is not too much");
    serde_json::from_slice(&bytes).expect("it is JSON")
}

/// What the dump importer of rtcstats (`dump-importer/`, `packages/rtcstats-shared/`) reads of a webrtc-internals dump, and
/// what its predecessor, fippo's webrtc-dump-importer (`import.js`), reads: by object of `getStats()`.
const READ_OF_STATS: [(&str, &str, &[&str]); 6] = [
    ("P", "peer-connection", &["timestamp"]),
    (
        "T01",
        "transport",
        &[
            "timestamp",
            "bytesSent",
            "bytesReceived",
            "dtlsState",
            "selectedCandidatePairId",
        ],
    ),
    (
        "D1",
        "data-channel",
        &[
            "timestamp",
            "label",
            "messagesSent",
            "messagesReceived",
            "bytesSent",
            "bytesReceived",
            "[messagesSent/s]",
            "[messagesReceived/s]",
            "[bytesSent_in_bits/s]",
            "[bytesReceived_in_bits/s]",
        ],
    ),
    (
        "CPlocal_remote",
        "candidate-pair",
        &[
            "timestamp",
            "transportId",
            "localCandidateId",
            "remoteCandidateId",
            "priority",
            "requestsSent",
            "consentRequestsSent",
            "responsesReceived",
            "requestsReceived",
            "responsesSent",
            "bytesSent",
            "bytesReceived",
        ],
    ),
    ("Ilocal", "local-candidate", READ_OF_CANDIDATES),
    ("Iremote", "remote-candidate", READ_OF_CANDIDATES),
];
const READ_OF_CANDIDATES: &[&str] = &[
    "timestamp",
    "isRemote",
    "candidateType",
    "address",
    "ip",
    "port",
    "protocol",
    "priority",
    "relayProtocol",
    "networkType",
];

/// The types of the entries that the viewers know, as Chrome names them.
const CHROMES: [&str; 18] = [
    "createOffer",
    "createOfferOnSuccess",
    "createOfferOnFailure",
    "createAnswer",
    "createAnswerOnSuccess",
    "createAnswerOnFailure",
    "setLocalDescription",
    "setLocalDescriptionOnSuccess",
    "setLocalDescriptionOnFailure",
    "setRemoteDescription",
    "setRemoteDescriptionOnSuccess",
    "setRemoteDescriptionOnFailure",
    "signalingstatechange",
    "iceconnectionstatechange",
    "connectionstatechange",
    "createDataChannel",
    "datachannel",
    "close",
];

#[test]
fn the_dump_of_a_small_run() {
    let dump = serde_json::to_string_pretty(&dump(&record("small", SMALL, 1))).expect("it is JSON");
    insta::with_settings!({
        snapshot_path => "../../data/report",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("dump-small", dump) });
}

#[test]
fn every_scenarios_dump_has_what_viewers_read() {
    for record in all() {
        let name = &record.report.scenario.name;
        let dump = dump(record);
        assert_eq!(dump["getUserMedia"], Value::Array(Vec::new()), "{name}");
        assert!(dump["UserAgent"].is_string(), "{name}");
        // Without it the importer of rtcstats refuses the file; of its brands it shows the third.
        let third = &dump["UserAgentData"][2];
        assert!(
            third["brand"].is_string() && third["version"].is_string(),
            "{name}"
        );
        let connections = dump["PeerConnections"].as_object().expect("there are some");
        assert!(!connections.is_empty(), "{name}");
        for (id, connection) in connections {
            let place = format!("{name}, connection {id}");
            assert_eq!(id, &format!("{}-{}", connection["rid"], connection["lid"]));
            for field in ["url", "rtcConfiguration", "constraints"] {
                assert!(connection[field].is_string(), "{place}: {field}");
            }
            log_of(connection, &place);
            stats_of(connection, &place);
        }
    }
}

/// What a viewer makes of the log: it parses the time, takes every value for text, and what begins like JSON for JSON.
fn log_of(connection: &Value, place: &str) {
    let log = connection["updateLog"].as_array().expect("there is a log");
    assert!(!log.is_empty(), "{place}");
    let mut last = 0.0;
    for entry in log {
        let kind = entry["type"]
            .as_str()
            .unwrap_or_else(|| panic!("{place}: {entry}"));
        let value = entry["value"]
            .as_str()
            .unwrap_or_else(|| panic!("{place}: {entry}"));
        assert!(
            CHROMES.contains(&kind) || kind.starts_with("rtcstorm."),
            "{place}: {entry}"
        );
        assert!(
            entry["time"].as_str().is_some_and(|time| time.ends_with('Z')),
            "{place}: {entry}"
        );
        let at = entry["timestamp"].as_f64().expect("a number");
        assert!(at >= last, "{place}: back in time: {entry}");
        last = at;
        let parsed = serde_json::from_str::<Value>(value);
        if value.starts_with(['{', '[', '"']) {
            assert!(parsed.is_ok(), "{place}: {entry}");
        }
        if value.starts_with("{\"type\":") {
            assert!(parsed.is_ok_and(|it| it["sdp"].is_string()), "{place}: {entry}");
        } else {
            assert!(!value.contains(", sdp: "), "{place}: {entry}");
        }
    }
    let is_there = |kind: &str| log.iter().any(|entry| entry["type"] == kind);
    assert!(is_there("rtcstorm.connection_created"), "{place}");
}

/// What a viewer makes of the series: an id and a figure by the last dash, or by the bracket, each with its id's times.
fn stats_of(connection: &Value, place: &str) {
    let stats = connection["stats"].as_object().expect("there are series");
    let values = |name: &str| -> Vec<Value> {
        let series = stats.get(name).unwrap_or_else(|| panic!("{place}: no {name}"));
        let text = series["values"].as_str().expect("text");
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{place}: {name}: {error}"))
    };
    for (name, series) in stats {
        for field in ["startTime", "endTime"] {
            assert!(
                series[field].as_str().is_some_and(|time| time.ends_with('Z')),
                "{place}: {name}"
            );
        }
        let id = match name.split_once("-[") {
            Some((id, _)) => id,
            None => name.rsplit_once('-').expect("an id and a figure").0,
        };
        let times = values(&format!("{id}-timestamp")).len();
        let count = values(name).len();
        assert!(
            count == times || values(name) == [Value::Null],
            "{place}: {name} has {count} of {times}"
        );
    }
    for (id, stats_type, figures) in READ_OF_STATS {
        // A pair is there when it is selected.
        if ["P", "T01", "D1"].contains(&id) || stats.contains_key(&format!("{id}-timestamp")) {
            for figure in figures {
                let name = format!("{id}-{figure}");
                assert!(
                    stats.get(&name).is_some_and(|it| it["statsType"] == stats_type),
                    "{place}: {name}"
                );
            }
        }
    }
}

#[test]
fn the_last_sample_counts_every_message() {
    let record = record("small", SMALL, 1);
    let dump = dump(&record);
    let last = |of: &Value, name: &str| -> u64 {
        let values = of["stats"][name]["values"].as_str().expect("text");
        let values: Vec<u64> = serde_json::from_str(values).expect("numbers");
        *values.last().expect("a sample")
    };
    let connections = dump["PeerConnections"].as_object().expect("there are some");
    for (sent, received) in [("0-1", "1-1"), ("1-1", "0-1")] {
        let messages = last(&connections[sent], "D1-messagesSent");
        assert!(messages > 1, "{messages}");
        assert_eq!(messages, last(&connections[received], "D1-messagesReceived"));
        let bytes = last(&connections[sent], "D1-bytesSent");
        assert_eq!(bytes, last(&connections[received], "D1-bytesReceived"));
    }
}

#[test]
fn two_runs_have_peers_of_their_own() {
    let runs = [record("small", SMALL, 1), record("small", SMALL, 2)];
    let bytes = Format::Dump.render(&runs).expect("it is not too much");
    let dump: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    let connections = dump["PeerConnections"].as_object().expect("there are some");
    let ids: Vec<&str> = connections.keys().map(String::as_str).collect();
    assert_eq!(ids, ["0-1", "1-1", "2-1", "3-1"]);
}
