//! What a container may do to its host.

use std::collections::BTreeSet;

use bollard::models::{DeviceMapping, HostConfig, HostConfigCgroupnsModeEnum};

use crate::{
    container::{
        Policy,
        policy::{DEFAULT_CAPS, RAW_SOCKETS, bare_cap},
        review::security::split,
    },
    domain::{Device, SecurityOptions, TaskSpec},
};

pub(super) fn hardening(host: HostConfig, task: &TaskSpec, policy: &Policy, seccomp: Option<String>) -> HostConfig {
    let options = &task.container.security;
    let cgroup = match options.cgroupns.as_deref() {
        Some("host") => HostConfigCgroupnsModeEnum::HOST,
        _ => HostConfigCgroupnsModeEnum::PRIVATE,
    };
    let (taken, given) = capabilities(options, policy);
    HostConfig {
        cap_drop: Some(taken),
        cap_add: some(given),
        security_opt: Some(security_opt(options, policy, seccomp)).filter(|options| !options.is_empty()),
        ipc_mode: Some(options.ipc_mode.clone().unwrap_or_else(|| "private".to_owned())),
        pid_mode: options.pid_mode.clone(),
        uts_mode: options.uts_mode.clone(),
        userns_mode: options.userns_mode.clone(),
        cgroupns_mode: Some(cgroup),
        privileged: Some(options.privileged),
        devices: some(options.devices.iter().chain(&task.devices.nodes).map(device).collect()),
        group_add: some(options.group_add.clone()),
        sysctls: Some(options.sysctl.clone().into_iter().collect())
            .filter(|sysctls: &std::collections::HashMap<_, _>| !sysctls.is_empty()),
        ..host
    }
}

/// Returns what the engine is told to take away and to give beyond what it gives by itself.
///
/// Said as differences from the engine's own set, because auditors' tools count every capability that is added. Taking all
/// away and giving thirteen back comes to the same set and reads as thirteen openings.
fn capabilities(options: &SecurityOptions, policy: &Policy) -> (Vec<String>, Vec<String>) {
    let wanted = wanted_capabilities(options, policy);
    if wanted.is_empty() {
        return (vec!["ALL".to_owned()], Vec::new());
    }
    let engines = || DEFAULT_CAPS.into_iter().chain([RAW_SOCKETS]).map(str::to_owned);
    let all = wanted.contains("ALL");
    let taken = engines().filter(|cap| !all && !wanted.contains(cap)).collect();
    let given = wanted.iter().filter(|cap| !engines().any(|own| own == **cap)).cloned().collect();
    (taken, given)
}

/// What the engine gives by itself as far as the operator allows it, less what the job drops, more what it adds.
fn wanted_capabilities(options: &SecurityOptions, policy: &Policy) -> BTreeSet<String> {
    let dropped: Vec<String> = options.cap_drop.iter().map(|cap| bare_cap(cap)).collect();
    let drops = |cap: &str| dropped.iter().any(|dropped| dropped == cap || dropped == "ALL");
    let added = options.cap_add.iter().map(|cap| bare_cap(cap));
    let kept = DEFAULT_CAPS.iter().filter(|cap| policy.allows_cap(cap) && !drops(cap)).map(|cap| (*cap).to_owned());
    kept.chain(added).collect()
}

/// A profile is sent whole: the engine knows the host's file as little as its command line would. The job's words come first and `no-new-privileges` last: the engine takes the last of two. Where the operator leaves it
/// to the job, the job's word is the only one.
fn security_opt(options: &SecurityOptions, policy: &Policy, seccomp: Option<String>) -> Vec<String> {
    let words = options.security_opt.iter().map(|text| match (split(text), &seccomp) {
        (("seccomp", _), Some(profile)) => format!("seccomp={profile}"),
        ((name, ""), _) => name.to_owned(),
        ((name, value), _) => format!("{name}={value}"),
    });
    words.chain((!policy.allow_new_privileges).then(|| "no-new-privileges:true".to_owned())).collect()
}

fn device(device: &Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.host_path.clone()),
        path_in_container: Some(device.container_path.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(add: &[&str], drop: &[&str], allowed: &[&str]) -> (Vec<String>, Vec<String>) {
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let options = SecurityOptions { cap_add: texts(add), cap_drop: texts(drop), ..SecurityOptions::default() };
        capabilities(&options, &Policy { allow_caps: texts(allowed), ..Policy::default() })
    }

    #[test]
    fn only_differences_from_the_engines_own_set_are_said() {
        assert_eq!(caps(&[], &[], &DEFAULT_CAPS), (vec!["NET_RAW".into()], Vec::new()));
        assert_eq!(caps(&["net_raw"], &[], &["ALL"]), (Vec::<String>::new(), Vec::new()));
        assert_eq!(caps(&["cap_net_admin"], &[], &["ALL"]), (vec!["NET_RAW".into()], vec!["NET_ADMIN".into()]));
        assert_eq!(caps(&[], &["all"], &DEFAULT_CAPS), (vec!["ALL".into()], Vec::new()));
        assert_eq!(caps(&["ALL"], &[], &["ALL"]), (Vec::<String>::new(), vec!["ALL".into()]));
    }

    #[test]
    fn an_allowed_capability_is_given_only_when_asked_for() {
        let (taken, given) = caps(&[], &[], &["CHOWN", "NET_ADMIN"]);
        assert_eq!((taken.len(), taken.contains(&"CHOWN".to_owned()), given.len()), (13, false, 0));
        let (taken, given) = caps(&["cap_net_admin"], &["all"], &["CHOWN", "NET_ADMIN"]);
        assert_eq!((taken.len(), given), (14, vec!["NET_ADMIN".to_owned()]));
    }
}
