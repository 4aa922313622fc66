//! From a task to the request that makes its container: a row of small pure functions, each adding its part.
//!
//! What it is given has passed [`crate::container::review`].

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountType, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};

use crate::{
    container::{
        ContainerSpec, Policy, SECRETS_TARGET, labels,
        policy::{DEFAULT_CAPS, bare_cap},
    },
    domain::{ContainerOptions, HostMount, Isolation, SecretString, TaskSpec},
};

/// The engine's range for processor shares.
const SHARES: std::ops::RangeInclusive<i64> = 2..=262_144;
/// What the engine keeps of a task's output until it is fetched: bounded, or a talkative task would fill the disk.
///
/// When the engine begins a new file, a reader that is a whole file behind misses lines and may meet others twice (seen
/// with 20.10, whose reader makes about 150,000 lines a second where a task can write 500,000), so the files are large.
/// `json-file` and not `local`, which lost the end of a line of more than 16 KiB with the same engine.
const LOG_DRIVER: &str = "json-file";
const LOG_OPTIONS: [(&str, &str); 2] = [("max-file", "3"), ("max-size", "100m")];

pub(super) fn body(spec: &ContainerSpec<'_>, policy: &Policy, instance: &str) -> ContainerCreateBody {
    let options = &spec.task.container;
    ContainerCreateBody {
        image: Some(spec.image.id.clone()),
        user: spec.task.user.clone().filter(|user| !user.is_empty()),
        cmd: command(options),
        entrypoint: options.entrypoint.clone(),
        working_dir: options.work_dir.clone(),
        hostname: options.hostname.clone().filter(|_| !joins_group(spec.task)),
        env: Some(environment(&spec.task.env, policy)),
        labels: Some(marks(spec.task, instance)),
        exposed_ports: Some(bindings(spec.task).keys().cloned().collect()),
        host_config: Some(host(spec, policy)),
        ..ContainerCreateBody::default()
    }
}

fn host(spec: &ContainerSpec<'_>, policy: &Policy) -> HostConfig {
    let bare = HostConfig::default();
    let limited = limits(bare, spec.task, policy);
    let hardened = hardening(limited, &spec.task.container, policy);
    let rooted = root(hardened, &spec.task.container, policy);
    let mounted = HostConfig { mounts: Some(mounts(spec)), ..rooted };
    let connected = network(mounted, spec.task);
    HostConfig {
        log_config: Some(log_config()),
        init: spec.task.container.init.then_some(true),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        ..connected
    }
}

/// Without a command the arguments follow the image's entrypoint, as with the built-in driver.
fn command(options: &ContainerOptions) -> Option<Vec<String>> {
    let words: Vec<String> = options.command.iter().chain(&options.args).cloned().collect();
    (!words.is_empty()).then_some(words)
}

/// The engine keeps the environment in its files and shows it to everyone who may ask, so login tokens stay out.
fn environment(env: &BTreeMap<String, SecretString>, policy: &Policy) -> Vec<String> {
    env.iter()
        .filter(|(key, _)| policy.allow_token_env || !is_token(key))
        .map(|(key, value)| format!("{key}={}", value.expose()))
        .collect()
}

fn is_token(key: &str) -> bool {
    key == "VAULT_TOKEN"
        || key == "NOMAD_TOKEN"
        || key.starts_with("NOMAD_TOKEN_")
        || (key.starts_with("CONSUL_") && (key.ends_with("_TOKEN") || key.contains("_TOKEN_")))
}

fn marks(task: &TaskSpec, instance: &str) -> HashMap<String, String> {
    let own = labels(&task.meta, instance);
    task.container.labels.clone().into_iter().chain(own).collect()
}

fn limits(host: HostConfig, task: &TaskSpec, policy: &Policy) -> HostConfig {
    let resources = &task.resources;
    HostConfig {
        cpu_shares: Some(resources.cpu_shares.clamp(*SHARES.start(), *SHARES.end())),
        cpuset_cpus: Some(resources.cpuset.clone()).filter(|cores| !cores.is_empty()),
        memory: Some(resources.memory_limit),
        // Equal to the limit means no swap: what is in memory, secrets included, is not written to a disk.
        memory_swap: Some(resources.memory_limit),
        memory_reservation: resources.memory_reservation,
        pids_limit: Some(task.container.pids_limit.unwrap_or(policy.pids_limit)),
        ..host
    }
}

fn hardening(host: HostConfig, options: &ContainerOptions, policy: &Policy) -> HostConfig {
    HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities(options, policy)),
        security_opt: (!policy.allow_new_privileges).then(|| vec!["no-new-privileges:true".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        privileged: Some(false),
        ..host
    }
}

/// What the engine gives by itself as far as the operator allows it, less what the job drops, more what it adds.
fn capabilities(options: &ContainerOptions, policy: &Policy) -> Vec<String> {
    let dropped: Vec<String> = options.cap_drop.iter().map(|cap| bare_cap(cap)).collect();
    let drops = |cap: &str| dropped.iter().any(|dropped| dropped == cap || dropped == "ALL");
    let added = options.cap_add.iter().map(|cap| bare_cap(cap));
    let kept = DEFAULT_CAPS.iter().filter(|cap| policy.allows_cap(cap) && !drops(cap)).map(|cap| (*cap).to_owned());
    let mut caps: Vec<String> = kept.chain(added).collect();
    caps.sort();
    caps.dedup();
    caps
}

fn root(host: HostConfig, options: &ContainerOptions, policy: &Policy) -> HostConfig {
    let readonly = options.readonly_rootfs.unwrap_or(policy.readonly_rootfs);
    let tmp = format!("rw,exec,nosuid,nodev,mode=1777,size={}", policy.tmp_size);
    let tmpfs = readonly.then(|| HashMap::from([("/tmp".to_owned(), tmp)]));
    HostConfig { readonly_rootfs: Some(readonly), tmpfs, ..host }
}

fn mounts(spec: &ContainerSpec<'_>) -> Vec<Mount> {
    let alloc = spec.task.alloc_dir.join("alloc");
    let task = spec.task.task_dir();
    let own = [
        bind(&alloc, "/alloc", false),
        // Once more and read-only, so that a task cannot put something else in the place of its output's pipes.
        bind(&alloc.join("logs"), "/alloc/logs", true),
        bind(&task.join("local"), "/local", false),
        bind(&task.join("secrets"), "/secrets", false),
    ];
    let secrets = spec.secrets.map(|source| bind(source, SECRETS_TARGET, true));
    let others = spec.task.mounts.iter().map(orchestrators);
    own.into_iter().chain(secrets).chain(others).collect()
}

/// A bind whose source must exist: the engine makes no directory of its own in its place.
fn bind(source: &std::path::Path, target: &str, read_only: bool) -> Mount {
    Mount {
        target: Some(target.to_owned()),
        source: Some(source.to_string_lossy().into_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

fn orchestrators(mount: &HostMount) -> Mount {
    let propagation = match mount.propagation.as_str() {
        "host-to-task" => MountBindOptionsPropagationEnum::RSLAVE,
        _ => MountBindOptionsPropagationEnum::RPRIVATE,
    };
    let options = MountBindOptions { propagation: Some(propagation), ..MountBindOptions::default() };
    let plain = bind(&mount.source, &mount.target.to_string_lossy(), mount.read_only);
    Mount { bind_options: Some(options), ..plain }
}

fn joins_group(task: &TaskSpec) -> bool {
    task.container.network_mode.is_none() && matches!(task.isolation, Isolation::Group { .. })
}

fn network(host: HostConfig, task: &TaskSpec) -> HostConfig {
    let mode = match (&task.container.network_mode, &task.isolation) {
        (Some(mode), _) => mode.clone(),
        (None, Isolation::Group { container }) => format!("container:{container}"),
        (None, Isolation::Host | Isolation::None) => "bridge".to_owned(),
    };
    let ports = bindings(task);
    HostConfig { network_mode: Some(mode), port_bindings: Some(ports.into_iter().collect()), ..host }
}

/// Ports are published over TCP and on one address only; in a network that has its own ports, none are.
fn bindings(task: &TaskSpec) -> BTreeMap<String, Option<Vec<PortBinding>>> {
    let mut ports: BTreeMap<String, Option<Vec<PortBinding>>> = BTreeMap::new();
    let own_ports = matches!(task.container.network_mode.as_deref(), Some("host" | "none")) || joins_group(task);
    let wanted = task.ports.iter().filter(|port| !own_ports && task.container.ports.contains(&port.label));
    for port in wanted {
        let address = port.host_ip.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_string());
        let binding = PortBinding { host_ip: Some(address), host_port: Some(port.host.to_string()) };
        ports.entry(format!("{}/tcp", port.to)).or_default().get_or_insert_default().push(binding);
    }
    ports
}

fn log_config() -> HostConfigLogConfig {
    let options = LOG_OPTIONS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig { typ: Some(LOG_DRIVER.to_owned()), config: Some(options.into()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        container::{Image, fixture},
        domain::Port,
    };

    fn made(task: &TaskSpec, policy: &Policy) -> (ContainerCreateBody, HostConfig) {
        let image = Image { id: "sha256:00".into(), ..Image::default() };
        let spec = ContainerSpec { task, image: &image, secrets: Some(Path::new("/run/strongbox/x")) };
        let body = body(&spec, policy, "one");
        let host = body.host_config.clone().expect("there is one");
        (body, host)
    }

    #[test]
    fn the_defaults_are_shut() {
        let (body, host) = made(&fixture::task("a/b/1"), &Policy::default());
        assert_eq!(host.cap_drop.expect("set"), ["ALL"]);
        assert!(!host.cap_add.expect("set").contains(&"NET_RAW".to_owned()));
        assert_eq!(host.security_opt.expect("set"), ["no-new-privileges:true"]);
        assert_eq!((host.readonly_rootfs, host.pids_limit), (Some(true), Some(1024)));
        assert_eq!((host.memory, host.memory_swap), (Some(64 << 20), Some(64 << 20)));
        assert_eq!(host.network_mode.as_deref(), Some("bridge"));
        assert_eq!(body.image.as_deref(), Some("sha256:00"));
        assert_eq!(body.labels.expect("set")["strongbox.instance"], "one");
    }

    #[test]
    fn tokens_do_not_reach_the_engines_files() {
        let mut task = fixture::task("a/b/1");
        let keys = ["VAULT_TOKEN", "NOMAD_TOKEN", "NOMAD_TOKEN_x", "CONSUL_TOKEN", "CONSUL_HTTP_TOKEN", "TOKEN_LIFE"];
        task.env = keys.map(|key| (key.to_owned(), SecretString::new("v"))).into();
        assert_eq!(made(&task, &Policy::default()).0.env.expect("set"), ["TOKEN_LIFE=v"]);
        let open = Policy { allow_token_env: true, ..Policy::default() };
        assert_eq!(made(&task, &open).0.env.expect("set").len(), keys.len());
    }

    #[test]
    fn an_allowed_capability_is_given_only_when_asked_for() {
        let mut task = fixture::task("a/b/1");
        let policy = Policy { allow_caps: vec!["CHOWN".into(), "NET_ADMIN".into()], ..Policy::default() };
        assert_eq!(made(&task, &policy).1.cap_add.expect("set"), ["CHOWN"]);
        task.container.cap_add = vec!["cap_net_admin".into()];
        task.container.cap_drop = vec!["all".into()];
        assert_eq!(made(&task, &policy).1.cap_add.expect("set"), ["NET_ADMIN"]);
    }

    #[test]
    fn directories_are_bound_where_jobs_expect_them() {
        let mounts = made(&fixture::task("a/b/1"), &Policy::default()).1.mounts.expect("set");
        let lines: Vec<String> = mounts
            .iter()
            .map(|m| {
                format!(
                    "{} {} {}",
                    m.source.as_deref().unwrap_or(""),
                    m.target.as_deref().unwrap_or(""),
                    m.read_only == Some(true)
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                "/var/alloc/550e/alloc /alloc false",
                "/var/alloc/550e/alloc/logs /alloc/logs true",
                "/var/alloc/550e/web/local /local false",
                "/var/alloc/550e/web/secrets /secrets false",
                "/run/strongbox/x /run/secrets true",
            ]
        );
    }

    #[test]
    fn ports_are_published_over_tcp_on_one_address() {
        let mut task = fixture::task("a/b/1");
        task.ports = vec![
            Port { label: "https".into(), host: 20443, to: 443, host_ip: Some([10, 0, 0, 1].into()) },
            Port { label: "other".into(), host: 20444, to: 444, host_ip: None },
        ];
        task.container.ports = vec!["https".into()];
        let ports = made(&task, &Policy::default()).1.port_bindings.expect("set");
        let binding = PortBinding { host_ip: Some("10.0.0.1".into()), host_port: Some("20443".into()) };
        assert_eq!(ports, HashMap::from([("443/tcp".to_owned(), Some(vec![binding]))]));
        task.isolation = Isolation::Group { container: "pause".into() };
        let host = made(&task, &Policy::default()).1;
        assert_eq!(host.network_mode.as_deref(), Some("container:pause"));
        assert!(host.port_bindings.expect("set").is_empty());
    }
}
