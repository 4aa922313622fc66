//! What the operator allows a job to ask of the engine.

use std::path::PathBuf;

/// The operator's gates and limits for containers. [`Policy::default`] is shut; a job can only tighten it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The engine's socket; never bound into a container.
    pub socket: PathBuf,
    /// Capabilities that a job may add. Those of them that the engine gives by itself a container has without asking;
    /// everything else is dropped.
    pub allow_caps: Vec<String>,
    /// Network modes that a job may name.
    pub allow_network_modes: Vec<String>,
    /// Whether a job may live in the host's network.
    pub allow_host_network: bool,
    /// Whether set-user-id programs in a container may gain rights.
    pub allow_new_privileges: bool,
    /// Whether login tokens that the orchestrator put into the environment reach the container, and with it the
    /// engine's files on disk.
    pub allow_token_env: bool,
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
}

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
            allow_caps: DEFAULT_CAPS.map(String::from).to_vec(),
            allow_network_modes: ["none", "bridge"].map(String::from).to_vec(),
            allow_host_network: false,
            allow_new_privileges: false,
            allow_token_env: false,
            readonly_rootfs: true,
            allow_writable_rootfs: true,
            tmp_size: 64 << 20,
            pids_limit: 1024,
            memory_limit: None,
        }
    }
}

impl Policy {
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
