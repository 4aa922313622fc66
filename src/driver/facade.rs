//! What a front door can ask of a driver, in plain words.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::{DriverError, ExecSession, Figures, Listen, Settings};
use crate::{
    container::{CpuPercent, Stats},
    domain::{Demand, ExecOutput, ExecRequest, ExitResult, LogPaths, Signal, TaskEvent, TaskId, TaskMeta, TaskSpec},
};

/// The verbs of a task driver.
#[async_trait]
pub trait TaskDriver: Send + Sync + 'static {
    /// Takes the operator's configuration. May be called several times; touches nothing outside.
    ///
    /// # Errors
    /// A value is wrong in itself.
    fn configure(&self, settings: Settings) -> Result<(), DriverError>;

    /// Says whether output is handed to the agent; one that is told so starts no readers.
    fn collects_output(&self) -> bool;

    /// Returns what the driver reports of itself: the first at once, then changes, without end. The first call is the sign
    /// that this process is the one that lives on.
    fn fingerprints(&self) -> BoxStream<'static, Fingerprint>;

    /// Returns what happens to tasks from now on, without end.
    fn events(&self) -> BoxStream<'static, TaskEvent>;

    /// Starts a task; on failure nothing of it is left.
    async fn start(&self, spec: TaskSpec) -> Result<Started, DriverError>;

    /// Takes over a task that an earlier process started.
    async fn recover(&self, task: &TaskMeta, logs: Option<LogPaths>, state: &[u8]) -> Result<(), DriverError>;

    /// Waits for a task's end; may be asked many times and also afterwards, until it is destroyed.
    async fn wait(&self, id: &TaskId) -> Result<ExitResult, DriverError>;

    /// Ends a task: signal, time, kill. A task that is not known is fine.
    async fn stop(&self, id: &TaskId, timeout: Duration, signal: Option<Signal>) -> Result<(), DriverError>;

    /// Forgets a task and removes all of it. A task that is not known is fine.
    async fn destroy(&self, id: &TaskId, force: bool) -> Result<(), DriverError>;

    /// Returns what is known of a task.
    async fn inspect(&self, id: &TaskId) -> Result<TaskStatus, DriverError>;

    /// Sends a signal to a task's first process.
    async fn signal(&self, id: &TaskId, signal: Signal) -> Result<(), DriverError>;

    /// Has a task's secrets looked after now instead of at their time, and says what is known of that at once.
    async fn demand(&self, id: &TaskId, demand: Demand) -> Result<(), DriverError>;

    /// Runs a command inside a task; a `timeout` of zero means the driver's own limit.
    async fn exec(&self, id: &TaskId, command: Vec<String>, timeout: Duration) -> Result<ExecOutput, DriverError>;

    /// Starts a command inside a task for somebody who attends it; who drops the session ends the command.
    async fn exec_stream(&self, id: &TaskId, request: ExecRequest) -> Result<ExecSession, DriverError>;

    /// Returns samples of what a task uses; ends when the task does.
    ///
    /// # Errors
    /// The task is not known.
    fn stats(&self, id: &TaskId, interval: Duration) -> Result<BoxStream<'static, Usage>, DriverError>;

    /// Says where figures are asked for, when anywhere.
    fn metrics(&self) -> Option<Listen>;

    /// Takes a look at the driver and what its tasks use.
    ///
    /// # Errors
    /// This process does not own the tasks.
    async fn figures(&self) -> Result<Arc<Figures>, DriverError>;

    /// Makes the network that the tasks of an allocation share, or finds the one that is there.
    async fn create_network(&self, wanted: NetworkRequest) -> Result<NetworkMade, DriverError>;

    /// Removes the network of an allocation; none is fine.
    async fn destroy_network(&self, alloc_id: &str) -> Result<(), DriverError>;

    /// Lets go of all tasks without ending them; commands whose sessions were dropped are ended first.
    async fn shutdown(&self);
}

/// Whether tasks can be started here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Healthy,
    /// The engine was never seen.
    Undetected,
    /// Something is wrong; the description says what to do.
    Unhealthy,
}

/// A node attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
}

/// What the driver reports of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Whether tasks can be started.
    pub health: Health,
    /// Why, in stable words.
    pub description: String,
    /// Node attributes; none is secret.
    pub attributes: BTreeMap<String, AttributeValue>,
}

/// A task that has started.
#[derive(Clone, Debug)]
pub struct Started {
    /// Opaque bytes to recover it by; names only.
    pub state: Vec<u8>,
    /// Where it is reached, when it published ports.
    pub network: Option<NetworkInfo>,
}

/// Where a task is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Its own address.
    pub addr: String,
    /// Port labels with the port inside.
    pub ports: BTreeMap<String, i32>,
    /// Whether services shall be announced under that address.
    pub auto_advertise: bool,
}

/// A network that an allocation wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRequest {
    /// The allocation.
    pub alloc_id: String,
    /// The host name that its tasks shall see; the engine's choice when absent.
    pub hostname: Option<String>,
}

/// A network that an allocation has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkMade {
    /// The file by which its namespace is entered.
    pub path: PathBuf,
    /// The container that holds it.
    pub container: String,
    /// The host name that was asked for.
    pub hostname: Option<String>,
    /// Whether it is new, and has yet to be plumbed.
    pub created: bool,
}

/// What is known of a task.
#[derive(Clone, Debug)]
pub struct TaskStatus {
    /// Who it is.
    pub meta: TaskMeta,
    /// Whether it runs as far as we know.
    pub running: bool,
    /// When it started.
    pub started_at: SystemTime,
    /// When it ended.
    pub completed_at: Option<SystemTime>,
    /// How it ended.
    pub exit: Option<ExitResult>,
    /// Details, such as the container's id.
    pub attributes: BTreeMap<String, String>,
}

/// One sample of what a task uses.
#[derive(Clone, Debug)]
pub struct Usage {
    /// When.
    pub at: SystemTime,
    /// Use of the processor since the sample before; 100 is one core.
    pub cpu: CpuPercent,
    /// The counters themselves.
    pub stats: Stats,
}
