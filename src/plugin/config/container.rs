//! What a job's `config` says about its container.

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive, time::Duration};

use super::{
    fields::{Fields, quoted},
    mounts,
};
use crate::domain::{
    ContainerOptions, Device, FileOptions, LimitOptions, Logging, NetworkOptions, Pull, PullOptions, RegistryAuth,
    SecretString, SecurityOptions, ServerPath, Ulimit,
};

const MEBIBYTE: i64 = 1 << 20;
/// Sizes up to a pebibyte: more is a mistake, and sums of them stay far from the end of the numbers.
const MOST: i64 = 1 << 50;
/// The kernel's range of processes.
const PIDS_MAX: i64 = 4_194_304;
const PULL_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// Options that the built-in driver takes and that have no effect there or here, each with what does it today.
const WITHOUT_EFFECT: [(&str, &str); 3] = [
    ("cpuset_cpus", "reserve cores with resources.cores"),
    ("container_exists_attempts", "a name that is taken is tried again by itself"),
    ("isolation", "it is for Windows only"),
];

/// Reads everything that concerns the container.
pub(super) fn container(fields: &mut Fields<'_>) -> ContainerOptions {
    ContainerOptions {
        image: image(fields),
        pull: pull(fields),
        command: command(fields),
        args: fields.texts("args"),
        entrypoint: fields.maybe_texts("entrypoint"),
        work_dir: fields.text("work_dir"),
        hostname: fields.text("hostname"),
        interactive: fields.flag("interactive").unwrap_or_default(),
        tty: fields.flag("tty").unwrap_or_default(),
        init: fields.flag("init").unwrap_or_default(),
        healthcheck_disabled: healthcheck_disabled(fields),
        labels: map(fields, "labels"),
        runtime: fields.text("runtime"),
        security: security(fields),
        limits: limits(fields),
        files: FileOptions {
            volumes: fields.texts("volumes"),
            volume_driver: fields.text("volume_driver"),
            mounts: mounts::mounts(fields),
        },
        network: network(fields),
        logging: logging(fields),
        ignored: ignored(fields),
    }
}

/// The peers take an image with a scheme in front of it, as users paste it.
fn image(fields: &mut Fields<'_>) -> String {
    let image = fields.required_text("image");
    image.strip_prefix("https://").map_or(image.clone(), str::to_owned)
}

fn command(fields: &mut Fields<'_>) -> Option<String> {
    let command = fields.text("command")?;
    if command.trim() != command {
        fields.flaw("command", "begins or ends with white space");
    }
    Some(command)
}

fn healthcheck_disabled(fields: &mut Fields<'_>) -> bool {
    let mut block = fields.block_or_empty("healthchecks");
    let disabled = block.flag("disable").unwrap_or_default();
    block.finish();
    disabled
}

fn ignored(fields: &mut Fields<'_>) -> Vec<String> {
    let given = WITHOUT_EFFECT.iter().filter(|(name, _)| fields.present(name));
    given.map(|(name, instead)| format!("{name} has no effect: {instead}")).collect()
}

fn pull(fields: &mut Fields<'_>) -> PullOptions {
    PullOptions {
        force: fields.flag("force_pull").unwrap_or_default(),
        policy: pull_policy(fields),
        platform: fields.text("platform"),
        fallbacks: fields.texts("images"),
        timeout: fields.duration("image_pull_timeout", PULL_TIMEOUT),
        load: fields.text("load"),
        auth: registry_auth(fields),
        auth_soft_fail: fields.flag("auth_soft_fail").unwrap_or_default(),
    }
}

fn pull_policy(fields: &mut Fields<'_>) -> Option<Pull> {
    match fields.text("pull_policy").as_deref() {
        None => None,
        Some("always") => Some(Pull::Always),
        Some("missing") => Some(Pull::Missing),
        Some("never") => Some(Pull::Never),
        Some(other) => {
            fields.flaw("pull_policy", format_args!("{} is unknown; give always, missing or never", quoted(other)));
            None
        }
    }
}

/// A block in which nothing is said counts as absent.
fn registry_auth(fields: &mut Fields<'_>) -> Option<RegistryAuth> {
    let mut block = fields.block("auth")?;
    let auth = RegistryAuth {
        username: block.text("username"),
        password: block.text("password").map(SecretString::new),
        server_address: block.text("server_address"),
        vault: block.parsed::<ServerPath>("vault"),
    };
    block.text("email");
    if auth.vault.is_some() && (auth.username.is_some() || auth.password.is_some()) {
        block.flaw("vault", "is given together with username or password; give one of both");
    }
    if auth.vault.is_none() && auth.username.is_some() != auth.password.is_some() {
        block.flaw("", "username and password belong together");
    }
    block.finish();
    (auth.vault.is_some() || auth.username.is_some()).then_some(auth)
}

fn security(fields: &mut Fields<'_>) -> SecurityOptions {
    SecurityOptions {
        privileged: fields.flag("privileged").unwrap_or_default(),
        cap_add: fields.texts("cap_add"),
        cap_drop: fields.texts("cap_drop"),
        security_opt: fields.texts("security_opt"),
        readonly_rootfs: fields.flag("readonly_rootfs"),
        pid_mode: fields.text("pid_mode"),
        ipc_mode: fields.text("ipc_mode"),
        uts_mode: fields.text("uts_mode"),
        userns_mode: fields.text("userns_mode"),
        cgroupns: fields.text("cgroupns"),
        devices: fields.blocks("devices").into_iter().map(device).collect(),
        group_add: fields.texts("group_add"),
        sysctl: map(fields, "sysctl"),
    }
}

fn device(mut block: Fields<'_>) -> Device {
    let host_path = block.required_text("host_path");
    let permissions = block.text("cgroup_permissions").unwrap_or_else(|| "rwm".to_owned());
    let known = permissions.chars().all(|c| matches!(c, 'r' | 'w' | 'm'));
    let twice = permissions.chars().enumerate().any(|(at, c)| permissions[..at].contains(c));
    if !known || twice {
        block.flaw("cgroup_permissions", format_args!("{} is no choice of r, w and m", quoted(&permissions)));
    }
    let container_path = block.text("container_path").unwrap_or_else(|| host_path.clone());
    block.finish();
    Device { host_path, container_path, permissions }
}

fn limits(fields: &mut Fields<'_>) -> LimitOptions {
    let set = |number: &i64| *number > 0;
    LimitOptions {
        memory_hard_limit: fields.whole("memory_hard_limit", 0..=MOST / MEBIBYTE).filter(set).map(|mb| mb * MEBIBYTE),
        cpu_hard_limit: fields.flag("cpu_hard_limit").unwrap_or_default(),
        cpu_cfs_period: fields.whole("cpu_cfs_period", 0..=1_000_000).filter(set),
        // The peers take nought and less for "not said".
        pids_limit: fields.whole("pids_limit", -1..=PIDS_MAX).filter(set),
        oom_score_adj: fields.whole("oom_score_adj", -1000..=1000).filter(|score| *score != 0),
        shm_size: fields.whole("shm_size", 0..=MOST).filter(set),
        storage_opt: map(fields, "storage_opt"),
        ulimits: ulimits(fields),
    }
}

fn ulimits(fields: &mut Fields<'_>) -> Vec<Ulimit> {
    let pairs = map(fields, "ulimit");
    pairs.into_iter().filter_map(|(name, value)| ulimit(fields, name, &value)).collect()
}

/// Reads `soft` or `soft:hard`; -1 is no limit.
fn ulimit(fields: &Fields<'_>, name: String, value: &str) -> Option<Ulimit> {
    let number = |text: &str| text.trim().parse::<i64>().ok().filter(|number| *number >= -1);
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    match (number(soft), number(hard)) {
        (Some(soft), Some(hard)) if hard == -1 || (soft != -1 && soft <= hard) => Some(Ulimit { name, soft, hard }),
        (Some(_), Some(_)) => {
            fields.flaw(
                &format!("ulimit.{name}"),
                format_args!("{}: the soft limit is above the hard one", quoted(value)),
            );
            None
        }
        _ => {
            let why = format!("{} is no limit; give a number, or soft:hard", quoted(value));
            fields.flaw(&format!("ulimit.{name}"), why);
            None
        }
    }
}

fn network(fields: &mut Fields<'_>) -> NetworkOptions {
    if fields.present("port_map") {
        fields.flaw(
            "port_map",
            "is for networks of single tasks; name the ports in the group's network block, and publish them with ports",
        );
    }
    NetworkOptions {
        mode: fields.text("network_mode"),
        also: fields.texts("networks"),
        aliases: fields.texts("network_aliases"),
        ipv4_address: fields.parsed_as("ipv4_address", "an IPv4 address", |ip: &IpAddr| ip.is_ipv4()),
        ipv6_address: fields.parsed_as("ipv6_address", "an IPv6 address", |ip: &IpAddr| ip.is_ipv6()),
        mac_address: mac_address(fields),
        advertise_ipv6: fields.flag("advertise_ipv6_address").unwrap_or_default(),
        ports: fields.texts("ports").iter().filter_map(|text| text.parse().ok()).collect(),
        dns_servers: dns_servers(fields),
        dns_search_domains: fields.texts("dns_search_domains"),
        dns_options: fields.texts("dns_options"),
        extra_hosts: fields.texts("extra_hosts"),
    }
}

fn mac_address(fields: &mut Fields<'_>) -> Option<String> {
    let text = fields.text("mac_address")?;
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let byte = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    if parts.len() != 6 || !parts.iter().all(byte) {
        fields.flaw("mac_address", format_args!("{} is no hardware address such as 02:42:ac:11:00:02", quoted(&text)));
        return None;
    }
    Some(parts.join(":").to_ascii_lowercase())
}

fn dns_servers(fields: &mut Fields<'_>) -> Vec<String> {
    let servers = fields.texts("dns_servers");
    for (at, server) in servers.iter().enumerate().filter(|(_, server)| server.parse::<IpAddr>().is_err()) {
        fields.flaw(&format!("dns_servers[{at}]"), format_args!("{} is no IP address", quoted(server)));
    }
    servers
}

fn logging(fields: &mut Fields<'_>) -> Option<Logging> {
    let mut block = fields.block("logging")?;
    let (driver, kind) = (block.text("driver"), block.text("type"));
    if driver.is_some() && kind.is_some() && driver != kind {
        block.flaw("type", "and driver name two log drivers; give one");
    }
    let logging = Logging { driver: driver.or(kind), options: map(&mut block, "config") };
    block.finish();
    (logging != Logging::default()).then_some(logging)
}

/// Pairs of texts; of one name the last value counts.
pub(super) fn map(fields: &mut Fields<'_>, name: &'static str) -> BTreeMap<String, String> {
    fields.pairs(name).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::MountKind,
        driver::DriverError,
        plugin::config::{TaskOptions, task_options},
    };

    fn read(config: &Value) -> Result<ContainerOptions, DriverError> {
        let mut whole = json!({ "image": "web:1" });
        let fields = config.as_object().expect("a block").clone();
        whole.as_object_mut().expect("a block").extend(fields);
        let bytes = rmp_serde::to_vec_named(&whole).expect("encoded");
        task_options(&bytes).map(|TaskOptions { container, .. }| container)
    }

    fn good(config: Value) -> ContainerOptions {
        read(&config).unwrap_or_else(|error| panic!("{config}: {error}"))
    }

    fn flaw(config: Value, named: &str) {
        let error = read(&config).expect_err("is wrong").to_string();
        assert!(error.contains(named), "{config}: {error}");
    }

    #[test]
    fn a_config_is_read_whole() {
        let options = good(json!({
            "image": "https://registry.example/web:1", "images": ["web:2"], "pull_policy": "never", "force_pull": true,
            "platform": "linux/arm64", "image_pull_timeout": "10m", "load": "web.tar", "auth_soft_fail": true,
            "auth": { "username": "u", "password": "p", "server_address": "registry.example", "email": "x" },
            "advertise_ipv6_address": true, "ports": ["web", "dns/udp"],
        }));
        assert_eq!(options.image, "registry.example/web:1");
        let auth = RegistryAuth {
            username: Some("u".into()),
            password: Some(SecretString::new("p")),
            server_address: Some("registry.example".into()),
            vault: None,
        };
        let pull = PullOptions {
            force: true,
            policy: Some(Pull::Never),
            platform: Some("linux/arm64".into()),
            fallbacks: vec!["web:2".into()],
            timeout: Some(Duration::from_secs(600)),
            load: Some("web.tar".into()),
            auth: Some(auth),
            auth_soft_fail: true,
        };
        assert_eq!(options.pull, pull);
        assert!(options.network.advertise_ipv6 && options.network.publishes("dns"));
        let vault = good(json!({ "auth": { "vault": "kv/data/registry" } })).pull.auth.and_then(|auth| auth.vault);
        assert_eq!(vault.map(|path| path.to_string()).as_deref(), Some("kv/data/registry"));
    }

    #[test]
    fn dead_options_are_taken_and_told() {
        let options = good(json!({ "cpuset_cpus": "0-1", "isolation": "process", "container_exists_attempts": 3 }));
        assert_eq!(options.ignored.len(), 3);
        assert!(options.ignored[0].contains("resources.cores"), "{:?}", options.ignored);
        assert!(good(json!({ "cpuset_cpus": "", "isolation": null })).ignored.is_empty());
    }

    #[test]
    fn both_spellings_of_mounts_are_read() {
        let tmpfs = json!({ "type": "tmpfs", "target": "/x", "tmpfs_options": { "size": 1024, "mode": 511 } });
        let options =
            good(json!({ "mount": [tmpfs], "mounts": [{ "type": "bind", "source": "local", "target": "/y" }] }));
        let kinds: Vec<MountKind> = options.files.mounts.iter().map(|mount| mount.kind).collect();
        assert_eq!(kinds, [MountKind::Tmpfs, MountKind::Bind]);
        assert_eq!((options.files.mounts[0].tmpfs_size, options.files.mounts[0].tmpfs_mode), (Some(1024), Some(0o777)));
        flaw(json!({ "mount": [{ "type": "tmpfs", "source": "x", "target": "/x" }] }), "mount[0].source");
        flaw(json!({ "mounts": [{ "type": "bind", "target": "/x" }] }), "mounts[0].source");
        flaw(json!({ "mount": [{ "type": "nfs", "target": "/x" }] }), "mount[0].type");
    }

    #[test]
    fn a_port_map_is_refused_with_what_to_do() {
        flaw(json!({ "port_map": [{ "web": 80 }] }), "port_map: is for networks of single tasks");
    }

    #[test]
    fn a_value_that_is_none_names_its_field() {
        flaw(json!({ "ulimit": [{ "nofile": "many" }] }), "ulimit.nofile");
        flaw(json!({ "ulimit": [{ "nofile": "9:8" }] }), "soft limit is above");
        flaw(
            json!({ "devices": [{ "host_path": "/dev/x", "cgroup_permissions": "rr" }] }),
            "devices[0].cgroup_permissions",
        );
        flaw(json!({ "dns_servers": ["resolver"] }), "dns_servers[0]");
        flaw(json!({ "mac_address": "02:42" }), "mac_address");
        flaw(json!({ "ipv4_address": "::1" }), "ipv4_address");
        flaw(json!({ "command": " sh" }), "command");
        flaw(json!({ "oom_score_adj": 2000 }), "oom_score_adj");
        flaw(json!({ "auth": { "username": "u" } }), "auth: username and password belong together");
        flaw(json!({ "logging": { "type": "local", "driver": "json-file" } }), "logging.type");
        let error = read(&json!({ "auth": { "username": "u", "password": "hunter2", "vault": "kv/data/x" } }));
        assert!(!error.expect_err("two of one").to_string().contains("hunter2"));
    }

    #[test]
    fn a_log_driver_has_its_own_options() {
        let logging = |config| good(json!({ "logging": config })).logging;
        let local = Logging { driver: Some("local".into()), options: [("max-size".into(), "1m".into())].into() };
        assert_eq!(logging(json!({ "type": "local", "config": [{ "max-size": "1m" }] })), Some(local));
        assert_eq!(logging(json!({})), None);
    }
}
