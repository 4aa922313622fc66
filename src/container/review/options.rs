//! Checks of single options.

use std::collections::BTreeMap;

use crate::{
    container::{Error, ImageRef, LABEL_PREFIX, Policy, error::shown, policy::covers},
    domain::{Logging, TaskSpec},
};

use super::{invalid, refused};

/// Most bytes of environment, keys and values together; far below what execve(2) takes.
const ENV_MAX: usize = 1 << 20;
/// Most entries of the environment.
const ENV_ENTRIES: usize = 4096;

pub(super) fn image(option: &str, text: &str) -> Result<ImageRef, Error> {
    text.parse().map_err(|error: crate::container::ReferenceError| invalid(option, error.to_string()))
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

pub(super) fn is_user_part(part: &str) -> bool {
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

/// A runtime decides what confines the container, so the operator's list names each in full.
pub(super) fn runtime(name: Option<&str>, policy: &Policy) -> Result<(), Error> {
    let Some(name) = name.filter(|name| !policy.allow_runtimes.iter().any(|allowed| allowed == name)) else {
        return Ok(());
    };
    Err(refused(format!("runtime \"{}\"", shown(name)), "container.allow_runtimes does not list it"))
}

/// Holds an image against the operator's list, by the name that it is asked for and by its full name.
pub(super) fn provenance(image: &ImageRef, policy: &Policy) -> Result<(), Error> {
    let name = image.to_string();
    if !policy.allow_images.is_empty() && !covers(&policy.allow_images, &name) {
        return Err(refused(format!("image \"{}\"", shown(&name)), "container.allow_images does not list it"));
    }
    if policy.require_digest && !name.contains("@sha256:") {
        return Err(refused(
            format!("image \"{}\"", shown(&name)),
            "container.require_digest wants it named by digest",
        ));
    }
    Ok(())
}

pub(super) fn logging(logging: Option<&Logging>, policy: &Policy) -> Result<(), Error> {
    let Some(driver) = logging.and_then(|logging| logging.driver.as_deref()) else { return Ok(()) };
    if driver == policy.logging.driver || covers(&policy.logging.allow_drivers, driver) {
        return Ok(());
    }
    Err(refused(format!("logging.driver \"{}\"", shown(driver)), "logging.allow_drivers does not list it"))
}

#[cfg(test)]
mod tests {
    use crate::{
        container::{Error, Policy, fixture, review},
        domain::{Logging, SecretString, TaskSpec},
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
        for mode in ["host", "mynet"] {
            assert!(refused(|task| task.container.network.mode = Some(mode.into())), "{mode}");
        }
        for mode in ["container:", "container:../x", "task:", "task:a b"] {
            assert!(invalid(|task| task.container.network.mode = Some(mode.into())), "{mode}");
        }
        assert!(refused(|task| task.container.security.cap_add = vec!["cap_sys_admin".into()]));
        assert!(refused(|task| task.container.security.cap_add = vec!["ALL".into()]));
        assert!(refused(|task| task.container.limits.pids_limit = Some(4096)));
        assert!(refused(|task| task.container.runtime = Some("runsc".into())));
        assert!(refused(
            |task| task.container.logging = Some(Logging { driver: Some("syslog".into()), ..Logging::default() })
        ));
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
        assert!(invalid(|task| task.container.limits.pids_limit = Some(-1)));
    }

    #[test]
    fn an_error_about_the_environment_names_the_key_and_not_the_value() {
        let error = outcome(|task| drop(task.env.insert("A=B".into(), SecretString::new("hunter2")))).expect_err("bad");
        assert!(error.to_string().contains("A=B") && !error.to_string().contains("hunter2"));
        assert!(invalid(|task| drop(task.env.insert("A".into(), SecretString::new("x".repeat(2 << 20))))));
    }

    #[test]
    fn an_unknown_port_is_named() {
        assert!(invalid(|task| task.container.network.ports = vec!["https".parse().expect("a port")]));
    }
}
