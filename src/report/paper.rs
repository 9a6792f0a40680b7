use std::fmt::Write;

/// The narrowest paper that a report is laid out for; narrower terminals wrap by themselves.
const MIN_WIDTH: usize = 50;

/// Text of a fixed width that is written line by line, with or without colour.
#[derive(Debug)]
pub(super) struct Paper {
    pub width: usize,
    colour: bool,
    text: String,
}

/// What colour adds; the text says the same without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Odd,
}

impl Paper {
    pub fn new(width: usize, colour: bool) -> Self {
        Self {
            width: width.max(MIN_WIDTH),
            colour,
            text: String::new(),
        }
    }

    /// `text` in `ink`. Pad before painting: the escapes have no width.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Good => "1;32",
            Ink::Bad => "1;31",
            Ink::Odd => "1;33",
        };
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line as it is, without blanks at its end.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref().trim_end());
        self.text.push('\n');
    }

    /// An empty line and the heading of a section.
    pub fn heading(&mut self, heading: &str) {
        let heading = self.paint(Ink::Bold, heading);
        let _ = write!(self.text, "\n{heading}\n");
    }

    /// `text`, free of control characters and wrapped: `first` before its first line, blanks of the same
    /// width before the others. `first` is painted in `ink`.
    pub fn wrapped(&mut self, ink: Ink, first: &str, text: &str) {
        let indent = width(first);
        let room = self.width.saturating_sub(indent).max(10);
        for (nth, line) in wrap(&clean(text), room).into_iter().enumerate() {
            let before = if nth == 0 {
                self.paint(ink, first)
            } else {
                " ".repeat(indent)
            };
            self.line(format!("{before}{line}"));
        }
    }

    /// An event: its first line begins with its instant, later ones are indented under it.
    pub fn event(&mut self, indent: &str, event: &str) {
        let event = clean(event);
        let instant = event.find(" ms  ").map_or(0, |at| at + " ms  ".len());
        let (instant, what) = event.split_at(instant);
        self.wrapped(Ink::Dim, &format!("{indent}{instant}"), what);
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

/// Columns that a text takes. Names of metrics and our own words are one column a character.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// `text` with blanks behind it up to `columns`.
pub(super) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` with blanks in front of it up to `columns`.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// What came from a server or a file must not steer the reader's terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// At least one line; words longer than a line are cut.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > room {
            lines.push(String::new());
            used = 0;
        }
        while word.len() > room {
            let rest = word.split_off(room);
            lines.last_mut().expect("never empty").extend(word);
            lines.push(String::new());
            word = rest;
        }
        let line = lines.last_mut().expect("never empty");
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        used += word.len();
        line.extend(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_and_long_words_are_cut() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a 0123456789ab c", 5), ["a", "01234", "56789", "ab c"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let mut paper = Paper::new(80, false);
        paper.wrapped(Ink::Bad, "  - ", "evil \u{1b}[2J\u{7} and\nmore");
        assert_eq!(paper.into_text(), "  - evil [2J and more\n");
    }

    #[test]
    fn colour_is_added_only_when_asked_for() {
        assert_eq!(Paper::new(80, false).paint(Ink::Good, "PASS"), "PASS");
        assert_eq!(
            Paper::new(80, true).paint(Ink::Good, "PASS"),
            "\u{1b}[1;32mPASS\u{1b}[0m"
        );
    }
}
