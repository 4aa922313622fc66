//! What the engine says about itself, its images and its containers.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::domain::{ExitResult, TaskId, TaskKey};

use super::ContainerId;

/// The engine and the machine it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// The engine's own id, stable over restarts.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The newest dialect of its API.
    pub api_version: String,
    /// Operating system of its containers, `linux`.
    pub os: String,
    /// Processor architecture, such as `amd64`.
    pub arch: String,
    /// The kernel's version.
    pub kernel: String,
    /// `1` or `2`.
    pub cgroup_version: String,
    /// `cgroupfs` or `systemd`.
    pub cgroup_driver: String,
    /// Storage driver, such as `overlay2`.
    pub storage_driver: String,
    /// Default log driver, such as `json-file`.
    pub log_driver: String,
    /// Names of the runtimes, sorted.
    pub runtimes: Vec<String>,
    /// Security options as the engine writes them, such as `name=seccomp,profile=default`.
    pub security_options: Vec<String>,
    /// Whether containers outlive the engine's process.
    pub live_restore: bool,
    /// Processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
}

/// When to ask the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// Always, even when the image is there.
    Always,
    /// When the image is not there, or is called `latest`.
    #[default]
    Missing,
    /// Never: an image that is not there is an error.
    Never,
}

/// How far a pull has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Layers named so far.
    pub layers: u32,
    /// Layers that are complete.
    pub layers_done: u32,
    /// Bytes received.
    pub bytes: u64,
    /// Bytes to receive, as far as known.
    pub bytes_total: u64,
}

/// An image that is on the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The engine's content id; containers are made from this and not from the name, which may move.
    pub id: String,
    /// The reference it was asked for by.
    pub reference: String,
    /// The image's `USER`, empty for root.
    pub user: String,
    /// The image's `STOPSIGNAL`.
    pub stop_signal: Option<String>,
    /// The image's entrypoint.
    pub entrypoint: Vec<String>,
    /// The image's command.
    pub command: Vec<String>,
}

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Made, never started.
    Created,
    /// Its first process has ended, or the engine gave it up.
    Ended,
    /// Frozen; its processes are there.
    Paused,
    /// It runs.
    Running,
}

/// What the engine knows about one container.
#[derive(Clone, Debug)]
pub struct ContainerState {
    /// Which container.
    pub id: ContainerId,
    /// Where it stands.
    pub state: RunState,
    /// First process in the host's numbering, while there is one.
    pub pid: Option<u32>,
    /// How it ended, once it has.
    pub exit: Option<ExitResult>,
    /// Start of the latest run. Tells two runs of one container apart.
    pub started_at: Option<OffsetDateTime>,
    /// End of the latest run.
    pub finished_at: Option<OffsetDateTime>,
    /// Address on its network, when it has one of its own.
    pub ip: Option<IpAddr>,
    /// Name of the first network.
    pub network: Option<String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// The image's content id.
    pub image: String,
}

impl ContainerState {
    /// Says whether there is a process: running or paused.
    pub fn alive(&self) -> bool {
        matches!(self.state, RunState::Running | RunState::Paused)
    }
}

/// One line of the list of our containers.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Which container.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The task it was made for; `None` when the label was damaged.
    pub task_id: Option<TaskId>,
    /// The same in short.
    pub task_key: Option<TaskKey>,
    /// Where it stands.
    pub state: RunState,
    /// When it was made.
    pub created: OffsetDateTime,
}

/// What a restart found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The container had ended by itself before; it was not started again.
    Ended(ExitResult),
    /// The container was ended and runs again.
    Restarted,
}

/// Returns the end of a container that somebody else removed.
pub(super) fn removed_outside() -> ExitResult {
    ExitResult { exit_code: 137, signal: 9, oom_killed: false, message: Some("container was removed outside".into()) }
}
