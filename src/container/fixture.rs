//! Tasks for unit tests of this room and of the ones above.

use std::{collections::BTreeMap, path::PathBuf};

use crate::domain::{ContainerOptions, Isolation, Resources, TaskMeta, TaskSpec};

pub(crate) fn meta(id: &str) -> TaskMeta {
    TaskMeta {
        id: id.parse().expect("a task id"),
        name: "web".into(),
        group: "front".into(),
        job_id: "shop".into(),
        job_name: "shop".into(),
        namespace: "default".into(),
        alloc_id: "550e8400-e29b-41d4-a716-446655440000".into(),
        node_id: "node".into(),
        node_name: "here".into(),
    }
}

pub(crate) fn task(id: &str) -> TaskSpec {
    TaskSpec {
        meta: meta(id),
        user: None,
        env: BTreeMap::new(),
        alloc_dir: PathBuf::from("/var/alloc/550e"),
        logs: None,
        resources: Resources { cpu_shares: 100, memory_limit: 64 << 20, ..Resources::default() },
        ports: Vec::new(),
        mounts: Vec::new(),
        devices: Default::default(),
        isolation: Isolation::None,
        dns: Default::default(),
        container: ContainerOptions { image: "busybox:1".into(), ..ContainerOptions::default() },
        vault_role: None,
        server: Default::default(),
        secrets: Vec::new(),
        certificates: Vec::new(),
        templates: Vec::new(),
    }
}
