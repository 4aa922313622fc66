//! The network that the tasks of an allocation share.
//!
//! ```text
//!   create ──▶ one that runs and is whole? ── yes ──▶ adopt (created = false)
//!                      │ no
//!                      ▼
//!              remove what is left ── image ── make, start ── note its namespace ──▶ created = true: the agent plumbs it
//!
//!   a start ──▶ does it run? is it the same namespace? are its interfaces there? ──▶ join it
//!                      │ no                                                          bare ones are made anew
//!                      ▼
//!              does a task live in it? ── yes ──▶ another container holds it, and is joined     the sweep looks for this too
//!                      │ no
//!                      ▼
//!              refused for good: only a new placement of the allocation plumbs a network
//! ```
//!
//! A pause container holds the namespace and has no restart policy: one that came back by itself would hold an empty one.
//! What is known of a namespace is noted in the state directory; names and numbers only.

mod destroy;
mod files;
mod image;
mod join;
mod mend;
mod namespace;
mod record;
mod recover;
mod sweep;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub(super) use destroy::destroy;
pub(super) use files::NetworkFiles;
pub(super) use image::users as image_users;
pub(super) use join::{Joined, connect};
pub(super) use namespace::Namespace;
pub(super) use recover::check;
pub(super) use sweep::sweep;

use super::{Class, DriverError, facade::NetworkMade, facade::NetworkRequest, parts::Parts, tasks::Tasks};
use crate::{
    container::{self, ContainerId, ContainerState, PauseSpec, Role, RunState, Summary},
    domain::{TaskId, TaskKey},
};
use record::Record;

/// How long a container that only waits must have run before it counts as one that does. The engine tells of a start before the
/// first process has done anything, and this is waited once for a group.
const SETTLING: Duration = Duration::from_millis(500);

/// Makes the network of an allocation, or finds the one that is there.
///
/// # Errors
/// The host name is none, the image cannot be had, or the engine refuses.
pub(super) async fn create(
    parts: &Arc<Parts>,
    tasks: &Tasks,
    wanted: &NetworkRequest,
) -> Result<NetworkMade, DriverError> {
    container::check_hostname(wanted.hostname.as_deref())?;
    let key = key_of(&wanted.alloc_id)?;
    let busy = || {
        let text = format!("the network of allocation {} is being made or removed", wanted.alloc_id);
        DriverError::new(Class::StateUnavailable, text)
    };
    let _claim = tasks.claim_soon(&key).await.ok_or_else(busy)?;
    parts.networks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(wanted.alloc_id.clone());
    let noted = Record::read(parts, &key);
    if let Some(state) = adoptable(parts, tasks, &wanted.alloc_id, &key, noted.as_ref()).await? {
        image::retake(parts, &key, &state);
        tracing::info!(alloc_id = wanted.alloc_id, container = %state.id, "Group network found");
        return Ok(told(&state, wanted, false));
    }
    destroy::remove(parts, &wanted.alloc_id, &key).await?;
    let made = match image::take(parts, &key).await {
        Ok(image) => {
            let hostname = wanted.hostname.as_deref();
            make(parts, &PauseSpec { alloc_id: &wanted.alloc_id, hostname, image: &image, beside: None }).await
        }
        Err(error) => Err(error),
    };
    let state = made.inspect_err(|_| parts.images.release(&key))?;
    note(parts, &key, wanted, &state)?;
    tracing::info!(alloc_id = wanted.alloc_id, container = %state.id, "Group network made");
    Ok(told(&state, wanted, true))
}

/// Returns the allocation's pause container if it runs and its namespace is the one that was noted, or can be held anew.
async fn adoptable(
    parts: &Parts,
    tasks: &Tasks,
    alloc_id: &str,
    key: &TaskKey,
    noted: Option<&Record>,
) -> Result<Option<ContainerState>, DriverError> {
    let found = match find(parts, alloc_id).await? {
        Some(found) => parts.engine.inspect(&found.id).await?.filter(ContainerState::alive),
        None => None,
    };
    let Some(state) = found else {
        let Some(noted) = noted.filter(|noted| noted.joined) else { return Ok(None) };
        return mend::mend(parts, tasks, key, noted).await;
    };
    let was = noted.filter(|noted| noted.container == state.id).and_then(|noted| noted.namespace.as_ref());
    let lost = was.zip(namespace_of(&state)).and_then(|(was, is)| is.lost(was));
    match lost {
        None => Ok(Some(state)),
        Some(lost) => {
            tracing::warn!(alloc_id, container = %state.id, lost, "Group network is not what it was; it is made anew");
            Ok(None)
        }
    }
}

/// Makes and starts a pause container; on failure none is left.
async fn make(parts: &Parts, spec: &PauseSpec<'_>) -> Result<ContainerState, DriverError> {
    let id = parts.engine.create_pause(spec).await?;
    let started = async {
        parts.engine.start(&id).await?;
        if tokio::time::timeout(SETTLING, parts.engine.wait(&id)).await.is_ok() {
            return Err(ends_at_once(parts, spec.alloc_id));
        }
        let state = parts.engine.inspect(&id).await?.filter(ContainerState::alive);
        state.ok_or_else(|| ends_at_once(parts, spec.alloc_id))
    };
    let outcome = started.await;
    if outcome.is_err() {
        parts.engine.remove(&id).await.ok();
    }
    outcome
}

fn ends_at_once(parts: &Parts, alloc_id: &str) -> DriverError {
    let text = format!(
        "network of allocation {alloc_id}: image {} ends as soon as it is started; set network.infra_image to one that waits",
        parts.settings.network.infra_image
    );
    DriverError::new(Class::EngineRefused { recoverable: false }, text)
}

fn note(parts: &Parts, key: &TaskKey, wanted: &NetworkRequest, state: &ContainerState) -> Result<(), DriverError> {
    let record = Record {
        alloc_id: wanted.alloc_id.clone(),
        container: state.id.clone(),
        hostname: state.hostname.clone(),
        namespace: namespace_of(state).map(Namespace::without_interfaces),
        host: None,
        joined: false,
        held_before: Vec::new(),
        lost: false,
    };
    record.write(parts, key)
}

fn told(state: &ContainerState, wanted: &NetworkRequest, created: bool) -> NetworkMade {
    let by_pid = || PathBuf::from(format!("/proc/{}/ns/net", state.pid.unwrap_or_default()));
    NetworkMade {
        // An engine with mounts of its own has the file where we cannot see it; the process's own link is as good.
        path: state.sandbox.clone().filter(|path| path.exists()).unwrap_or_else(by_pid),
        container: state.id.as_str().to_owned(),
        hostname: wanted.hostname.clone(),
        created,
    }
}

/// Looks at a running container's namespace; `None` where its processes cannot be seen from here.
fn namespace_of(state: &ContainerState) -> Option<Namespace> {
    Namespace::of(state.pid?).ok()
}

/// Returns the allocation's pause container, in whatever state; one that runs before those that it has replaced.
async fn find(parts: &Parts, alloc_id: &str) -> Result<Option<Summary>, DriverError> {
    let ours = parts.engine.list_ours().await?;
    let held =
        ours.into_iter().filter(|found| found.role == Role::Pause && found.alloc_id.as_deref() == Some(alloc_id));
    Ok(held.max_by_key(|found| matches!(found.state, RunState::Running | RunState::Paused)))
}

/// Says whether a container is one of ours and of the allocation.
async fn is_of(parts: &Parts, id: &ContainerId, alloc_id: &str) -> Result<bool, DriverError> {
    let ours = parts.engine.list_ours().await?;
    Ok(ours.iter().any(|found| found.id == *id && found.alloc_id.as_deref() == Some(alloc_id)))
}

/// Returns the key under which an allocation's network is claimed and noted; no task id begins with a slash.
fn key_of(alloc_id: &str) -> Result<TaskKey, DriverError> {
    let id = format!("/network/{alloc_id}").parse::<TaskId>();
    let invalid = |why: String| DriverError::new(Class::RpcInvalid, format!("alloc_id: {why}"));
    match id {
        Ok(id) if !alloc_id.is_empty() => Ok(id.key()),
        Ok(_) => Err(invalid("is empty".to_owned())),
        Err(error) => Err(invalid(error.to_string())),
    }
}
