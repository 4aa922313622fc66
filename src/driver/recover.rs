//! Takes running tasks over from an earlier process.
//!
//! From the handle and the record alone: no server is asked and no container touched; only in a group's network the engine is
//! asked once, for as long as it answers at once, whether the network is still there. What is unclear then, such as
//! whether the container still runs, the supervisor finds out afterwards. Nothing is issued again, nobody is signalled.

use std::sync::Arc;

use super::{
    Class, DriverError,
    asker::Asker,
    cursor::CursorFile,
    handle::Handle,
    keeper::Keeper,
    masks::Masks,
    network,
    parts::Parts,
    plan::Plan,
    record::Record,
    supervisor::{Charge, Supervisor, Task},
};
use crate::{
    container::{LogPump, Outlet},
    domain::{LogPaths, TaskEvent, TaskMeta},
    tmpfs::SecretsDir,
};

/// Takes over the task that `state` speaks of.
///
/// # Errors
/// The handle is damaged, of a newer release, or another task's; or the task runs without the network of its group.
pub(super) async fn recover(
    parts: &Arc<Parts>,
    meta: &TaskMeta,
    logs: Option<LogPaths>,
    state: &[u8],
) -> Result<Task, DriverError> {
    let handle = Handle::from_bytes(state)?;
    if handle.task_id != meta.id {
        let text = format!("task handle is of task {:?}, not of {:?}", handle.task_id, meta.id);
        return Err(DriverError::new(Class::StateInvalid, text));
    }
    let container = handle.container()?;
    if let Some(namespace) = &handle.namespace {
        network::check(parts, meta, &container, namespace).await?;
    }
    let masks = Masks::new(parts, meta);
    let (dir, keeper) = keeper(parts, meta, &handle, &masks);
    let file = CursorFile::of(parts, &meta.id.key());
    let (paths, cursor) = (logs.or_else(|| handle.logs.clone()), file.read());
    let outlet = Outlet { paths, cursor, keep: Some(file.keeper()), redactions: masks.redactions() };
    let pump = LogPump::spawn(Arc::clone(&parts.engine), container.clone(), outlet);
    let restart_since = keeper.as_ref().and_then(Keeper::restart_since);
    let started_at = handle.started_at;
    let charge = Charge { meta: meta.clone(), container, started_at, pump, keeper, dir, restart_since };
    tracing::info!(task_id = %meta.id, "Task recovered");
    Ok(Supervisor::spawn(Arc::clone(parts), charge))
}

/// Builds the keeper from the record on the task's tmpfs. A task that asked for nothing has neither.
///
/// Whatever is wrong with the record or the rules, the task runs on with the files that it has: an upgrade or a closed rule
/// must not cost a running task. What the record knows is masked in any case.
fn keeper(
    parts: &Arc<Parts>,
    meta: &TaskMeta,
    handle: &Handle,
    masks: &Masks,
) -> (Option<Arc<SecretsDir>>, Option<Keeper>) {
    let dir = parts.tmpfs.open(&meta.id.key()).map(|dir| dir.map(Arc::new));
    let built = match &dir {
        Ok(Some(dir)) => build(parts, handle, dir, masks),
        Ok(None) => directory_is_gone(parts, meta),
        Err(error) => Err(DriverError::new(Class::StateUnavailable, error.to_string())),
    };
    let keeper = built.unwrap_or_else(|error| {
        tracing::error!(task_id = %meta.id, %error, "The task's secrets cannot be kept fresh by this process");
        parts.tell(TaskEvent::new(meta, format!("Secrets are no longer kept fresh: {error}")));
        None
    });
    (dir.ok().flatten(), keeper)
}

/// Tells a task that asked for nothing from one whose directory somebody has unmounted: the journal has its token.
fn directory_is_gone(parts: &Parts, meta: &TaskMeta) -> Result<Option<Keeper>, DriverError> {
    let held = parts.journal.task(&meta.id.key()).is_some_and(|open| open.accessor.is_some());
    if !held {
        return Ok(None);
    }
    let text = format!(
        "the task's directory in RAM below {} is gone, as after a reboot or an unmount, and its token with it; restart the task",
        parts.settings.tmpfs.runtime_dir.join("tasks").display()
    );
    Err(DriverError::new(Class::StateUnavailable, text))
}

fn build(
    parts: &Arc<Parts>,
    handle: &Handle,
    dir: &Arc<SecretsDir>,
    masks: &Masks,
) -> Result<Option<Keeper>, DriverError> {
    let Some(record) = Record::read(dir)? else { return Ok(None) };
    masks.mask(&record);
    let Some(owner) = record.owner else { return Ok(None) };
    let plan = Plan::check(&parts.settings, &record.meta, &record.asks)?;
    let asker = Asker::new(Arc::clone(parts), Arc::new(plan), handle.secrets_dir.clone())?;
    Ok(Some(Keeper::take_over(asker, record, Arc::clone(dir), owner).with_masks(masks.clone())))
}
