//! REPORTS.md, as far as it is for CI systems and programs.

use std::{collections::BTreeSet, fs, path::PathBuf};

use rtcstorm::report::markdown;

use super::{blocks, grouped, read, row, says};

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).expect("it is there")
}

#[test]
fn the_table_of_columns_is_that_of_the_sample() {
    let text = read("REPORTS.md");
    let text = text.split("### CSV").nth(1).expect("a section");
    let sample = file("reports/samples/metrics.csv");
    let columns = sample.lines().next().expect("a head").split(',');
    let columns: BTreeSet<&str> = columns.collect();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    assert_eq!(named, columns);
}

#[test]
fn every_published_schema_has_its_row() {
    let text = read("REPORTS.md");
    let text = text
        .split("### JSON\n")
        .nth(1)
        .and_then(|text| text.split("### CSV").next());
    let text = text.expect("a section");
    for entry in fs::read_dir(super::path("schema")).expect("the folder is there") {
        let name = entry.expect("readable").file_name().into_string().expect("plain");
        let of = name.strip_suffix(".schema.json").expect("a schema");
        let schema: serde_json::Value =
            serde_json::from_str(&file(&format!("docs/schema/{name}"))).expect("JSON");
        let row = row(text, of);
        if let Some(id) = schema.pointer("/properties/schema/const") {
            assert!(says(row, id.as_str().expect("text")), "{row}");
        }
    }
}

#[test]
fn limits_are_as_they_say_and_the_examples_are_yaml() {
    let text = read("REPORTS.md");
    assert!(text.contains(&format!(
        "never longer than {} bytes",
        grouped(markdown::MAX_BYTES as u64)
    )));
    for block in blocks(&text, "yaml") {
        let parsed: Result<serde_json::Value, _> = serde_saphyr::from_str(block);
        assert!(parsed.is_ok_and(|value| value.is_object()), "{block}");
    }
}
