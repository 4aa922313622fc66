//! What a container is made from, and the names and marks it bears.

use std::{collections::BTreeMap, path::Path};

use crate::domain::{TaskId, TaskKey, TaskMeta, TaskSpec};

use super::{Connection, Image, Role};

/// Where a task finds its secrets.
pub const SECRETS_TARGET: &str = "/run/secrets";
/// What all our labels begin with.
pub const LABEL_PREFIX: &str = "strongbox.";
/// Longest part of a container's name that is taken from the task's.
const NAME_PART: usize = 40;

/// Everything that a container is made from.
#[derive(Clone, Copy, Debug)]
pub struct ContainerSpec<'a> {
    /// The task with its options, limits, ports and environment.
    pub task: &'a TaskSpec,
    /// The image, as [`super::Engine::ensure_image`] found it.
    pub image: &'a Image,
    /// The host's directory that is bound read-only at `/run/secrets`; it must be there before the start.
    pub secrets: Option<&'a Path>,
    /// What the driver has settled about its network, when it has.
    pub connection: Option<&'a Connection>,
}

/// Returns the container's name: readable, unique to the start attempt, without hyphens.
///
/// Nomad's own docker driver removes running containers that mount `/alloc`, `/local` and `/secrets` and whose name has
/// a hyphen before a UUID; without hyphens no task name can look like that.
pub fn container_name(meta: &TaskMeta) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    let task: String = meta.name.chars().take(NAME_PART).map(clean).collect();
    format!("strongbox_{task}_{}", &meta.id.key().as_str()[..16])
}

/// Returns our own marks: which task, which node, which instance of this driver.
pub fn labels(meta: &TaskMeta, instance: &str) -> BTreeMap<String, String> {
    let marks = [
        ("role", Role::Task.as_str()),
        ("task_id", meta.id.as_str()),
        ("task_key", meta.id.key().as_str()),
        ("task_name", meta.name.as_str()),
        ("job_id", meta.job_id.as_str()),
        ("namespace", meta.namespace.as_str()),
        ("alloc_id", meta.alloc_id.as_str()),
        ("node_id", meta.node_id.as_str()),
        ("instance", instance),
        ("version", env!("CARGO_PKG_VERSION")),
    ]
    .map(|(name, value)| (format!("{LABEL_PREFIX}{name}"), value.to_owned()));
    marks.into()
}

/// Reads the task back from a container's labels, when they were not tampered with.
pub(super) fn marked_task(labels: &BTreeMap<String, String>) -> Option<(TaskId, TaskKey)> {
    let id: TaskId = labels.get("strongbox.task_id")?.parse().ok()?;
    let key = id.key();
    (labels.get("strongbox.task_key")? == key.as_str()).then_some((id, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture;

    #[test]
    fn no_name_looks_like_the_peers() {
        let mut meta = fixture::meta("a/b/1");
        meta.name = "web/x-550e8400-e29b-41d4-a716-446655440000 ü".into();
        let name = container_name(&meta);
        assert!(name.starts_with("strongbox_web_x_550e8400"), "{name}");
        assert!(!name.contains('-') && name.is_ascii() && name.len() <= 10 + NAME_PART + 17);
    }

    #[test]
    fn a_task_is_found_again_by_its_labels_unless_they_disagree() {
        let meta = fixture::meta("a/b/1");
        let mut marks = labels(&meta, "one");
        assert_eq!(marked_task(&marks), Some((meta.id.clone(), meta.id.key())));
        marks.insert("strongbox.task_id".into(), "a/b/2".into());
        assert_eq!(marked_task(&marks), None);
    }
}
