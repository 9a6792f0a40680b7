//! Other people's text in Markdown, HTML and workflow commands: it is shown, and means nothing.

use super::paper::clean;

/// Characters of one text; what is longer is cut.
const MAX_CHARS: usize = 400;

/// As running text or in a cell of a table. Nobody is notified by it, either.
pub(super) fn markdown(text: &str) -> String {
    let chars: Vec<char> = short(text).chars().collect();
    let mut escaped = String::new();
    for (index, c) in chars.iter().copied().enumerate() {
        let before = index.checked_sub(1).map(|index| chars[index]);
        let after = chars.get(index + 1).copied();
        let is_in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let means_something = match c {
            '\\' | '`' | '*' | '[' | ']' | '#' | '|' | '~' | '$' | '&' => true,
            '_' => !(is_in_word(before) && is_in_word(after)),
            '<' => after.is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(c)),
            '-' | '+' | '>' | '=' => before.is_none(),
            _ => false,
        };
        escaped.extend(means_something.then_some('\\'));
        escaped.push(c);
        if c == '@' {
            // A backslash would not keep it from being a mention.
            escaped.push_str("<!-- -->");
        }
    }
    escaped
}

/// As code, in running text or in a cell of a table.
pub(super) fn code(text: &str) -> String {
    let text = short(text).replace('|', "\\|");
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    match text.starts_with('`') || text.ends_with('`') {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}

/// In HTML, where Markdown means nothing: in a `<summary>`.
pub(super) fn html(text: &str) -> String {
    let text = short(text).replace('&', "&amp;");
    let text = text.replace('<', "&lt;").replace('>', "&gt;");
    text.replace('@', "@<!-- -->")
}

/// Lines as a block of code that none of them ends.
pub(super) fn block(info: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
    format!("{fence}{info}\n{}\n{fence}\n", text.trim_end())
}

/// The message of a workflow command of GitHub's; it may have lines.
pub(super) fn command_message(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command of GitHub's.
pub(super) fn command_property(text: &str) -> String {
    let text = command_message(&clean(text));
    text.replace(':', "%3A").replace(',', "%2C")
}

fn short(text: &str) -> String {
    let text = clean(text);
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn longest_run(text: &str, of: char) -> usize {
    let runs = text.split(|c| c != of).map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_means_nothing_in_markdown() {
        assert_eq!(
            markdown("a|b <img> *c* `d` [e](f) ~g~ $h$ &amp; @team\n# i _j_"),
            r"a\|b \<img> \*c\* \`d\` \[e\](f) \~g\~ \$h\$ \&amp; @<!-- -->team \# i \_j\_"
        );
        assert_eq!(markdown("join_ms p(95)<2 a->b"), "join_ms p(95)<2 a->b");
        assert_eq!(markdown("- a"), r"\- a");
        assert_eq!(html("a <b> & @c"), "a &lt;b&gt; &amp; @<!-- -->c");
        assert_eq!(markdown(&"x".repeat(500)).chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn code_is_not_ended_by_what_is_in_it() {
        assert_eq!(code("p(95)<2000"), "`p(95)<2000`");
        assert_eq!(code("a`b|c"), "``a`b\\|c``");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(block("text", "a\n```\nb\n"), "````text\na\n```\nb\n````\n");
    }

    #[test]
    fn a_workflow_command_stays_one_line() {
        assert_eq!(command_message("50%\r\n::error::x"), "50%25%0D%0A::error::x");
        assert_eq!(command_property("a: b, c%\nd"), "a%3A b%2C c%25 d");
    }
}
