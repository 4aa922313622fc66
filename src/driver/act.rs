//! Tells the container that a new generation is there: nothing, a signal, a restart in place.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{Mutex, oneshot};

use super::parts::Parts;
use crate::{
    container::{self, ContainerId, Restart},
    domain::{ChangeAction, Generation, Signal, TaskEvent, TaskMeta, fail_point},
};

/// Tries before an action is given up with an event.
const TRIES: u32 = 5;
/// Wait between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// A generation that has become visible, and what it calls for.
pub(super) struct Change {
    /// Which generation.
    pub generation: Generation,
    /// What to do, in order.
    pub actions: Vec<ChangeAction>,
    /// What changed, for the event: names only.
    pub what: String,
    /// Told once the actions are done.
    pub done: oneshot::Sender<()>,
}

/// Carries out what `change` calls for and says so. Returns whether the container was restarted.
pub(super) async fn carry_out(
    parts: &Parts,
    meta: &TaskMeta,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    change: Change,
) -> bool {
    let mut restarted = false;
    for action in &change.actions {
        fail_point("before-act");
        let outcome = attempt(parts, container, stopping, *action).await;
        fail_point("after-act");
        restarted |= matches!((&outcome, action), (Ok(true), ChangeAction::Restart));
        parts.tell(event(meta, &change, *action, &outcome));
    }
    if change.actions.is_empty() {
        parts.tell(TaskEvent::new(meta, format!("{} renewed, generation {}", change.what, change.generation)));
    }
    // Nobody listens when the keeper has gone meanwhile; the action is done all the same.
    change.done.send(()).ok();
    restarted
}

/// Words the outcome for the task's history.
fn event(
    meta: &TaskMeta,
    change: &Change,
    action: ChangeAction,
    outcome: &Result<bool, container::Error>,
) -> TaskEvent {
    let did = match action {
        ChangeAction::Noop => "container not told".to_owned(),
        ChangeAction::Signal(signal) => format!("{signal} sent"),
        ChangeAction::Restart => "container restarted".to_owned(),
    };
    let text = match outcome {
        Ok(true) => format!("{} renewed, generation {}: {did}", change.what, change.generation),
        Ok(false) => {
            format!("{} renewed, generation {}: container was ending, nothing to tell", change.what, change.generation)
        }
        Err(error) => format!("{} renewed, generation {}, but {did} failed: {error}", change.what, change.generation),
    };
    TaskEvent::new(meta, text).with("generation", change.generation.to_string())
}

/// Tries an action a few times; `false` when there is no running process to tell.
async fn attempt(
    parts: &Parts,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    action: ChangeAction,
) -> Result<bool, container::Error> {
    let mut last = Ok(true);
    for _ in 0..TRIES {
        last = match action {
            ChangeAction::Noop => Ok(true),
            ChangeAction::Signal(signal) => signal_once(parts, container, signal).await,
            ChangeAction::Restart => restart_once(parts, container, stopping).await,
        };
        if last.is_ok() {
            return last;
        }
        tokio::time::sleep(PAUSE).await;
    }
    last
}

/// Starts a container again that an earlier process had stopped for a restart, after `since`, and then died. Returns whether
/// it did; an end of another kind stays one.
pub(super) async fn finish_restart(
    parts: &Parts,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    since: SystemTime,
) -> Result<bool, container::Error> {
    let stop_asked = stopping.lock().await;
    let Some(state) = parts.engine.inspect(container).await? else { return Ok(false) };
    let stopped_for_it = state.exit.is_some() && state.finished_at.is_some_and(|at| at >= since);
    if *stop_asked || !stopped_for_it {
        return Ok(false);
    }
    parts.engine.start(container).await?;
    Ok(true)
}

async fn signal_once(parts: &Parts, container: &ContainerId, signal: Signal) -> Result<bool, container::Error> {
    match parts.engine.signal(container, signal).await {
        Ok(()) => Ok(true),
        Err(container::Error::NotRunning(_) | container::Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Restarts the container under the lock that a stop from outside takes too, so that neither undoes the other.
async fn restart_once(
    parts: &Parts,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
) -> Result<bool, container::Error> {
    let stop_asked = stopping.lock().await;
    if *stop_asked {
        return Ok(false);
    }
    let restarted = parts.engine.restart(container, None, parts.settings.refresh.stop_timeout).await?;
    Ok(restarted == Restart::Restarted)
}
