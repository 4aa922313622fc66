//! A task as the orchestrator describes it, in our own words.

use std::{collections::BTreeMap, fmt, net::IpAddr, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    CertificateRequest, ContainerOptions, Device, Dns, GroupNetwork, SecretRequest, SecretString, TemplateRequest,
};

/// Names one start attempt of a task. Nomad's has the form `<allocation>/<task>/<8 hex>`; we take it as opaque text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

/// The text is no task id.
#[derive(Debug, thiserror::Error)]
#[error("task id is {0}")]
pub struct TaskIdError(&'static str);

/// A short name for a task id that is safe as a file, container and label name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskKey(String);

/// Who the orchestrator says the task is. Comes from its own fields, never from the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMeta {
    /// This start attempt.
    pub id: TaskId,
    /// The task's name in its group.
    pub name: String,
    /// The group's name in its job.
    pub group: String,
    /// The job's id; for dispatched and periodic children the child's.
    pub job_id: String,
    /// The job's name, for display.
    pub job_name: String,
    /// The job's namespace.
    pub namespace: String,
    /// The allocation.
    pub alloc_id: String,
    /// The node it runs on.
    pub node_id: String,
    /// The node's name, for display.
    pub node_name: String,
}

/// Everything that is needed to start a task.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// Who it is.
    pub meta: TaskMeta,
    /// The job's `user`, when it names one.
    pub user: Option<String>,
    /// The environment; values may be secrets that the orchestrator put there.
    pub env: BTreeMap<String, SecretString>,
    /// `<allocation directory>`; the task's own is `<allocation directory>/<task name>`.
    pub alloc_dir: PathBuf,
    /// Where output goes; `None` when collection is off.
    pub logs: Option<LogPaths>,
    /// What it may use.
    pub resources: Resources,
    /// The ports the scheduler gave to the group.
    pub ports: Vec<Port>,
    /// Volumes and device mounts that the orchestrator wants inside.
    pub mounts: Vec<HostMount>,
    /// What the orchestrator's device plugins gave it.
    pub devices: GivenDevices,
    /// The network it lives in.
    pub isolation: Isolation,
    /// The group's words on how names are resolved.
    pub dns: Dns,
    /// The job's `config` for the container.
    pub container: ContainerOptions,
    /// Another login role than the operator's pattern gives.
    pub vault_role: Option<String>,
    /// Another secrets server than the operator's default one.
    pub server: super::ServerName,
    /// Secrets by their block.
    pub secrets: Vec<SecretRequest>,
    /// Certificates by their block.
    pub certificates: Vec<CertificateRequest>,
    /// Templates in order.
    pub templates: Vec<TemplateRequest>,
}

/// The pipes that the orchestrator reads a task's output from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPaths {
    /// Standard output.
    pub stdout: PathBuf,
    /// Standard error.
    pub stderr: PathBuf,
}

/// What a task may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// Relative weight, in the scheduler's MHz.
    pub cpu_shares: i64,
    /// Hard limit in bytes.
    pub memory_limit: i64,
    /// Whether the job asks for no limit at all (`memory_max = -1`); `memory_limit` is then what it reserves.
    pub memory_unlimited: bool,
    /// Reservation in bytes, when it is lower than the limit.
    pub memory_reservation: Option<i64>,
    /// Reserved cores as a list such as `2-3`; empty when none are.
    pub cpuset: String,
    /// The task's share of the machine's whole compute, 0 to 1; 0 when the scheduler does not say.
    pub cpu_share: f64,
}

/// A port of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The job's name for it.
    pub label: String,
    /// On the host.
    pub host: u16,
    /// Inside; equals `host` when the job does not say.
    pub to: u16,
    /// The host's address to bind.
    pub host_ip: Option<IpAddr>,
}

/// A directory or device of the host inside the container, asked for by the orchestrator itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMount {
    /// On the host.
    pub source: PathBuf,
    /// Inside.
    pub target: PathBuf,
    /// Whether writing is refused.
    pub read_only: bool,
    /// `private`, `host-to-task`, `bidirectional` or empty.
    pub propagation: String,
}

/// What the orchestrator's device plugins gave to a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenDevices {
    /// Device files.
    pub nodes: Vec<Device>,
    /// Whether NVIDIA GPUs are among it, which need a runtime of their own.
    pub nvidia: bool,
}

/// The network that the orchestrator made for the group, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// None: the driver's own networking.
    #[default]
    None,
    /// The host's network.
    Host,
    /// One that all tasks of the allocation share.
    Group(GroupNetwork),
}

impl TaskId {
    /// Returns the safe short name: the first 20 bytes of the id's SHA-256 as hex would be 40 characters; 16 bytes
    /// keep container names short and collisions out of reach.
    pub fn key(&self) -> TaskKey {
        TaskKey(hex::encode(&Sha256::digest(self.0.as_bytes())[..16]))
    }

    /// Returns the id as the orchestrator wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err(TaskIdError("empty")),
            long if long.len() > 4096 => Err(TaskIdError("longer than 4096 bytes")),
            good => Ok(Self(good.to_owned())),
        }
    }
}

impl TryFrom<String> for TaskId {
    type Error = TaskIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_default().fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl TaskKey {
    /// Returns the 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a name found on disk back as a key, when it has the form of one.
    pub fn from_name(name: &str) -> Option<Self> {
        let good = name.len() == 32 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        good.then(|| Self(name.to_owned()))
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TaskSpec {
    /// Returns the task's own directory below the allocation's.
    pub fn task_dir(&self) -> PathBuf {
        self.alloc_dir.join(&self.meta.name)
    }

    /// Returns the directory into which the orchestrator writes what is the task's alone.
    pub fn secrets_dir(&self) -> PathBuf {
        self.task_dir().join("secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_by_its_name() {
        let key = "a/b/12345678".parse::<TaskId>().expect("an id").key();
        assert_eq!(TaskKey::from_name(key.as_str()), Some(key));
        assert_eq!(TaskKey::from_name("../x"), None);
    }
}
