use std::{error::Error, fmt, sync::Arc};

use miette::{LabeledSpan, SourceCode};

use super::source::{Source, Sources, Span, place};

/// One mistake in a scenario, with its place.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    source: Source,
    span: Span,
    message: String,
    help: Option<String>,
}

impl Diagnostic {
    pub(super) fn new(sources: &Sources, span: Span, message: String) -> Self {
        let source = Arc::clone(sources.get(span.source));
        let text = source.inner();
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.floor_char_boundary(span.end.clamp(start, text.len()));
        // A label over many lines shows nothing: the first line says where it begins.
        let first_line = text[start..end].lines().next().unwrap_or("").trim_end();
        let span = Span {
            start,
            end: start + first_line.len(),
            ..span
        };
        Self {
            source,
            span,
            message,
            help: None,
        }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn order(&self) -> (Span, &str) {
        (self.span, &self.message)
    }

    /// The name of the text it is in: the `name` given to [`parse`](super::parse), or that of an override.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Counted from 1.
    pub fn line(&self) -> usize {
        place(self.source.inner(), self.span.start).0
    }

    /// Counted from 1, in characters.
    pub fn column(&self) -> usize {
        place(self.source.inner(), self.span.start).1
    }

    /// The offending text, at most one line of it. Empty where something is missing.
    pub fn text(&self) -> &str {
        &self.source.inner()[self.span.start..self.span.end]
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead ("did you mean …?") or what is allowed, if there is something to say.
    pub fn suggestion(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// The message alone.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new(
            Some("here".to_owned()),
            self.span.start,
            self.span.end - self.span.start,
        );
        Some(Box::new(std::iter::once(label)))
    }
}

/// Every mistake in a scenario: the file's own in the order of their places, then those in overrides.
/// Never empty.
#[derive(Debug, Clone)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub(super) fn new(mut all: Vec<Diagnostic>) -> Option<Self> {
        all.sort_by(|a, b| a.order().cmp(&b.order()));
        all.dedup_by(|a, b| a.order() == b.order());
        (!all.is_empty()).then_some(Self(all))
    }

    /// A line `file:line:column: message` for each, its offending text and its suggestion indented below it:
    /// what logs and editors read.
    pub fn listing(&self) -> String {
        let mut lines = String::new();
        for mistake in &self.0 {
            let (file, line, column) = (mistake.file(), mistake.line(), mistake.column());
            lines += &format!("{file}:{line}:{column}: {}\n", mistake.message);
            if !mistake.text().is_empty() {
                lines += &format!("    {}\n", mistake.text());
            }
            if let Some(help) = &mistake.help {
                lines += &format!("    help: {help}\n");
            }
        }
        lines
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// How many there are, and where: the headline over `miette`'s drawing of each.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.0.first().map_or("", Diagnostic::file);
        match self.0.len() {
            1 => write!(f, "1 mistake in {file}"),
            count => write!(f, "{count} mistakes in {file}"),
        }
    }
}

impl Error for Diagnostics {}

impl miette::Diagnostic for Diagnostics {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.0.iter().map(|d| d as &dyn miette::Diagnostic)))
    }
}

/// The word among `known` that was probably meant by `word`: the nearest one, at most a third of its
/// letters away, without regard to case or to `-` for `_`.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    known
        .into_iter()
        .map(|candidate| {
            let distance = strsim::osa_distance(&word, &plain(candidate));
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or what is known when nothing is near.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["join", "leave", "rejoin", "wait", "duplicate_offer"];
        assert_eq!(nearest("jion", known), Some("join"));
        assert_eq!(nearest("Leave", known), Some("leave"));
        assert_eq!(nearest("duplicate-ofer", known), Some("duplicate_offer"));
        assert_eq!(nearest("dance", known), None);
        assert_eq!(
            did_you_mean("dance", &["join", "leave"]),
            "known here: join, leave"
        );
    }
}
