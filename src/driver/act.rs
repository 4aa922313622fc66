//! Tells the container that a new generation is there: nothing, a signal, a restart in place, a script.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{Mutex, oneshot};

use super::{
    parts::Parts,
    script::{self, Ran},
};
use crate::{
    container::{self, ContainerId, Restart},
    domain::{ChangeAction, ChangeScript, Generation, Signal, TaskEvent, TaskMeta, fail_point},
};

/// Tries before an action is given up with an event.
const TRIES: u32 = 5;
/// Wait between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// What a keeper asks of its task's supervisor.
pub(super) enum Order {
    /// Tell the container what has changed.
    Act(Change),
    /// End the task as failed, for this reason.
    Fail(String),
}

/// A generation that has become visible, and what it calls for.
pub(super) struct Change {
    /// Which generation.
    pub generation: Generation,
    /// What to do, in order.
    pub actions: Vec<ChangeAction>,
    /// What changed, for the event: names only. Empty when nothing did and the container has only just started.
    pub what: String,
    /// Told once the actions are done.
    pub done: oneshot::Sender<()>,
}

/// What came of a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The container runs anew.
    pub restarted: bool,
    /// Why the task must end, when it must.
    pub failed: Option<String>,
}

impl Change {
    /// Says whether the container ends and starts again, so that its end is none.
    pub(super) fn restarts(&self) -> bool {
        self.actions.contains(&ChangeAction::Restart)
    }

    /// Words what became of it for the task's history.
    fn event(&self, meta: &TaskMeta, did: &str) -> TaskEvent {
        let text = match self.what.is_empty() {
            true => format!("Started with generation {}: {did}", self.generation),
            false => format!("{} renewed, generation {}: {did}", self.what, self.generation),
        };
        TaskEvent::new(meta, text).with("generation", self.generation.to_string())
    }
}

/// Carries out what `change` calls for and says so.
pub(super) async fn carry_out(
    parts: &Arc<Parts>,
    meta: &TaskMeta,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    change: Change,
) -> Told {
    let mut told = Told::default();
    for action in &change.actions {
        if matches!(action, ChangeAction::Script(_)) {
            continue;
        }
        let since = SystemTime::now();
        fail_point("before-act");
        let outcome = attempt(parts, container, stopping, action, since).await;
        fail_point("after-act");
        told.restarted |= matches!((&outcome, action), (Ok(true), ChangeAction::Restart));
        parts.tell(change.event(meta, &worded(action, &outcome)));
        if let (Err(error), ChangeAction::Restart) = (&outcome, action) {
            told.failed = left_stopped(parts, container, stopping, since, error).await;
        }
    }
    if told.failed.is_none() {
        told.failed = run_scripts(parts, meta, container, &change).await;
    }
    if change.actions.is_empty() {
        let text = format!("{} renewed, generation {}", change.what, change.generation);
        parts.tell(TaskEvent::new(meta, text).with("generation", change.generation.to_string()));
    }
    // A task that must end has not been told; the debt stays for a process that takes over before the end.
    if told.failed.is_none() {
        // Nobody listens when the keeper has gone meanwhile; the action is done all the same.
        change.done.send(()).ok();
    }
    told
}

/// Runs the scripts of `change` and returns why the task must end, when one of them says so.
async fn run_scripts(parts: &Arc<Parts>, meta: &TaskMeta, container: &ContainerId, change: &Change) -> Option<String> {
    let script = |action: &'_ ChangeAction| match action {
        ChangeAction::Script(script) => Some(script.clone()),
        _ => None,
    };
    let scripts: Vec<ChangeScript> = change.actions.iter().filter_map(script).collect();
    if scripts.is_empty() {
        return None;
    }
    fail_point("before-act");
    let ran = script::run_all(parts, meta, container, &scripts.iter().collect::<Vec<_>>()).await;
    fail_point("after-act");
    let mut reason = None;
    for (script, outcome) in ran {
        let command = &script.command;
        let did = match &outcome {
            Ok(Ran::Well) => format!("script {command:?} run"),
            Ok(Ran::Failed(how)) => format!("script {command:?} failed: {how}"),
            Ok(Ran::Nowhere) => format!("script {command:?} not run, the container was ending"),
            Err(error) => format!("script {command:?}: its end is not known: {error}"),
        };
        if matches!(outcome, Ok(Ran::Failed(_))) && script.fail_on_error {
            reason.get_or_insert_with(|| format!("change {did}; its fail_on_error ends the task"));
        }
        parts.tell(change.event(meta, &did));
    }
    reason
}

/// Words the outcome of an action.
fn worded(action: &ChangeAction, outcome: &Result<bool, container::Error>) -> String {
    let did = match action {
        ChangeAction::Noop => "container not told".to_owned(),
        ChangeAction::Signal(signal) => format!("{signal} sent"),
        ChangeAction::Restart => "container restarted".to_owned(),
        ChangeAction::Script(script) => format!("script {:?} run", script.command),
    };
    match outcome {
        Ok(true) => did,
        Ok(false) => "container was ending, nothing to tell".to_owned(),
        Err(error) => format!("{did} failed: {error}"),
    }
}

/// Tries an action a few times; `false` when there is no running process to tell.
async fn attempt(
    parts: &Parts,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    action: &ChangeAction,
    since: SystemTime,
) -> Result<bool, container::Error> {
    match action {
        ChangeAction::Noop | ChangeAction::Script(_) => Ok(true),
        ChangeAction::Signal(signal) => patiently(|| signal_once(parts, container, *signal)).await,
        ChangeAction::Restart => {
            let mut tried = None;
            patiently(|| restart_once(parts, container, stopping, tried.replace(since))).await
        }
    }
}

/// Asks the engine a few times, since it may be away for a moment.
pub(super) async fn patiently<T, F, Fut>(mut ask: F) -> Result<T, container::Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, container::Error>>,
{
    let mut tries = 1;
    loop {
        let error = match ask().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if tries >= TRIES || matches!(error, container::Error::NotRunning(_) | container::Error::NotFound(_)) {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends a task that has failed by its own rules. Asks until the engine has done it: the container's end is what the caller
/// waits for.
pub(super) async fn end_failed(parts: &Parts, container: &ContainerId, stopping: &Arc<Mutex<bool>>) {
    loop {
        let mut asked = stopping.lock().await;
        *asked = true;
        match parts.engine.stop(container, None, parts.settings.refresh.stop_timeout).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%container, %error, "A task that failed could not be stopped; asking again"),
        }
        drop(asked);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Starts a container again that an earlier process had stopped for a restart, after `since`, and then died. Returns whether
/// it did; an end of another kind stays one.
///
/// # Errors
/// It stands still, and why the task must end.
pub(super) async fn finish_restart(
    parts: &Parts,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    since: SystemTime,
) -> Result<bool, String> {
    let again = async || {
        let stop_asked = stopping.lock().await;
        if *stop_asked { Ok(false) } else { start_if_stopped(parts, container, since).await }
    };
    match patiently(again).await {
        Ok(started) => Ok(started),
        Err(error) => left_stopped(parts, container, stopping, since, &error).await.map_or(Ok(false), Err),
    }
}

/// Starts a container again that was stopped after `since`; the caller holds the lock against stops from outside. Returns
/// whether it did.
async fn start_if_stopped(parts: &Parts, container: &ContainerId, since: SystemTime) -> Result<bool, container::Error> {
    if !stopped_since(parts, container, since).await? {
        return Ok(false);
    }
    parts.engine.start_again(container).await?;
    Ok(true)
}

/// Says whether a container stands still that was stopped after `since`.
async fn stopped_since(parts: &Parts, container: &ContainerId, since: SystemTime) -> Result<bool, container::Error> {
    let state = parts.engine.inspect(container).await?;
    Ok(state.is_some_and(|state| state.exit.is_some() && state.finished_at.is_some_and(|at| at >= since)))
}

/// Says why a task must end whose restart has failed with `error`; nothing where it runs on, or somebody has stopped it. Its
/// container's exit code is that of our own stop, which must not look like the task's success.
async fn left_stopped(
    parts: &Parts,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    since: SystemTime,
    error: &container::Error,
) -> Option<String> {
    let stopped = !*stopping.lock().await && stopped_since(parts, container, since).await.unwrap_or(false);
    stopped.then(|| format!("it was stopped for a restart after a change and could not be started again: {error}"))
}

async fn signal_once(parts: &Parts, container: &ContainerId, signal: Signal) -> Result<bool, container::Error> {
    match parts.engine.signal(container, signal).await {
        Ok(()) => Ok(true),
        Err(container::Error::NotRunning(_) | container::Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Restarts the container under the lock that a stop from outside takes too, so that neither undoes the other. One that an
/// earlier try has stopped, since `tried`, is started.
async fn restart_once(
    parts: &Parts,
    container: &ContainerId,
    stopping: &Arc<Mutex<bool>>,
    tried: Option<SystemTime>,
) -> Result<bool, container::Error> {
    let stop_asked = stopping.lock().await;
    if *stop_asked {
        return Ok(false);
    }
    match parts.engine.restart(container, None, parts.settings.refresh.stop_timeout).await? {
        Restart::Restarted => Ok(true),
        Restart::Ended(_) => match tried {
            Some(since) => start_if_stopped(parts, container, since).await,
            None => Ok(false),
        },
    }
}
