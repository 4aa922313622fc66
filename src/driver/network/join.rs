//! Which network a task joins, decided and checked before anything is sent or made for it.

use std::{net::IpAddr, sync::Arc};

use super::{Namespace, Record, create, files, is_of, key_of, mend, namespace, namespace_of};
use crate::{
    container::{ContainerId, ContainerState},
    domain::{GroupNetwork, HostEntry, Isolation, TaskSpec},
    driver::{Class, DriverError, facade::NetworkRequest, parts::Parts, tasks::Tasks},
};

/// What a task's container will be connected to.
#[derive(Clone, Debug, Default)]
pub(in crate::driver) struct Joined {
    /// The container whose network is joined; none for a network of the task's own.
    pub(in crate::driver) container: Option<ContainerId>,
    /// The namespace as it was seen, for the handle.
    pub(in crate::driver) namespace: Option<Namespace>,
    /// Files to be bound read-only: where inside, and their text.
    pub(in crate::driver) files: Vec<(&'static str, String)>,
}

/// Decides what `spec` is connected to.
///
/// # Errors
/// The group's network is gone for good, the named container is not the allocation's, or the engine cannot tell.
pub(in crate::driver) async fn connect(
    parts: &Arc<Parts>,
    tasks: &Tasks,
    spec: &TaskSpec,
) -> Result<Joined, DriverError> {
    let mut joined = match (spec.container.network.mode.as_deref(), &spec.isolation) {
        (None, Isolation::Group(group)) => join_group(parts, tasks, spec, group).await?,
        (Some(mode), _) => match mode.split_once(':') {
            Some(("container", name)) => join_named(parts, spec, mode, name).await?,
            Some(("task", name)) => join_sibling(parts, spec, name).await?,
            _ => Joined::default(),
        },
        (None, Isolation::None | Isolation::Host) => Joined::default(),
    };
    let joins = joined.container.is_some();
    if joins && joined.files.is_empty() && !spec.container.network.extra_hosts.is_empty() {
        joined.files.push(files::hosts(spec, None, None)?);
    }
    joined.files.extend(files::resolver(spec, joins));
    Ok(joined)
}

/// Joins the network that the agent had made for the group.
async fn join_group(
    parts: &Arc<Parts>,
    tasks: &Tasks,
    spec: &TaskSpec,
    group: &GroupNetwork,
) -> Result<Joined, DriverError> {
    let alloc = spec.meta.alloc_id.as_str();
    let key = key_of(alloc)?;
    let noted = Record::read(parts, &key);
    let state = match held(parts, spec, group, noted.as_ref()).await? {
        Ok(state) => state,
        Err(why) => match mend::mended(parts, tasks, alloc, &key).await? {
            Some(state) => state,
            None => anew(parts, tasks, spec, group, noted, &why).await?,
        },
    };
    let noted = Record::read(parts, &key);
    let namespace = namespace_of(&state);
    let host = group.host.clone().or_else(|| noted.as_ref().and_then(|noted| noted.host.clone()));
    note(parts, &key, alloc, &state, namespace.as_ref(), host.as_ref(), noted)?;
    let hosts = files::hosts(spec, host.as_ref(), state.pid.and_then(namespace::gateway).map(IpAddr::V4))?;
    Ok(Joined { container: Some(state.id), namespace, files: vec![hosts] })
}

/// Makes a network anew that is gone, which only one can be that nothing was lost with.
async fn anew(
    parts: &Arc<Parts>,
    tasks: &Tasks,
    spec: &TaskSpec,
    group: &GroupNetwork,
    noted: Option<Record>,
    why: &str,
) -> Result<ContainerState, DriverError> {
    let alloc = spec.meta.alloc_id.as_str();
    let bare = noted.filter(Record::is_bare).ok_or_else(|| gone(alloc, why))?;
    tracing::warn!(alloc_id = alloc, why, "Group network was lost; there was nothing in it, so it is made anew");
    let wanted = NetworkRequest { alloc_id: alloc.to_owned(), hostname: Some(bare.hostname) };
    let made = create(parts, tasks, &wanted).await?;
    let again = GroupNetwork { container: made.container, host: group.host.clone() };
    let noted = Record::read(parts, &key_of(alloc)?);
    held(parts, spec, &again, noted.as_ref()).await?.map_err(|why| gone(alloc, &why))
}

/// Returns the container that holds the group's network, or why it does not any more.
async fn held(
    parts: &Parts,
    spec: &TaskSpec,
    group: &GroupNetwork,
    noted: Option<&Record>,
) -> Result<Result<ContainerState, String>, DriverError> {
    let id: ContainerId = group
        .container
        .parse()
        .map_err(|error: crate::container::IdError| DriverError::new(Class::RpcInvalid, error.to_string()))?;
    let id = noted.map_or(&id, |noted| noted.holder(&id)).clone();
    let Some(state) = parts.engine.inspect(&id).await? else {
        return Ok(Err(format!("container {id} was removed")));
    };
    let marked = |label: &str| state.labels.get(label).map(String::as_str);
    if marked("strongbox.alloc_id") != Some(spec.meta.alloc_id.as_str())
        || !is_of(parts, &id, &spec.meta.alloc_id).await?
    {
        let text =
            format!("network: container {id} is not of this allocation; a task joins only its own group's network");
        return Err(DriverError::new(Class::PolicyRefused, text));
    }
    if !state.alive() {
        return Ok(Err(format!("container {id} has ended, as it does when the engine or the machine restarts")));
    }
    let was = noted.filter(|noted| noted.container == id).and_then(|noted| noted.namespace.as_ref());
    let lost = was.zip(namespace_of(&state)).and_then(|(was, is)| is.lost(was));
    Ok(match lost {
        Some(lost) => Err(format!("container {id} is not what it was: {lost}")),
        None => Ok(state),
    })
}

/// Not to be tried again here: the agent makes and plumbs a network only for a new allocation or at its own start.
pub(super) fn gone(alloc_id: &str, why: &str) -> DriverError {
    let text = format!(
        "the network of allocation {alloc_id} is gone: {why}; only a new placement plumbs another: let the task fail so that \
         the scheduler replaces the allocation (`nomad alloc stop {alloc_id}` does it by hand)"
    );
    DriverError::new(Class::NetworkGone, text)
}

/// Notes what the network looks like now that a task joins it.
fn note(
    parts: &Parts,
    key: &crate::domain::TaskKey,
    alloc_id: &str,
    state: &ContainerState,
    namespace: Option<&Namespace>,
    host: Option<&HostEntry>,
    before: Option<Record>,
) -> Result<(), DriverError> {
    let held_before = before.as_ref().map(|before| before.held_before.clone()).unwrap_or_default();
    let record = Record {
        held_before,
        lost: false,
        alloc_id: alloc_id.to_owned(),
        container: state.id.clone(),
        hostname: state.hostname.clone(),
        namespace: namespace.cloned(),
        host: host.cloned(),
        joined: true,
    };
    if before.as_ref() == Some(&record) {
        return Ok(());
    }
    record.write(parts, key)
}

/// Joins a container that the job names; it must be the allocation's unless the operator has opened that.
async fn join_named(parts: &Parts, spec: &TaskSpec, mode: &str, name: &str) -> Result<Joined, DriverError> {
    let ours = parts.engine.list_ours().await?;
    let of_alloc = |alloc: &Option<String>| alloc.as_deref() == Some(spec.meta.alloc_id.as_str());
    let own =
        ours.into_iter().find(|found| of_alloc(&found.alloc_id) && (found.id.as_str() == name || found.name == name));
    if let Some(own) = own {
        return Ok(Joined { container: Some(own.id), ..Joined::default() });
    }
    if parts.settings.container.opens_container_network(mode) {
        let id = name.parse().map_err(|error: crate::container::IdError| {
            DriverError::new(Class::TaskConfigInvalid, format!("network_mode: {error}"))
        })?;
        return Ok(Joined { container: Some(id), ..Joined::default() });
    }
    let text = format!(
        "network_mode {mode:?}: not a container of this allocation; others need \"container:*\" in allowed_modes.network"
    );
    Err(DriverError::new(Class::PolicyRefused, text))
}

/// Joins the network of a task beside this one.
async fn join_sibling(parts: &Parts, spec: &TaskSpec, name: &str) -> Result<Joined, DriverError> {
    let ours = parts.engine.list_ours().await?;
    let sibling = ours.into_iter().find(|found| {
        found.alloc_id.as_deref() == Some(spec.meta.alloc_id.as_str())
            && found.task_name.as_deref() == Some(name)
            && found.state == crate::container::RunState::Running
    });
    match sibling {
        Some(found) => Ok(Joined { container: Some(found.id), ..Joined::default() }),
        None => {
            let text = format!("network_mode \"task:{name}\": no task of that name runs in this allocation yet");
            Err(DriverError::new(Class::EngineRefused { recoverable: true }, text))
        }
    }
}
