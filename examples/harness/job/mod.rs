//! A job file, read and checked as far as an orchestrator would.
//!
//! Knows `job`, `group`, `task`, `variable` and `locals`; does not know what a driver's `config` means — that waits, as
//! a generic body, for the plugin's own description. What only a cluster can use (`service`, `update`, `constraint`, …)
//! is passed over with a note.

mod duration;
mod read;
mod reader;
mod variables;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use duration::parse as parse_duration;
pub use read::{parse, parse_config_block, parse_task_config};

use super::{
    hcl::value::{Node, Span},
    report::{Problem, Source},
};

/// A whole job.
#[derive(Clone, Debug)]
pub struct Job {
    /// The file.
    pub source: Source,
    /// The label.
    pub id: String,
    /// `name`, or the id.
    pub name: String,
    /// `type`.
    pub kind: String,
    /// `namespace`, or `default`.
    pub namespace: String,
    /// `region`, or `global`.
    pub region: String,
    /// The first of `datacenters`, or `dc1`.
    pub datacenter: String,
    /// `meta`.
    pub meta: BTreeMap<String, String>,
    /// The groups, in file order.
    pub groups: Vec<Group>,
    /// What was passed over.
    pub notes: Vec<Problem>,
}

/// Tasks that run side by side.
#[derive(Clone, Debug)]
pub struct Group {
    /// The label.
    pub name: String,
    /// How many allocations the job asks for; the harness makes one.
    pub count: u32,
    /// `meta`.
    pub meta: BTreeMap<String, String>,
    /// `network`.
    pub network: Network,
    /// The tasks, in file order.
    pub tasks: Vec<Task>,
}

/// A group's network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// `host`, `bridge`, …; empty when not said.
    pub mode: String,
    /// `hostname`; empty when not said.
    pub hostname: String,
    /// `dns`, when there is one.
    pub dns: Option<Dns>,
    /// The labelled ports.
    pub ports: Vec<Port>,
}

/// How names are resolved.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// Name servers.
    pub servers: Vec<String>,
    /// Domains to search.
    pub searches: Vec<String>,
    /// Options of the resolver.
    pub options: Vec<String>,
}

/// One labelled port.
#[derive(Clone, Debug)]
pub struct Port {
    /// The label.
    pub label: String,
    /// A fixed port of the host.
    pub fixed: Option<u16>,
    /// The port inside, when it is another.
    pub to: Option<u16>,
}

/// One task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The label.
    pub name: String,
    /// `driver`.
    pub driver: String,
    /// `user`.
    pub user: String,
    /// `env`, not yet interpolated.
    pub env: BTreeMap<String, Node>,
    /// `meta`.
    pub meta: BTreeMap<String, String>,
    /// `resources`.
    pub resources: Resources,
    /// The driver's body; an empty map when there is none.
    pub config: Node,
    /// `identity` blocks.
    pub identities: Vec<Identity>,
    /// `kill_signal`; empty for the driver's choice.
    pub kill_signal: String,
    /// `kill_timeout`.
    pub kill_timeout: Duration,
    /// Whether `logs { disabled = true }`.
    pub logs_disabled: bool,
    /// Where the label stands.
    pub span: Span,
}

/// What a task may use.
#[derive(Clone, Debug)]
pub struct Resources {
    /// MHz.
    pub cpu: i64,
    /// MiB.
    pub memory: i64,
    /// MiB; 0 is unset, −1 without limit.
    pub memory_max: i64,
}

/// A signed statement of who the task is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `name`, or `default`.
    pub name: String,
    /// `aud`.
    pub aud: Vec<String>,
    /// Whether it goes into the environment.
    pub env: bool,
    /// Whether it goes into the secrets directory.
    pub file: bool,
    /// How long it lives; none is for ever.
    pub ttl: Option<Duration>,
}

impl Job {
    /// Returns all tasks with their groups.
    pub fn tasks(&self) -> impl Iterator<Item = (&Group, &Task)> {
        self.groups.iter().flat_map(|group| group.tasks.iter().map(move |task| (group, task)))
    }

    /// Returns the names of the drivers in use.
    pub fn drivers(&self) -> BTreeSet<&str> {
        self.tasks().map(|(_, task)| task.driver.as_str()).collect()
    }
}
