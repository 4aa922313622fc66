//! What can go wrong with a task's directory.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::domain::Generation;

/// Why a task's directory cannot be had, filled or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else could put things there.
    #[error("directory {path:?} {why}; {hint}")]
    UnsafeDirectory {
        /// Which directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// It is not a tmpfs of ours.
    #[error("directory {path:?} is not in RAM; unmount or empty it and start the task anew")]
    NotRam {
        /// Which directory.
        path: PathBuf,
    },
    /// The kernel may write the files to swap.
    #[error("tmpfs {path:?} can be swapped out (noswap needs Linux 6.4); turn swap off or unset require_noswap")]
    Swappable {
        /// Which directory.
        path: PathBuf,
    },
    /// The files are larger than what is left.
    #[error("secrets directory is full: the files need {need} bytes and {have} are free; raise the tmpfs size")]
    NoSpace {
        /// Bytes that the files take, in whole pages.
        need: u64,
        /// Bytes that are free.
        have: u64,
    },
    /// The files are more than what is left.
    #[error("secrets directory is full: the files need {need} inodes and {have} are free; raise the tmpfs size")]
    NoInodes {
        /// Files, directories and links that are needed.
        need: u64,
        /// How many are free.
        have: u64,
    },
    /// A generation that is not newer than the one that is shown.
    #[error("generation {given} is not newer than the current generation {current}")]
    Stale {
        /// What was to be published.
        given: Generation,
        /// What is shown.
        current: Generation,
    },
    /// Something that we did not make.
    #[error("{path:?} is {what}; remove it and start the task anew")]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The system refused.
    #[error("{doing} {path:?}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Says whether more room would have helped.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::NoSpace { .. } | Self::NoInodes { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Wraps what the system said.
    pub(super) fn io(doing: &'static str, path: &Path, errno: Errno) -> Self {
        Self::Io { doing, path: path.to_owned(), source: errno.into() }
    }
}
