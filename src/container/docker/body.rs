//! From a task to the request that makes its container: a row of small pure functions, each adding its part.
//!
//! What it is given has passed [`crate::container::review`].

mod mounts;
mod network;
mod security;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};

use crate::{
    container::{ContainerSpec, Policy, devices, labels, mounts::Planned, policy::covers},
    domain::{ContainerOptions, SecretString, TaskSpec, Ulimit},
};

/// The engine's range for processor shares.
const SHARES: std::ops::RangeInclusive<i64> = 2..=262_144;
/// A processor's share is cut off in periods of this many microseconds unless the job says otherwise.
const CPU_PERIOD: i64 = 100_000;

/// What was found on the disk for what a job asks for.
#[derive(Default)]
pub(super) struct Settled {
    /// The job's own mounts, each with its path.
    pub mounts: Vec<(Planned, Option<PathBuf>)>,
    /// The seccomp profile that the job names, as JSON.
    pub seccomp: Option<String>,
}

/// Builds the request. `settled` is what was found on the disk for it.
pub(super) fn body(spec: &ContainerSpec<'_>, policy: &Policy, instance: &str, settled: Settled) -> ContainerCreateBody {
    let options = &spec.task.container;
    ContainerCreateBody {
        image: Some(spec.image.id.clone()),
        user: spec.task.user.clone().filter(|user| !user.is_empty()),
        cmd: command(options),
        entrypoint: options.entrypoint.clone(),
        working_dir: options.work_dir.clone(),
        hostname: options.hostname.clone().filter(|_| !network::joins(spec)),
        tty: options.tty.then_some(true),
        open_stdin: options.interactive.then_some(true),
        healthcheck: options.healthcheck_disabled.then(no_health_check),
        env: Some(environment(&spec.task.env, policy)),
        labels: Some(marks(spec.task, policy, instance)),
        exposed_ports: Some(network::bindings(spec).keys().cloned().collect()),
        networking_config: network::endpoints(spec),
        host_config: Some(host(spec, policy, settled)),
        ..ContainerCreateBody::default()
    }
}

fn host(spec: &ContainerSpec<'_>, policy: &Policy, settled: Settled) -> HostConfig {
    let bare = HostConfig::default();
    let limited = limits(bare, spec.task, policy);
    let rooted = root(limited, &spec.task.container, policy, &settled);
    let hardened = security::hardening(rooted, spec.task, policy, settled.seccomp);
    let filled = mounts::mounts(hardened, spec, settled.mounts);
    let connected = network::network(filled, spec);
    HostConfig {
        log_config: Some(log_config(&spec.task.container, policy)),
        init: spec.task.container.init.then_some(true),
        runtime: devices::runtime(spec.task, policy),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        ..connected
    }
}

fn no_health_check() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }
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

/// The job's labels, then those that the operator wants in the peers' spelling, then our own marks: the later wins.
fn marks(task: &TaskSpec, policy: &Policy, instance: &str) -> HashMap<String, String> {
    let meta = &task.meta;
    let facts = [
        ("job_name", &meta.job_name),
        ("job_id", &meta.job_id),
        ("task_group_name", &meta.group),
        ("task_name", &meta.name),
        ("namespace", &meta.namespace),
        ("node_name", &meta.node_name),
        ("node_id", &meta.node_id),
    ];
    let wanted = facts.into_iter().filter(|(fact, _)| covers(&policy.extra_labels, fact));
    let peers = wanted.map(|(fact, value)| (format!("com.hashicorp.nomad.{fact}"), value.clone()));
    task.container.labels.clone().into_iter().chain(peers).chain(labels(meta, instance)).collect()
}

fn limits(host: HostConfig, task: &TaskSpec, policy: &Policy) -> HostConfig {
    let (resources, options) = (&task.resources, &task.container.limits);
    let most = options.memory_hard_limit.unwrap_or(resources.memory_limit);
    let reserved = options.memory_hard_limit.map(|_| resources.memory_limit).filter(|reserved| *reserved < most);
    let limit = if resources.memory_unlimited { 0 } else { most };
    let ulimit = |limit: &Ulimit| ResourcesUlimits {
        name: Some(limit.name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    HostConfig {
        cpu_shares: Some(resources.cpu_shares.clamp(*SHARES.start(), *SHARES.end())),
        cpuset_cpus: Some(resources.cpuset.clone()).filter(|cores| !cores.is_empty()),
        memory: Some(limit),
        // Equal to the limit means no swap: what is in memory, secrets included, is not written to a disk.
        memory_swap: Some(limit).filter(|limit| *limit > 0),
        memory_reservation: resources.memory_reservation.or(reserved),
        pids_limit: Some(options.pids_limit.unwrap_or(policy.pids_limit)),
        oom_score_adj: options.oom_score_adj,
        shm_size: options.shm_size,
        storage_opt: Some(options.storage_opt.clone().into_iter().collect())
            .filter(|options: &HashMap<_, _>| !options.is_empty()),
        ulimits: Some(options.ulimits.iter().map(ulimit).collect()).filter(|limits: &Vec<_>| !limits.is_empty()),
        ..cpu_quota(host, task)
    }
}

/// The quota is the task's share of the whole machine, in every period.
fn cpu_quota(host: HostConfig, task: &TaskSpec) -> HostConfig {
    let options = &task.container.limits;
    if !options.cpu_hard_limit || task.resources.cpu_share <= 0.0 {
        return host;
    }
    let period = options.cpu_cfs_period.unwrap_or(CPU_PERIOD);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // The kernel refuses less than a millisecond.
    let quota = (task.resources.cpu_share * processors as f64 * period as f64).round().max(1000.0);
    HostConfig { cpu_period: Some(period), cpu_quota: Some(quota as i64), ..host }
}

fn root(host: HostConfig, options: &ContainerOptions, policy: &Policy, settled: &Settled) -> HostConfig {
    let readonly = options.security.readonly_rootfs.unwrap_or(policy.readonly_rootfs);
    let tmp = format!("rw,exec,nosuid,nodev,mode=1777,size={}", policy.tmp_size);
    // The job's own mount there comes instead.
    let taken = settled.mounts.iter().any(|(planned, _)| planned.target.trim_end_matches('/') == "/tmp");
    let tmpfs = (readonly && !taken).then(|| HashMap::from([("/tmp".to_owned(), tmp)]));
    HostConfig { readonly_rootfs: Some(readonly), tmpfs, ..host }
}

/// A job that names a driver gives its options too; one that gives only options means the operator's driver.
fn log_config(options: &ContainerOptions, policy: &Policy) -> HostConfigLogConfig {
    let job = options.logging.clone().unwrap_or_default();
    let given = job.driver.is_some() || !job.options.is_empty();
    let driver = job.driver.unwrap_or_else(|| policy.logging.driver.clone());
    let options = if given { job.options } else { policy.logging.options.clone() };
    HostConfigLogConfig { typ: Some(driver), config: Some(options.into_iter().collect()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bollard::models::PortBinding;

    use super::*;
    use crate::{
        container::{Connection, Image, fixture},
        domain::Port,
    };

    fn made(task: &TaskSpec, policy: &Policy) -> (ContainerCreateBody, HostConfig) {
        connected(task, policy, None)
    }

    fn connected(
        task: &TaskSpec,
        policy: &Policy,
        connection: Option<&Connection>,
    ) -> (ContainerCreateBody, HostConfig) {
        let image = Image { id: "sha256:00".into(), ..Image::default() };
        let spec = ContainerSpec { task, image: &image, secrets: Some(Path::new("/run/strongbox/x")), connection };
        let body = body(&spec, policy, "one", Settled::default());
        let host = body.host_config.clone().expect("there is one");
        (body, host)
    }

    #[test]
    fn the_defaults_are_shut() {
        let (body, host) = made(&fixture::task("a/b/1"), &Policy::default());
        assert_eq!((host.cap_drop, host.cap_add), (Some(vec!["NET_RAW".to_owned()]), None));
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
        task.container.network.ports = vec!["https".parse().expect("a port")];
        let ports = made(&task, &Policy::default()).1.port_bindings.expect("set");
        let binding = PortBinding { host_ip: Some("10.0.0.1".into()), host_port: Some("20443".into()) };
        assert_eq!(ports, HashMap::from([("443/tcp".to_owned(), Some(vec![binding]))]));
    }

    #[test]
    fn in_a_joined_network_neither_host_name_nor_ports_are_the_tasks_own() {
        let mut task = fixture::task("a/b/1");
        task.ports = vec![Port { label: "https".into(), host: 20443, to: 443, host_ip: None }];
        task.container.network.ports = vec!["https".parse().expect("a port")];
        task.container.hostname = Some("web".into());
        let files = vec![("/run/strongbox/net/x/hosts".into(), "/etc/hosts")];
        let connection = Connection { join: Some("pause".parse().expect("an id")), files };
        let (body, host) = connected(&task, &Policy::default(), Some(&connection));
        assert_eq!(host.network_mode.as_deref(), Some("container:pause"));
        assert!(host.port_bindings.expect("set").is_empty() && body.hostname.is_none());
        let mounts = host.mounts.expect("set");
        let hosts = mounts.iter().find(|mount| mount.target.as_deref() == Some("/etc/hosts")).expect("bound");
        assert_eq!(hosts.read_only, Some(true));
    }

    #[test]
    fn what_a_process_gets_is_passed_on() {
        let mut task = fixture::task("a/b/1");
        task.container.tty = true;
        task.container.interactive = true;
        task.container.healthcheck_disabled = true;
        task.container.security.group_add = vec!["audio".into()];
        let (body, host) = made(&task, &Policy::default());
        assert_eq!((body.tty, body.open_stdin), (Some(true), Some(true)));
        assert_eq!(body.healthcheck.and_then(|check| check.test), Some(vec!["NONE".to_owned()]));
        assert_eq!(host.group_add, Some(vec!["audio".to_owned()]));
    }

    #[test]
    fn limits_are_passed_on() {
        let mut task = fixture::task("a/b/1");
        task.resources.cpu_share = 0.25;
        let limits = &mut task.container.limits;
        limits.memory_hard_limit = Some(128 << 20);
        limits.cpu_hard_limit = true;
        limits.cpu_cfs_period = Some(50_000);
        limits.oom_score_adj = Some(100);
        limits.shm_size = Some(1 << 20);
        limits.storage_opt = [("size".to_owned(), "1G".to_owned())].into();
        limits.ulimits = vec![Ulimit { name: "nofile".into(), soft: 1024, hard: 2048 }];
        let host = made(&task, &Policy::default()).1;
        assert_eq!((host.memory, host.memory_reservation), (Some(128 << 20), Some(64 << 20)));
        let processors = i64::try_from(std::thread::available_parallelism().expect("known").get()).expect("few");
        assert_eq!((host.cpu_period, host.cpu_quota), (Some(50_000), Some(12_500 * processors)));
        assert_eq!((host.oom_score_adj, host.shm_size), (Some(100), Some(1 << 20)));
        assert_eq!(host.storage_opt.expect("set")["size"], "1G");
        assert_eq!(host.ulimits.expect("set")[0].hard, Some(2048));
    }

    #[test]
    fn memory_without_limit_has_none_and_no_swap_rule() {
        let mut task = fixture::task("a/b/1");
        task.resources.memory_unlimited = true;
        let host = made(&task, &Policy { allow_unlimited_memory: true, ..Policy::default() }).1;
        assert_eq!((host.memory, host.memory_swap), (Some(0), None));
    }

    #[test]
    fn labels_in_the_peers_spelling_are_added_and_never_the_deadly_one() {
        let policy = Policy { extra_labels: vec!["*".into()], ..Policy::default() };
        let labels = made(&fixture::task("a/b/1"), &policy).0.labels.expect("set");
        assert_eq!(labels["com.hashicorp.nomad.job_id"], "shop");
        assert!(!labels.contains_key("com.hashicorp.nomad.alloc_id"));
    }
}
