//! Checks of single options.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    container::{Error, ImageRef, LABEL_PREFIX, Policy, error::shown, policy::bare_cap},
    domain::{ContainerOptions, TaskSpec},
};

use super::{invalid, refused};

/// Most bytes of environment, keys and values together; far below what execve(2) takes.
const ENV_MAX: usize = 1 << 20;
/// Most entries of the environment.
const ENV_ENTRIES: usize = 4096;
/// The engine refuses less than this.
const MEMORY_MIN: i64 = 6 << 20;

pub(super) fn image(text: &str) -> Result<ImageRef, Error> {
    text.parse().map_err(|error: crate::container::ReferenceError| invalid("image", error.to_string()))
}

/// Takes `user`, `uid`, and either with `:group`; numbers must fit the kernel's.
pub(super) fn user(user: Option<&str>) -> Result<(), Error> {
    let Some(user) = user.filter(|user| !user.is_empty()) else { return Ok(()) };
    let (name, group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    if [Some(name), group].into_iter().flatten().all(is_user_part) {
        return Ok(());
    }
    Err(invalid(format!("user \"{}\"", shown(user)), "is no user; give a name or a number, with :group if you like"))
}

fn is_user_part(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    // The kernel keeps 2^32 - 1 for "no change".
    let number = part.bytes().all(|b| b.is_ascii_digit());
    let good_number = part.parse::<u32>().is_ok_and(|id| id != u32::MAX);
    !part.is_empty() && part.len() <= 64 && !part.starts_with('-') && part.bytes().all(word) && (!number || good_number)
}

pub(super) fn hostname(name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let label = |part: &str| {
        !part.is_empty() && part.len() <= 63 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    Err(invalid(format!("hostname \"{}\"", shown(name)), "is no host name"))
}

/// The driver's own marks say whose a container is, and one of Nomad's makes its docker driver remove what bears it.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> Result<(), Error> {
    for key in labels.keys() {
        let lower = key.to_ascii_lowercase();
        if lower.starts_with(LABEL_PREFIX) || lower == "com.hashicorp.nomad.alloc_id" {
            return Err(invalid(format!("label \"{}\"", shown(key)), "is kept for the driver; choose another prefix"));
        }
        if key.is_empty() {
            return Err(invalid("labels", "have an empty name"));
        }
    }
    Ok(())
}

pub(super) fn environment(task: &TaskSpec) -> Result<(), Error> {
    for (key, value) in &task.env {
        if key.is_empty() || key.contains(['=', '\0']) || value.expose().contains('\0') {
            return Err(invalid(format!("env \"{}\"", shown(key)), "has an empty name, or a \"=\" or NUL in it"));
        }
    }
    let size: usize = task.env.iter().map(|(key, value)| key.len() + value.expose().len() + 2).sum();
    if size > ENV_MAX || task.env.len() > ENV_ENTRIES {
        return Err(invalid("env", format!("is over the limit of 1 MiB in {ENV_ENTRIES} entries")));
    }
    Ok(())
}

pub(super) fn limits(task: &TaskSpec, policy: &Policy) -> Result<(), Error> {
    let resources = &task.resources;
    if resources.memory_limit < MEMORY_MIN {
        return Err(invalid(format!("memory {}", resources.memory_limit), "is below the engine's least, 6 MiB"));
    }
    if let Some(most) = policy.memory_limit.filter(|most| resources.memory_limit > *most) {
        return Err(refused(
            format!("memory {}", resources.memory_limit),
            format!("the plugin's memory limit is {most}"),
        ));
    }
    if resources.memory_reservation.is_some_and(|reserved| reserved < 0 || reserved > resources.memory_limit) {
        return Err(invalid("memory reservation", "is not between 0 and the limit"));
    }
    if resources.cpu_shares < 0 {
        return Err(invalid(format!("cpu {}", resources.cpu_shares), "is negative"));
    }
    if !resources.cpuset.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'-')) {
        return Err(invalid(format!("cores \"{}\"", shown(&resources.cpuset)), "is no list of cores"));
    }
    pids(task.container.pids_limit, policy)
}

fn pids(limit: Option<i64>, policy: &Policy) -> Result<(), Error> {
    match limit {
        Some(limit) if limit < 1 => Err(invalid(format!("pids_limit {limit}"), "must be at least 1")),
        Some(limit) if limit > policy.pids_limit => {
            Err(refused(format!("pids_limit {limit}"), format!("the plugin's pids_limit is {}", policy.pids_limit)))
        }
        _ => Ok(()),
    }
}

pub(super) fn capabilities(options: &ContainerOptions, policy: &Policy) -> Result<(), Error> {
    let word = |cap: &String| !cap.is_empty() && cap.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if let Some(bad) = options.cap_add.iter().chain(&options.cap_drop).find(|cap| !word(cap)) {
        return Err(invalid(format!("capability \"{}\"", shown(bad)), "is no capability"));
    }
    match options.cap_add.iter().find(|cap| !policy.allows_cap(cap)) {
        Some(cap) => Err(refused(format!("cap_add {:?}", bare_cap(cap)), "the plugin's allow_caps does not list it")),
        None => Ok(()),
    }
}

pub(super) fn network(task: &TaskSpec, policy: &Policy) -> Result<(), Error> {
    let options = &task.container;
    let mode = options.network_mode.as_deref().unwrap_or_default();
    let shown_mode = || format!("network_mode \"{}\"", shown(mode));
    let known: BTreeSet<&str> = task.ports.iter().map(|port| port.label.as_str()).collect();
    if let Some(label) = options.ports.iter().find(|label| !known.contains(label.as_str())) {
        return Err(invalid(format!("ports \"{}\"", shown(label)), "names no port of the group's network"));
    }
    match mode {
        "" => Ok(()),
        "host" if policy.allow_host_network => Ok(()),
        "host" => Err(refused(shown_mode(), "the plugin's allow_host_network is off")),
        other if other.starts_with("container:") => {
            Err(refused(shown_mode(), "another container's network is only joined for the group's own network"))
        }
        other if policy.allow_network_modes.iter().any(|allowed| allowed == other) => Ok(()),
        _ => Err(refused(shown_mode(), "the plugin's allow_network_modes does not list it")),
    }
}

pub(super) fn root(options: &ContainerOptions, policy: &Policy) -> Result<(), Error> {
    if options.readonly_rootfs == Some(false) && !policy.allow_writable_rootfs {
        return Err(refused("readonly_rootfs = false", "the plugin's allow_writable_rootfs is off"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{
        container::{Error, Policy, fixture, review},
        domain::{SecretString, TaskSpec},
    };

    fn outcome(change: impl FnOnce(&mut TaskSpec)) -> Result<(), Error> {
        let mut task = fixture::task("a/b/1");
        change(&mut task);
        review(&task, &Policy::default()).map(|_| ())
    }

    fn invalid(change: impl FnOnce(&mut TaskSpec)) -> bool {
        matches!(outcome(change), Err(Error::ConfigInvalid { .. }))
    }

    fn refused(change: impl FnOnce(&mut TaskSpec)) -> bool {
        matches!(outcome(change), Err(Error::PolicyRefused { .. }))
    }

    #[test]
    fn a_plain_task_passes() {
        outcome(|_| ()).expect("nothing is wrong with it");
    }

    #[test]
    fn labels_of_the_driver_are_refused() {
        for key in ["strongbox.task_id", "Strongbox.x", "com.hashicorp.nomad.alloc_id"] {
            assert!(invalid(|task| drop(task.container.labels.insert(key.into(), "x".into()))), "{key}");
        }
    }

    #[test]
    fn doors_of_the_host_are_shut() {
        for mode in ["host", "container:abc", "mynet", "container:"] {
            assert!(refused(|task| task.container.network_mode = Some(mode.into())), "{mode}");
        }
        assert!(refused(|task| task.container.cap_add = vec!["cap_sys_admin".into()]));
        assert!(refused(|task| task.container.cap_add = vec!["ALL".into()]));
        assert!(refused(|task| task.container.pids_limit = Some(4096)));
    }

    #[test]
    fn users_are_names_or_numbers_of_the_kernel() {
        for good in ["", "app", "1000", "1000:1000", "app:staff"] {
            outcome(|task| task.user = Some(good.into())).expect(good);
        }
        for bad in ["-1", "4294967295", "4294967296", "a b", "app:", ":1", "a/b", "a:b:c"] {
            assert!(invalid(|task| task.user = Some(bad.into())), "{bad}");
        }
    }

    #[test]
    fn limits_that_are_none_are_refused() {
        assert!(invalid(|task| task.resources.memory_limit = 0));
        assert!(invalid(|task| task.resources.memory_limit = -1));
        assert!(invalid(|task| task.container.pids_limit = Some(-1)));
    }

    #[test]
    fn an_error_about_the_environment_names_the_key_and_not_the_value() {
        let error = outcome(|task| drop(task.env.insert("A=B".into(), SecretString::new("hunter2")))).expect_err("bad");
        assert!(error.to_string().contains("A=B") && !error.to_string().contains("hunter2"));
        assert!(invalid(|task| drop(task.env.insert("A".into(), SecretString::new("x".repeat(2 << 20))))));
    }

    #[test]
    fn an_unknown_port_is_named() {
        assert!(invalid(|task| task.container.ports = vec!["https".into()]));
    }
}
