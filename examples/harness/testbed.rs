//! An agent with a plugin in a directory of its own, for tests and the demo.
//!
//! ```ignore
//! let bed = TestBed::start(Program { binary, env: vec![] }, plugin_config_hcl).await;
//! let task = bed.task(job_hcl);            // the job's first task, everything prepared
//! bed.start(&task).await.expect("it starts");
//! bed.kill_9_and_recover(&[&task]).await;
//! bed.end(&task).await;                    // stop, wait, destroy
//! ```

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use strongbox::plugin::proto::drivers::ExitResult;
use tonic::Status;

use super::{
    agent::{Agent, AgentError, PluginConfig},
    alloc::Allocation,
    feed::Feed,
    identity::Signer,
    job::{self, Job},
    process::Program,
    report::{Report, Source},
    runner::{self, Place, PrepareError, Run},
};

/// An agent that has loaded the plugin.
pub struct TestBed {
    /// The agent; its `feed` has everything that happened.
    pub agent: Agent,
    place: Place,
    folder: tempfile::TempDir,
}

impl TestBed {
    /// Loads the plugin with the operator's `config` (with or without the block around it). The state and runtime
    /// directories are the caller's to name; [`TestBed::folder`] is none of theirs, but on a disk.
    ///
    /// # Errors
    /// What would keep an agent from starting.
    pub async fn load(program: Program, config: &str, signer: Signer) -> Result<Self, AgentError> {
        let config = PluginConfig::from_text(config).map_err(AgentError::Config)?;
        let agent = Agent::load(program, &config, Feed::default()).await?;
        let folder =
            tempfile::Builder::new().prefix("strongbox-bed-").tempdir_in("/var/tmp").expect("a directory on a disk");
        let place = runner::node(&folder.path().join("data"), signer).expect("a data directory");
        Ok(Self { agent, place, folder })
    }

    /// As [`TestBed::load`], with a key of its own, and panicking.
    pub async fn start(program: Program, config: &str) -> Self {
        let signer = Signer::generate().expect("a key");
        Self::load(program, config, signer).await.unwrap_or_else(|error| panic!("the agent would not start: {error}"))
    }

    /// Returns a directory that goes with the bed.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Reads a job.
    ///
    /// # Errors
    /// Points into the text.
    pub fn job(text: &str) -> Result<Job, Report> {
        job::parse(&Source::new("test.nomad.hcl", text), &BTreeMap::new())
    }

    /// Prepares the first task of a job, up to where its driver is asked.
    ///
    /// # Errors
    /// What an agent would tell instead of asking the driver, such as that the config does not fit the schema.
    pub fn try_task(&self, text: &str) -> Result<Run, PrepareError> {
        let job = Self::job(text).map_err(PrepareError::Config)?;
        let (group, task) = job.tasks().next().expect("a job with a task");
        let allocation = Arc::new(Allocation::place(&self.place.data, group)?);
        Run::prepare(&self.place, &self.agent, &allocation, &job, group, task)
    }

    /// As [`TestBed::try_task`], panicking.
    pub fn task(&self, text: &str) -> Run {
        self.try_task(text).unwrap_or_else(|error| panic!("the task cannot be prepared: {error}"))
    }

    /// Prepares every task of a job; those of a group share an allocation.
    pub fn tasks(&self, job: &Job) -> Result<Vec<Run>, PrepareError> {
        runner::prepare(&self.place, &self.agent, job)
    }

    /// Asks the driver to start a task.
    pub async fn run(&self, task: &Run) -> Result<(), Status> {
        task.start(&self.agent).await
    }

    /// Kills the plugin as the kernel would, starts it anew and has it take up `tasks`, as an agent does.
    pub async fn kill_9_and_recover(&self, tasks: &[&Run]) {
        self.kill_9().await;
        self.relaunch().await;
        for task in tasks {
            task.recover(&self.agent)
                .await
                .unwrap_or_else(|status| panic!("{} is not recovered: {}", task.name, status.message()));
        }
    }

    /// Kills the plugin as the kernel would and waits until it is dead.
    pub async fn kill_9(&self) {
        self.agent.process().kill_9().await;
    }

    /// Starts the plugin anew.
    pub async fn relaunch(&self) {
        self.agent.relaunch().await.unwrap_or_else(|error| panic!("the plugin does not start again: {error}"));
    }

    /// Stops a task, waits for its end and destroys it.
    pub async fn end(&self, task: &Run) -> ExitResult {
        task.stop(&self.agent).await.expect("stopped");
        let (exit, _) = task.wait(&self.agent).await.expect("an end");
        task.destroy(&self.agent, true).await.expect("destroyed");
        exit
    }

    /// Runs a shell command in a task and returns what it printed.
    ///
    /// # Panics
    /// The command fails.
    pub async fn sh(&self, task: &Run, script: &str) -> String {
        let output = task.exec(&self.agent, &["sh", "-c", script]).await.expect("exec");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.result.unwrap_or_default().exit_code;
        assert_eq!(code, 0, "{script:?} in {}: {stdout}{}", task.name, String::from_utf8_lossy(&output.stderr));
        stdout
    }

    /// Waits until an event about a task has `text` in it.
    ///
    /// # Panics
    /// None comes within `limit`.
    pub async fn event(&self, task: &Run, text: &str, limit: Duration) -> String {
        let found = self.agent.feed.wait_for(limit, |event| match event {
            super::feed::Event::TaskEvent { task: name, message, .. }
                if *name == task.name && message.contains(text) =>
            {
                Some(message.clone())
            }
            _ => None,
        });
        let found = found.await;
        found.unwrap_or_else(|| {
            panic!("no event with {text:?} came; there were {:#?}", self.agent.feed.task_events(&task.name))
        })
    }
}
