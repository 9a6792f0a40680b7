//! PROTOCOLS.md.

use rtcstorm::{
    scenario::parse,
    signaling::{
        Abilities, Capability,
        custom::{Field, Says, VARIABLES, When},
    },
};

use super::{Grammar, blocks, read, row, says};

/// The rows of the table under its head, as the document has them.
fn table<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let (_, rest) = text
        .split_once(head)
        .unwrap_or_else(|| panic!("no table with the head\n{head}"));
    let rows = rest.trim_start_matches('\n').lines();
    rows.take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn the_table_of_what_protocols_carry_is_the_codes() {
    let text = read("PROTOCOLS.md");
    let rows: Vec<String> = Abilities::ROWS
        .iter()
        .map(|(name, abilities)| abilities.row(name))
        .collect();
    assert_eq!(table(&text, &Abilities::head()), rows);
    for (name, _) in Capability::ALL {
        row(&text, name);
    }
}

#[test]
fn the_table_of_kinds_is_the_codes() {
    let text = read("PROTOCOLS.md");
    let words = |fields: &[Field]| -> String {
        let words: Vec<String> = fields.iter().map(|field| format!("`{}`", field.word())).collect();
        match words.is_empty() {
            true => "–".to_owned(),
            false => words.join(", "),
        }
    };
    let rows: Vec<String> = Says::ALL
        .iter()
        .map(|kind| {
            format!(
                "| `{}` | {} | {} | {} |",
                kind.word,
                kind.about,
                words(kind.needs),
                words(kind.may)
            )
        })
        .collect();
    let head = "| `as` | what it is | needs | may have |\n| --- | --- | --- | --- |";
    assert_eq!(table(&text, head), rows, "\n{}", rows.join("\n"));
    for (key, _) in When::ALL {
        assert!(says(&text, key), "{key}");
    }
    for (name, _) in VARIABLES {
        assert!(text.contains(&format!("`${{{name}}}`")), "{name}");
    }
}

#[test]
fn every_description_in_the_document_is_sound() {
    let text = read("PROTOCOLS.md");
    let whole = blocks(&text, "yaml")
        .into_iter()
        .filter(|block| block.starts_with("target:"));
    let whole: Vec<&str> = whole.collect();
    assert!(!whole.is_empty());
    for block in whole {
        let text = format!("name: x\n{block}\nrooms: {{ peers: 2 }}\nsteps: [join, {{ wait: connected }}]\n");
        if let Err(mistakes) = parse("snippet", &text, &Grammar) {
            panic!("{}", mistakes.listing());
        }
    }
}
