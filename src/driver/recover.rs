//! Takes running tasks over from an earlier process.
//!
//! From the handle and the record alone: no server is asked and no container touched. What is unclear then, such as
//! whether the container still runs, the supervisor finds out afterwards. Nothing is issued again, nobody is signalled.

use std::sync::Arc;

use super::{
    Class, DriverError,
    asker::Asker,
    cursor::CursorFile,
    handle::Handle,
    keeper::Keeper,
    parts::Parts,
    plan::Plan,
    record::Record,
    supervisor::{Charge, Supervisor, Task},
};
use crate::{
    container::LogPump,
    domain::{LogPaths, TaskMeta},
    tmpfs::SecretsDir,
};

/// Takes over the task that `state` speaks of.
///
/// # Errors
/// The handle is damaged, of a newer release, or another task's.
pub(super) fn recover(
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
    let (dir, keeper) = keeper(parts, meta, &handle)?;
    let logs = logs.or_else(|| handle.logs.clone());
    let cursor = CursorFile::of(parts, &meta.id.key()).read();
    let pump = LogPump::spawn(Arc::clone(&parts.engine), container.clone(), logs.as_ref(), cursor);
    let charge = Charge { meta: meta.clone(), container, started_at: handle.started_at, pump, keeper, dir };
    tracing::info!(task_id = %meta.id, "Task recovered");
    Ok(Supervisor::spawn(Arc::clone(parts), charge))
}

/// Builds the keeper from the record on the task's tmpfs. A task whose tmpfs is gone, as after a reboot, has none.
fn keeper(
    parts: &Arc<Parts>,
    meta: &TaskMeta,
    handle: &Handle,
) -> Result<(Option<Arc<SecretsDir>>, Option<Keeper>), DriverError> {
    let Some(dir) = parts.tmpfs.open(&meta.id.key())?.map(Arc::new) else { return Ok((None, None)) };
    let Some(record) = Record::read(&dir)? else { return Ok((Some(dir), None)) };
    let keeper = record.owner.map(|owner| {
        let plan = Plan::check(&parts.settings, &record.meta, &record.asks)?;
        let asker = Asker::new(Arc::clone(parts), Arc::new(plan), handle.secrets_dir.clone())?;
        Ok::<_, DriverError>(Keeper::take_over(asker, record, Arc::clone(&dir), owner))
    });
    match keeper.transpose() {
        Ok(keeper) => Ok((Some(dir), keeper)),
        // The task runs on with what it has; an operator who has closed a rule must not lose running tasks by it.
        Err(error) => {
            tracing::error!(task_id = %meta.id, %error, "The task's secrets cannot be kept fresh by this process");
            Ok((Some(dir), None))
        }
    }
}
