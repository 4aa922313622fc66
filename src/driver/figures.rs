//! What the driver has done and what its tasks use, for whoever watches the node.
//!
//! Nothing is measured until somebody looks, and then at most once a second for all who look. A task that has ended is gone
//! from the next look on, so that what is watched is as many as what runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{sync::Mutex, time::Instant};

use super::{parts::Parts, supervisor::Task, tasks::Tasks};
use crate::{
    container::{Stats, Traffic},
    domain::TaskMeta,
};

/// How long a look is good for.
const FRESH: Duration = Duration::from_secs(1);
/// Most tasks that are measured at a time; it matters only where the engine has to be asked.
const AT_A_TIME: usize = 16;
/// Longest time for one look; tasks that were not reached have no numbers then.
const PATIENCE: Duration = Duration::from_secs(5);

/// One look at the driver and its tasks.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What this process has done.
    pub counts: Counts,
    /// The tasks that run.
    pub tasks: Vec<TaskFigures>,
}

/// What this process has done since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks started.
    pub starts: u64,
    /// Starts that failed or were refused.
    pub failed_starts: u64,
    /// Tasks taken over from an earlier process.
    pub recoveries: u64,
}

/// What one task uses. What could not be measured is absent.
#[derive(Clone, Debug)]
pub struct TaskFigures {
    /// Who it is.
    pub meta: TaskMeta,
    /// Processor, memory, processes.
    pub stats: Option<Stats>,
    /// Network and disks.
    pub traffic: Option<Traffic>,
}

/// Counts as things happen, and remembers the last look.
#[derive(Default)]
pub(super) struct Tally {
    starts: AtomicU64,
    failed_starts: AtomicU64,
    recoveries: AtomicU64,
    last: Mutex<Option<(Instant, Arc<Figures>)>>,
}

impl Tally {
    /// Counts a start.
    pub(super) fn count_start(&self, succeeded: bool) {
        let counter = if succeeded { &self.starts } else { &self.failed_starts };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a task that was taken over.
    pub(super) fn count_recovery(&self) {
        self.recoveries.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            starts: self.starts.load(Ordering::Relaxed),
            failed_starts: self.failed_starts.load(Ordering::Relaxed),
            recoveries: self.recoveries.load(Ordering::Relaxed),
        }
    }
}

/// Takes a look, or returns the one that was just taken. Several who ask at once share one.
pub(super) async fn look(parts: &Parts, tasks: &Tasks) -> Arc<Figures> {
    let mut last = parts.tally.last.lock().await;
    if let Some((at, figures)) = &*last
        && at.elapsed() < FRESH
    {
        return Arc::clone(figures);
    }
    let deadline = Instant::now() + PATIENCE;
    let running: Vec<Task> = tasks.all().into_iter().filter(|task| task.exit.borrow().is_none()).collect();
    let measured = stream::iter(running).map(|task| measure(parts, task, deadline));
    let mut tasks: Vec<TaskFigures> = measured.buffer_unordered(AT_A_TIME).collect().await;
    tasks.sort_by(|one, other| one.meta.id.as_str().cmp(other.meta.id.as_str()));
    let figures = Arc::new(Figures { counts: parts.tally.counts(), tasks });
    *last = Some((Instant::now(), Arc::clone(&figures)));
    figures
}

async fn measure(parts: &Parts, task: Task, deadline: Instant) -> TaskFigures {
    let both = async { tokio::join!(parts.engine.stats(&task.container), parts.engine.traffic(&task.container)) };
    let (stats, traffic) = match tokio::time::timeout_at(deadline, both).await {
        Ok((stats, traffic)) => (stats.ok(), traffic.ok()),
        Err(_) => (None, None),
    };
    TaskFigures { meta: task.meta, stats, traffic }
}
