use crate::{
    base::Instant,
    report::paper::{left, right},
};

/// Between a peer and the server, or at one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    Up,
    /// From the server.
    Down,
    /// Nowhere.
    Here,
}

/// One line: when, who, which way, and what.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub at: Instant,
    pub peer: String,
    pub way: Way,
    /// Who it is for, from or about.
    pub remote: Option<String>,
    pub what: String,
    /// Whether it went wrong, or was made to.
    pub odd: bool,
}

/// What each column is as wide as.
#[derive(Debug, Clone, Copy)]
pub struct Widths {
    pub at: usize,
    pub peer: usize,
}

/// The heading of the columns.
pub fn heading(widths: Widths) -> String {
    let line = format!(
        "  {}  {}        {}  what",
        right("ms", widths.at),
        left("peer", widths.peer),
        left("with", widths.peer),
    );
    line.trim_end().to_owned()
}

impl Row {
    /// `!  1204.311  peer-0 → server → peer-1  offer 3`.
    pub fn line(&self, widths: Widths) -> String {
        let mark = if self.odd { '!' } else { ' ' };
        let at = right(&format!("{:.3}", self.at.as_millis_f64()), widths.at);
        let peer = left(&self.peer, widths.peer);
        let server = match self.way {
            Way::Up => "→ srv →",
            Way::Down => "← srv ←",
            Way::Here => "       ",
        };
        let server = match (&self.remote, self.way) {
            (None, Way::Up) => "→ srv  ",
            (None, Way::Down) => "← srv  ",
            _ => server,
        };
        let remote = left(self.remote.as_deref().unwrap_or_default(), widths.peer);
        let line = format!("{mark} {at}  {peer} {server} {remote}  {}", self.what);
        line.trim_end().to_owned()
    }
}
