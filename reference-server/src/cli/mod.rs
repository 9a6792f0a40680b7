//! The reference server on the command line, for its own binary and for programs that carry it.

mod args;
mod serve;

pub use args::{Args, ArgsError};
pub use serve::serve;
