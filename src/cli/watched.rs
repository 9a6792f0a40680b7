//! Who is told of runs that are under way, from outside of the terminal.

use std::sync::Arc;

use super::{
    args::RunArgs,
    live::{Board, LivePage},
    otlp::Otlp,
};
use crate::verdict::ExitCode;

/// The board of a command's runs, and those who show it.
pub(super) struct Watched {
    pub board: Arc<Board>,
    pub otlp: Option<Otlp>,
    page: Option<LivePage>,
}

impl Watched {
    /// Begins to show, if it is wanted.
    ///
    /// # Errors
    /// Whole, as it is printed: the page's address is not to be had, or there is nothing to send with.
    pub fn start(args: &RunArgs, scenarios: usize) -> Result<Option<Self>, String> {
        if args.live.is_none() && args.otlp.is_none() {
            return Ok(None);
        }
        let board = Board::new(scenarios);
        let otlp = args.otlp.as_ref().map(|url| {
            Otlp::start(url, board.clone()).map_err(|trouble| format!("error: --otlp {url}: {trouble}"))
        });
        let page = args.live.as_ref().map(|address| {
            let page = LivePage::open(address, board.clone()).map_err(|error| {
                format!("error: --live {address}: {error}\n  help: choose another port; 0 is any that is free")
            })?;
            eprintln!("live: {}", page.url());
            if !address.is_loopback() {
                eprintln!(
                    "warning: whoever reaches that address can read along: the scenario, its figures, its failures"
                );
            }
            Ok::<_, String>(page)
        });
        Ok(Some(Self {
            otlp: otlp.transpose()?,
            page: page.transpose()?,
            board,
        }))
    }

    /// Tells the end. Not to be called inside of a runtime.
    pub fn end(self, code: ExitCode) {
        self.board.over(code);
        if let Some(page) = self.page {
            page.end();
        }
        if let Some(otlp) = self.otlp {
            otlp.end();
        }
    }
}
