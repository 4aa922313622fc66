//! Checks what a job asks of the engine, before anything is made or asked of anybody.

mod options;
mod paths;

use crate::domain::TaskSpec;

use super::{Error, ImageRef, Policy};

/// Checks a task against the operator's policy and returns the image it names. Pure: no file is looked at, nothing asked.
///
/// Meant to run first of all in a start, so that a task that cannot come up costs no credential.
pub fn review(task: &TaskSpec, policy: &Policy) -> Result<ImageRef, Error> {
    let image = options::image(&task.container.image)?;
    options::user(task.user.as_deref())?;
    options::hostname(task.container.hostname.as_deref())?;
    options::labels(&task.container.labels)?;
    options::environment(task)?;
    options::limits(task, policy)?;
    options::capabilities(&task.container, policy)?;
    options::network(task, policy)?;
    options::root(&task.container, policy)?;
    paths::work_dir(task.container.work_dir.as_deref())?;
    task.mounts.iter().try_for_each(|mount| paths::mount(mount, policy))?;
    Ok(image)
}

/// Shorthand for the error about an option that makes no sense.
fn invalid(option: impl Into<String>, why: impl Into<String>) -> Error {
    Error::ConfigInvalid { option: option.into(), why: why.into() }
}

/// Shorthand for the error about an option that the operator does not allow.
fn refused(option: impl Into<String>, gate: impl Into<String>) -> Error {
    Error::PolicyRefused { option: option.into(), gate: gate.into() }
}
