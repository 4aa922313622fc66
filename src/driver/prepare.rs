//! The container's half of a start: check, image, create, find out whose files it will read.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::Mutex;

use super::{Class, DriverError, facade::NetworkInfo, network::Joined, parts::Parts};
use crate::{
    container::{self, Connection, ContainerId, ContainerSpec, Image, SECRETS_TARGET},
    domain::{Owner, TaskEvent, TaskKey, TaskSpec, fail_point},
    tmpfs::SecretsDir,
};

/// A created container that has not been started.
pub(super) struct Prepared {
    /// Which container.
    pub container: ContainerId,
    /// Whom its files shall belong to.
    pub owner: Owner,
    /// Whom single files shall belong to, by the job's words for them.
    pub owners: BTreeMap<String, Owner>,
}

/// Checks everything about the container that can be checked without the engine.
///
/// # Errors
/// Names the option and, where an operator could allow it, the gate.
pub(super) fn check(parts: &Parts, spec: &TaskSpec) -> Result<(), DriverError> {
    for (name, dir) in [("allocation directory", spec.alloc_dir.clone()), ("task directory", spec.task_dir())] {
        if !dir.is_absolute() || !dir.is_dir() {
            return Err(DriverError::new(
                Class::RpcInvalid,
                format!("{name} {} is not an existing absolute directory", dir.display()),
            ));
        }
    }
    container::review(spec, &parts.settings.container)?;
    container::wishes(spec, &parts.settings.container, &parts.settings.images.pull)?;
    tell_ignored(parts, spec);
    Ok(())
}

/// Creates the container around the still empty directory and resolves its user.
pub(super) async fn create(
    parts: &Arc<Parts>,
    spec: &Arc<TaskSpec>,
    image: &Image,
    dir: Option<&SecretsDir>,
    connection: Connection,
    creating: &Arc<Mutex<()>>,
) -> Result<Prepared, DriverError> {
    let created = create_whole(parts, spec, image, dir, connection, creating).await?;
    let container = created.map_err(|error| match dir {
        Some(dir) if misses(&error, dir) => mounts_apart(parts, dir),
        _ => error.into(),
    })?;
    fail_point("created");
    let owner = parts.engine.resolve_user(&container, image, spec.user.as_deref()).await?;
    check_user(parts, &owner, image)?;
    if let Some(dir) = dir {
        check_visible(parts, &container, dir).await?;
    }
    Ok(Prepared { container, owner, owners: BTreeMap::new() })
}

/// Only the engine's answer says who a container runs as: the image may name the user.
fn check_user(parts: &Parts, owner: &Owner, image: &Image) -> Result<(), DriverError> {
    if owner.uid != 0 || parts.settings.container.allow_root {
        return Ok(());
    }
    let text = format!(
        "the container would run as root, which container.allow_root does not allow; image {:?} names the user {:?}: set the task's user",
        image.reference, image.user
    );
    Err(DriverError::new(Class::PolicyRefused, text))
}

/// Tells the user which of the job's options do nothing.
fn tell_ignored(parts: &Parts, spec: &TaskSpec) {
    for sentence in &spec.container.ignored {
        parts.tell(TaskEvent::new(&spec.meta, sentence.clone()));
    }
}

/// Has the container created apart from the start that asked for it: when that one is cut off, the request still runs to its
/// end, and whoever undoes the start waits for `creating` before he looks for what was made.
async fn create_whole(
    parts: &Arc<Parts>,
    spec: &Arc<TaskSpec>,
    image: &Image,
    dir: Option<&SecretsDir>,
    connection: Connection,
    creating: &Arc<Mutex<()>>,
) -> Result<Result<ContainerId, container::Error>, DriverError> {
    let secrets = dir.map(SecretsDir::bind_source);
    let (parts, spec, image) = (Arc::clone(parts), Arc::clone(spec), image.clone());
    let busy = Arc::clone(creating).lock_owned().await;
    let made = tokio::spawn(async move {
        let _busy = busy;
        let wanted =
            ContainerSpec { task: &spec, image: &image, secrets: secrets.as_deref(), connection: Some(&connection) };
        parts.engine.create(&wanted).await
    });
    made.await.map_err(|error| DriverError::new(Class::Internal, format!("create the container: {error}")))
}

/// Makes sure that the engine's view of the directory is ours: without a shared mount namespace the container would see
/// an empty directory, or one on disk. Asked once a process, because the answer is a fact about the machine.
async fn check_visible(parts: &Parts, container: &ContainerId, dir: &SecretsDir) -> Result<(), DriverError> {
    if parts.mounts_shared.load(Ordering::Relaxed) {
        return Ok(());
    }
    let probe = dir.probe()?;
    let seen = parts.engine.sees_file(container, &format!("{SECRETS_TARGET}/{}", probe.name)).await;
    dir.clear_probe(&probe)?;
    if seen? {
        parts.mounts_shared.store(true, Ordering::Relaxed);
        return Ok(());
    }
    Err(mounts_apart(parts, dir))
}

/// Says whether the engine found nothing to bind where we see the directory.
fn misses(error: &container::Error, dir: &SecretsDir) -> bool {
    let text = error.to_string();
    text.contains("does not exist") && text.contains(&*dir.bind_source().to_string_lossy())
}

fn mounts_apart(parts: &Parts, dir: &SecretsDir) -> DriverError {
    let text = format!(
        "the engine does not see the tmpfs at {}: agent and engine do not share mounts; run both in one mount namespace, or mount {} into the agent's with propagation \"shared\"",
        dir.bind_source().display(),
        parts.settings.tmpfs.runtime_dir.display()
    );
    DriverError::new(Class::EngineRefused { recoverable: false }, text)
}

/// Tells the orchestrator under which address a task with a network of its own is reached.
pub(super) async fn network(
    parts: &Parts,
    spec: &TaskSpec,
    joined: &Joined,
    container: &ContainerId,
) -> Option<NetworkInfo> {
    let options = &spec.container.network;
    if joined.container.is_some() || matches!(options.mode.as_deref(), Some("host" | "none")) {
        return None;
    }
    let state = parts.engine.inspect(container).await.ok().flatten()?;
    let address = if options.advertise_ipv6 { state.ip6 } else { state.ip };
    let ports = spec.ports.iter().filter(|port| options.publishes(&port.label));
    let own_network = state.network.as_deref().is_some_and(|network| !matches!(network, "bridge" | "host" | "none"));
    Some(NetworkInfo {
        addr: address?.to_string(),
        ports: ports.map(|port| (port.label.clone(), i32::from(port.to))).collect(),
        auto_advertise: own_network || options.advertise_ipv6,
    })
}

/// Removes every container of ours that carries `key`, which then needs its image no more; finding none is fine.
pub(super) async fn remove(parts: &Parts, key: &TaskKey) -> Result<(), DriverError> {
    for found in parts.engine.list_ours().await?.into_iter().filter(|found| found.task_key.as_ref() == Some(key)) {
        parts.engine.remove(&found.id).await?;
        tracing::info!(%key, container = %found.id, name = found.name, "Container removed");
    }
    parts.images.release(key);
    Ok(())
}
