//! The driver's face: one method a verb, each a few lines over the use cases.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::OnceCell;
use tokio_stream::wrappers::BroadcastStream;

use super::{
    Class, DriverError, ExecSession, Figures, Fingerprint, Listen, NetworkMade, NetworkRequest, Settings, Started,
    TaskDriver, TaskStatus, Usage, exec, figures, fingerprint, images, launch, network, node, parts::Parts, prepare,
    recover, supervisor::Task, sweep, tasks::Tasks, usage,
};
use crate::{
    container,
    domain::{
        Demand, ExecOutput, ExecRequest, ExitResult, LogPaths, Signal, TaskEvent, TaskId, TaskMeta, TaskSpec,
        fail_point,
    },
};

/// Longest time a destroy waits for the server to take a revocation; the sweeper goes on after it.
const RELEASE_WAIT: Duration = Duration::from_secs(2);
/// Longest time that the process's end waits for commands to be ended; an agent kills after two seconds.
const LEAVING: Duration = Duration::from_millis(300);
/// What a process that was taken over from says.
pub(super) const SUPERSEDED: &str =
    "another process of this driver has taken over the state directory; stop one of the two agents";
/// Longest stop time that is taken as meant.
const STOP_MAX: Duration = Duration::from_secs(24 * 3600);

/// The real driver. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Driver {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    settings: RwLock<Settings>,
    parts: OnceCell<Arc<Parts>>,
    tasks: Arc<Tasks>,
    sweeping: OnceLock<()>,
}

impl Driver {
    /// Returns a driver with default settings that has touched nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a driver over given parts, for tests and other front doors.
    pub fn over(parts: Parts) -> Self {
        let shared = Shared { parts: OnceCell::new_with(Some(Arc::new(parts))), ..Shared::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the parts, built at first need: a process that is only asked for its name must leave no trace.
    async fn parts(&self) -> Result<Arc<Parts>, DriverError> {
        let build = || async {
            let settings = self.shared.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
            let parts = Arc::new(Parts::real(settings).await?);
            tokio::spawn(stand_down(Arc::clone(&parts), Arc::clone(&self.shared.tasks)));
            Ok(parts)
        };
        self.shared.parts.get_or_try_init(build).await.cloned()
    }

    /// As [`Driver::parts`], for a verb that makes or takes over something: refused once a newer process does that.
    async fn acting_parts(&self) -> Result<Arc<Parts>, DriverError> {
        let parts = self.parts().await?;
        match parts.journal.is_superseded() {
            true => Err(DriverError::new(Class::StateUnavailable, SUPERSEDED)),
            false => Ok(parts),
        }
    }

    fn tasks(&self) -> &Tasks {
        &self.shared.tasks
    }

    /// Starts the sweeper once.
    fn sweep(&self, parts: &Arc<Parts>) {
        if self.shared.sweeping.set(()).is_ok() {
            tokio::spawn(sweep::run(Arc::clone(parts), Arc::clone(&self.shared.tasks)));
            tokio::spawn(images::run(Arc::clone(parts)));
            tokio::spawn(node::run(Arc::clone(parts)));
        }
    }

    /// Undoes what an earlier attempt with the same id left: the agent repeats a start once when the plugin died in it.
    async fn undo_earlier(&self, parts: &Arc<Parts>, spec: &TaskSpec) -> Result<(), DriverError> {
        let key = spec.meta.id.key();
        if parts.journal.task(&key).is_some() {
            sweep::undo(parts, &spec.meta, &key).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl TaskDriver for Driver {
    fn configure(&self, settings: Settings) -> Result<(), DriverError> {
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    fn collects_output(&self) -> bool {
        self.shared.settings.read().unwrap_or_else(PoisonError::into_inner).container.logging.collect
    }

    fn fingerprints(&self) -> BoxStream<'static, Fingerprint> {
        let driver = self.clone();
        let prints = async move {
            match driver.parts().await {
                Ok(parts) => {
                    driver.sweep(&parts);
                    fingerprint::stream(parts)
                }
                Err(error) => fingerprint::unusable(&error),
            }
        };
        stream::once(prints).flatten().boxed()
    }

    fn events(&self) -> BoxStream<'static, TaskEvent> {
        let driver = self.clone();
        let events = async move {
            match driver.parts().await {
                // A reader that fell behind misses the oldest events; the rest still reach it.
                Ok(parts) => BroadcastStream::new(parts.events()).filter_map(|event| async { event.ok() }).boxed(),
                Err(_) => stream::pending().boxed(),
            }
        };
        stream::once(events).flatten().boxed()
    }

    async fn start(&self, mut spec: TaskSpec) -> Result<Started, DriverError> {
        let id = spec.meta.id.clone();
        let parts = self.acting_parts().await?;
        spec.logs = spec.logs.filter(|_| parts.settings.container.logging.collect);
        let exists = || DriverError::new(Class::TaskExists, format!("task {id} has been started already"));
        let _claim = self.tasks().claim_soon(&id.key()).await.ok_or_else(exists)?;
        self.undo_earlier(&parts, &spec).await?;
        let logs = spec.logs.clone();
        let launched = launch::launch(&parts, self.tasks(), spec).await;
        parts.tally.count_start(launched.is_ok());
        // An agent whose readers hang takes four seconds to report a start that failed.
        if let (Err(_), Some(logs)) = (&launched, &logs) {
            container::hang_up(logs);
        }
        let (started, task) = launched?;
        self.tasks().insert(task);
        fail_point("before-reply");
        Ok(started)
    }

    async fn recover(&self, task: &TaskMeta, logs: Option<LogPaths>, state: &[u8]) -> Result<(), DriverError> {
        if self.tasks().knows(&task.id) {
            return Ok(());
        }
        let parts = self.acting_parts().await?;
        let busy = || DriverError::new(Class::StateUnavailable, format!("task {} is being started or undone", task.id));
        let _claim = self.tasks().claim_soon(&task.id.key()).await.ok_or_else(busy)?;
        self.tasks().insert(recover::recover(&parts, task, logs, state).await?);
        parts.tally.count_recovery();
        Ok(())
    }

    async fn wait(&self, id: &TaskId) -> Result<ExitResult, DriverError> {
        let mut exit = self.tasks().get(id)?.exit;
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
        // A supervisor that has let go says nothing more; the process is about to end and the agent knows that case.
        match ended {
            Some(ended) => Ok(ended.exit),
            None => std::future::pending().await,
        }
    }

    async fn stop(&self, id: &TaskId, timeout: Duration, signal: Option<Signal>) -> Result<(), DriverError> {
        let Ok(mut task) = self.tasks().get(id) else { return Ok(()) };
        let parts = self.parts().await?;
        {
            let mut asked = task.stopping.lock().await;
            *asked = true;
            parts.engine.stop(&task.container, signal, timeout.min(STOP_MAX)).await?;
        }
        fail_point("stopped");
        task.exit.wait_for(Option::is_some).await.ok();
        Ok(())
    }

    async fn destroy(&self, id: &TaskId, force: bool) -> Result<(), DriverError> {
        let parts = self.parts().await?;
        let Ok(mut task) = self.tasks().get(id) else { return self.destroy_unknown(&parts, id).await };
        let running = task.exit.borrow().is_none();
        if running && !force {
            return Err(DriverError::new(
                Class::TaskRunning,
                format!("task {id} is still running; stop it first or destroy it by force"),
            ));
        }
        if running {
            *task.stopping.lock().await = true;
        }
        parts.engine.remove(&task.container).await?;
        parts.images.release(&id.key());
        fail_point("removed");
        let released = async {
            task.exit.wait_for(Option::is_some).await.ok();
            task.released.wait_for(|released| *released).await.ok();
        };
        if tokio::time::timeout(RELEASE_WAIT, released).await.is_err() {
            tracing::warn!(task_id = %id, "Revocation goes on after the task is destroyed");
        }
        self.tasks().remove(id);
        task.detach.cancel();
        Ok(())
    }

    async fn inspect(&self, id: &TaskId) -> Result<TaskStatus, DriverError> {
        let task = self.tasks().get(id)?;
        Ok(status(&task))
    }

    async fn signal(&self, id: &TaskId, signal: Signal) -> Result<(), DriverError> {
        let task = self.tasks().get(id)?;
        Ok(self.parts().await?.engine.signal(&task.container, signal).await?)
    }

    async fn demand(&self, id: &TaskId, demand: Demand) -> Result<(), DriverError> {
        let task = self.tasks().get(id)?;
        self.acting_parts().await?;
        let nothing = || {
            let text = format!(
                "task {id} has no secrets, certificates or templates that are kept fresh, so {demand} has nothing to do"
            );
            DriverError::new(Class::TaskConfigInvalid, text)
        };
        task.bell.ok_or_else(nothing)?.ring(id, demand).await
    }

    async fn exec(&self, id: &TaskId, command: Vec<String>, timeout: Duration) -> Result<ExecOutput, DriverError> {
        let task = self.tasks().get(id)?;
        Ok(self.parts().await?.engine.exec(&task.container, &command, timeout).await?)
    }

    async fn exec_stream(&self, id: &TaskId, request: ExecRequest) -> Result<ExecSession, DriverError> {
        let task = self.tasks().get(id)?;
        exec::open(&self.parts().await?, &task.meta, &task.container, &request).await
    }

    fn stats(&self, id: &TaskId, interval: Duration) -> Result<BoxStream<'static, Usage>, DriverError> {
        let task = self.tasks().get(id)?;
        let parts = self
            .shared
            .parts
            .get()
            .cloned()
            .ok_or_else(|| DriverError::new(Class::Internal, "a task without parts"))?;
        Ok(usage::stream(parts, task, interval))
    }

    fn metrics(&self) -> Option<Listen> {
        self.shared.settings.read().unwrap_or_else(PoisonError::into_inner).metrics.clone()
    }

    async fn figures(&self) -> Result<Arc<Figures>, DriverError> {
        Ok(figures::look(&*self.acting_parts().await?, self.tasks()).await)
    }

    async fn create_network(&self, wanted: NetworkRequest) -> Result<NetworkMade, DriverError> {
        network::create(&self.acting_parts().await?, self.tasks(), &wanted).await
    }

    async fn destroy_network(&self, alloc_id: &str) -> Result<(), DriverError> {
        network::destroy(&*self.parts().await?, self.tasks(), alloc_id).await
    }

    async fn shutdown(&self) {
        for task in self.tasks().all() {
            task.detach.cancel();
        }
        if let Some(parts) = self.shared.parts.get() {
            parts.leaving.close();
            if tokio::time::timeout(LEAVING, parts.leaving.wait()).await.is_err() {
                tracing::warn!("A command that nobody attends any more could not be ended in time and may still run");
            }
        }
    }
}

impl Driver {
    /// Destroys a task that this process never knew, by the marks on its container and the note in the journal.
    async fn destroy_unknown(&self, parts: &Arc<Parts>, id: &TaskId) -> Result<(), DriverError> {
        let key = id.key();
        let Some(_claim) = self.tasks().claim_soon(&key).await else { return Ok(()) };
        match parts.journal.task(&key).and_then(|open| open.meta) {
            Some(meta) => sweep::undo(parts, &meta, &key).await,
            None => prepare::remove(parts, &key).await,
        }
    }
}

fn status(task: &Task) -> TaskStatus {
    let ended = task.exit.borrow().clone();
    let attributes = [("container_id".to_owned(), String::from(task.container.clone()))].into();
    TaskStatus {
        meta: task.meta.clone(),
        running: ended.is_none(),
        started_at: task.started_at,
        completed_at: ended.as_ref().map(|ended| ended.at),
        exit: ended.map(|ended| ended.exit),
        attributes,
    }
}

/// Lets go of everything once a newer process has taken over: two must not renew or signal side by side.
async fn stand_down(parts: Arc<Parts>, tasks: Arc<Tasks>) {
    parts.journal.superseded().await;
    tracing::error!("Another process of this driver has taken over the state directory; this one stands down");
    for task in tasks.all() {
        task.detach.cancel();
    }
}
