//! What the engine says about itself, its images and its containers.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use time::OffsetDateTime;

use crate::domain::{ExitResult, TaskId, TaskKey};

use super::{ContainerId, Role};

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
    /// The runtime of a container that names none.
    pub default_runtime: String,
    /// Names of the volume drivers, sorted.
    pub volume_plugins: Vec<String>,
    /// Names of the network drivers, sorted.
    pub network_plugins: Vec<String>,
    /// Directories in which descriptions of devices (CDI) are looked for; empty where the engine knows none.
    pub cdi_spec_dirs: Vec<String>,
    /// Who keeps the images: `containerd`, or the engine's own `graphdriver`.
    pub image_store: &'static str,
    /// Security options as the engine writes them, such as `name=seccomp,profile=default`.
    pub security_options: Vec<String>,
    /// Whether containers outlive the engine's process.
    pub live_restore: bool,
    /// Processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
}

impl EngineInfo {
    /// Says whether a security option such as `seccomp` or `rootless` is among the engine's.
    pub fn has_security(&self, name: &str) -> bool {
        let is = |part: &str| part.strip_prefix("name=").unwrap_or(part) == name;
        self.security_options.iter().any(|option| option.split(',').next().is_some_and(is))
    }
}

/// How far a pull has come. The first report comes when it begins or has to wait, before anything is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Whether it still waits for other pulls to end.
    pub queued: bool,
    /// Layers named so far.
    pub layers: u32,
    /// Layers that are complete.
    pub layers_done: u32,
    /// Bytes received.
    pub bytes: u64,
    /// Bytes to receive, as far as known.
    pub bytes_total: u64,
}

/// How an image came to be on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// From the job's own tar file, just now.
    Loaded,
    /// It was there.
    #[default]
    Present,
    /// From its registry, just now.
    Pulled,
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
    /// Bytes on disk.
    pub size: u64,
    /// How it came here.
    pub arrival: Arrival,
}

/// By what an image is known on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageNames {
    /// The engine's content id.
    pub id: String,
    /// Names with a tag.
    pub tags: Vec<String>,
    /// Names with a digest.
    pub digests: Vec<String>,
}

/// What became of an image that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageRemoval {
    /// The name is gone, and the image with it if it was the last.
    Done,
    /// A container or another image needs it.
    InUse,
    /// It was not there.
    NotFound,
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
    /// Its IPv6 address there, when it has one.
    pub ip6: Option<IpAddr>,
    /// Name of the first network, which is the one that was named when the container was made.
    pub network: Option<String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// The image's content id.
    pub image: String,
    /// The file by which its network namespace is entered, when it has one of its own.
    pub sandbox: Option<PathBuf>,
    /// The host name inside.
    pub hostname: String,
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
    /// What it is for.
    pub role: Role,
    /// The allocation that it belongs to; `None` when the label was damaged.
    pub alloc_id: Option<String>,
    /// The task's name; none for a pause container.
    pub task_name: Option<String>,
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
