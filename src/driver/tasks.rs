//! The tasks this process knows, and who is at work on which.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Class, DriverError, supervisor::Task};
use crate::domain::{TaskId, TaskKey};

/// Looks at a task that somebody else is at work on: together 15 s, which is longer than one round of undoing takes.
const CLAIM_TRIES: u32 = 750;
const CLAIM_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// The registry. A plain lock, never held across an await.
#[derive(Default)]
pub(super) struct Tasks {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    running: HashMap<TaskKey, Task>,
    claimed: HashSet<TaskKey>,
}

/// The right to start, recover or undo one task; given back when dropped.
pub(super) struct Claim {
    inner: Arc<Mutex<Inner>>,
    key: TaskKey,
}

impl Tasks {
    /// Returns the task `id`.
    ///
    /// # Errors
    /// It is not known here.
    pub(super) fn get(&self, id: &TaskId) -> Result<Task, DriverError> {
        let found = self.lock().running.get(&id.key()).cloned();
        found.ok_or_else(|| DriverError::new(Class::TaskUnknown, format!("task not found for given id {id}")))
    }

    /// Says whether `id` is known.
    pub(super) fn knows(&self, id: &TaskId) -> bool {
        self.lock().running.contains_key(&id.key())
    }

    /// Adds a task.
    pub(super) fn insert(&self, task: Task) {
        self.lock().running.insert(task.meta.id.key(), task);
    }

    /// Takes a task out.
    pub(super) fn remove(&self, id: &TaskId) -> Option<Task> {
        self.lock().running.remove(&id.key())
    }

    /// Returns all tasks.
    pub(super) fn all(&self) -> Vec<Task> {
        self.lock().running.values().cloned().collect()
    }

    /// Claims a task for work on it; `None` while somebody else is at it or it runs.
    pub(super) fn claim(&self, key: &TaskKey) -> Option<Claim> {
        let mut inner = self.lock();
        (!inner.running.contains_key(key) && inner.claimed.insert(key.clone()))
            .then(|| Claim { inner: Arc::clone(&self.inner), key: key.clone() })
    }

    /// As [`Tasks::claim`], waiting a bounded time for somebody else's work on the task to end; `None` when it runs then,
    /// or that work does not end.
    pub(super) async fn claim_soon(&self, key: &TaskKey) -> Option<Claim> {
        for _ in 0..CLAIM_TRIES {
            if let Some(claim) = self.claim(key) {
                return Some(claim);
            }
            if self.lock().running.contains_key(key) {
                return None;
            }
            tokio::time::sleep(CLAIM_PAUSE).await;
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).claimed.remove(&self.key);
    }
}
