//! Checks of what a task may use.

use crate::{
    container::{Error, Policy, error::shown},
    domain::{LimitOptions, Resources, TaskSpec},
};

use super::{invalid, refused};

/// The engine refuses less than this.
const MEMORY_MIN: i64 = 6 << 20;

pub(super) fn limits(task: &TaskSpec, policy: &Policy) -> Result<(), Error> {
    memory(&task.resources, &task.container.limits, policy)?;
    if task.resources.cpu_shares < 0 {
        return Err(invalid(format!("cpu {}", task.resources.cpu_shares), "is negative"));
    }
    if !task.resources.cpuset.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'-')) {
        return Err(invalid(format!("cores \"{}\"", shown(&task.resources.cpuset)), "is no list of cores"));
    }
    if task.container.limits.cpu_cfs_period.is_some_and(|period| period < 1000) {
        return Err(invalid("cpu_cfs_period", "is below the kernel's least, 1000 microseconds"));
    }
    names(&task.container.limits)?;
    pids(task.container.limits.pids_limit, policy)
}

fn memory(resources: &Resources, limits: &LimitOptions, policy: &Policy) -> Result<(), Error> {
    let most = resources.memory_limit.max(limits.memory_hard_limit.unwrap_or_default());
    if resources.memory_unlimited && !policy.allow_unlimited_memory {
        return Err(refused("memory_max -1", "container.allow_unlimited_memory is off"));
    }
    if most < MEMORY_MIN {
        return Err(invalid(format!("memory {most}"), "is below the engine's least, 6 MiB"));
    }
    if limits.memory_hard_limit.is_some_and(|hard| hard < resources.memory_limit) {
        return Err(invalid("memory_hard_limit", "is below the task's memory"));
    }
    if let Some(limit) = policy.memory_limit.filter(|limit| most > *limit) {
        return Err(refused(format!("memory {most}"), format!("the plugin's memory limit is {limit}")));
    }
    if resources.memory_reservation.is_some_and(|reserved| reserved < 0 || reserved > most) {
        return Err(invalid("memory reservation", "is not between 0 and the limit"));
    }
    if limits.shm_size.is_some_and(|size| size > most) {
        return Err(invalid("shm_size", "is more than the task's memory, which it is counted into"));
    }
    Ok(())
}

fn names(limits: &LimitOptions) -> Result<(), Error> {
    let word = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if let Some(bad) = limits.ulimits.iter().find(|limit| !word(&limit.name)) {
        return Err(invalid(format!("ulimit \"{}\"", shown(&bad.name)), "is no name of a limit, such as nofile"));
    }
    match limits.storage_opt.keys().find(|name| name.is_empty()) {
        Some(_) => Err(invalid("storage_opt", "has an empty name")),
        None => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use crate::{
        container::{Error, Policy, fixture, review},
        domain::TaskSpec,
    };

    fn outcome(change: impl FnOnce(&mut TaskSpec)) -> Result<(), Error> {
        let mut task = fixture::task("a/b/1");
        change(&mut task);
        review(&task, &Policy::default()).map(|_| ())
    }

    #[test]
    fn memory_without_limit_is_shut() {
        let error = outcome(|task| task.resources.memory_unlimited = true).expect_err("shut");
        assert!(error.to_string().contains("allow_unlimited_memory"), "{error}");
    }

    #[test]
    fn a_hard_limit_is_above_what_is_reserved() {
        outcome(|task| task.container.limits.memory_hard_limit = Some(128 << 20)).expect("above");
        assert!(outcome(|task| task.container.limits.memory_hard_limit = Some(32 << 20)).is_err());
        assert!(outcome(|task| task.container.limits.shm_size = Some(1 << 30)).is_err());
        assert!(outcome(|task| task.container.limits.cpu_cfs_period = Some(10)).is_err());
    }
}
