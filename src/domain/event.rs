//! What the user is told about a task while it lives.

use std::{collections::BTreeMap, time::SystemTime};

use super::TaskMeta;

/// One line in the task's history, shown by `nomad alloc status`. A task keeps only its last ten, so they are few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// Which start attempt.
    pub task_id: String,
    /// Which allocation.
    pub alloc_id: String,
    /// Which task of it.
    pub task_name: String,
    /// When it happened.
    pub at: SystemTime,
    /// Fixed text with an object in it; never a secret value.
    pub message: String,
    /// Details as key and value; never a secret value.
    pub annotations: BTreeMap<String, String>,
}

impl TaskEvent {
    /// Returns an event of `task` that happens now.
    pub fn new(task: &TaskMeta, message: impl Into<String>) -> Self {
        Self {
            task_id: task.id.to_string(),
            alloc_id: task.alloc_id.clone(),
            task_name: task.name.clone(),
            at: SystemTime::now(),
            message: message.into(),
            annotations: BTreeMap::new(),
        }
    }

    /// Adds a detail.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }
}
