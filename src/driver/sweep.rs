//! Undoes what ended or broke while nobody was there to do it.
//!
//! Runs from the first fingerprint on. What an unfinished start left is undone at once; a running task that no
//! orchestrator asks for is undone after the grace; an ended task whose credentials could not be revoked is tried again.

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use super::{DriverError, finish, network, parts::Parts, prepare, receipts::Receipts, record::Record, tasks::Tasks};
use crate::{
    domain::{TaskKey, TaskMeta},
    journal::OpenTask,
};

/// Pause between two rounds; an ended task's credentials are dead at most this long after the server is back.
const ROUND: std::time::Duration = std::time::Duration::from_secs(10);

/// Time for the server to finish what a killed process had asked for. A lease that it makes for a token that was revoked
/// meanwhile would live on alone.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(2);

/// Sweeps for as long as the process lives.
pub(super) async fn run(parts: Arc<Parts>, tasks: Arc<Tasks>) {
    let since = SystemTime::now();
    tokio::time::sleep(SETTLE).await;
    loop {
        let grace_over = since.elapsed().unwrap_or_default() >= parts.settings.refresh.reap_after;
        for open in parts.journal.open_tasks() {
            if due(&open, grace_over) {
                sweep_one(&parts, &tasks, &open, grace_over).await;
            }
        }
        if grace_over {
            sweep_strays(&parts, &tasks).await;
        }
        network::sweep(&parts, &tasks, since.elapsed().unwrap_or_default()).await;
        tokio::time::sleep(ROUND.min(parts.settings.refresh.reap_after)).await;
    }
}

/// Says whether `open` may be undone now: not before the grace when it was running.
fn due(open: &OpenTask, grace_over: bool) -> bool {
    !open.started || open.ended.is_some() || grace_over
}

async fn sweep_one(parts: &Arc<Parts>, tasks: &Tasks, open: &OpenTask, grace_over: bool) {
    // The claim keeps a start or recovery of the same task from running beside this.
    let Some(_claim) = tasks.claim(&open.key) else { return };
    let outcome = match &open.meta {
        // Its end may not have been reported yet: the container stays to tell it until the grace is over.
        Some(meta) if open.ended.is_some() && !grace_over => revoke(parts, meta, &open.key).await,
        Some(meta) => undo(parts, meta, &open.key).await,
        None => undo_unknown(parts, &open.key).await,
    };
    match outcome {
        Ok(()) => tracing::info!(key = %open.key, "Leftover undone"),
        Err(error) => tracing::warn!(key = %open.key, %error, "A leftover could not be undone yet"),
    }
}

/// Undoes everything of one task: container, credentials, directory.
pub(super) async fn undo(parts: &Parts, meta: &TaskMeta, key: &TaskKey) -> Result<(), DriverError> {
    prepare::remove(parts, key).await?;
    revoke(parts, meta, key).await
}

/// Gives back the credentials and the directory of one task and leaves its container alone.
async fn revoke(parts: &Parts, meta: &TaskMeta, key: &TaskKey) -> Result<(), DriverError> {
    let dir = parts.tmpfs.open(key)?;
    finish::give_back(parts, meta, None, dir.as_ref()).await
}

/// As [`undo`], for a leftover of which only the key is known.
async fn undo_unknown(parts: &Parts, key: &TaskKey) -> Result<(), DriverError> {
    if let Some(record) = parts.tmpfs.open(key)?.and_then(|dir| Record::read(&dir).ok().flatten()) {
        return undo(parts, &record.meta, key).await;
    }
    prepare::remove(parts, key).await?;
    finish::await_lost(parts, key, &Receipts::of_unknown(parts, key), &[]).await?;
    parts.tmpfs.remove(key)?;
    parts.journal.close(key).await?;
    Ok(())
}

/// Removes containers and directories with our marks that neither a task nor the journal knows, and forgets users of images
/// that are no more.
async fn sweep_strays(parts: &Arc<Parts>, tasks: &Tasks) {
    let known: HashSet<TaskKey> = parts.journal.open_tasks().into_iter().map(|open| open.key).collect();
    let mut strays: Vec<TaskKey> = parts.tmpfs.list().unwrap_or_default();
    if let Ok(containers) = parts.engine.list_ours().await {
        let networks = network::image_users(parts, &containers);
        let marked: HashSet<TaskKey> = containers.into_iter().filter_map(|container| container.task_key).collect();
        let running = tasks.all().into_iter().map(|task| task.meta.id.key());
        let users = running.chain(networks).chain(known.iter().cloned()).chain(marked.iter().cloned());
        parts.images.reconcile(&users.collect());
        strays.extend(marked);
    }
    strays.retain(|key| !known.contains(key));
    strays.sort();
    strays.dedup();
    for key in strays {
        let Some(_claim) = tasks.claim(&key) else { continue };
        match undo_unknown(parts, &key).await {
            Ok(()) => tracing::info!(%key, "Stray undone"),
            Err(error) => tracing::warn!(%key, %error, "A stray could not be undone yet"),
        }
    }
}
