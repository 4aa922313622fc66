//! Runs a job until its tasks end.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::join_all;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Plugin, control, load, print, read_job};
use crate::harness::{
    agent::Agent,
    feed::Feed,
    identity::Signer,
    runner::{self, Run},
};

/// A job that runs.
pub struct Running {
    /// The agent with the plugin.
    pub agent: Agent,
    /// The tasks.
    pub tasks: Vec<Run>,
}

/// Starts everything, shows what happens, and returns the tasks' exit code.
pub async fn run(
    job: &Path,
    plugin: &Plugin,
    variables: &[String],
    data_dir: Option<PathBuf>,
    key: Option<PathBuf>,
    jwks: Option<SocketAddr>,
) -> Result<i32, Failure> {
    let job = read_job(job, variables)?;
    let temporary = tempfile::tempdir()?;
    let data = data_dir.unwrap_or_else(|| temporary.path().to_owned());
    let signer = key.map_or_else(Signer::generate, |path| Signer::at(&path))?;
    if let Some(address) = jwks {
        print::out(&format!("keys at http://{}", signer.serve(address).await?));
    }
    let agent = load(plugin).await?;
    let show = tokio::spawn(show(agent.feed.clone()));
    let place = runner::node(&data, signer)?;
    let ours = job.tasks().filter(|(_, task)| task.driver == agent.info.name);
    let tasks =
        ours.map(|(group, task)| Run::prepare(&place, &agent, &job, group, task)).collect::<Result<Vec<_>, _>>()?;
    if tasks.is_empty() {
        return Err(format!("the job has no task with driver {:?}", agent.info.name).into());
    }
    let running = Arc::new(Running { agent, tasks });
    let control = control::serve(Arc::clone(&running), &data)?;
    print::out(&format!("control socket in {}", data.display()));
    let code = running.play().await;
    control.abort();
    running.agent.shutdown().await;
    // What was said last is shown before the end.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    show.abort();
    code
}

async fn show(feed: Feed) {
    let mut shown = 0;
    loop {
        let new = feed.since(shown);
        new.iter().for_each(print::entry);
        shown += new.len();
        feed.changed(shown).await;
    }
}

impl Running {
    /// Starts the tasks, waits for their end, and removes them.
    async fn play(self: &Arc<Self>) -> Result<i32, Failure> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut kill = signal(SignalKind::user_defined1())?;
        let tasks = join_all(self.tasks.iter().map(|task| self.one(task)));
        tokio::pin!(tasks);
        loop {
            tokio::select! {
                codes = &mut tasks => return codes.into_iter().try_fold(0, |worst: i32, code| code.map(|code: i32| worst.max(code))),
                _ = interrupt.recv() => {
                    let running = Arc::clone(self);
                    tokio::spawn(async move { running.stop().await });
                }
                _ = kill.recv() => self.agent.process().kill_9().await,
            }
        }
    }

    /// One task from start to destruction. When the plugin dies, the next process takes the task over, as under an agent.
    async fn one(&self, task: &Run) -> Result<i32, Failure> {
        let feed = &self.agent.feed;
        if let Err(status) = task.start(&self.agent).await {
            return Err(format!("task {}: {}", task.name, status.message()).into());
        }
        feed.note(&task.name, "started");
        let exit = loop {
            let process = self.agent.process();
            match task.wait(&self.agent).await {
                Ok((exit, _)) => break exit,
                Err(_) if process.dead().await.is_some() || process.is_dead() => {
                    self.take_over(&process).await?;
                    task.recover(&self.agent).await.map_err(|status| status.message().to_owned())?;
                    feed.note(&task.name, "recovered");
                }
                Err(status) => return Err(format!("task {}: {}", task.name, status.message()).into()),
            }
        };
        feed.note(&task.name, format!("ended with code {}", exit.exit_code));
        task.destroy(&self.agent, true).await.map_err(|status| status.message().to_owned())?;
        Ok(exit.exit_code)
    }

    /// Starts the plugin anew, once for all tasks that saw `dead` die.
    async fn take_over(&self, dead: &Arc<crate::harness::process::Process>) -> Result<(), Failure> {
        static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _one = ONE.lock().await;
        if Arc::ptr_eq(dead, &self.agent.process()) {
            self.agent.relaunch().await?;
        }
        Ok(())
    }

    async fn stop(&self) {
        for task in &self.tasks {
            if let Err(status) = task.stop(&self.agent).await {
                self.agent.feed.note(&task.name, format!("not stopped: {}", status.message()));
            }
        }
    }
}
