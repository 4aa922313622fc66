//! Runs a job until its tasks end, as an agent would.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use strongbox::plugin::proto::drivers::ExitResult;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use super::{Failure, arguments, control, print, read_job, schemas::program, validate};
use crate::harness::{
    agent::{Agent, PluginConfig},
    feed::Feed,
    identity::Signer,
    job::Job,
    process::Process,
    report::Source,
    runner::{self, Place, Run},
};

/// A call that fails because the plugin died fails a little before the plugin is seen dead.
const SEEN_DEAD: Duration = Duration::from_secs(3);
/// A task's last lines come through a pipe of their own, a little after its end is told.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// A job that runs.
pub struct Running {
    /// The agent with the plugin.
    pub agent: Agent,
    /// The tasks.
    pub tasks: Vec<Run>,
    stopping: watch::Sender<bool>,
    /// Names of the tasks that were started and have not ended.
    alive: Mutex<Vec<String>>,
    relaunching: tokio::sync::Mutex<()>,
}

/// Starts everything, shows what happens, and returns the tasks' exit code.
pub async fn run(wanted: &arguments::Run) -> Result<i32, Failure> {
    let job = read_job(&wanted.job, &wanted.variables)?;
    let feed = Feed::default();
    let shown = show(&feed, &job);
    let played = play(wanted, &job, &feed).await;
    let mut said = 0;
    while feed.len() > said {
        said = feed.len();
        tokio::time::timeout(LAST_WORDS, feed.changed(said)).await.ok();
    }
    shown.abort();
    played
}

fn show(feed: &Feed, job: &Job) -> JoinHandle<()> {
    let log = print::Log::new(job.tasks().map(|(_, task)| task.name.clone()).collect());
    let feed = feed.clone();
    tokio::spawn(async move {
        let mut shown = 0;
        loop {
            let new = feed.since(shown);
            new.iter().for_each(|entry| log.entry(entry));
            shown += new.len();
            feed.changed(shown).await;
        }
    })
}

async fn play(wanted: &arguments::Run, job: &Job, feed: &Feed) -> Result<i32, Failure> {
    let temporary = tempfile::Builder::new().prefix("harness-").tempdir()?;
    let data = wanted.data_dir.as_deref().unwrap_or(temporary.path());
    let signer = signer(wanted, feed).await?;
    let agent = Agent::load(program(&wanted.binary)?, &config(wanted.plugin_config.as_deref())?, feed.clone()).await?;
    agent.fingerprinted().await;
    // What is bound into a container has an absolute path.
    let place = Place { words: wanted.node.words(), ..runner::node(&absolute(data)?, signer)? };
    let running = Arc::new(Running::prepare(agent, job, &place)?);
    let control = control::serve(Arc::clone(&running), data)?;
    feed.note("", format!("listening to commands with --data-dir {}", data.display()));
    let code = running.play().await;
    control.end();
    running.agent.shutdown().await;
    code
}

async fn signer(wanted: &arguments::Run, feed: &Feed) -> Result<Signer, Failure> {
    let signer = wanted.key.as_deref().map_or_else(Signer::generate, Signer::at)?;
    if let Some(address) = wanted.jwks {
        feed.note("", format!("keys at http://{}", signer.serve(address).await?));
    }
    Ok(signer)
}

fn config(path: Option<&Path>) -> Result<PluginConfig, Failure> {
    Ok(match path {
        Some(path) => PluginConfig::parse(Source::read(path)?)?,
        None => PluginConfig::from_text("config {}")?,
    })
}

impl Running {
    fn prepare(agent: Agent, job: &Job, place: &Place) -> Result<Self, Failure> {
        let driver = &agent.info.name;
        validate::check(job, &agent.task_spec, driver, &place.facts(&agent))?;
        let tasks = runner::prepare(place, &agent, job)?;
        if tasks.is_empty() {
            return Err(format!("the job has no task with driver {driver:?}").into());
        }
        Ok(Self {
            agent,
            tasks,
            stopping: watch::Sender::new(false),
            alive: Mutex::default(),
            relaunching: tokio::sync::Mutex::default(),
        })
    }

    /// Starts the tasks, waits for their end, and removes them.
    ///
    /// The first task that fails ends the others, as in an allocation; its code is the answer.
    async fn play(self: &Arc<Self>) -> Result<i32, Failure> {
        let mut stop = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        let mut kill = signal(SignalKind::user_defined1())?;
        let mut lives: FuturesUnordered<_> = self.tasks.iter().map(|task| self.life(task)).collect();
        let mut code = 0;
        loop {
            tokio::select! {
                ended = lives.next() => match ended {
                    Some(0) => {}
                    Some(failed) => {
                        code = if code == 0 { failed } else { code };
                        self.stopping.send_replace(true);
                    }
                    None => return Ok(code),
                },
                () = either(&mut stop) => drop(self.stopping.send_replace(true)),
                _ = kill.recv() => {
                    let running = Arc::clone(self);
                    tokio::spawn(async move { running.kill_plugin().await.ok() });
                }
            }
        }
    }

    /// One task from start to destruction.
    async fn life(&self, task: &Run) -> i32 {
        let feed = &self.agent.feed;
        match self.try_life(task).await {
            Ok(exit) => {
                feed.note(&task.name, ended(&exit));
                if exit.exit_code == 0 && exit.signal != 0 { 128 + exit.signal } else { exit.exit_code }
            }
            Err(why) => {
                feed.note(&task.name, format!("failed: {why}"));
                1
            }
        }
    }

    async fn try_life(&self, task: &Run) -> Result<ExitResult, Failure> {
        task.start(&self.agent).await.map_err(refused)?;
        self.alive().push(task.name.clone());
        self.agent.feed.note(&task.name, "started");
        let end = self.end_of(task);
        tokio::pin!(end);
        let exit = tokio::select! {
            exit = &mut end => exit,
            () = self.stopped(task) => end.await,
        };
        self.alive().retain(|name| *name != task.name);
        task.destroy(&self.agent, true).await.map_err(refused)?;
        exit
    }

    /// Waits for the task's end. When the plugin dies meanwhile, the next process is asked.
    async fn end_of(&self, task: &Run) -> Result<ExitResult, Failure> {
        loop {
            let process = self.agent.process();
            match task.wait(&self.agent).await {
                Ok((exit, _)) => return Ok(exit),
                Err(status) => self.go_on(&process, status).await?,
            }
        }
    }

    /// Stops the task once that is wanted.
    async fn stopped(&self, task: &Run) {
        // The sender lives in `self`.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
        self.agent.feed.note(&task.name, "stopping");
        loop {
            let process = self.agent.process();
            let Err(status) = task.stop(&self.agent).await else { return };
            if let Err(why) = self.go_on(&process, status).await {
                return self.agent.feed.note(&task.name, format!("not stopped: {why}"));
            }
        }
    }

    /// Returns when another process than `process` serves, or with the refusal when `process` lives.
    async fn go_on(&self, process: &Arc<Process>, status: tonic::Status) -> Result<(), Failure> {
        if tokio::time::timeout(SEEN_DEAD, process.dead()).await.is_err() {
            return Err(refused(status));
        }
        self.take_over(process).await
    }

    /// Kills the plugin as the kernel would; the next one takes the tasks over. Returns both process ids.
    pub async fn kill_plugin(&self) -> Result<[u32; 2], Failure> {
        let process = self.agent.process();
        process.kill_9().await;
        self.agent.feed.note("", format!("plugin process {} was killed", process.pid()));
        self.take_over(&process).await?;
        Ok([process.pid(), self.agent.process().pid()])
    }

    /// Starts the plugin anew and has it take up the tasks, once for everybody who saw `dead` die.
    async fn take_over(&self, dead: &Arc<Process>) -> Result<(), Failure> {
        let _one = self.relaunching.lock().await;
        if !Arc::ptr_eq(dead, &self.agent.process()) {
            return Ok(());
        }
        self.agent.relaunch().await?;
        let alive = self.alive().clone();
        for task in self.tasks.iter().filter(|task| alive.contains(&task.name)) {
            let recovered = task.recover(&self.agent).await;
            let told =
                recovered.map_or_else(|status| format!("not recovered: {}", status.message()), |()| "recovered".into());
            self.agent.feed.note(&task.name, told);
        }
        Ok(())
    }

    fn alive(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(path)?;
    path.canonicalize()
}

async fn either([one, other]: &mut [Signal; 2]) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

fn ended(exit: &ExitResult) -> String {
    let oom = if exit.oom_killed { ", out of memory" } else { "" };
    match exit.signal {
        0 => format!("ended with code {}{oom}", exit.exit_code),
        signal => format!("ended with code {}, signal {signal}{oom}", exit.exit_code),
    }
}

fn refused(status: tonic::Status) -> Failure {
    status.message().into()
}
