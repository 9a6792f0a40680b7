use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span as ParserSpan, Tag};

use super::{
    diagnostic::Diagnostic,
    source::{SourceId, Sources, Span},
};

/// How deep lists and maps may be nested.
const MAX_NESTING: usize = 32;
/// How many values a text may hold, those that aliases repeat included.
const MAX_NODES: usize = 20_000;

/// A YAML value and where it stands. Scalars stay text: what a text means depends on what is wanted there.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Reported already: nothing more is said about it.
    Broken,
    Scalar(String),
    Seq(Vec<Node>),
    /// In the order of the text; keys are unique.
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn null(span: Span) -> Self {
        Self {
            span,
            value: Value::Null,
        }
    }

    fn broken(span: Span) -> Self {
        Self {
            span,
            value: Value::Broken,
        }
    }

    /// What it is, in the words of a diagnostic.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null | Value::Broken => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads a text into a tree. Built on the event parser under `serde-saphyr`, because serde's own way stops
/// at the first mistake and loses the text of numbers.
pub(super) fn read(sources: &Sources, source: SourceId, mistakes: &mut Vec<Diagnostic>) -> Option<Node> {
    read_from(sources, source, 0, mistakes)
}

/// The same for what follows byte `offset` of the text. Nothing at all is null if there is an offset.
pub(super) fn read_from(
    sources: &Sources,
    source: SourceId,
    offset: usize,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let whole: &str = sources.get(source).inner();
    let text = &whole[offset..];
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_NESTING;
    options.block_nesting_limit = MAX_NESTING;
    options.emit_unresolved_aliases = true;
    options.set_emit_comments(false);
    let mut builder = Builder {
        sources,
        source,
        offset,
        mistakes,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        root: None,
        last_end: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => builder.take(event, span).then_some(())?,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len()) + offset;
                let rest = &whole[whole.floor_char_boundary(at)..];
                let end = rest.find('\n').map_or(whole.len(), |line| at + line);
                builder.mistake(
                    Span::new(source, at, end),
                    format!("broken YAML: {}", error.info()),
                );
                return None;
            }
        }
    }
    let nothing = (offset > 0).then(|| Node::null(Span::new(source, whole.len(), whole.len())));
    builder.root.or(nothing)
}

/// A list or map whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Node> },
}

struct Builder<'a> {
    sources: &'a Sources,
    source: SourceId,
    offset: usize,
    mistakes: &'a mut Vec<Diagnostic>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    /// Where the last scalar, or the last bracket, ended: a block's own end event comes lines later.
    last_end: usize,
}

impl Builder<'_> {
    fn mistake(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.mistakes.push(Diagnostic::new(self.sources, span, message));
        self.mistakes.last_mut().expect("just pushed")
    }

    fn help(&mut self, span: Span, message: String, help: &str) {
        let mistake = self.mistake(span, message);
        *mistake = mistake.clone().with_help(help);
    }

    /// `false`: no use to go on.
    fn take(&mut self, event: Event<'_>, at: ParserSpan) -> bool {
        let start = at.start.byte_offset().unwrap_or(0) + self.offset;
        let end = (at.end.byte_offset().unwrap_or(0) + self.offset).max(start);
        let span = Span::new(self.source, start, end);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(span, tag.as_deref());
                self.last_end = end;
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let value = match null {
                    true => Value::Null,
                    false => Value::Scalar(text.into_owned()),
                };
                self.complete(Node { span, value }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(span, tag.as_deref());
                self.begin(start, anchor, OpenKind::Seq(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(span, tag.as_deref());
                let kind = OpenKind::Map {
                    entries: Vec::new(),
                    key: None,
                };
                self.begin(start, anchor, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().expect("the parser balances its events");
                // A closing bracket has a length; the end of a block has none.
                if end > start {
                    self.last_end = end;
                }
                let value = match open.kind {
                    OpenKind::Seq(items) => Value::Seq(items),
                    OpenKind::Map { entries, .. } => Value::Map(entries),
                };
                let span = Span::new(self.source, open.start, self.last_end.max(open.start));
                self.complete(Node { span, value }, open.anchor)
            }
            Event::Alias(anchor) => {
                self.last_end = end;
                match self.anchors.get(&anchor).cloned() {
                    Some(node) => {
                        self.nodes += count(&node);
                        self.complete(node, 0)
                    }
                    None => {
                        self.mistake(span, "this alias stands inside what it repeats".to_owned());
                        self.complete(Node::broken(span), 0)
                    }
                }
            }
            Event::UnresolvedAlias(name) => {
                self.mistake(span, format!("nothing before this is called `&{name}`"));
                self.last_end = end;
                self.complete(Node::broken(span), 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                self.mistake(span, "a second document: a file holds one scenario".to_owned());
                false
            }
            _ => true,
        }
    }

    fn tag(&mut self, span: Span, tag: Option<&Tag>) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            let message = format!("tags like `{}` mean nothing here", tag.original());
            self.mistake(span, message);
        }
    }

    fn begin(&mut self, start: usize, anchor: usize, kind: OpenKind) -> bool {
        self.open.push(Open { start, anchor, kind });
        true
    }

    /// Puts a finished value where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values, counting what aliases repeat");
            self.mistake(node.span, message);
            return false;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::Seq(items)) => items.push(node),
            Some(OpenKind::Map { key: key @ None, .. }) => *key = Some(node),
            Some(OpenKind::Map { entries, key }) => {
                let key_node = key.take().expect("the other arm has none");
                let (key_span, key) = (key_node.span, key_node.value);
                match key {
                    Value::Scalar(key) if entries.iter().all(|entry| entry.key != key) => {
                        entries.push(Entry {
                            key,
                            key_span,
                            value: node,
                        });
                    }
                    Value::Scalar(key) => {
                        let help = "merge the two or remove one";
                        self.help(key_span, format!("the key `{key}` is here twice"), help);
                    }
                    _ => {
                        self.help(
                            key_span,
                            "this is no key".to_owned(),
                            "a key is a word, followed by `:`",
                        );
                    }
                }
            }
        }
        true
    }
}

/// How many values an alias to `node` repeats.
fn count(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Broken | Value::Scalar(_) => 1,
        Value::Seq(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|entry| count(&entry.value)).sum::<usize>(),
    }
}
