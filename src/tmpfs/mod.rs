//! The task's directory in RAM: mounted, filled whole by generations, wiped.
//!
//! Each task has a tmpfs of its own below the runtime directory. In it lie `record`, which only root reads, and
//! `data/`, the directory that is bound into the container:
//!
//! ```text
//! data/..gen-7/db/password      a generation, filled before anything points at it
//! data/..data -> ..gen-7        the one name that decides what is current
//! data/db     -> ..data/db      what a program opens
//! ```
//!
//! Promises: a generation is shown whole or not at all; a reader that resolved `..data` once can finish reading; a set
//! that does not fit leaves the old one as it is; what is not RAM is refused; no link that somebody planted is followed.
//!
//! It does not know what the files mean, who asked for them, or when they are due. All calls block, a
//! millisecond or less each; removal waits for the kernel's unmount and takes some more.

mod error;
mod generations;
mod handle;
mod linger;
mod links;
mod mounting;
mod probe;
mod room;
mod runtime;
mod secrets_dir;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use error::Error;
pub use probe::Probe;
pub use runtime::Tmpfs;
pub use secrets_dir::SecretsDir;

/// What a call of this module gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Where tasks' directories are mounted, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The driver's own directory; made when it is missing, refused when others could write to it.
    pub runtime_dir: PathBuf,
    /// Size of each task's tmpfs; holds up to four generations and the record.
    pub size_bytes: u64,
    /// Whether a kernel that may swap the files out is refused.
    pub require_noswap: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { runtime_dir: PathBuf::from("/run/strongbox"), size_bytes: 4 << 20, require_noswap: false }
    }
}
