//! What the orchestrator keeps for us about a running task: names only, no secret, readable by every later release.

use std::{path::PathBuf, time::SystemTime};

use serde::{Deserialize, Serialize};

use super::{
    Class, DriverError,
    network::{Joined, Namespace},
};
use crate::{
    container::ContainerId,
    domain::{LogPaths, TaskId, TaskSpec},
};

/// Version of this form.
const VERSION: u32 = 1;

/// A running task as its handle tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Handle {
    version: u32,
    /// Which start attempt.
    pub task_id: TaskId,
    /// Its container.
    pub container: String,
    /// When it started.
    pub started_at: SystemTime,
    /// Where its output goes.
    pub logs: Option<LogPaths>,
    /// The group's network namespace as it was at the start, for a task that joined one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Where the orchestrator writes the task's signed identity.
    pub secrets_dir: PathBuf,
}

impl Handle {
    /// Returns the handle of a task that has just started.
    pub(super) fn new(spec: &TaskSpec, container: &ContainerId, started_at: SystemTime, joined: &Joined) -> Self {
        Self {
            version: VERSION,
            task_id: spec.meta.id.clone(),
            container: container.as_str().to_owned(),
            started_at,
            logs: spec.logs.clone(),
            namespace: joined.namespace.clone(),
            secrets_dir: spec.secrets_dir(),
        }
    }

    /// Returns the bytes to hand out.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a handle has text keys and plain values")
    }

    /// Reads a handle back.
    ///
    /// # Errors
    /// It is empty, damaged or of a newer release.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, DriverError> {
        let invalid = |why: String| DriverError::new(Class::StateInvalid, format!("task handle: {why}"));
        let handle: Self = serde_json::from_slice(bytes)
            .map_err(|error| invalid(format!("cannot be read at byte {}", error.column())))?;
        match handle.version {
            VERSION => Ok(handle),
            other => Err(invalid(format!("version {other} is not one of this release's (1)"))),
        }
    }

    /// Returns the container's id, checked.
    ///
    /// # Errors
    /// The text is no id of the engine's.
    pub(super) fn container(&self) -> Result<ContainerId, DriverError> {
        self.container.parse().map_err(|error: crate::container::IdError| {
            DriverError::new(Class::StateInvalid, format!("task handle: {error}"))
        })
    }
}
