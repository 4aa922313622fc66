//! The job's `config`, as far as it concerns the container. Names and meanings are those of Nomad's built-in docker driver
//! where it has the option; `docs/docker-compat.md` has a row for each.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{SecretString, ServerPath};

/// Everything the job says about its container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerOptions {
    /// Image reference.
    pub image: String,
    /// How the image is got.
    pub pull: PullOptions,
    /// First word of the command line.
    pub command: Option<String>,
    /// The rest of the command line.
    pub args: Vec<String>,
    /// Replaces the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Working directory.
    pub work_dir: Option<String>,
    /// Host name inside.
    pub hostname: Option<String>,
    /// Keep standard input open.
    pub interactive: bool,
    /// A terminal as standard streams; standard error then comes as standard output.
    pub tty: bool,
    /// A small init as first process.
    pub init: bool,
    /// Do not run the image's own health check.
    pub healthcheck_disabled: bool,
    /// The job's own labels.
    pub labels: BTreeMap<String, String>,
    /// The engine's runtime, such as `runc`.
    pub runtime: Option<String>,
    /// What the container may do to its host.
    pub security: SecurityOptions,
    /// What the container may use.
    pub limits: LimitOptions,
    /// What is mounted, beside what every task has.
    pub files: FileOptions,
    /// How the container is connected.
    pub network: NetworkOptions,
    /// Where the engine puts the output; the operator's default when absent.
    pub logging: Option<Logging>,
    /// Options that were given and do nothing, each in a sentence for the user.
    pub ignored: Vec<String>,
}

/// How the image is got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PullOptions {
    /// Ask the registry even when the image is there.
    pub force: bool,
    /// When to ask the registry; stronger than `force` when both are given.
    pub policy: Option<Pull>,
    /// `os/arch` or `os/arch/variant`; the engine's own when absent.
    pub platform: Option<String>,
    /// References to try in order when the first cannot be had.
    pub fallbacks: Vec<String>,
    /// How long a pull may take in all; the operator's when absent.
    pub timeout: Option<Duration>,
    /// An archive below the task's `local/` to load the image from when it is not there.
    pub load: Option<String>,
    /// The job's own credential for the registry.
    pub auth: Option<RegistryAuth>,
    /// Go on without a credential when looking one up fails.
    pub auth_soft_fail: bool,
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

/// A job's credential for a registry: words of its own, or a place on the secrets server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistryAuth {
    /// User name.
    pub username: Option<String>,
    /// Password or access token.
    pub password: Option<SecretString>,
    /// Registry that the credential is for; whatever the image names when absent.
    pub server_address: Option<String>,
    /// Path of a secret with `username` and `password`, read with the task's own login.
    pub vault: Option<ServerPath>,
}

/// What the container may do to its host. Each opening must be allowed by the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityOptions {
    /// Everything the host's root may.
    pub privileged: bool,
    /// Capabilities to add to the operator's list; each must be allowed.
    pub cap_add: Vec<String>,
    /// Capabilities to drop.
    pub cap_drop: Vec<String>,
    /// Security options as the engine's command line takes them.
    pub security_opt: Vec<String>,
    /// Root filesystem read-only; the operator's default when absent.
    pub readonly_rootfs: Option<bool>,
    /// Process numbering shared with the host or another container.
    pub pid_mode: Option<String>,
    /// Shared memory with the host or another container.
    pub ipc_mode: Option<String>,
    /// Host name shared with the host.
    pub uts_mode: Option<String>,
    /// User numbering shared with the host.
    pub userns_mode: Option<String>,
    /// View of the control groups.
    pub cgroupns: Option<String>,
    /// Devices of the host.
    pub devices: Vec<Device>,
    /// More groups for the first process.
    pub group_add: Vec<String>,
    /// Kernel parameters of the container's own namespaces.
    pub sysctl: BTreeMap<String, String>,
}

/// A device of the host inside the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// On the host.
    pub host_path: String,
    /// Inside.
    pub container_path: String,
    /// Any of `r`, `w` and `m`.
    pub permissions: String,
}

/// What the container may use, beside what the scheduler gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitOptions {
    /// Hard limit in bytes; what the scheduler gave becomes the reservation.
    pub memory_hard_limit: Option<i64>,
    /// Cut the processor share off at what was reserved.
    pub cpu_hard_limit: bool,
    /// The period in which that share is counted, in microseconds.
    pub cpu_cfs_period: Option<i64>,
    /// Most processes; the operator's limit when absent.
    pub pids_limit: Option<i64>,
    /// How soon the kernel ends the task when memory runs out, -1000 to 1000.
    pub oom_score_adj: Option<i64>,
    /// Bytes of `/dev/shm`.
    pub shm_size: Option<i64>,
    /// Options of the engine's storage driver.
    pub storage_opt: BTreeMap<String, String>,
    /// Limits of single processes.
    pub ulimits: Vec<Ulimit>,
}

/// One limit of a process, as `setrlimit(2)` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: String,
    /// What holds at first.
    pub soft: i64,
    /// What a process may raise it to.
    pub hard: i64,
}

/// What is mounted, beside what every task has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// `source:target[:mode]`, as written.
    pub volumes: Vec<String>,
    /// The engine's plugin that the sources of `volumes` are names for.
    pub volume_driver: Option<String>,
    /// Typed mounts.
    pub mounts: Vec<MountRequest>,
}

/// A typed mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountRequest {
    /// What is mounted.
    pub kind: MountKind,
    /// Where inside.
    pub target: String,
    /// Path or volume name.
    pub source: Option<String>,
    /// Whether writing is refused.
    pub read_only: bool,
    /// How mounts below spread, such as `rprivate`.
    pub propagation: Option<String>,
    /// Bytes of a tmpfs.
    pub tmpfs_size: Option<i64>,
    /// Permission bits of a tmpfs.
    pub tmpfs_mode: Option<u32>,
    /// Do not copy the image's files into a new volume.
    pub no_copy: bool,
    /// Labels of a new volume.
    pub labels: BTreeMap<String, String>,
    /// The engine's plugin for a new volume, with its options.
    pub driver: Option<VolumeDriver>,
}

/// What a typed mount mounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountKind {
    /// A volume of the engine.
    #[default]
    Volume,
    /// A path of the host.
    Bind,
    /// Memory.
    Tmpfs,
}

/// The engine's plugin that makes a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeDriver {
    /// Its name.
    pub name: String,
    /// What it is told.
    pub options: BTreeMap<String, String>,
}

/// How the container is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions {
    /// Network mode; the group's network, else the engine's bridge, when absent.
    pub mode: Option<String>,
    /// Further networks of the engine.
    pub also: Vec<String>,
    /// More names on a network of the engine.
    pub aliases: Vec<String>,
    /// A fixed address on the network.
    pub ipv4_address: Option<IpAddr>,
    /// A fixed address on the network.
    pub ipv6_address: Option<IpAddr>,
    /// A fixed hardware address.
    pub mac_address: Option<String>,
    /// Tell the orchestrator the IPv6 address.
    pub advertise_ipv6: bool,
    /// Ports to publish.
    pub ports: Vec<PublishedPort>,
    /// Name servers.
    pub dns_servers: Vec<String>,
    /// Domains that short names are looked up in.
    pub dns_search_domains: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// `name:address` lines of the hosts file.
    pub extra_hosts: Vec<String>,
}

/// A port of the group that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// The group's label.
    pub label: String,
    /// What is published.
    pub protocol: Protocol,
}

/// What of a port is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Streams only.
    #[default]
    Tcp,
    /// Datagrams only.
    Udp,
    /// Both.
    Both,
}

/// Where the engine puts a container's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// The engine's log driver.
    pub driver: Option<String>,
    /// What it is told.
    pub options: BTreeMap<String, String>,
}

impl NetworkOptions {
    /// Says whether a port of the group is published.
    pub fn publishes(&self, label: &str) -> bool {
        self.ports.iter().any(|port| port.label == label)
    }
}

impl std::str::FromStr for PublishedPort {
    type Err = std::convert::Infallible;

    /// Reads `label`, `label/tcp`, `label/udp` or `label/tcp+udp`. A label never has a slash, so anything else after one is left
    /// in the label, which then names no port.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let split = text.rsplit_once('/').and_then(|(label, protocol)| {
            let protocol = match protocol {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                "tcp+udp" | "udp+tcp" => Protocol::Both,
                _ => return None,
            };
            Some(Self { label: label.to_owned(), protocol })
        });
        Ok(split.unwrap_or_else(|| Self { label: text.to_owned(), protocol: Protocol::default() }))
    }
}

impl Protocol {
    /// Returns the names that the engine has for it.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Tcp => &["tcp"],
            Self::Udp => &["udp"],
            Self::Both => &["tcp", "udp"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_says_what_of_it_is_published() {
        for (text, label, protocol) in [
            ("web", "web", Protocol::Tcp),
            ("dns/udp", "dns", Protocol::Udp),
            ("dns/tcp+udp", "dns", Protocol::Both),
            ("dns/sctp", "dns/sctp", Protocol::Tcp),
        ] {
            let port: PublishedPort = text.parse().expect("never fails");
            assert_eq!((port.label.as_str(), port.protocol), (label, protocol), "{text}");
        }
    }
}
