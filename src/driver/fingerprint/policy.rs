//! What the operator allows, so that a constraint can name it and nobody has to guess it from a refusal.

use std::{collections::BTreeMap, time::Duration};

use super::{attributes::named, text};
use crate::{
    container::{LogPolicy, Modes, Policy, Volumes},
    driver::{AttributeValue, Collect, DeliverySettings, ImageSettings},
};

/// Returns every gate and limit. A new one does not compile until it is listed here.
pub(super) fn attributes(policy: &Policy) -> BTreeMap<String, AttributeValue> {
    let Policy {
        socket: _,
        private_paths: _,
        seccomp_dir,
        allow_privileged,
        allow_caps,
        allow_runtimes,
        nvidia_runtime,
        modes,
        allow_host_network,
        allow_new_privileges,
        allow_unconfined,
        allow_apparmor,
        allow_devices,
        allow_sysctls,
        allow_token_env,
        allow_root,
        allow_images,
        require_digest,
        readonly_rootfs,
        allow_writable_rootfs,
        tmp_size,
        pids_limit,
        memory_limit,
        allow_unlimited_memory,
        min_host_port,
        extra_labels,
        volumes,
        logging,
    } = policy;
    let list = |words: &[String]| text(words.join(","));
    let mut told = named([
        ("policy.allow_apparmor", list(allow_apparmor)),
        ("policy.allow_caps", list(allow_caps)),
        ("policy.allow_devices", list(allow_devices)),
        ("policy.allow_host_network", flag(allow_host_network)),
        ("policy.allow_images", list(allow_images)),
        ("policy.allow_new_privileges", flag(allow_new_privileges)),
        ("policy.allow_privileged", flag(allow_privileged)),
        ("policy.allow_root", flag(allow_root)),
        ("policy.allow_runtimes", list(allow_runtimes)),
        ("policy.allow_sysctls", list(allow_sysctls)),
        ("policy.allow_token_env", flag(allow_token_env)),
        ("policy.allow_unconfined", flag(allow_unconfined)),
        ("policy.allow_unlimited_memory", flag(allow_unlimited_memory)),
        ("policy.allow_writable_rootfs", flag(allow_writable_rootfs)),
        ("policy.extra_labels", list(extra_labels)),
        ("policy.memory_limit_mb", memory_limit.map_or_else(|| text(""), |most| mebibytes(most.unsigned_abs()))),
        ("policy.min_host_port", AttributeValue::Number((*min_host_port).into())),
        ("policy.nvidia_runtime", text(nvidia_runtime)),
        ("policy.pids_limit", AttributeValue::Number(*pids_limit)),
        ("policy.readonly_rootfs", flag(readonly_rootfs)),
        ("policy.require_digest", flag(require_digest)),
        ("policy.seccomp_profiles", flag(&seccomp_dir.is_some())),
        ("policy.tmp_size_mb", mebibytes(*tmp_size)),
    ]);
    told.extend(shared(modes));
    told.extend(mounts(volumes));
    told.extend(output(logging));
    told
}

fn shared(Modes { network, pid, ipc, uts, userns, cgroup }: &Modes) -> BTreeMap<String, AttributeValue> {
    named(
        [
            ("policy.modes.cgroup", cgroup),
            ("policy.modes.ipc", ipc),
            ("policy.modes.network", network),
            ("policy.modes.pid", pid),
            ("policy.modes.userns", userns),
            ("policy.modes.uts", uts),
        ]
        .map(|(name, modes)| (name, text(modes.join(",")))),
    )
}

fn mounts(volumes: &Volumes) -> BTreeMap<String, AttributeValue> {
    let Volumes { allow_host_paths, allow_named, allow_drivers, allow_shared, selinux_label } = volumes;
    named([
        ("policy.volumes.drivers", text(allow_drivers.join(","))),
        ("policy.volumes.host_paths", text(allow_host_paths.join(","))),
        ("policy.volumes.named", flag(allow_named)),
        ("policy.volumes.selinux_label", text(selinux_label.clone().unwrap_or_default())),
        ("policy.volumes.shared", flag(allow_shared)),
    ])
}

/// A log driver's options can hold a server's address and credentials, so they are not told.
fn output(
    LogPolicy { driver, options: _, allow_drivers, collect, redact }: &LogPolicy,
) -> BTreeMap<String, AttributeValue> {
    named([
        ("policy.logging.collect", flag(collect)),
        ("policy.logging.redact", flag(redact)),
        ("policy.logging.driver", text(driver.clone())),
        ("policy.logging.drivers", text(allow_drivers.join(","))),
    ])
}

/// Returns how images are got and kept: who wonders why one stays or went reads it here.
pub(super) fn images(images: &ImageSettings) -> BTreeMap<String, AttributeValue> {
    let ImageSettings { pull, registry, collect } = images;
    let which = match collect.collect {
        Collect::Any => "any",
        Collect::Nothing => "none",
        Collect::Pulled => "pulled",
    };
    let seconds = |time: Duration| AttributeValue::Number(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    named([
        ("policy.gc.image", text(which)),
        ("policy.gc.image_delay_s", seconds(collect.delay)),
        ("policy.gc.image_keep", text(collect.keep.join(","))),
        ("policy.pull.always", flag(&pull.always)),
        ("policy.pull.max_parallel", AttributeValue::Number(i64::try_from(pull.max_parallel).unwrap_or(i64::MAX))),
        ("policy.pull.timeout_s", seconds(pull.timeout)),
        ("policy.registry.allow_inline", flag(&registry.allow_inline)),
    ])
}

/// Returns the ways besides files in which values reach tasks here.
pub(super) fn delivery(delivery: &DeliverySettings) -> BTreeMap<String, AttributeValue> {
    let DeliverySettings { allow_env } = delivery;
    named([("policy.delivery.allow_env", flag(allow_env))])
}

fn flag(gate: &bool) -> AttributeValue {
    AttributeValue::Flag(*gate)
}

fn mebibytes(bytes: u64) -> AttributeValue {
    AttributeValue::Number((bytes >> 20).try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_told_as_shut() {
        let told = attributes(&Policy::default());
        assert_eq!(told["driver.strongbox.policy.allow_host_network"], AttributeValue::Flag(false));
        assert_eq!(told["driver.strongbox.policy.memory_limit_mb"], text(""));
        assert_eq!(told["driver.strongbox.policy.tmp_size_mb"], AttributeValue::Number(64));
    }

    #[test]
    fn whether_values_may_be_variables_is_told() {
        for allow_env in [false, true] {
            let told = delivery(&DeliverySettings { allow_env });
            assert_eq!(told["driver.strongbox.policy.delivery.allow_env"], AttributeValue::Flag(allow_env));
        }
    }
}
