//! What is known of an allocation's network, kept for the next process: names and numbers, no secret.

use std::{fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Namespace, namespace_of};
use crate::{
    container::{ContainerId, ContainerState},
    domain::{HostEntry, TaskKey},
    driver::{Class, DriverError, parts::Parts, whole_file},
};

/// One network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Whose.
    pub(super) alloc_id: String,
    /// Its pause container.
    pub(super) container: ContainerId,
    /// The host name in it.
    pub(super) hostname: String,
    /// Its namespace; none where that could not be seen.
    pub(super) namespace: Option<Namespace>,
    /// Name and address as the agent last told them; older agents leave them out after a restart of theirs.
    pub(super) host: Option<HostEntry>,
    /// Whether a task has joined it; the interfaces count from then on.
    pub(super) joined: bool,
    /// Ended containers that held it before; by the first of them the agent knows it.
    #[serde(default)]
    pub(super) held_before: Vec<ContainerId>,
    /// Whether it was told that nothing can join it any more.
    #[serde(default)]
    pub(super) lost: bool,
}

impl Record {
    /// Says whether tasks have joined it and found nothing but loopback in it, so that nothing is lost with it.
    pub(super) fn is_bare(&self) -> bool {
        self.joined && self.namespace.as_ref().is_some_and(Namespace::is_bare)
    }

    /// Says whether a container's namespace is the noted one and has all that was seen in it; what cannot be seen is not.
    pub(super) fn is_whole(&self, state: &ContainerState) -> bool {
        let seen = self.namespace.as_ref().zip(namespace_of(state));
        seen.is_some_and(|(was, is)| is.lost(was).is_none())
    }

    /// Returns the container that holds the network which `known` held when the agent was told of it.
    pub(super) fn holder<'a>(&'a self, known: &'a ContainerId) -> &'a ContainerId {
        if self.held_before.contains(known) { &self.container } else { known }
    }

    /// Reads the note; a missing or damaged one says nothing.
    pub(super) fn read(parts: &Parts, key: &TaskKey) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(parts, key)).ok()?).ok()
    }

    /// Writes the note at one stroke.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(super) fn write(&self, parts: &Parts, key: &TaskKey) -> Result<(), DriverError> {
        let path = path(parts, key);
        fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| whole_file::write(&path, self))
            .map_err(|error| DriverError::new(Class::StateUnavailable, format!("file {}: {error}", path.display())))
    }

    /// Forgets the note; finding none is fine.
    pub(super) fn remove(parts: &Parts, key: &TaskKey) {
        fs::remove_file(path(parts, key)).ok();
    }
}

fn path(parts: &Parts, key: &TaskKey) -> PathBuf {
    parts.settings.journal.state_dir.join("networks").join(format!("{key}.json"))
}
