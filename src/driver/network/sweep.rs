//! Networks that nobody asked for any more: an agent that has forgotten an allocation does not say so.

use std::{collections::HashSet, sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::{NetworkFiles, destroy, key_of, mend};
use crate::{
    container::{Role, RunState, Summary},
    driver::{parts::Parts, tasks::Tasks},
};

/// Looks after the networks of running tasks, and removes pause containers of ours that hold one for nobody. `age` is how long this process has looked on.
pub(in crate::driver) async fn sweep(parts: &Arc<Parts>, tasks: &Tasks, age: Duration) {
    let Ok(ours) = parts.engine.list_ours().await else { return };
    mend::watch(parts, tasks, &ours).await;
    let used = used(parts, tasks);
    for found in ours.iter().filter(|found| found.role == Role::Pause) {
        let Some(alloc_id) = &found.alloc_id else { continue };
        if !used.contains(alloc_id) && is_due(parts, found, age) {
            sweep_one(parts, tasks, alloc_id).await;
        }
    }
    sweep_files(parts, tasks);
}

/// A network that still runs waits longer: between two tries of a task, which can be minutes apart, nobody speaks of it.
fn is_due(parts: &Parts, found: &Summary, age: Duration) -> bool {
    let grace = match found.state {
        RunState::Running | RunState::Paused => parts.settings.network.reap_after,
        RunState::Created | RunState::Ended => parts.settings.refresh.reap_after,
    };
    let exists = OffsetDateTime::now_utc() - found.created;
    age >= grace && exists >= grace
}

/// Returns the allocations that this process was asked about, or that have a task which is not undone.
fn used(parts: &Parts, tasks: &Tasks) -> HashSet<String> {
    let asked = parts.networks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let running = tasks.all().into_iter().map(|task| task.meta.alloc_id);
    let open = parts.journal.open_tasks().into_iter().filter_map(|open| Some(open.meta?.alloc_id));
    asked.into_iter().chain(running).chain(open).collect()
}

async fn sweep_one(parts: &Arc<Parts>, tasks: &Tasks, alloc_id: &str) {
    let Ok(key) = key_of(alloc_id) else { return };
    let Some(_claim) = tasks.claim(&key) else { return };
    // It may have been asked for since.
    if used(parts, tasks).contains(alloc_id) {
        return;
    }
    match destroy::remove(parts, alloc_id, &key).await {
        Ok(()) => tracing::info!(alloc_id, "Stray group network undone"),
        Err(error) => tracing::warn!(alloc_id, %error, "A stray group network could not be undone yet"),
    }
}

/// Removes the files of tasks that are no more.
fn sweep_files(parts: &Parts, tasks: &Tasks) {
    for key in NetworkFiles::list(parts) {
        if parts.journal.task(&key).is_none()
            && let Some(_claim) = tasks.claim(&key)
        {
            NetworkFiles::of(parts, &key).remove();
        }
    }
}
