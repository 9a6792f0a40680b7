use std::fs;

use serde_json::Value;

use super::secrets::Row;

/// The largest file of credentials.
const MAX_BYTES: u64 = 64 << 20;

/// The rows of a file, one for each peer of the whole plan.
///
/// # Errors
/// In words, with the line, without a value: it can't be read, or there are fewer rows than peers.
pub(super) fn read_rows(path: &str, needed: &[&str], peers: usize) -> Result<Vec<Row>, String> {
    let wrong = |why: String| format!("the credentials in {path}: {why}");
    let size = fs::metadata(path)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > MAX_BYTES {
        return Err(wrong(format!(
            "{size} bytes are more than {MAX_BYTES}, the limit"
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let rows = match path.ends_with(".csv") {
        true => from_csv(&text),
        false => from_json_lines(&text),
    };
    let rows = rows.map_err(wrong)?;
    if rows.len() < peers {
        let (rows, what) = (rows.len(), if rows.len() == 1 { "row" } else { "rows" });
        return Err(wrong(format!(
            "{rows} {what} for {peers} peers\n  help: each peer needs a row of its own: add {}, or play fewer peers (--rooms, --peers)",
            peers - rows
        )));
    }
    for (at, row) in rows.iter().enumerate().take(peers) {
        if let Some(missing) = needed
            .iter()
            .find(|name| row.get(**name).is_none_or(String::is_empty))
        {
            return Err(wrong(format!("row {} has no `{missing}`", at + 1)));
        }
    }
    Ok(rows)
}

fn from_csv(text: &str) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    let rows = reader.records().map(|record| {
        // The library's own words have values in them.
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            format!("line {line} has another number of columns than the first, or is no text")
        })?;
        let cells = names.iter().zip(record.iter());
        Ok(cells
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
            .collect())
    });
    rows.collect()
}

fn from_json_lines(text: &str) -> Result<Vec<Row>, String> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let rows = lines.map(|(at, line)| {
        let wrong = || format!("line {} is no JSON object", at + 1);
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
            return Err(wrong());
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(fields
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect())
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, text: &str, needed: &[&str], peers: usize) -> Result<Vec<Row>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, text).expect("it can be written");
        read_rows(path.to_str().expect("a text"), needed, peers)
    }

    #[test]
    fn both_formats_give_each_peer_its_row() {
        let csv = "user,token\nada,\"a,1\"\nbob, b2 \n";
        let lines = "{\"user\":\"ada\",\"token\":\"a,1\"}\n\n{\"user\":\"bob\",\"token\":\"b2\",\"n\":7}\n";
        for (name, text) in [("a.csv", csv), ("a.jsonl", lines)] {
            let rows = rows(name, text, &["token"], 2).expect(name);
            assert_eq!(
                (rows[0]["token"].as_str(), rows[1]["token"].as_str()),
                ("a,1", "b2")
            );
        }
    }

    #[test]
    fn too_few_rows_and_missing_values_are_told_before_anybody_connects() {
        for (text, peers, why) in [
            ("token\na\n", 2, "1 row for 2 peers"),
            ("token\n", 1, "0 rows for 1 peers"),
            ("name\na\n", 1, "row 1 has no `token`"),
            ("token,name\na,b\n,c\n", 2, "row 2 has no `token`"),
            ("token,name\nsecret1\n", 1, "line 2 has another number of columns"),
        ] {
            let told = rows("a.csv", text, &["token"], peers).expect_err(why);
            assert!(told.contains(why) && !told.contains("secret1"), "{told}");
        }
        let told = rows("a.jsonl", "{\"token\":\"a\"}\nsecret1\n", &["token"], 2).expect_err("no JSON");
        assert!(
            told.contains("line 2 is no JSON object") && !told.contains("secret1"),
            "{told}"
        );
        assert!(read_rows("no/such.csv", &[], 1).is_err());
    }
}
