//! `--live`: what is served while a run is under way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::Path,
    thread,
};

use super::{
    LONG, QUICK,
    http::{Answer, get},
    program::{Desk, Running, json, wait_until},
};

/// Where the page is, as the program says.
fn address(program: &Running) -> String {
    let mut found = None;
    wait_until("the program says where its page is", || {
        let said = program.stderr();
        let line = said.lines().find_map(|line| line.strip_prefix("live: http://"));
        found = line.map(|rest| rest.trim_end_matches('/').to_owned());
        found.is_some()
    });
    found.expect("it was waited for")
}

/// Starts a run of two who stay, and waits until it shows them.
fn two_who_stay(desk: &Desk) -> (Running, String) {
    desk.write("long.yaml", LONG);
    let program = desk.start(&["run", "long.yaml", "--out", "out", "--live", "0", "--quiet"]);
    let addr = address(&program);
    wait_until("both are in and connected", || {
        get(&addr, "/metrics", &[])
            .text()
            .contains("\nrtcstorm_links_open{scenario=\"long\",world=\"local\"} 1\n")
    });
    (program, addr)
}

/// A page of metrics, by a reader that knows the format and nothing of ours: family → kind, and its series.
fn parsed(page: &str) -> BTreeMap<String, (String, BTreeMap<String, f64>)> {
    let mut families: BTreeMap<String, (String, BTreeMap<String, f64>)> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a text follows");
            assert!(!text.is_empty() && !families.contains_key(name), "{line}");
            current = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a kind follows");
            assert_eq!(name, current);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            families.insert(current.clone(), (kind.to_owned(), BTreeMap::new()));
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value follows");
            let (name, labels) = series.split_once('{').expect("all have labels");
            let (kind, all) = families.get_mut(&current).expect("its family is told before");
            let suffixes: &[&str] = match kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let suffix = name.strip_prefix(&current).expect("series stand together");
            assert!(suffixes.contains(&suffix) && labels.ends_with('}'), "{line}");
            let value: f64 = value.parse().expect("a number");
            assert!(all.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    families
}

#[test]
fn the_figures_are_those_of_the_format_and_histograms_add_up() {
    let desk = Desk::new("live-metrics");
    let (_program, addr) = two_who_stay(&desk);
    let answer = get(&addr, "/metrics", &[]);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"));
    let families = parsed(&answer.text());
    let mut histograms = 0;
    for (name, (kind, series)) in &families {
        if kind != "histogram" {
            continue;
        }
        for (count, value) in series
            .iter()
            .filter(|(series, _)| series.starts_with(&format!("{name}_count")))
        {
            let labels = count.split_once('{').expect("labels").1.trim_end_matches('}');
            let buckets: Vec<_> = answer
                .text()
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{name}_bucket{{{labels},le=\"")))
                .filter_map(|rest| rest.split_once("\"} "))
                .map(|(edge, count)| {
                    let edge: f64 = edge.parse().expect("an edge");
                    (edge, count.parse::<f64>().expect("a count"))
                })
                .collect();
            assert!(
                buckets
                    .windows(2)
                    .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1),
                "{count}"
            );
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *value)), "{count}");
            histograms += 1;
        }
    }
    assert!(histograms > 5, "{histograms}");
    let connected = &families["rtcstorm_connect_seconds"].1;
    let count = connected
        .iter()
        .find(|(series, _)| series.starts_with("rtcstorm_connect_seconds_count"));
    assert_eq!(count.map(|(_, count)| *count), Some(1.0), "{connected:?}");
}

#[test]
fn the_dashboard_asks_for_nothing_that_is_not_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana.json");
    let dashboard = json(&fs::read_to_string(path).expect("docs/grafana.json"));
    let mut asked = BTreeSet::new();
    let panels = dashboard["panels"].as_array().expect("panels");
    for panel in panels {
        let targets = panel["targets"].as_array().into_iter().flatten();
        for expression in targets.map(|target| target["expr"].as_str().expect("a query")) {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let metrics: Vec<_> = words.filter(|word| word.starts_with("rtcstorm_")).collect();
            assert!(!metrics.is_empty(), "{expression}");
            asked.extend(metrics.into_iter().map(str::to_owned));
        }
    }
    assert!(asked.len() > 15, "{asked:?}");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(variables.iter().any(|variable| variable["name"] == "scenario"));

    let desk = Desk::new("live-dashboard");
    let (_program, addr) = two_who_stay(&desk);
    let told = parsed(&get(&addr, "/metrics", &[]).text());
    for metric in asked {
        let is_told = ["", "_bucket", "_sum", "_count"].iter().any(|suffix| {
            let family = metric.strip_suffix(suffix).and_then(|name| told.get(name));
            family.is_some_and(|(kind, _)| suffix.is_empty() || kind == "histogram")
        });
        assert!(is_told, "docs/grafana.json asks for {metric}");
    }
}

#[test]
fn the_page_keeps_to_itself() {
    let desk = Desk::new("live-headers");
    let (_program, addr) = two_who_stay(&desk);
    let page = get(&addr, "/", &[]);
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("<h1 id=\"name\">long</h1>"),
        "{}",
        page.text()
    );
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self';",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(page.head.contains(header), "{header}: {}", page.head);
    }
    // What is written into the page by hand would not run.
    assert!(!page.text().contains("<script>") && !page.text().contains(" onclick"));
    for path in ["/", "/metrics", "/events", "/report.json", "/nothing"] {
        let rebound = get(&addr, path, &[("Host", "evil.example")]);
        assert_eq!(rebound.status, 403, "{path}");
    }
    assert_eq!(get(&addr, "/nothing", &[]).status, 404);
    let report = json(&get(&addr, "/report.json", &[]).text());
    assert_eq!(
        (&report["verdict"], &report["scenario"]["name"]),
        (&"running".into(), &"long".into())
    );
    let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let native = get(&addr, "/metrics", &[("Accept", native)]);
    assert!(
        native
            .head
            .contains("content-type: application/vnd.google.protobuf")
    );
    assert!(!native.body.is_empty() && !native.text().starts_with("# HELP"));
}

#[cfg(unix)]
#[test]
fn the_page_is_told_what_changes_and_the_end_and_then_is_left_alone() {
    let desk = Desk::new("live-events");
    desk.write("quick.yaml", QUICK);
    desk.write("long.yaml", LONG);
    let program = desk.start(&[
        "run",
        "quick.yaml",
        "long.yaml",
        "--out",
        "out",
        "--live",
        "127.0.0.1:0",
    ]);
    let addr = address(&program);
    wait_until("the second run is under way", || {
        let head = get(&addr, "/metrics", &[]).text();
        head.contains("\nrtcstorm_links_open{scenario=\"long\",world=\"local\"} 1\n")
    });
    let both = get(&addr, "/metrics", &[]).text();
    assert!(both.contains("rtcstorm_run_info{scenario=\"quick\",world=\"local\","));
    assert!(both.contains("verdict=\"PASS\"} 1") && both.contains("verdict=\"RUNNING\"} 1"));
    parsed(&both);

    let reading = {
        let addr = addr.clone();
        thread::spawn(move || get(&addr, "/events", &[]))
    };
    // Nobody else reads: what the page is told is told to this reader.
    wait_until("the reader is let in", || !reading.is_finished());
    thread::sleep(std::time::Duration::from_millis(1_500));
    program.interrupt();
    let stream: Answer = reading.join().expect("it reads to the end");
    let output = program.wait();
    output.assert_code(105).assert_sane();
    assert!(stream.head.contains("content-type: text/event-stream"));
    let text = stream.text();
    for told in [
        "event: head\n",
        "event: charts\nid: ",
        "retry: 2000\n",
        "\"verdict\":\"RUNNING\"",
        "event: over\n",
        "\"verdict\":\"INTERRUPTED\"",
        "All 2 runs are over. Exit code 105.",
        "[[\"quick\",\"PASS\"],[\"long\",\"INTERRUPTED\"]]",
    ] {
        assert!(text.replace("\r\n", "\n").contains(told), "no {told:?} in {text}");
    }
    let summary = desk.json("out/02-long/summary.json");
    let broken = summary["invariants"].as_array().into_iter().flatten();
    assert_eq!(
        broken.filter(|one| one["status"] == "broken").count(),
        0,
        "{summary:#}"
    );
}

#[test]
fn an_address_that_is_not_to_be_had_is_told_before_anything_begins() {
    let desk = Desk::new("live-in-use");
    desk.write("quick.yaml", QUICK);
    let taken = TcpListener::bind("127.0.0.1:0").expect("the loopback has ports");
    let addr = taken.local_addr().expect("it is bound").to_string();
    let output = desk.run(&["run", "quick.yaml", "--out", "out", "--live", &addr]);
    output
        .assert_code(104)
        .assert_says(&format!("error: --live {addr}: "))
        .assert_says("help: choose another port")
        .assert_no_data()
        .assert_sane();
    assert!(!desk.path("out").exists());
    let output = desk.run(&["run", "quick.yaml", "--live", "here"]);
    output
        .assert_code(2)
        .assert_says("PORT or HOST:PORT")
        .assert_no_data();
}

#[test]
fn a_simulation_is_the_same_with_a_page() {
    let desk = Desk::new("live-sim");
    desk.write("quick.yaml", QUICK);
    desk.run(&["run", "quick.yaml", "--sim", "--out", "plain"])
        .assert_code(0);
    let args = ["run", "quick.yaml", "--sim", "--out", "shown"];
    desk.run_with(&[("RTCSTORM_LIVE", "0")], &args)
        .assert_code(0)
        .assert_says("live: http://127.0.0.1:");
    assert_eq!(desk.read("plain/events.ndjson"), desk.read("shown/events.ndjson"));
    assert_eq!(desk.read("plain/summary.json"), desk.read("shown/summary.json"));
}
