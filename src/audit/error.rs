//! Why a line was not written or a file not read.

use std::{path::PathBuf, sync::Arc};

/// Why a line was not written or a file not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The system says no.
    #[error("{verb} audit file {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// Somebody else could change it.
    #[error("audit file {} {why}; {hint}", path.display())]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The thread that writes has ended.
    #[error("audit file {} has no writer any more; restart the plugin", path.display())]
    NoWriter {
        /// Which file.
        path: PathBuf,
    },
}

impl Error {
    pub(super) fn io(verb: &'static str, path: &std::path::Path, source: impl Into<std::io::Error>) -> Self {
        Self::Io { verb, path: path.to_owned(), source: Arc::new(source.into()) }
    }
}
