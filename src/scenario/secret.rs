//! Values that may be secrets: said in the scenario, or kept outside of it.

use std::fmt;

use super::{
    fields::Reader,
    template::Template,
    tree::{Entry, Node, Value},
};

/// The keys of a value that is kept outside.
pub(super) const SECRET_KEYS: [&str; 2] = ["env", "file"];
/// The longest value, path or name of a variable.
pub(super) const MAX_SECRET: usize = 8_000;
/// What stands where a secret was.
pub(super) const HIDDEN: &str = "hidden";

/// A value that may be a secret. It never shows itself: what is written in a scenario is `hidden` wherever it is
/// printed, but for [`Scenario::to_yaml`](super::Scenario::to_yaml).
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// As the scenario says it.
    Literal(String),
    /// What that variable of the environment holds.
    Variable(String),
    /// What is in that file, without the end of its last line.
    File(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str(HIDDEN),
            Self::Variable(name) => write!(f, "env: {name}"),
            Self::File(path) => write!(f, "file: {path}"),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Secret {
    /// The same without what nobody has to see.
    pub(super) fn hidden(&self) -> Self {
        match self {
            Self::Literal(text) => Self::Literal(Template::parse(text).map_or_else(
                |_| HIDDEN.to_owned(),
                // What stands for a value is none, and whoever reads the scenario again wants it there.
                |template| template.with_texts(HIDDEN).to_string(),
            )),
            other => other.clone(),
        }
    }

    pub(super) fn to_yaml(&self, quoted: impl Fn(&str) -> String) -> String {
        match self {
            Self::Literal(text) => quoted(text),
            Self::Variable(name) => format!("{{ env: {} }}", quoted(name)),
            Self::File(path) => format!("{{ file: {} }}", quoted(path)),
        }
    }
}

/// A text with variables in it, `{env: NAME}` or `{file: PATH}`. `what` is told of a literal that is refused.
pub(super) fn read_secret(
    reader: &mut Reader<'_>,
    entry: &Entry,
    refused: impl Fn(&str) -> Option<&'static str>,
) -> Option<Secret> {
    if let Value::Map(_) = entry.value.value {
        return read_outside(reader, &entry.value, &entry.key);
    }
    let text = reader.text(entry, MAX_SECRET)?;
    if let Err(error) = Template::parse(&text) {
        reader.mistake_help(entry.value.span, error.to_string(), error.help());
        return None;
    }
    if let Some(why) = refused(&text) {
        reader.mistake(entry.value.span, format!("`{}` {why}", entry.key));
        return None;
    }
    Some(Secret::Literal(text))
}

fn read_outside(reader: &mut Reader<'_>, node: &Node, key: &str) -> Option<Secret> {
    let what = format!("`{key}`");
    let wants = "a text, or where it is kept: `{env: NAME}` or `{file: PATH}`";
    let mut fields = reader.map(node, &what, wants)?;
    let at = fields.span;
    let [env, file] = SECRET_KEYS.map(|key| fields.take(key));
    let variable = env.map(|entry| read_variable(reader, entry));
    let path = file.map(|entry| reader.text(entry, MAX_SECRET));
    fields.finish(reader, &SECRET_KEYS);
    match (variable, path) {
        (Some(name), None) => name.map(Secret::Variable),
        (None, Some(path)) => path.map(Secret::File),
        _ => {
            reader.mistake_help(at, format!("{what} needs one of `env` and `file`"), wants);
            None
        }
    }
}

/// The name of a variable of the environment.
fn read_variable(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let name = reader.text(entry, MAX_SECRET)?;
    if is_variable(&name) {
        return Some(name);
    }
    let help = "write the variable's name, never the secret itself: `{env: RTC_TOKEN}`";
    reader.mistake_help(
        entry.value.span,
        "`env` is no name of a variable of the environment",
        help,
    );
    None
}

pub(super) fn is_variable(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = Secret::Literal("Bearer abc".to_owned());
        assert_eq!(format!("{secret} {secret:?}"), "hidden hidden");
        assert_eq!(secret.hidden().to_yaml(str::to_owned), "hidden");
        let mixed = Secret::Literal("Bearer ${jwt}".to_owned());
        assert_eq!(mixed.hidden().to_yaml(str::to_owned), "hidden${jwt}");
        let kept = Secret::Variable("TOKEN".to_owned());
        assert_eq!(format!("{kept:?}"), "env: TOKEN");
        assert_eq!(kept.hidden(), kept);
    }
}
