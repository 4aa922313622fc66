//! What becomes of files whose secret is not to be had any more.

use serde::{Deserialize, Serialize};

/// How a secret was lost, once that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// It is not there any more.
    Deleted,
    /// The server does not let the task have it.
    Denied,
}

/// What becomes of the files, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// The last good ones stay.
    Keep,
    /// They go, and what the block does on a change is done.
    Remove,
    /// They go, and the container is restarted in place.
    Restart,
    /// They go, and the task is ended as failed.
    Stop,
}

/// What a block says about losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Losses {
    /// When the server denies what it is made of.
    pub on_denied: Option<OnLoss>,
    /// When that is deleted.
    pub on_delete: Option<OnLoss>,
}

impl Losses {
    /// Returns what becomes of the files.
    ///
    /// Who denies access wants the values gone. A deletion may be a slip of the hand, so that the last value stays, unless the
    /// job says that it does without.
    pub fn of(&self, loss: Loss, is_optional: bool) -> OnLoss {
        match loss {
            Loss::Denied => self.on_denied.unwrap_or(OnLoss::Remove),
            Loss::Deleted if is_optional => self.on_delete.unwrap_or(OnLoss::Remove),
            Loss::Deleted => self.on_delete.unwrap_or(OnLoss::Keep),
        }
    }
}
