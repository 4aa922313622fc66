//! What can go wrong with the journal.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Why nothing can be noted. Whoever gets one does not begin what they wanted to note.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The state directory does not outlive a reboot, or others could write to it.
    #[error("state_dir {path:?} {why}; {hint}")]
    UnsafeDirectory {
        /// Which directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// Another process holds the journal and does not let go.
    #[error("journal {path:?} is held by another plugin process for more than {waited:?}; end that process")]
    Held {
        /// The lock.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file is no longer where the next process would look for it.
    #[error("journal {path:?} was removed or replaced under the plugin; restart the plugin")]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// A newer process has taken over.
    #[error("journal {path:?} was taken over by a newer plugin process; this one no longer acts")]
    Superseded {
        /// The state directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{doing} {path:?}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said; shared, since several waiters may get the same answer.
        source: Arc<io::Error>,
    },
    /// The thread that writes is gone.
    #[error("journal {path:?} has no writer any more; restart the plugin")]
    NoWriter {
        /// The state directory.
        path: PathBuf,
    },
}

impl Error {
    /// Wraps what the system said.
    pub(super) fn io(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { doing, path: path.to_owned(), source: Arc::new(source.into()) }
    }
}
