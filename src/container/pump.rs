//! Carries a container's output from the engine into the orchestrator's pipes.
//!
//! ```text
//! engine ──batches──▶ follower ──┬─▶ queue ─▶ writer ─▶ stdout pipe
//!                                └─▶ queue ─▶ writer ─▶ stderr pipe      each writer moves its half of the cursor
//! ```
//!
//! Promises: a task is never held up by its start or by a pipe that nobody reads; both pipes are opened as soon as
//! somebody reads them and held until the pump is dropped; nothing is lost or repeated when the engine, the reader or
//! this process goes away and comes back, as far as the engine still has the output and the cursor was kept; memory
//! is bounded by the two queues; values that the owner wants masked are, and what is held back for that counts as not
//! delivered.
//!
//! A task that writes faster than the engine reads its own files is not slowed down: the engine then skips whole files and
//! says nothing. What looks like that is read once more from where it began, as long as the files are there.
//!
//! Does not know: whether the container lives. The owner says so with [`LogPump::drain`] and [`LogPump::wake`].

mod fifo;
mod follower;
mod gaps;
mod progress;
#[cfg(test)]
mod tests;
mod turns;
mod writer;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};

use crate::domain::LogPaths;

use super::{ContainerId, Engine, LogChunk, LogCursor, OutputStream, Redactions};

use follower::Follower;
use writer::Writer;

/// Batches that wait for each pipe; a batch is what the engine had at once, with today's about 64 KiB at most.
const QUEUE: usize = 8;

/// The carrying of one container's output. Dropping it closes the pipes.
#[derive(Debug)]
pub struct LogPump {
    status: watch::Receiver<Status>,
    wanted: watch::Sender<Wanted>,
    tasks: Vec<AbortHandle>,
}

/// Where a container's output goes, and from where on.
#[derive(Clone, Default)]
pub struct Outlet {
    /// The pipes. Without them, or with `/dev/null`, nothing is carried.
    pub paths: Option<LogPaths>,
    /// What was delivered before.
    pub cursor: LogCursor,
    /// Is told the cursor each time it has moved, at once: whoever is killed then has repeated or lost nothing.
    pub keep: Option<Arc<Keep>>,
    /// What must not be shown.
    pub redactions: Option<Arc<Redactions>>,
}

/// Keeps a cursor for the next process; quick, since it stands between a line and the next one.
pub type Keep = dyn Fn(&LogCursor) + Send + Sync;

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("paths", &self.paths).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

/// What became of the output so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What was delivered; to be kept for the next process.
    pub cursor: LogCursor,
    /// Why a pipe was given up, such as that something else is in its place.
    pub problem: Option<String>,
    /// Bytes that could not be delivered because of that.
    pub lost: u64,
    /// Everything was delivered, or will never be.
    drained: bool,
}

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// All output reached its pipe.
    pub complete: bool,
    /// What was delivered and what was not.
    pub status: Status,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    drain: bool,
    wakes: u32,
}

/// What a writer is sent.
enum Item {
    Batch(Vec<LogChunk>),
    Flush(oneshot::Sender<()>),
}

impl LogPump {
    /// Begins to carry output that comes behind the outlet's cursor.
    pub fn spawn(engine: Arc<dyn Engine>, id: ContainerId, outlet: Outlet) -> Self {
        let cursor = outlet.cursor;
        let (status, watched) = watch::channel(Status { cursor, ..Status::default() });
        let (wanted, wishes) = watch::channel(Wanted::default());
        let mut tasks = Vec::new();
        match outlet.paths.clone().filter(|paths| [&paths.stdout, &paths.stderr].iter().any(|path| !is_null(path))) {
            None => status.send_modify(|status| status.drained = true),
            Some(paths) => {
                let status = Arc::new(status);
                let mut writer = |stream, path: &Path| {
                    let (queue, items) = mpsc::channel(QUEUE);
                    let writer = Writer::new(stream, path, &outlet, status.clone());
                    tasks.push(tokio::spawn(writer.run(items)).abort_handle());
                    queue
                };
                let (stdout, stderr) =
                    (writer(OutputStream::Stdout, &paths.stdout), writer(OutputStream::Stderr, &paths.stderr));
                let follower = Follower::new(engine, id, cursor, [stdout, stderr], wishes, status);
                tasks.push(tokio::spawn(follower.run()).abort_handle());
            }
        }
        Self { status: watched, wanted, tasks }
    }

    /// Returns what was delivered so far.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Returns a view of the status that can be waited upon.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Says that the container was started again, so that its output is looked for at once.
    pub fn wake(&self) {
        self.wanted.send_modify(|wanted| wanted.wakes += 1);
    }

    /// Delivers the rest of the output of a container that has ended. Gives up when nothing moved for `patience`. The
    /// pipes stay open.
    pub async fn drain(&self, patience: Duration) -> Drained {
        self.wanted.send_modify(|wanted| wanted.drain = true);
        let mut status = self.status.clone();
        loop {
            let now = status.borrow_and_update().clone();
            if now.drained {
                return Drained { complete: now.problem.is_none(), status: now };
            }
            match tokio::time::timeout(patience, status.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Drained { complete: false, status: status.borrow().clone() },
            }
        }
    }
}

/// Opens and closes the pipes of a task that will write nothing: their reader hangs until somebody opens them, and holds
/// up the task's end. Pipes that nobody reads are left alone.
pub fn hang_up(paths: &LogPaths) {
    for path in [&paths.stdout, &paths.stderr] {
        if !is_null(path) {
            fifo::touch(path);
        }
    }
}

impl Drop for LogPump {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn is_null(path: &Path) -> bool {
    path.as_os_str().is_empty() || path == Path::new("/dev/null")
}
