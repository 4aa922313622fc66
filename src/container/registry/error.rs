//! Why a place that should hold credentials could not be read.

use std::{path::PathBuf, time::Duration};

use super::HelperName;

/// Why a source of credentials gave no answer. None of these holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The operator's file cannot be read or understood.
    #[error("registry auth file {}: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without its content.
        why: String,
    },
    /// A helper could not be run, or failed.
    #[error("credential helper {name}: {why}")]
    Helper {
        /// Which helper.
        name: HelperName,
        /// What happened, without what it said about a credential.
        why: String,
    },
    /// A helper did not answer in time.
    #[error("credential helper {name}: no answer within {limit:?}")]
    HelperTimeout {
        /// Which helper.
        name: HelperName,
        /// What it was given.
        limit: Duration,
    },
}
