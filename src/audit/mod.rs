//! Who was given which credential, and when it ended: one line each, in a file that shows when it was touched.
//!
//! Each line carries the hash of the line before it, so a changed, removed, added or swapped line breaks the chain from
//! there on. Lines hold names, ids and times; no token, secret or key ever comes here.
//!
//! Promises: lines are only ever added; what a crash tore is closed with a note and never cut away; several processes can
//! follow one another, or meet, in one file; [`Audit::settle`] returns after the lines before it are with the kernel.
//!
//! It does not know what is worth a line. It cannot show that lines are missing at the very end: for that, and against
//! somebody who writes the whole chain anew, the last hash must be kept elsewhere.

mod chain;
mod entry;
mod error;
mod file;
mod handle;
mod holders;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use chain::Link;
pub use entry::{Act, Entry, Kind, Note, Who};
pub use error::Error;
pub use handle::Audit;
pub use holders::{Holding, Wanted, holders, lines_of};
pub use verify::{Report, files_of, verify};

/// What a call of this module gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file; `audit.log` in the state directory when absent.
    pub file: Option<PathBuf>,
    /// Whether lines are written at all.
    pub enabled: bool,
    /// Whether nothing is obtained for a new task while no line can be written.
    pub required: bool,
    /// The size in bytes beyond which another file is begun.
    pub max_size: u64,
    /// How many full files stay.
    pub keep: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { file: None, enabled: true, required: true, max_size: 64 << 20, keep: 8 }
    }
}
