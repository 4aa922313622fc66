//! Checks what a job asks of the engine, before anything is made or asked of anybody.

mod limits;
mod network;
mod options;
mod paths;
pub(super) mod security;

use crate::domain::TaskSpec;

use super::{
    Error, ImageRef, Policy, devices,
    error::{invalid, refused},
    mounts::plan,
};

/// Checks a task against the operator's policy and returns the image it names. Pure: no file is looked at, nothing asked.
///
/// Meant to run first of all in a start, so that a task that cannot come up costs no credential.
pub fn review(task: &TaskSpec, policy: &Policy) -> Result<ImageRef, Error> {
    let image = image("image", &task.container.image, policy)?;
    options::user(task.user.as_deref())?;
    options::hostname(task.container.hostname.as_deref())?;
    options::labels(&task.container.labels)?;
    options::environment(task)?;
    devices::check(task, policy)?;
    // A GPU's runtime comes with the GPU.
    options::runtime(task.container.runtime.as_deref().filter(|_| !task.devices.nvidia), policy)?;
    options::logging(task.container.logging.as_ref(), policy)?;
    limits::limits(task, policy)?;
    security::security(&task.container.security, policy)?;
    network::network(task, policy)?;
    paths::work_dir(task.container.work_dir.as_deref())?;
    task.mounts.iter().try_for_each(|mount| paths::mount(mount, policy))?;
    plan(task, policy)?;
    Ok(image)
}

/// Reads an image's name, written in `option`, and holds it against the operator's list.
pub(super) fn image(option: &str, text: &str, policy: &Policy) -> Result<ImageRef, Error> {
    let image = options::image(option, text)?;
    options::provenance(&image, policy)?;
    Ok(image)
}

/// Checks a host name as text.
///
/// # Errors
/// It is none.
pub fn check_hostname(name: Option<&str>) -> Result<(), Error> {
    options::hostname(name)
}
