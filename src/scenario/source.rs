use std::{fmt, sync::Arc};

use miette::NamedSource;

/// Which text a [`Span`] lies in: 0 is the scenario itself, the others are overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceId(pub(super) u16);

/// A stretch of a text: byte offsets, the end excluded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub(super) source: SourceId,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn new(source: SourceId, start: usize, end: usize) -> Self {
        Self { source, start, end }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}..{}", self.source.0, self.start, self.end)
    }
}

/// A text with its name, shared by all diagnostics in it.
pub(super) type Source = Arc<NamedSource<Arc<str>>>;

/// All texts that one scenario is read from.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn add(&mut self, name: &str, text: &str) -> SourceId {
        let id = SourceId(u16::try_from(self.0.len()).unwrap_or(u16::MAX));
        self.0.push(Arc::new(NamedSource::new(name, Arc::from(text))));
        id
    }

    pub(super) fn get(&self, id: SourceId) -> &Source {
        &self.0[usize::from(id.0)]
    }
}

/// Line and column of a byte offset, both counted from 1, the column in characters.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_survive_any_offset() {
        let text = "a: ä\nbö: x";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, 6), (2, 1));
        assert_eq!(place(text, 11), (2, 5));
        assert_eq!(place(text, 4), (1, 4), "inside a character");
        assert_eq!(place(text, 999), (2, 6));
    }
}
