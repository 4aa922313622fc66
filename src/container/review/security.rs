//! Checks of what a container may do to its host: each opening names the operator's setting that shuts it.

use std::path::Path;

use crate::{
    container::{
        Error, Policy,
        error::shown,
        paths::is_clean,
        policy::{bare_cap, covers},
    },
    domain::{Device, SecurityOptions},
};

use super::{invalid, refused};

pub(super) fn security(options: &SecurityOptions, policy: &Policy) -> Result<(), Error> {
    if options.privileged && !policy.allow_privileged {
        return Err(refused("privileged", "container.allow_privileged is off"));
    }
    capabilities(options, policy)?;
    root(options, policy)?;
    modes(options, policy)?;
    options.devices.iter().try_for_each(|device| allowed_device(device, policy))?;
    options.security_opt.iter().try_for_each(|option| security_opt(option, policy))?;
    groups(&options.group_add)?;
    sysctls(options, policy)
}

fn capabilities(options: &SecurityOptions, policy: &Policy) -> Result<(), Error> {
    let word = |cap: &String| !cap.is_empty() && cap.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if let Some(bad) = options.cap_add.iter().chain(&options.cap_drop).find(|cap| !word(cap)) {
        return Err(invalid(format!("capability \"{}\"", shown(bad)), "is no capability"));
    }
    match options.cap_add.iter().find(|cap| !policy.allows_cap(cap)) {
        Some(cap) => Err(refused(format!("cap_add {:?}", bare_cap(cap)), "the plugin's allow_caps does not list it")),
        None => Ok(()),
    }
}

fn root(options: &SecurityOptions, policy: &Policy) -> Result<(), Error> {
    if options.readonly_rootfs == Some(false) && !policy.allow_writable_rootfs {
        return Err(refused("readonly_rootfs = false", "the plugin's allow_writable_rootfs is off"));
    }
    Ok(())
}

/// Sharing a namespace with the host or with another container.
fn modes(options: &SecurityOptions, policy: &Policy) -> Result<(), Error> {
    let gates = &policy.modes;
    for (name, gate, mode, allowed) in [
        ("pid_mode", "pid", &options.pid_mode, &gates.pid),
        ("ipc_mode", "ipc", &options.ipc_mode, &gates.ipc),
        ("uts_mode", "uts", &options.uts_mode, &gates.uts),
        ("userns_mode", "userns", &options.userns_mode, &gates.userns),
        ("cgroupns", "cgroup", &options.cgroupns, &gates.cgroup),
    ] {
        let Some(mode) = mode.as_deref().filter(|mode| !covers(allowed, mode)) else { continue };
        let gate = format!("allowed_modes.{gate} does not list it");
        return Err(refused(format!("{name} \"{}\"", shown(mode)), gate));
    }
    match options.cgroupns.as_deref() {
        None | Some("private" | "host") => Ok(()),
        Some(other) => Err(invalid(format!("cgroupns \"{}\"", shown(other)), "is neither private nor host")),
    }
}

/// An entry of the operator's is a path with `*`, and the permissions after a colon when not all are given.
fn allowed_device(device: &Device, policy: &Policy) -> Result<(), Error> {
    let option = format!("devices \"{}\"", shown(&device.host_path));
    if ![&device.host_path, &device.container_path].into_iter().all(|path| is_clean(Path::new(path))) {
        return Err(invalid(option, "host_path and container_path must be absolute paths of plain names"));
    }
    let mut entries = policy.allow_devices.iter().map(|entry| entry.rsplit_once(':').unwrap_or((entry, "rwm")));
    let gives = |(path, permissions): (&str, &str)| {
        wildmatch::WildMatch::new(path).matches(&device.host_path)
            && device.permissions.chars().all(|wanted| permissions.contains(wanted))
    };
    if entries.any(gives) {
        return Ok(());
    }
    let gate = format!("container.allow_devices does not list it with {:?}", device.permissions);
    Err(refused(option, gate))
}

/// Takes what the engine's command line takes: `name=value`, `name:value`, or `no-new-privileges` alone.
fn security_opt(text: &str, policy: &Policy) -> Result<(), Error> {
    let option = || format!("security_opt \"{}\"", shown(text));
    let unconfined = |gate: bool| match gate {
        true => Ok(()),
        false => Err(refused(option(), "container.allow_unconfined is off")),
    };
    let (name, value) = split(text);
    match (name, value) {
        ("no-new-privileges", "" | "true") => Ok(()),
        ("no-new-privileges", _) if policy.allow_new_privileges => Ok(()),
        ("no-new-privileges", _) => Err(refused(option(), "container.allow_new_privileges is off")),
        ("seccomp" | "apparmor", "unconfined") | ("label", "disable") => unconfined(policy.allow_unconfined),
        ("systempaths", "unconfined") => unconfined(policy.allow_unconfined),
        ("seccomp", profile) => seccomp(profile, policy, option()),
        ("apparmor", profile) if covers(&policy.allow_apparmor, profile) => Ok(()),
        ("apparmor", _) => Err(refused(option(), "container.allow_apparmor does not list it")),
        // A label tightens; what it may be is the host's own policy to say.
        ("label", value) if !value.is_empty() => Ok(()),
        _ => Err(invalid(option(), "is no security option such as apparmor=name")),
    }
}

/// Parts a security option.
pub(in crate::container) fn split(text: &str) -> (&str, &str) {
    text.split_once(['=', ':']).unwrap_or((text, ""))
}

/// Profiles come from one directory of the operator's: one from the host at large would let a job read files by their errors.
fn seccomp(profile: &str, policy: &Policy, option: String) -> Result<(), Error> {
    let Some(_) = &policy.seccomp_dir else {
        return Err(refused(option, "container.seccomp_dir names no directory of profiles"));
    };
    let plain = !profile.is_empty() && !profile.starts_with('.') && !profile.contains(['/', '\0']);
    plain.then_some(()).ok_or_else(|| invalid(option, "names no file of the operator's directory of profiles"))
}

fn groups(groups: &[String]) -> Result<(), Error> {
    match groups.iter().find(|group| !super::options::is_user_part(group)) {
        Some(bad) => Err(invalid(format!("group_add \"{}\"", shown(bad)), "is no group; give a name or a number")),
        None => Ok(()),
    }
}

fn sysctls(options: &SecurityOptions, policy: &Policy) -> Result<(), Error> {
    let word = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'));
    if let Some(bad) = options.sysctl.keys().find(|name| name.is_empty() || !word(name)) {
        return Err(invalid(format!("sysctl \"{}\"", shown(bad)), "is no kernel parameter"));
    }
    match options.sysctl.keys().find(|name| !covers(&policy.allow_sysctls, name)) {
        Some(name) => Err(refused(format!("sysctl \"{}\"", shown(name)), "container.allow_sysctls does not list it")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(change: impl FnOnce(&mut SecurityOptions), policy: &Policy) -> Result<(), Error> {
        let mut options = SecurityOptions::default();
        change(&mut options);
        security(&options, policy)
    }

    #[test]
    fn every_opening_is_shut_by_itself_and_names_its_gate() {
        let device =
            Device { host_path: "/dev/fuse".into(), container_path: "/dev/fuse".into(), permissions: "rwm".into() };
        type Change = Box<dyn FnOnce(&mut SecurityOptions)>;
        let shut: Vec<(&str, Change)> = vec![
            ("allow_privileged", Box::new(|o| o.privileged = true)),
            ("allow_caps", Box::new(|o| o.cap_add = vec!["NET_ADMIN".into()])),
            ("allowed_modes.pid", Box::new(|o| o.pid_mode = Some("host".into()))),
            ("allowed_modes.ipc", Box::new(|o| o.ipc_mode = Some("host".into()))),
            ("allowed_modes.uts", Box::new(|o| o.uts_mode = Some("host".into()))),
            ("allowed_modes.userns", Box::new(|o| o.userns_mode = Some("host".into()))),
            ("allowed_modes.cgroup", Box::new(|o| o.cgroupns = Some("host".into()))),
            ("allow_devices", Box::new(move |o| o.devices = vec![device])),
            ("allow_unconfined", Box::new(|o| o.security_opt = vec!["seccomp=unconfined".into()])),
            ("allow_unconfined", Box::new(|o| o.security_opt = vec!["apparmor:unconfined".into()])),
            ("allow_unconfined", Box::new(|o| o.security_opt = vec!["label=disable".into()])),
            ("allow_new_privileges", Box::new(|o| o.security_opt = vec!["no-new-privileges=false".into()])),
            ("seccomp_dir", Box::new(|o| o.security_opt = vec!["seccomp=mine.json".into()])),
            ("allow_apparmor", Box::new(|o| o.security_opt = vec!["apparmor=mine".into()])),
            ("allow_sysctls", Box::new(|o| drop(o.sysctl.insert("kernel.core_pattern".into(), "x".into())))),
        ];
        for (gate, change) in shut {
            let error = outcome(change, &Policy::default()).expect_err(gate);
            assert!(
                matches!(error, Error::PolicyRefused { .. }) && error.to_string().contains(gate),
                "{gate}: {error}"
            );
        }
    }

    #[test]
    fn what_tightens_needs_no_gate() {
        outcome(|o| o.security_opt = vec!["no-new-privileges".into(), "label=type:svirt_t".into()], &Policy::default())
            .expect("tightens");
        outcome(|o| o.ipc_mode = Some("none".into()), &Policy::default()).expect("tightens");
        outcome(|o| drop(o.sysctl.insert("net.core.somaxconn".into(), "1024".into())), &Policy::default())
            .expect("its own");
    }

    #[test]
    fn a_device_is_given_with_the_permissions_listed() {
        let policy = Policy { allow_devices: vec!["/dev/dri/*:rw".into()], ..Policy::default() };
        let wish = |permissions: &str| {
            let path = "/dev/dri/card0".to_owned();
            Device { host_path: path.clone(), container_path: path, permissions: permissions.into() }
        };
        outcome(|o| o.devices = vec![wish("rw")], &policy).expect("listed");
        assert!(outcome(|o| o.devices = vec![wish("rwm")], &policy).is_err());
        let away = Device { container_path: "../x".into(), ..wish("r") };
        assert!(matches!(outcome(|o| o.devices = vec![away], &policy), Err(Error::ConfigInvalid { .. })));
    }

    #[test]
    fn a_profile_is_a_name_in_the_operators_directory() {
        let policy = Policy { seccomp_dir: Some("/etc/strongbox/seccomp".into()), ..Policy::default() };
        outcome(|o| o.security_opt = vec!["seccomp=web.json".into()], &policy).expect("a name");
        for bad in ["seccomp=/etc/passwd", "seccomp=../x", "seccomp=", "whatever=1", ""] {
            assert!(outcome(|o| o.security_opt = vec![bad.into()], &policy).is_err(), "{bad}");
        }
    }
}
