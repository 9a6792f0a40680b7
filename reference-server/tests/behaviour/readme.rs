//! What the README tells is so.

use clap::CommandFactory;
use reference_server::{Config, cli::Args};

use crate::client::{request, serve};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    _args: Args,
}

fn readme() -> &'static str {
    include_str!("../../README.md")
}

#[test]
fn every_option_is_told_with_its_default() {
    for option in Line::command().get_arguments() {
        let long = option.get_long().expect("options have words");
        let told = format!("`--{long} ");
        let line = readme()
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&told));
        let line = line.unwrap_or_else(|| panic!("--{long} is not told"));
        for default in option.get_default_values() {
            let default = format!("`{}`", default.to_string_lossy());
            assert!(line.contains(&default), "--{long}: {default} is not in {line}");
        }
        let variable = format!("REFERENCE_SERVER_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(option.get_env(), Some(variable.as_ref()), "--{long}");
    }
}

#[tokio::test]
async fn every_metric_is_told() {
    let server = serve(Config::default()).await;
    let page = request(server.local_addr(), "GET /metrics", &[], "").await.body;
    let heads = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut told = 0;
    for head in heads {
        let (name, kind) = head.split_once(' ').expect("a name and a kind");
        let starts = [format!("| `{name}` | {kind} |"), format!("| `{name}{{")];
        let is_told = |line: &str| starts.iter().any(|start| line.starts_with(start)) && line.contains(kind);
        assert!(readme().lines().any(is_told), "{head} is not told");
        told += 1;
    }
    // Those of the process are told by Linux alone.
    let is_process = |line: &&str| cfg!(target_os = "linux") && line.starts_with("| `process_");
    let rows = readme()
        .lines()
        .filter(|line| line.starts_with("| `reference_server_") || is_process(line))
        .count();
    assert_eq!(told, rows);
    server.shutdown().await;
}
