//! A comparison as Markdown, for a pull request or a job's summary.

use super::words;
use crate::compare::{Comparison, Line, Outcome, Side, Verdict};

/// The whole text, under 64 KB by the number of lines that are shown.
pub fn comparison(comparison: &Comparison) -> String {
    let mark = match comparison.verdict {
        Verdict::Regression => "❌",
        Verdict::NoRegression => "✅",
        Verdict::Inconclusive => "❔",
    };
    let mut text = format!(
        "### {mark} {}: {}\n\n",
        comparison.verdict.as_str(),
        escaped(&comparison.base.scenario)
    );
    for (name, side) in [("base", &comparison.base), ("new", &comparison.new)] {
        text += &told(name, side);
    }
    for forced in &comparison.forced {
        text += &format!("- **forced**: {}\n", escaped(forced));
    }
    for note in &comparison.notes {
        text += &format!("- note: {}\n", escaped(note));
    }
    if !comparison.lines.is_empty() {
        text +=
            "\n| | figure | base | new | change | interval | margin | |\n|---|---|--:|--:|--:|--:|--:|---|\n";
    }
    for line in comparison.lines.iter().take(MAX_LINES) {
        text += &row(line);
    }
    if let Some(more) = comparison
        .lines
        .len()
        .checked_sub(MAX_LINES)
        .filter(|more| *more > 0)
    {
        text += &format!("\nand {more} more: see `--format json`\n");
    }
    text += "\n";
    for advice in words::advice(comparison) {
        text += &format!("{}.\n\n", capital(&escaped(&advice)));
    }
    text += &format!("<sub>{}</sub>\n", words::method(comparison));
    text
}

/// Lines that are shown; the text must fit into 64 KB.
const MAX_LINES: usize = 150;

fn told(name: &str, side: &Side) -> String {
    let target = match side.target.is_empty() {
        true => String::new(),
        false => format!(", {}", escaped(&side.target)),
    };
    format!(
        "- {name}: {}, {}, {} world{target}, rtcstorm {}, {}\n",
        escaped(&side.name),
        words::runs(side.runs as u64),
        side.world,
        escaped(&side.version),
        escaped(&side.machine)
    )
}

fn row(line: &Line) -> String {
    let mark = match line.outcome {
        Outcome::Regression => "❌",
        Outcome::NoRegression => "✅",
        Outcome::Inconclusive(_) => "❔",
        Outcome::Refused(_) => "➖",
    };
    let [change, interval, margin] = match &line.change {
        Some(change) => [
            words::change(change),
            words::interval(change),
            words::margin(change),
        ],
        None => ["", "", ""].map(str::to_owned),
    };
    let word = match line.outcome {
        Outcome::Regression => "**REGRESSION**",
        _ => words::outcome(&line.outcome),
    };
    let word = match words::why(line) {
        Some(why) => format!("{word}: {}", escaped(&why)),
        None => word.to_owned(),
    };
    format!(
        "| {mark} | `{}` | {} | {} | {change} | {interval} | {margin} | {word} |\n",
        line.gate,
        words::figure(line, line.base),
        words::figure(line, line.new),
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What a folder or a scenario is called must not become a heading, a link or HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            c if c.is_control() => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '\\' | '|' | '[' | ']' | '*' | '_' | '#' | '!' | '@' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn check(name: &str, of: &Comparison) {
        insta::with_settings!({
            snapshot_path => "../../../tests/data/report",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, comparison(of)) });
    }

    #[test]
    fn a_pull_request_shows_every_figure() {
        check("comparison-markdown", &samples::regression());
        check("comparison-markdown-few", &samples::few());
    }

    #[test]
    fn names_are_no_markup() {
        let mut hostile = samples::few();
        hostile.base.scenario = "a|b <script> [x](y)\n# z".to_owned();
        let text = comparison(&hostile);
        assert!(
            text.starts_with("### ❔ INCONCLUSIVE: a\\|b &lt;script> \\[x\\](y) \\# z\n"),
            "{text}"
        );
    }
}
