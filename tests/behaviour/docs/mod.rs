//! What the documents say is what the code does: every scenario in them is sound, every name is there, every
//! frame comes out of the server as printed.

mod metrics;
mod protocol;
mod protocols;
mod races;
mod reports;
mod scenarios;

use std::{fs, path::PathBuf};

use rtcstorm::{
    scenario::{ThresholdCheck, ThresholdMistake},
    verdict::Threshold,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).expect("the document is there")
}

/// The fenced blocks of a document with that info string.
fn blocks<'a>(text: &'a str, info: &str) -> Vec<&'a str> {
    let opening = format!("```{info}\n");
    let blocks: Vec<_> = text
        .split(&*opening)
        .skip(1)
        .map(|rest| rest.split_once("\n```").expect("a block ends").0)
        .collect();
    assert!(!blocks.is_empty(), "no block of {info}");
    blocks
}

fn says(text: &str, word: &str) -> bool {
    text.contains(&format!("`{word}`"))
}

/// The row of a table that begins with `` `name` ``.
fn row<'a>(text: &'a str, name: &str) -> &'a str {
    let begin = format!("| `{name}` |");
    let mut rows = text.lines().filter(|line| line.starts_with(&begin));
    let row = rows.next().unwrap_or_else(|| panic!("no row for `{name}`"));
    assert_eq!(rows.next(), None, "two rows for `{name}`");
    row
}

/// `20000` as people read it: `20,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The verdict's grammar.
pub struct Grammar;

impl ThresholdCheck for Grammar {
    fn check(&self, selector: &str, expression: &str) -> Result<(), ThresholdMistake> {
        match Threshold::parse(selector, expression) {
            Ok(_) => Ok(()),
            Err(error) => Err(ThresholdMistake {
                message: error.to_string(),
                help: error.help(),
                in_selector: false,
            }),
        }
    }
}
