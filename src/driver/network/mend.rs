//! A network whose container has ended while tasks live in it: killed by hand, or for want of memory.
//!
//! A namespace lives as long as a process in it, so such a network is whole and only its name is gone. Another container is
//! put into it beside the tasks, and later starts join that. Where nobody lives in it any more nothing can be done here:
//! only the agent plumbs.

use super::{Record, image, key_of, make};
use crate::{
    container::{ContainerId, ContainerState, PauseSpec, Role, RunState, Summary},
    domain::{TaskEvent, TaskKey},
    driver::{Class, DriverError, parts::Parts, tasks::Tasks},
};

/// Looks whether the networks of running tasks are held, mends those that can be, and tells the tasks what has happened.
pub(super) async fn watch(parts: &Parts, tasks: &Tasks, ours: &[Summary]) {
    let running = tasks.all().into_iter().filter(|task| task.exit.borrow().is_none());
    let mut allocs: Vec<String> = running.map(|task| task.meta.alloc_id).collect();
    allocs.sort();
    allocs.dedup();
    for alloc_id in allocs {
        let Ok(key) = key_of(&alloc_id) else { continue };
        let noted = Record::read(parts, &key).filter(|noted| noted.joined && !noted.lost);
        let is_held = |noted: &Record| ours.iter().any(|found| found.id == noted.container && runs(found));
        if noted.is_some_and(|noted| !is_held(&noted))
            && let Err(error) = look(parts, tasks, &key).await
        {
            tracing::warn!(alloc_id, %error, "A group network that is not held any more could not be mended yet");
        }
    }
}

fn runs(found: &Summary) -> bool {
    matches!(found.state, RunState::Running | RunState::Paused)
}

async fn look(parts: &Parts, tasks: &Tasks, key: &TaskKey) -> Result<(), DriverError> {
    let Some(_claim) = tasks.claim(key) else { return Ok(()) };
    let Some(noted) = Record::read(parts, key) else { return Ok(()) };
    let found = parts.engine.inspect(&noted.container).await?;
    if found.as_ref().is_some_and(ContainerState::alive) || mend(parts, tasks, key, &noted).await?.is_some() {
        return Ok(());
    }
    let how = found.map_or("was removed", |_| "has ended");
    let text = format!(
        "The group's network is lost for new starts: its container {} {how}. What runs keeps it; a restart of a task fails \
         until the allocation is replaced (`nomad alloc stop {}` does it by hand)",
        noted.container.short(),
        noted.alloc_id
    );
    tell(parts, tasks, &noted.alloc_id, &text);
    Record { lost: true, ..noted }.write(parts, key)
}

/// As [`mend`], for a start that has found the network not to be held; `None` when that cannot be mended.
pub(super) async fn mended(
    parts: &Parts,
    tasks: &Tasks,
    alloc_id: &str,
    key: &TaskKey,
) -> Result<Option<ContainerState>, DriverError> {
    let busy =
        || DriverError::new(Class::StateUnavailable, format!("the network of allocation {alloc_id} is being made"));
    let _claim = tasks.claim_soon(key).await.ok_or_else(busy)?;
    let Some(noted) = Record::read(parts, key) else { return Ok(None) };
    match parts.engine.inspect(&noted.container).await?.filter(ContainerState::alive) {
        // Somebody else has mended it meanwhile, or it is ill in another way.
        Some(state) => Ok(Some(state).filter(|state| noted.is_whole(state))),
        None => mend(parts, tasks, key, &noted).await,
    }
}

/// Holds the namespace of `noted`, whose container does not run, by another one; `None` when nobody lives in it.
///
/// The ended container stays until the network is removed: the engine lets what joins later read names from its files.
pub(super) async fn mend(
    parts: &Parts,
    tasks: &Tasks,
    key: &TaskKey,
    noted: &Record,
) -> Result<Option<ContainerState>, DriverError> {
    let ours = parts.engine.list_ours().await?;
    let is_there = |id: &ContainerId| ours.iter().any(|found| found.id == *id);
    if noted.namespace.is_none() || !noted.held_before.iter().chain([&noted.container]).all(is_there) {
        return Ok(None);
    }
    let of_alloc = |found: &&Summary| found.alloc_id.as_deref() == Some(&noted.alloc_id) && found.role == Role::Task;
    for task in ours.iter().filter(of_alloc).filter(|found| runs(found)) {
        let lives_there = parts.engine.inspect(&task.id).await?.is_some_and(|state| noted.is_whole(&state));
        if lives_there {
            return hold(parts, tasks, key, noted, &task.id).await.map(Some);
        }
    }
    Ok(None)
}

/// Puts another container into the namespace in which `beside` lives.
async fn hold(
    parts: &Parts,
    tasks: &Tasks,
    key: &TaskKey,
    noted: &Record,
    beside: &ContainerId,
) -> Result<ContainerState, DriverError> {
    let image = image::take(parts, key).await?;
    let spec = PauseSpec { alloc_id: &noted.alloc_id, hostname: None, image: &image, beside: Some(beside) };
    let state = make(parts, &spec).await?;
    if !noted.is_whole(&state) {
        parts.engine.remove(&state.id).await?;
        let text = format!("the network of allocation {} has ended while it was mended", noted.alloc_id);
        return Err(DriverError::new(Class::EngineRefused { recoverable: true }, text));
    }
    let mut after = noted.clone();
    after.held_before.push(std::mem::replace(&mut after.container, state.id.clone()));
    after.write(parts, key)?;
    tracing::warn!(alloc_id = noted.alloc_id, was = %noted.container, container = %state.id, "Group network is held anew");
    let text = format!(
        "The container {} that held the group's network has ended; {} holds it now, and nothing was lost",
        noted.container.short(),
        state.id.short()
    );
    tell(parts, tasks, &noted.alloc_id, &text);
    Ok(state)
}

fn tell(parts: &Parts, tasks: &Tasks, alloc_id: &str, text: &str) {
    let of_alloc =
        tasks.all().into_iter().filter(|task| task.meta.alloc_id == alloc_id && task.exit.borrow().is_none());
    for task in of_alloc {
        parts.tell(TaskEvent::new(&task.meta, text.to_owned()));
    }
}
