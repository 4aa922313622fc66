//! What must be undone, on disk, ids only.
//!
//! A line is on the disk before the act it announces: before a login, a lease, a certificate, a container. So
//! whatever dies, the next process finds what may be left behind and revokes or removes it. Lines hold
//! ids, names and deadlines; no token, secret or key ever comes here.
//!
//! Promises: `append` returns after the line has reached the disk, and several at once share one sync; a damaged
//! file is set aside and never stops a start; steps that a newer version wrote are kept; one process at a time writes, and
//! the newest one gets its turn.
//!
//! It does not know how anything is undone, nor whether it worked before it is told.

mod check;
mod entry;
mod error;
mod file;
mod handle;
mod lock;
mod state;
mod writer;

use std::path::PathBuf;

pub use entry::{Entry, Step};
pub use error::Error;
pub use file::Quarantine;
pub use handle::Journal;
pub use state::{HeldCertificate, HeldLease, HeldToken, OpenTask};

/// What a call of this module gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Where the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A directory on a disk, which must outlive a reboot and which no task can reach.
    pub state_dir: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { state_dir: PathBuf::from("/var/lib/nomad-driver-strongbox") }
    }
}
