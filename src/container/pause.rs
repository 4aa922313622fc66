//! The container that holds an allocation's network: what it is made from, and the name and marks it bears.

use std::{collections::BTreeMap, path::PathBuf};

use crate::domain::TaskId;

use super::{ContainerId, Image, spec::LABEL_PREFIX};

/// What a pause container is made from.
#[derive(Clone, Copy, Debug)]
pub struct PauseSpec<'a> {
    /// Whose network it holds.
    pub alloc_id: &'a str,
    /// The host name that all tasks of the allocation see; the engine's choice when absent.
    pub hostname: Option<&'a str>,
    /// An image whose command does nothing until it is ended.
    pub image: &'a Image,
    /// A container that lives in the network already, host name included; without one the network is new.
    pub beside: Option<&'a ContainerId>,
}

/// What a task's container is connected to, as the driver has settled it beyond what the job says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// The container whose network is joined; without one the job's own mode holds.
    pub join: Option<ContainerId>,
    /// Files that are bound read-only: where on the host, and where inside.
    pub files: Vec<(PathBuf, &'static str)>,
}

/// What one of our containers is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It holds a network.
    Pause,
    /// It runs a task.
    #[default]
    Task,
}

impl Role {
    /// Returns the role as the mark `strongbox.role` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Task => "task",
        }
    }

    /// Reads the mark; containers of earlier releases have none and run tasks.
    pub(super) fn marked(labels: &BTreeMap<String, String>) -> Self {
        match labels.get("strongbox.role").map(String::as_str) {
            Some("pause") => Self::Pause,
            _ => Self::Task,
        }
    }
}

/// Returns the name of an allocation's pause container: unique, without hyphens, for the reason that
/// [`super::container_name`] gives.
pub fn pause_name(alloc_id: &str) -> String {
    let key = alloc_id.parse::<TaskId>().map(|id| id.key().as_str()[..16].to_owned()).unwrap_or_default();
    format!("strongbox_pause_{key}")
}

impl PauseSpec<'_> {
    /// Returns the container's name; one that is put into a network beside the container that it had before needs another.
    pub(super) fn name(&self) -> String {
        let name = pause_name(self.alloc_id);
        self.beside.map_or(name.clone(), |beside| format!("{name}_{}", beside.short()))
    }
}

/// Returns the marks of an allocation's pause container.
pub fn pause_labels(alloc_id: &str, instance: &str) -> BTreeMap<String, String> {
    let marks = [
        ("role", Role::Pause.as_str()),
        ("alloc_id", alloc_id),
        ("instance", instance),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    marks.map(|(name, value)| (format!("{LABEL_PREFIX}{name}"), value.to_owned())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_container_is_named_without_hyphens_and_by_its_allocation() {
        let (one, two) = (pause_name("550e8400-e29b-41d4-a716-446655440000"), pause_name("550e8400"));
        assert!(!one.contains('-') && one.starts_with("strongbox_pause_") && one != two, "{one} {two}");
    }

    #[test]
    fn what_bears_no_role_runs_a_task() {
        assert_eq!(Role::marked(&pause_labels("a", "one")), Role::Pause);
        assert_eq!(Role::marked(&BTreeMap::new()), Role::Task);
    }
}
