//! What the node offers, as attributes that constraints can name.

use std::collections::BTreeMap;

use super::text;
use crate::{container::EngineInfo, driver::AttributeValue};

/// What every attribute begins with.
pub(super) const PREFIX: &str = "driver.strongbox.";

/// The driver's own.
pub(super) fn own(vault: &str) -> BTreeMap<String, AttributeValue> {
    named([("version", text(env!("CARGO_PKG_VERSION"))), ("vault", text(vault))])
}

/// The engine's. A list that is empty is an empty text, which takes an older value away.
pub(super) fn engine(info: &EngineInfo) -> BTreeMap<String, AttributeValue> {
    let flag = AttributeValue::Flag;
    named([
        ("engine", text(&info.version)),
        ("engine.api", text(&info.api_version)),
        ("engine.arch", text(&info.arch)),
        ("engine.os", text(&info.os)),
        ("cdi", text(info.cdi_spec_dirs.join(","))),
        ("cgroup", text(&info.cgroup_version)),
        ("cgroup_driver", text(&info.cgroup_driver)),
        ("live_restore", flag(info.live_restore)),
        ("log_driver", text(&info.log_driver)),
        ("plugins.network", text(info.network_plugins.join(","))),
        ("plugins.volume", text(info.volume_plugins.join(","))),
        ("runtimes", text(info.runtimes.join(","))),
        ("runtimes.default", text(&info.default_runtime)),
        ("security", text(info.security_options.join(","))),
        ("security.apparmor", flag(info.has_security("apparmor"))),
        ("security.seccomp", flag(info.has_security("seccomp"))),
        ("security.selinux", flag(info.has_security("selinux"))),
        ("security.userns", flag(info.has_security("userns"))),
        ("storage", text(&info.storage_driver)),
        ("storage.images", text(info.image_store)),
    ])
}

pub(super) fn named<const N: usize>(pairs: [(&str, AttributeValue); N]) -> BTreeMap<String, AttributeValue> {
    pairs.map(|(name, value)| (format!("{PREFIX}{name}"), value)).into()
}
