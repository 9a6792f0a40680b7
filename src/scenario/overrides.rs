use super::{
    diagnostic::{Diagnostic, nearest},
    protocol::CUSTOM,
    source::{SourceId, Sources, Span},
    thresholds::THRESHOLD_KEYS,
    tree::{self, Entry, Node, Value},
};

/// A value that stands in for one of the file's: `rooms.count=3`.
///
/// The path names keys and, in lists, positions counted from 0 (`steps.2.wait.within`). What is missing on
/// the way is made; a short form on the way becomes its long form (`wait: connected` →
/// `wait: {for: connected}`, `network: wifi` → `network: {profile: wifi}`, `client: reference` → `client: {extends: reference}`, a threshold → `{threshold: …}`). Dots inside braces belong to a name (`thresholds.reconnect_ms{path:a.b}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    origin: String,
    text: String,
    path: Path,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Path {
    /// The text is `path=value`.
    InText,
    /// The text is the value alone, taken as it is: a flag of its own.
    Fixed(&'static str),
    /// The same at these keys, of which one may hold any character.
    Keys(Vec<String>),
    /// The text is a value of YAML at these keys.
    List(Vec<String>),
    /// The text is the description of a protocol.
    Description,
}

impl Override {
    /// `--set path=value`; the value is YAML. `origin` is shown where a file's name would be.
    pub fn set(origin: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            text: text.into(),
            path: Path::InText,
        }
    }

    fn fixed(origin: impl Into<String>, path: &'static str, value: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            text: value.into(),
            path: Path::Fixed(path),
        }
    }

    /// The text at a path of keys, taken as it is.
    pub fn at(origin: impl Into<String>, keys: &[&str], value: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            text: value.into(),
            path: Path::Keys(keys.iter().map(|key| (*key).to_owned()).collect()),
        }
    }

    /// A list of texts at a path of keys, each taken as it is.
    pub fn list(origin: impl Into<String>, keys: &[&str], items: &[&str]) -> Self {
        let items: Vec<String> = items
            .iter()
            .map(|item| serde_json::Value::from(*item).to_string())
            .collect();
        Self {
            origin: origin.into(),
            text: format!("[{}]", items.join(", ")),
            path: Path::List(keys.iter().map(|key| (*key).to_owned()).collect()),
        }
    }

    /// `target.url`.
    pub fn url(origin: impl Into<String>, value: impl Into<String>) -> Self {
        Self::fixed(origin, "target.url", value)
    }

    /// `target.protocol`.
    pub fn protocol(origin: impl Into<String>, value: impl Into<String>) -> Self {
        Self::fixed(origin, "target.protocol", value)
    }

    /// `target.protocol: {custom: …}`: a file with the description of a protocol. `origin`: its name.
    pub fn description(origin: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            text: text.into(),
            path: Path::Description,
        }
    }

    /// `rooms.count`.
    pub fn rooms(origin: impl Into<String>, value: impl Into<String>) -> Self {
        Self::fixed(origin, "rooms.count", value)
    }

    /// `rooms.peers`.
    pub fn peers(origin: impl Into<String>, value: impl Into<String>) -> Self {
        Self::fixed(origin, "rooms.peers", value)
    }

    /// `seed`.
    pub fn seed(origin: impl Into<String>, value: impl Into<String>) -> Self {
        Self::fixed(origin, "seed", value)
    }

    /// `duration`.
    pub fn duration(origin: impl Into<String>, value: impl Into<String>) -> Self {
        Self::fixed(origin, "duration", value)
    }

    /// What goes into the scenario's hash: path and value, whatever the flag was called.
    pub(super) fn canonical(&self) -> String {
        match &self.path {
            Path::InText => self.text.clone(),
            Path::Fixed(path) => format!("{path}={}", self.text),
            Path::Keys(keys) | Path::List(keys) => format!("{}={}", keys.join("."), self.text),
            Path::Description => format!("target.protocol.custom={}", self.text),
        }
    }

    /// Puts the value into the tree, or reports why it can't.
    pub(super) fn apply(&self, root: &mut Node, sources: &mut Sources, mistakes: &mut Vec<Diagnostic>) {
        let source = sources.add(&self.origin, &self.text);
        let whole = Span::new(source, 0, self.text.len());
        let plain = || match self.text.is_empty() {
            true => Node::null(whole),
            false => Node {
                span: whole,
                value: Value::Scalar(self.text.clone()),
            },
        };
        let at = |keys: &[String]| keys.iter().map(|key| (key.clone(), whole)).collect::<Vec<_>>();
        let (segments, value) = match &self.path {
            Path::Fixed(path) => {
                let segments = path.split('.').map(|key| (key.to_owned(), whole)).collect();
                (segments, plain())
            }
            Path::Keys(keys) => (at(keys), plain()),
            Path::List(keys) => match tree::read_from(sources, source, 0, mistakes) {
                Some(value) => (at(keys), value),
                None => return,
            },
            Path::Description => match self.described(source, sources, mistakes) {
                Some(value) => (at(&["target".to_owned(), "protocol".to_owned()]), value),
                None => return,
            },
            Path::InText => match self.parts(source, sources, mistakes) {
                Some(parts) => parts,
                None => return,
            },
        };
        if let Err(mistake) = put(root, &segments, value) {
            let diagnostic = Diagnostic::new(sources, mistake.span, mistake.message);
            mistakes.push(match mistake.help {
                Some(help) => diagnostic.with_help(help),
                None => diagnostic,
            });
        }
    }

    /// The description under its key.
    fn described(&self, source: SourceId, sources: &Sources, mistakes: &mut Vec<Diagnostic>) -> Option<Node> {
        let before = mistakes.len();
        let start = Span::new(source, 0, 0);
        let Some(value) = tree::read(sources, source, mistakes) else {
            if mistakes.len() == before {
                let mistake = Diagnostic::new(sources, start, "the description is empty".to_owned());
                mistakes.push(mistake.with_help("a map with `send` and `receive`: see docs/PROTOCOLS.md"));
            }
            return None;
        };
        let entry = Entry {
            key: CUSTOM.to_owned(),
            key_span: start,
            value,
        };
        Some(Node {
            span: Span::new(source, 0, self.text.len()),
            value: Value::Map(vec![entry]),
        })
    }

    /// The path's segments and the value of `path=value`.
    fn parts(
        &self,
        source: SourceId,
        sources: &Sources,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Option<(Vec<(String, Span)>, Node)> {
        let whole = Span::new(source, 0, self.text.len());
        let Some(equals) = self.text.find('=') else {
            let mistake = Diagnostic::new(sources, whole, format!("`{}` has no `=`", self.text));
            mistakes.push(mistake.with_help("expected `path=value`, for example `rooms.count=3`"));
            return None;
        };
        let segments = split(&self.text[..equals], source);
        if segments.iter().any(|(key, _)| key.is_empty()) {
            let span = Span::new(source, 0, equals);
            let mistake = Diagnostic::new(sources, span, "a path is words with dots between them".to_owned());
            mistakes.push(mistake.with_help("for example `rooms.count=3`"));
            return None;
        }
        let value = tree::read_from(sources, source, equals + 1, mistakes)?;
        Some((segments, value))
    }
}

fn split(path: &str, source: SourceId) -> Vec<(String, Span)> {
    let mut segments = Vec::new();
    let (mut start, mut braces) = (0, 0_i32);
    for (at, c) in path.char_indices().chain([(path.len(), '.')]) {
        match c {
            '{' => braces += 1,
            '}' => braces -= 1,
            '.' if braces <= 0 || at == path.len() => {
                segments.push((path[start..at].to_owned(), Span::new(source, start, at)));
                start = at + 1;
            }
            _ => {}
        }
    }
    segments
}

struct Mistake {
    span: Span,
    message: String,
    help: Option<String>,
}

/// The long form's key for a value that may be written short.
fn long_form(key: &str) -> Option<&'static str> {
    match key {
        "wait" => Some("for"),
        "barrier" => Some("name"),
        "client" => Some("extends"),
        "network" => Some("profile"),
        "nat" => Some("type"),
        _ => None,
    }
}

fn put(root: &mut Node, segments: &[(String, Span)], value: Node) -> Result<(), Mistake> {
    let mut here = root;
    let mut parent = "";
    for (depth, (key, span)) in segments.iter().enumerate() {
        let long = match key.as_str() {
            // `thresholds.connect_ms.0.abortOnFail`
            key if depth > 1 && segments[0].0 == "thresholds" && THRESHOLD_KEYS.contains(&key) => {
                Some("threshold")
            }
            _ => long_form(parent),
        };
        lengthen(here, long, key);
        match &mut here.value {
            Value::Seq(items) => {
                let count = items.len();
                let item = key.parse().ok().and_then(|index: usize| items.get_mut(index));
                here = item.ok_or_else(|| Mistake {
                    span: *span,
                    message: format!("`{key}` is no position in `{parent}`"),
                    help: Some(match count {
                        0 => "the list is empty".to_owned(),
                        _ => format!("the positions are 0 to {}", count - 1),
                    }),
                })?;
            }
            Value::Map(entries) => {
                let index = entries.iter().position(|entry| entry.key == *key);
                let index = index.unwrap_or_else(|| {
                    entries.push(Entry {
                        key: key.clone(),
                        key_span: *span,
                        value: Node::null(*span),
                    });
                    entries.len() - 1
                });
                here = &mut entries[index].value;
            }
            Value::Scalar(word) => {
                let meant = nearest(key, [word.as_str()]).map(|word| format!("did you mean `{word}`?"));
                return Err(Mistake {
                    span: *span,
                    message: format!("there is no `{key}` in `{word}`"),
                    help: meant,
                });
            }
            Value::Null | Value::Broken => return Ok(()),
        }
        parent = key;
    }
    *here = value;
    Ok(())
}

/// Turns a short form into the map that `key` can be looked up in.
fn lengthen(node: &mut Node, long: Option<&str>, key: &str) {
    let span = node.span;
    let entry = match &node.value {
        Value::Null => None,
        // A bare step: `join` in a list is `join:` without an argument.
        Value::Scalar(word) if word == key => Some(Entry {
            key: word.clone(),
            key_span: span,
            value: Node::null(span),
        }),
        Value::Scalar(_) => match long {
            Some(long) => Some(Entry {
                key: long.to_owned(),
                key_span: span,
                value: node.clone(),
            }),
            None => return,
        },
        _ => return,
    };
    node.value = Value::Map(entry.into_iter().collect());
}
