//! What the orchestrator's device plugins give to a task: device files, and the runtime that knows what to do with a GPU.
//!
//! The operator installed those plugins and the scheduler chose the device, so no list of ours stands before them, as before
//! what a job asks for by itself.

use std::path::Path;

use super::{
    Error, Policy,
    error::{invalid, refused, shown},
    paths::is_clean,
};
use crate::domain::{Device, TaskSpec};

/// Holds what was given against what an engine can take.
///
/// # Errors
/// A device's path or permissions are none, or the job names another runtime than its GPU needs.
pub(super) fn check(task: &TaskSpec, policy: &Policy) -> Result<(), Error> {
    task.devices.nodes.iter().try_for_each(node)?;
    let (Some(named), true) = (task.container.runtime.as_deref(), task.devices.nvidia) else { return Ok(()) };
    if named == policy.nvidia_runtime {
        return Ok(());
    }
    let gate = format!("the task was given a GPU, which needs container.nvidia_runtime, \"{}\"", policy.nvidia_runtime);
    Err(refused(format!("runtime \"{}\"", shown(named)), gate))
}

/// Returns the runtime that the engine is told: the GPU's, the job's, or none, which is the engine's own.
pub(super) fn runtime(task: &TaskSpec, policy: &Policy) -> Option<String> {
    match task.devices.nvidia {
        true => Some(policy.nvidia_runtime.clone()),
        false => task.container.runtime.clone(),
    }
}

fn node(device: &Device) -> Result<(), Error> {
    let option = format!("device \"{}\"", shown(&device.host_path));
    if ![&device.host_path, &device.container_path].into_iter().all(|path| is_clean(Path::new(path))) {
        return Err(invalid(option, "its paths on host and in task must be absolute and of plain names"));
    }
    if !device.permissions.chars().all(|permission| "rwm".contains(permission)) {
        return Err(invalid(
            option,
            format!("has the permissions \"{}\", not of r, w and m", shown(&device.permissions)),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{fixture::task, review};

    fn given(host_path: &str, permissions: &str) -> TaskSpec {
        let mut task = task("1");
        let (host_path, permissions) = (host_path.to_owned(), permissions.to_owned());
        task.devices.nodes = vec![Device { container_path: host_path.clone(), host_path, permissions }];
        task
    }

    #[test]
    fn given_devices_need_no_gate_but_must_be_some() {
        let policy = Policy::default();
        review(&given("/dev/fpga0", "rw"), &policy).expect("no list of ours stands before it");
        for (path, permissions) in [("dev/fpga0", "rw"), ("/dev/../etc/shadow", "r"), ("/dev/fpga0", "rwx"), ("", "")] {
            let error = review(&given(path, permissions), &policy).expect_err("refused").to_string();
            assert!(error.contains("device"), "{error}");
        }
    }

    #[test]
    fn a_gpu_picks_its_runtime_and_bears_no_other() {
        let policy = Policy::default();
        let mut task = task("1");
        assert_eq!(runtime(&task, &policy), None);
        task.devices.nvidia = true;
        check(&task, &policy).expect("fine");
        assert_eq!(runtime(&task, &policy).as_deref(), Some("nvidia"));
        task.container.runtime = Some("runc".into());
        let error = check(&task, &policy).expect_err("two runtimes").to_string();
        assert!(error.contains("runc") && error.contains("container.nvidia_runtime"), "{error}");
        task.container.runtime = Some("nvidia".into());
        check(&task, &policy).expect("the same");
    }
}
