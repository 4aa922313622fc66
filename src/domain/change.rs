//! What the task is told when something it holds has changed, and what becomes of it when the server is away for too long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Losses, Signal};

/// Longest wait before an action unless the job says otherwise, as in Nomad's templates.
const SPLAY: Duration = Duration::from_secs(5);

/// What happens to the container after a whole new generation is visible to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAction {
    /// The files change, the process is not told.
    #[default]
    Noop,
    /// The container's first process gets the signal.
    Signal(Signal),
    /// The container is stopped and started again in place.
    Restart,
    /// A command runs inside the container.
    Script(ChangeScript),
}

/// A command that runs inside the container after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeScript {
    /// The program, as the container finds it.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// Whether the task is ended when the script fails.
    pub fail_on_error: bool,
    /// Whether it also runs once after the start.
    pub first_run: bool,
}

/// What becomes of a credential that has truly ended while the server is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOutage {
    /// The last good files stay.
    #[default]
    Keep,
    /// The files made of it are removed, and the change action runs.
    Degrade,
    /// The task is ended as failed, so long after the credential's end.
    Stop {
        /// How long after.
        grace: Duration,
    },
}

/// How a block's files are kept up while the task lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// What to do when they have changed.
    pub on_change: ChangeAction,
    /// Longest wait before that; each task has its own share of it, always the same.
    #[serde(default)]
    pub splay: Duration,
    /// What to do when they cannot be kept fresh.
    #[serde(default)]
    pub on_outage: OnOutage,
    /// What to do when they are lost.
    #[serde(default)]
    pub losses: Losses,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            on_change: ChangeAction::default(),
            splay: SPLAY,
            on_outage: OnOutage::default(),
            losses: Losses::default(),
        }
    }
}

impl ChangeScript {
    /// Returns the program and its arguments.
    pub fn command_line(&self) -> Vec<String> {
        std::iter::once(&self.command).chain(&self.args).cloned().collect()
    }
}

impl From<ChangeAction> for Upkeep {
    fn from(on_change: ChangeAction) -> Self {
        Self { on_change, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_releases_words_are_understood() {
        let upkeep: Upkeep = serde_json::from_str(r#"{"on_change":"restart"}"#).expect("it is read");
        assert_eq!((upkeep.on_change, upkeep.splay), (ChangeAction::Restart, Duration::ZERO));
    }
}
