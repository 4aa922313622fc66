//! The operator's gates and limits for containers.

use std::path::PathBuf;

use super::{
    container::map,
    fields::Fields,
    plugin::{MEBIBYTE, directory},
};
use crate::container::{LogPolicy, Modes, Policy, Volumes};

/// Reads the blocks `engine`, `container`, `allowed_modes`, `volumes` and `logging`.
pub(super) fn policy(fields: &mut Fields<'_>) -> Policy {
    let default = Policy::default();
    let mut engine = fields.block_or_empty("engine");
    let socket = directory(&mut engine, "socket", default.socket.clone());
    engine.finish();
    let mut block = fields.block_or_empty("container");
    let gates = gates(&mut block, default);
    let limited = limits(&mut block, gates);
    block.finish();
    let policy = Policy { socket, modes: modes(fields), volumes: volumes(fields), logging: logging(fields), ..limited };
    policy.flaws().into_iter().for_each(|flaw| fields.flaw("", flaw));
    policy
}

fn gates(block: &mut Fields<'_>, default: Policy) -> Policy {
    let mut flag = |name, default| block.flag(name).unwrap_or(default);
    let flags = Policy {
        allow_privileged: flag("allow_privileged", default.allow_privileged),
        allow_host_network: flag("allow_host_network", default.allow_host_network),
        allow_new_privileges: flag("allow_new_privileges", default.allow_new_privileges),
        allow_unconfined: flag("allow_unconfined", default.allow_unconfined),
        allow_token_env: flag("allow_token_env", default.allow_token_env),
        allow_root: flag("allow_root", default.allow_root),
        require_digest: flag("require_digest", default.require_digest),
        readonly_rootfs: flag("readonly_rootfs", default.readonly_rootfs),
        allow_writable_rootfs: flag("allow_writable_rootfs", default.allow_writable_rootfs),
        allow_unlimited_memory: flag("allow_unlimited_memory", default.allow_unlimited_memory),
        ..default
    };
    let mut texts = |name, default| block.maybe_texts(name).unwrap_or(default);
    Policy {
        allow_caps: texts("allow_caps", flags.allow_caps),
        allow_runtimes: texts("allow_runtimes", flags.allow_runtimes),
        allow_apparmor: texts("allow_apparmor", flags.allow_apparmor),
        allow_devices: texts("allow_devices", flags.allow_devices),
        allow_sysctls: texts("allow_sysctls", flags.allow_sysctls),
        allow_images: texts("allow_images", flags.allow_images),
        extra_labels: texts("extra_labels", flags.extra_labels),
        ..flags
    }
}

fn limits(block: &mut Fields<'_>, gates: Policy) -> Policy {
    let tmp_size = block.whole("tmp_size_mb", 1..=1 << 20);
    let port = block.whole("min_host_port", 0..=65_535).and_then(|port| u16::try_from(port).ok());
    Policy {
        tmp_size: tmp_size.map_or(gates.tmp_size, |mb| (mb * MEBIBYTE).unsigned_abs()),
        pids_limit: block.whole("pids_limit", 1..=4_194_304).unwrap_or(gates.pids_limit),
        memory_limit: block.whole("memory_limit_mb", 4..=1 << 30).map(|mb| mb * MEBIBYTE).or(gates.memory_limit),
        min_host_port: port.unwrap_or(gates.min_host_port),
        nvidia_runtime: block.text("nvidia_runtime").unwrap_or(gates.nvidia_runtime),
        seccomp_dir: Some(directory(block, "seccomp_dir", PathBuf::new())).filter(|dir| dir.is_absolute()),
        ..gates
    }
}

fn modes(fields: &mut Fields<'_>) -> Modes {
    let default = Modes::default();
    let mut block = fields.block_or_empty("allowed_modes");
    let mut texts = |name, default| block.maybe_texts(name).unwrap_or(default);
    let modes = Modes {
        network: texts("network", default.network),
        pid: texts("pid", default.pid),
        ipc: texts("ipc", default.ipc),
        uts: texts("uts", default.uts),
        userns: texts("userns", default.userns),
        cgroup: texts("cgroup", default.cgroup),
    };
    block.finish();
    modes
}

fn volumes(fields: &mut Fields<'_>) -> Volumes {
    let mut block = fields.block_or_empty("volumes");
    let volumes = Volumes {
        allow_host_paths: block.texts("allow_host_paths"),
        allow_named: block.flag("allow_named").unwrap_or_default(),
        allow_drivers: block.texts("allow_drivers"),
        allow_shared: block.flag("allow_shared").unwrap_or_default(),
        selinux_label: block.text("selinux_label"),
    };
    block.finish();
    volumes
}

fn logging(fields: &mut Fields<'_>) -> LogPolicy {
    let default = LogPolicy::default();
    let mut block = fields.block_or_empty("logging");
    let (driver, options) = (block.text("driver"), map(&mut block, "options"));
    let policy = LogPolicy {
        // Options of one driver mean nothing to another.
        options: if driver.is_some() || !options.is_empty() { options } else { default.options },
        driver: driver.unwrap_or(default.driver),
        allow_drivers: block.maybe_texts("allow_drivers").unwrap_or(default.allow_drivers),
        collect: block.flag("collect").unwrap_or(default.collect),
        redact: block.flag("redact").unwrap_or(default.redact),
    };
    block.finish();
    policy
}
