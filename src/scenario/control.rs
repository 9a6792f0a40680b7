//! The commands that act on a server that was not started for the run.

use std::time::Duration;

use super::{
    fields::Reader,
    tree::{Entry, Node, Value},
    types::{CommandLine, Control},
};

/// The keys of `control`.
pub(super) const CONTROL_KEYS: [&str; 7] = ["start", "stop", "pause", "resume", "slow", "restore", "within"];
/// The longest command line, or word of one.
pub(super) const MAX_COMMAND: usize = 2_000;
/// The most words of a command.
pub(super) const MAX_WORDS: usize = 100;
/// How long a command may take if nothing is said.
pub(super) const COMMAND_WITHIN: Duration = Duration::from_secs(30);

pub(super) fn read_control(reader: &mut Reader<'_>, entry: &Entry) -> Option<Control> {
    let wants = "a map like `{stop: [systemctl, stop, signaling], start: [systemctl, start, signaling]}`";
    let mut fields = reader.map(&entry.value, "`control`", wants)?;
    let mut sound = true;
    let mut command = |reader: &mut Reader<'_>, key: &str| {
        let given = fields.take(key)?;
        let read = read_command(reader, given);
        sound &= read.is_some();
        read
    };
    let start = command(reader, "start");
    let stop = command(reader, "stop");
    let pause = command(reader, "pause");
    let resume = command(reader, "resume");
    let slow = command(reader, "slow");
    let restore = command(reader, "restore");
    let within = fields.take("within");
    let within = within.map_or(Some(COMMAND_WITHIN), |entry| reader.positive_duration(entry));
    sound &= !fields.has_rest();
    fields.finish(reader, &CONTROL_KEYS);
    sound.then_some(Control {
        start,
        stop,
        pause,
        resume,
        slow,
        restore,
        within: within?,
    })
}

/// A line for the shell, or a list of words that no shell looks at.
fn read_command(reader: &mut Reader<'_>, entry: &Entry) -> Option<CommandLine> {
    if let Value::Scalar(_) = entry.value.value {
        return reader.text(entry, MAX_COMMAND).map(CommandLine::Shell);
    }
    let what = format!("`{}`", entry.key);
    let wants = "a line for the shell, or a list of words like `[systemctl, stop, signaling]`";
    let items = reader.list(&entry.value, &what, wants)?;
    if items.is_empty() || items.len() > MAX_WORDS {
        let message = format!("{what} needs 1 to {MAX_WORDS} words");
        reader.mistake_help(entry.value.span, message, "the program first, then its arguments");
        return None;
    }
    let words: Vec<Option<String>> = items.iter().map(|item| read_word(reader, item)).collect();
    words.into_iter().collect::<Option<_>>().map(CommandLine::Words)
}

fn read_word(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let word = reader.scalar(node, "a word of a command", "a text")?;
    if word.chars().count() > MAX_COMMAND || word.contains('\0') {
        let message = format!("a word of a command has at most {MAX_COMMAND} characters, and no NUL");
        reader.mistake(node.span, message);
        return None;
    }
    Some(word.to_owned())
}
