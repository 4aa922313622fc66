//! What a task uses, sample by sample.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{Usage, parts::Parts, supervisor::Task};
use crate::container::Stats;

/// The shortest interval that is served; a shorter wish is raised to it.
const INTERVAL_MIN: Duration = Duration::from_millis(200);

struct Sampler {
    parts: Arc<Parts>,
    task: Task,
    interval: Duration,
    last: Option<Stats>,
}

/// Returns a stream of samples that ends cleanly when the task ends.
pub(super) fn stream(parts: Arc<Parts>, task: Task, interval: Duration) -> BoxStream<'static, Usage> {
    let sampler = Sampler { parts, task, interval: interval.max(INTERVAL_MIN), last: None };
    stream::unfold(sampler, |mut sampler| async move {
        let usage = sampler.next().await?;
        Some((usage, sampler))
    })
    .boxed()
}

impl Sampler {
    /// Waits for the next sample that succeeds; `None` once the task has ended.
    async fn next(&mut self) -> Option<Usage> {
        loop {
            if self.last.is_some() {
                let mut exit = self.task.exit.clone();
                tokio::select! {
                    _ = exit.wait_for(Option::is_some) => return None,
                    () = tokio::time::sleep(self.interval) => {}
                }
            }
            if self.task.exit.borrow().is_some() {
                return None;
            }
            match self.parts.engine.stats(&self.task.container).await {
                Ok(stats) => return Some(self.usage(stats)),
                Err(error) => {
                    tracing::debug!(task_id = %self.task.meta.id, %error, "A sample was missed");
                    tokio::time::sleep(self.interval).await;
                }
            }
        }
    }

    /// Turns counters into rates against the sample before.
    fn usage(&mut self, stats: Stats) -> Usage {
        let cpu = self.last.as_ref().map(|earlier| stats.percent_since(earlier)).unwrap_or_default();
        self.last = Some(stats.clone());
        Usage { at: stats.at, cpu, stats }
    }
}
