//! What the task is told when something it holds has changed.

use serde::{Deserialize, Serialize};

use super::Signal;

/// What happens to the container after a whole new generation is visible to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAction {
    /// The files change, the process is not told.
    #[default]
    Noop,
    /// The container's first process gets the signal.
    Signal(Signal),
    /// The container is stopped and started again in place.
    Restart,
}

impl ChangeAction {
    /// Returns the stronger of two actions owed at once: a restart beats a signal, a signal beats nothing.
    ///
    /// Of two different signals the later one asked for stays, and the caller sends both where it must.
    pub fn stronger(self, other: Self) -> Self {
        match (self, other) {
            (Self::Restart, _) | (_, Self::Restart) => Self::Restart,
            (_, Self::Signal(signal)) | (Self::Signal(signal), Self::Noop) => Self::Signal(signal),
            (Self::Noop, Self::Noop) => Self::Noop,
        }
    }
}
