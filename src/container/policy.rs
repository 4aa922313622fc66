//! What the operator allows a job to ask of the engine.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::paths::is_clean;

/// The operator's gates and limits for containers. [`Policy::default`] is shut; a job can only tighten it.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The engine's socket; never bound into a container.
    pub socket: PathBuf,
    /// The driver's own directories; never bound into a container, nor what holds them.
    pub private_paths: Vec<PathBuf>,
    /// Whether a job may have everything the host's root may.
    pub allow_privileged: bool,
    /// Capabilities that a job may add. Those of them that the engine gives by itself a container has without asking;
    /// everything else is dropped.
    pub allow_caps: Vec<String>,
    /// Runtimes of the engine that a job may name.
    pub allow_runtimes: Vec<String>,
    /// The runtime of a task to which the orchestrator gave an NVIDIA GPU.
    pub nvidia_runtime: String,
    /// Namespaces that a job may share.
    pub modes: Modes,
    /// Whether a job may live in the host's network.
    pub allow_host_network: bool,
    /// Whether set-user-id programs in a container may gain rights.
    pub allow_new_privileges: bool,
    /// Whether a job may switch the engine's seccomp, AppArmor and SELinux confinement off.
    pub allow_unconfined: bool,
    /// Where the operator keeps seccomp profiles that jobs may name; none when absent.
    pub seccomp_dir: Option<PathBuf>,
    /// AppArmor profiles that jobs may name.
    pub allow_apparmor: Vec<String>,
    /// Devices of the host that a job may have: a path with `*`, and the permissions after a colon when not all.
    pub allow_devices: Vec<String>,
    /// Kernel parameters that a job may set, with `*`. The engine itself takes only those of the container's namespaces.
    pub allow_sysctls: Vec<String>,
    /// Whether login tokens that the orchestrator put into the environment reach the container, and with it the
    /// engine's files on disk.
    pub allow_token_env: bool,
    /// Whether a container may run as root.
    pub allow_root: bool,
    /// Images that a job may name, with `*`; any when empty.
    pub allow_images: Vec<String>,
    /// Whether an image must be named by digest.
    pub require_digest: bool,
    /// Root filesystem read-only unless the job says otherwise.
    pub readonly_rootfs: bool,
    /// Whether a job may make its root filesystem writable.
    pub allow_writable_rootfs: bool,
    /// Size of the RAM-backed `/tmp` under a read-only root, in bytes.
    pub tmp_size: u64,
    /// Most processes in a container; a job can only ask for fewer.
    pub pids_limit: i64,
    /// Most memory a job may ask for, in bytes; the scheduler's own limit when absent.
    pub memory_limit: Option<i64>,
    /// Whether a job may ask for memory without limit.
    pub allow_unlimited_memory: bool,
    /// Lowest port of the host that is published.
    pub min_host_port: u16,
    /// Facts about a task that are written into the labels the peers use, with `*`.
    pub extra_labels: Vec<String>,
    /// What a job may mount beside its own directories.
    pub volumes: Volumes,
    /// Where output goes.
    pub logging: LogPolicy,
}

/// Namespaces that a job may share, each with `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modes {
    /// What `network_mode` may say; the host's has a gate of its own.
    pub network: Vec<String>,
    /// What `pid_mode` may say.
    pub pid: Vec<String>,
    /// What `ipc_mode` may say.
    pub ipc: Vec<String>,
    /// What `uts_mode` may say.
    pub uts: Vec<String>,
    /// What `userns_mode` may say.
    pub userns: Vec<String>,
    /// What `cgroupns` may say.
    pub cgroup: Vec<String>,
}

/// What a job may mount beside its own directories. Shut by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volumes {
    /// Paths of the host, each with all below it; with `:ro` for reading only.
    pub allow_host_paths: Vec<String>,
    /// Whether a job may name volumes of the engine.
    pub allow_named: bool,
    /// Plugins that may make volumes, with `*`. `local` with options can bind any path of the host, so it is not among them by
    /// itself.
    pub allow_drivers: Vec<String>,
    /// Whether mounts may spread from a container to the host.
    pub allow_shared: bool,
    /// `z` or `Z`: how the host's files are labelled for SELinux.
    pub selinux_label: Option<String>,
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// The driver for jobs that name none.
    pub driver: String,
    /// What it is told.
    pub options: BTreeMap<String, String>,
    /// Drivers that jobs may name.
    pub allow_drivers: Vec<String>,
    /// Whether output is handed to the orchestrator.
    pub collect: bool,
    /// Whether a task's own secrets are masked in what is handed over.
    pub redact: bool,
}

/// What `extra_labels` may choose from.
pub(super) const LABEL_FACTS: [&str; 7] =
    ["job_name", "job_id", "task_group_name", "task_name", "namespace", "node_name", "node_id"];

/// The one of the engine's own set that is not in ours.
pub(super) const RAW_SOCKETS: &str = "NET_RAW";

/// The engine's own default set without NET_RAW, which lets a container forge packets on its bridge.
pub(super) const DEFAULT_CAPS: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

impl Default for Policy {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/var/run/docker.sock"),
            private_paths: Vec::new(),
            allow_privileged: false,
            allow_caps: words(&DEFAULT_CAPS),
            allow_runtimes: words(&["runc"]),
            nvidia_runtime: "nvidia".to_owned(),
            modes: Modes::default(),
            allow_host_network: false,
            allow_new_privileges: false,
            allow_unconfined: false,
            seccomp_dir: None,
            allow_apparmor: words(&["docker-default"]),
            allow_devices: Vec::new(),
            allow_sysctls: words(&["net.*", "kernel.msg*", "kernel.sem", "kernel.shm*", "fs.mqueue.*"]),
            allow_token_env: false,
            allow_root: true,
            allow_images: Vec::new(),
            require_digest: false,
            readonly_rootfs: true,
            allow_writable_rootfs: true,
            tmp_size: 64 << 20,
            pids_limit: 1024,
            memory_limit: None,
            allow_unlimited_memory: false,
            min_host_port: 1024,
            extra_labels: Vec::new(),
            volumes: Volumes::default(),
            logging: LogPolicy::default(),
        }
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            network: words(&["none", "bridge"]),
            pid: Vec::new(),
            ipc: words(&["private", "none"]),
            uts: Vec::new(),
            userns: Vec::new(),
            cgroup: words(&["private"]),
        }
    }
}

/// What the engine keeps of a task's output until it is fetched is bounded, or a talkative task would fill the disk.
///
/// When the engine begins a new file, a reader that is a whole file behind misses lines and may meet others twice (seen
/// with 20.10, whose reader makes about 150,000 lines a second where a task can write 500,000), so the files are large.
/// `json-file` and not `local`, which lost the end of a line of more than 16 KiB with the same engine.
impl Default for LogPolicy {
    fn default() -> Self {
        let options = [("max-file", "3"), ("max-size", "100m")];
        Self {
            driver: "json-file".to_owned(),
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            allow_drivers: words(&["json-file", "local", "journald", "none"]),
            collect: true,
            redact: true,
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Says whether one of the patterns covers `text`; `*` covers any run of characters.
pub(super) fn covers(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| wildmatch::WildMatch::new(pattern).matches(text))
}

impl Policy {
    /// Says whether a job may join the network of the container that `mode` names, wherever it belongs. Only an entry that speaks of
    /// containers opens that: a lone `*` means networks.
    pub fn opens_container_network(&self, mode: &str) -> bool {
        let spoken = self.modes.network.iter().filter(|entry| entry.starts_with("container:"));
        spoken.into_iter().any(|entry| covers(std::slice::from_ref(entry), mode))
    }

    /// Says what in it cannot be meant, each with the name of its setting.
    pub fn flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        for (at, entry) in self.volumes.allow_host_paths.iter().enumerate() {
            if !is_clean(Path::new(entry.strip_suffix(":ro").unwrap_or(entry))) {
                flaws.push(format!("volumes.allow_host_paths[{at}]: {entry:?} is no absolute path of plain names"));
            }
        }
        for (at, entry) in self.allow_devices.iter().enumerate().filter(|(_, entry)| !entry.starts_with("/dev/")) {
            flaws.push(format!("container.allow_devices[{at}]: {entry:?} does not begin with /dev/"));
        }
        for (at, entry) in self.extra_labels.iter().enumerate() {
            if !LABEL_FACTS.iter().any(|fact| covers(std::slice::from_ref(entry), fact)) {
                flaws
                    .push(format!("container.extra_labels[{at}]: {entry:?} covers none of {}", LABEL_FACTS.join(", ")));
            }
        }
        if self.volumes.selinux_label.as_deref().is_some_and(|label| !matches!(label, "z" | "Z")) {
            flaws.push("volumes.selinux_label: must be z or Z".to_owned());
        }
        flaws
    }

    /// Says whether a capability is in the operator's list, in any case and with or without `CAP_`.
    pub fn allows_cap(&self, name: &str) -> bool {
        let wanted = bare_cap(name);
        self.allow_caps.iter().any(|cap| matches!(bare_cap(cap).as_str(), "ALL") || bare_cap(cap) == wanted)
    }
}

/// Returns a capability's name as the engine lists it: upper case, without `CAP_`.
pub(super) fn bare_cap(name: &str) -> String {
    let upper = name.trim().to_ascii_uppercase();
    upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_sockets_are_not_among_the_defaults() {
        let policy = Policy::default();
        assert!(!policy.allows_cap("NET_RAW"));
        assert!(policy.allows_cap("cap_chown"));
    }
}
