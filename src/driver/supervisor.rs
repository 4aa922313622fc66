//! The one owner of a running task.
//!
//! Waits for the next event (the container ended, the keeper published a change), handles it, and when the container has
//! ended reports that once and gives back everything the task held. Telling the container of a change goes on beside the
//! waiting, so that an end is seen during a slow script; only a restart, whose end is none, stands alone. Stopping comes
//! from outside through the engine; this task only sees its effect. When the plugin ends, the supervisor lets go: it ends a
//! task only where the job itself says that a failure shall.

use std::{sync::Arc, time::SystemTime};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    act::{self, Order, Told},
    cursor::CursorFile,
    demands::Bell,
    finish,
    holdings::Holdings,
    keeper::Keeper,
    parts::Parts,
};
use crate::{
    container::{ContainerId, LogPump},
    domain::{ExitResult, TaskEvent, TaskKey, TaskMeta, fail_point},
    journal::Step,
    tmpfs::SecretsDir,
};

/// How long a keeper may take to leave a request in flight before it is cut off.
const KEEPER_LEAVE: std::time::Duration = std::time::Duration::from_secs(5);

/// Wait between two tries to give back what the server did not take.
const RELEASE_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);
/// How long a drain may stand still before the end is reported without the rest.
const DRAIN_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// What others know of a running task and can ask of it.
#[derive(Clone)]
pub(super) struct Task {
    /// Who it is.
    pub meta: TaskMeta,
    /// Its container.
    pub container: ContainerId,
    /// The way to the keeper of its secrets; absent where nothing is kept.
    pub bell: Option<Bell>,
    /// When it started.
    pub started_at: SystemTime,
    /// How it ended, once it has.
    pub exit: watch::Receiver<Option<Ended>>,
    /// Turns true when everything it held has been given back, or noted for later.
    pub released: watch::Receiver<bool>,
    /// Held while somebody stops or restarts the container; true once a stop was asked for.
    pub stopping: Arc<Mutex<bool>>,
    /// Ends the supervision without ending the task.
    pub detach: CancellationToken,
}

/// A task's end.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// How.
    pub exit: ExitResult,
    /// When.
    pub at: SystemTime,
}

/// Everything the supervisor owns.
pub(super) struct Supervisor {
    parts: Arc<Parts>,
    meta: TaskMeta,
    key: TaskKey,
    container: ContainerId,
    pump: LogPump,
    keeper: Option<(JoinHandle<Holdings>, CancellationToken)>,
    orders: mpsc::Receiver<Order>,
    /// Why the task was ended by its own rules.
    failed: Option<String>,
    dir: Option<Arc<SecretsDir>>,
    exit: watch::Sender<Option<Ended>>,
    released: watch::Sender<bool>,
    stopping: Arc<Mutex<bool>>,
    detach: CancellationToken,
    restart_since: Option<SystemTime>,
}

/// What a supervisor is given to look after.
pub(super) struct Charge {
    /// Who the task is.
    pub meta: TaskMeta,
    /// Its running container.
    pub container: ContainerId,
    /// When it started.
    pub started_at: SystemTime,
    /// Carries its output.
    pub pump: LogPump,
    /// Keeps its secrets fresh; absent for a task that asked for none.
    pub keeper: Option<Keeper>,
    /// Its directory in RAM.
    pub dir: Option<Arc<SecretsDir>>,
    /// Since when an earlier process was at restarting the container, when it was.
    pub restart_since: Option<SystemTime>,
}

/// What can happen next.
enum Event {
    Detached,
    Exited(ExitResult),
    Ordered(Order),
    Told(Told),
}

/// Something that is being done to the container.
struct Work {
    doing: BoxFuture<'static, Told>,
    /// The container ends and starts again meanwhile.
    restarts: bool,
}

impl Supervisor {
    /// Starts to look after a task; the returned handle is all that others need.
    pub(super) fn spawn(parts: Arc<Parts>, charge: Charge) -> Task {
        let (exit, exit_seen) = watch::channel(None);
        let (released, released_seen) = watch::channel(false);
        let (sender, orders) = mpsc::channel(2);
        let detach = CancellationToken::new();
        let leave = detach.child_token();
        let stopping = Arc::new(Mutex::new(false));
        let task = Task {
            meta: charge.meta.clone(),
            container: charge.container.clone(),
            bell: charge.keeper.as_ref().map(Keeper::bell),
            started_at: charge.started_at,
            exit: exit_seen,
            released: released_seen,
            stopping: Arc::clone(&stopping),
            detach: detach.clone(),
        };
        let keeper = charge.keeper.map(|keeper| (tokio::spawn(keeper.run(sender, leave.clone())), leave));
        let supervisor = Self {
            parts,
            key: charge.meta.id.key(),
            meta: charge.meta,
            container: charge.container,
            pump: charge.pump,
            keeper,
            orders,
            failed: None,
            dir: charge.dir,
            exit,
            released,
            stopping,
            detach,
            restart_since: charge.restart_since,
        };
        tokio::spawn(supervisor.run());
        task
    }

    async fn run(mut self) {
        self.finish_restart().await;
        let mut wait = self.wait();
        let mut work: Option<Work> = None;
        let exit = loop {
            match self.next_event(&mut wait, &mut work).await {
                Event::Ordered(order) => work = Some(self.obey(order)),
                Event::Told(told) => {
                    let restart = work.take().is_some_and(|work| work.restarts);
                    if told.restarted {
                        self.pump.wake();
                    }
                    // A wait that was pending across a restart may answer with the end of the run before.
                    if restart {
                        wait = self.wait();
                    }
                    if let Some(why) = told.failed {
                        work = Some(self.fail(why));
                    }
                }
                Event::Detached => return,
                Event::Exited(exit) => break exit,
            }
        };
        drop(work);
        let exit = self.explained(exit);
        self.end(exit).await;
    }

    /// Begins what the keeper has ordered.
    fn obey(&mut self, order: Order) -> Work {
        let change = match order {
            Order::Act(change) => change,
            Order::Fail(why) => return self.fail(why),
        };
        let restarts = change.restarts();
        let (parts, meta) = (Arc::clone(&self.parts), self.meta.clone());
        let (container, stopping) = (self.container.clone(), Arc::clone(&self.stopping));
        let doing = async move { act::carry_out(&parts, &meta, &container, &stopping, change).await };
        Work { doing: Box::pin(doing), restarts }
    }

    /// Ends the task as failed; its end is then seen as any other.
    fn fail(&mut self, why: String) -> Work {
        self.parts.tell(TaskEvent::new(&self.meta, format!("Task is ended: {why}")));
        self.failed = Some(why);
        let (parts, container) = (Arc::clone(&self.parts), self.container.clone());
        let stopping = Arc::clone(&self.stopping);
        let doing = async move {
            act::end_failed(&parts, &container, &stopping).await;
            Told::default()
        };
        Work { doing: Box::pin(doing), restarts: false }
    }

    /// Adds to an end why we brought it about, so that it counts as a failure whatever the exit code.
    fn explained(&mut self, mut exit: ExitResult) -> ExitResult {
        if let Some(why) = self.failed.take() {
            exit.message = Some(exit.message.map_or(why.clone(), |message| format!("{why}; {message}")));
        }
        exit
    }

    /// Starts the container again when the process before this one died between its stop and its start.
    async fn finish_restart(&mut self) {
        let Some(since) = self.restart_since else { return };
        match act::finish_restart(&self.parts, &self.container, &self.stopping, since).await {
            Ok(true) => self.pump.wake(),
            Ok(false) => {}
            Err(why) => {
                self.parts.tell(TaskEvent::new(&self.meta, format!("Task is ended: {why}")));
                self.failed = Some(why);
            }
        }
    }

    /// Returns a future that resolves when the container has ended; losing the engine does not end it.
    fn wait(&self) -> BoxFuture<'static, ExitResult> {
        let (engine, container) = (Arc::clone(&self.parts.engine), self.container.clone());
        Box::pin(async move {
            loop {
                match engine.wait(&container).await {
                    Ok(exit) => return exit,
                    Err(error) => {
                        tracing::warn!(%container, %error, "Waiting for the container failed; asking again");
                        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                    }
                }
            }
        })
    }

    async fn next_event(&mut self, wait: &mut BoxFuture<'static, ExitResult>, work: &mut Option<Work>) -> Event {
        let idle = work.is_none();
        let restarts = work.as_ref().is_some_and(|work| work.restarts);
        let told = async {
            match work {
                Some(work) => (&mut work.doing).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // A restart that is cut off would leave the container standing until the next process comes.
            () = self.detach.cancelled(), if !restarts => Event::Detached,
            told = told => Event::Told(told),
            exit = wait, if !restarts => Event::Exited(exit),
            Some(order) = self.orders.recv(), if idle => Event::Ordered(order),
        }
    }

    /// Carries the rest of the output, for as long as it moves.
    async fn drain(&self) {
        let drained = self.pump.drain(DRAIN_PATIENCE).await;
        if !drained.complete {
            let status = drained.status;
            tracing::warn!(task_id = %self.meta.id, lost = status.lost, problem = status.problem, "Not all output was delivered");
        }
    }

    /// Writes the end down.
    async fn note_end(&self, exit: &ExitResult) {
        tracing::info!(task_id = %self.meta.id, exit_code = exit.exit_code, oom_killed = exit.oom_killed, "Task ended");
        let step = Step::Ended { exit: Some(exit.clone()) };
        if let Err(error) = self.parts.journal.append(&self.key, step).await {
            tracing::error!(task_id = %self.meta.id, %error, "The journal did not take the task's end");
        }
    }

    /// Reports the end once the output is complete, then gives everything back.
    async fn end(mut self, exit: ExitResult) {
        self.drain().await;
        self.note_end(&exit).await;
        fail_point("ended");
        self.exit.send_replace(Some(Ended { exit, at: SystemTime::now() }));
        let holdings = self.collect_holdings().await;
        CursorFile::of(&self.parts, &self.key).remove();
        self.release(holdings).await;
        // The pipes stay open until the task is destroyed: closing them earlier would end the orchestrator's reader.
        self.detach.cancelled().await;
    }

    /// Gives everything back, trying again while the server does not take it; the sweeper goes on once the task is
    /// destroyed or the plugin ends.
    async fn release(&mut self, holdings: Option<Holdings>) {
        let mut told = false;
        loop {
            let outcome = finish::give_back(&self.parts, &self.meta, holdings.clone(), self.dir.as_deref()).await;
            let Err(error) = outcome else { break };
            tracing::warn!(task_id = %self.meta.id, %error, "Not everything could be given back; it will be tried again");
            if !std::mem::replace(&mut told, true) {
                self.parts.tell(TaskEvent::new(&self.meta, format!("Credentials not yet revoked: {error}")));
            }
            tokio::select! {
                () = self.detach.cancelled() => return,
                () = tokio::time::sleep(RELEASE_PAUSE) => {}
            }
        }
        self.released.send_replace(true);
    }

    /// Ends the keeper and takes what it holds, waiting a bounded time for a request that is under way.
    async fn collect_holdings(&mut self) -> Option<Holdings> {
        let (mut handle, leave) = self.keeper.take()?;
        leave.cancel();
        match tokio::time::timeout(KEEPER_LEAVE, &mut handle).await {
            Ok(Ok(holdings)) => Some(holdings),
            Ok(Err(_)) | Err(_) => {
                handle.abort();
                None
            }
        }
    }
}
