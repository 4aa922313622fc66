//! A driver that remembers what it was asked, behind the real wire.
//!
//! [`Wire::serve`] puts one on a socket, exactly as the plugin's process does.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use strongbox::{
    container::{self, CpuPercent, CpuStats, ExecChunk, ExecInput, MemoryStats, OutputStream, Stats},
    domain::{
        Demand, ExecOutput, ExecRequest, ExitResult, LogPaths, Signal, TaskEvent, TaskId, TaskMeta, TaskSpec,
        TerminalSize,
    },
    driver::{
        AttributeValue, Class, DriverError, ExecNews, ExecSession, Figures, Fingerprint, Health, Listen, NetworkMade,
        NetworkRequest, Settings, Started, TaskDriver, TaskStatus, Usage,
    },
    plugin,
};
use tempfile::TempDir;
use tokio::{
    net::UnixListener,
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// What the fake does for certain images and commands.
pub const PANIC: &str = "panic";
/// A start of this image waits for [`Fake::go`].
pub const SLOW: &str = "slow";

/// Remembers; a task it started is known until it is destroyed.
#[derive(Default)]
pub struct Fake {
    /// Tasks that are there.
    pub tasks: Mutex<BTreeMap<TaskId, TaskMeta>>,
    /// Allocations that have a network.
    pub networks: Mutex<BTreeSet<String>>,
    /// Every call, with what matters of it.
    pub calls: Mutex<Vec<String>>,
    /// Lets slow starts go on.
    pub go: Notify,
    /// Told when a slow start has begun.
    pub begun: Notify,
}

impl Fake {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().expect("no panic").push(call.into());
    }

    /// Returns all calls so far.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("no panic").clone()
    }

    fn known(&self, id: &TaskId) -> Result<TaskMeta, DriverError> {
        let known = self.tasks.lock().expect("no panic").get(id).cloned();
        known.ok_or_else(|| DriverError::new(Class::TaskUnknown, format!("no task {id}")))
    }
}

#[async_trait]
impl TaskDriver for Fake {
    fn configure(&self, settings: Settings) -> Result<(), DriverError> {
        self.note(format!("configure {}", settings.journal.state_dir.display()));
        Ok(())
    }

    fn collects_output(&self) -> bool {
        true
    }

    fn fingerprints(&self) -> BoxStream<'static, Fingerprint> {
        let attributes = [
            ("driver.strongbox.flag".to_owned(), AttributeValue::Flag(true)),
            ("driver.strongbox.number".to_owned(), AttributeValue::Number(7)),
        ];
        let print =
            Fingerprint { health: Health::Healthy, description: "Healthy".into(), attributes: attributes.into() };
        stream::once(async { print }).chain(stream::pending()).boxed()
    }

    fn events(&self) -> BoxStream<'static, TaskEvent> {
        stream::pending().boxed()
    }

    async fn start(&self, spec: TaskSpec) -> Result<Started, DriverError> {
        self.note(format!("start {}", spec.meta.id));
        assert_ne!(spec.container.image, PANIC, "as the test wants");
        if spec.container.image == SLOW {
            self.begun.notify_one();
            self.go.notified().await;
        }
        let mut tasks = self.tasks.lock().expect("no panic");
        if tasks.contains_key(&spec.meta.id) {
            return Err(DriverError::new(Class::TaskExists, format!("task {}", spec.meta.id)));
        }
        tasks.insert(spec.meta.id.clone(), spec.meta);
        Ok(Started { state: b"state".to_vec(), network: None })
    }

    async fn recover(&self, task: &TaskMeta, _: Option<LogPaths>, state: &[u8]) -> Result<(), DriverError> {
        if state != b"state" {
            return Err(DriverError::new(Class::StateInvalid, "driver state is not ours"));
        }
        self.tasks.lock().expect("no panic").insert(task.id.clone(), task.clone());
        Ok(())
    }

    async fn wait(&self, id: &TaskId) -> Result<ExitResult, DriverError> {
        match self.known(id)?.name.as_str() {
            "ended" => Ok(ExitResult { exit_code: 3, message: Some("it ended".into()), ..ExitResult::default() }),
            _ => std::future::pending().await,
        }
    }

    async fn stop(&self, id: &TaskId, timeout: Duration, signal: Option<Signal>) -> Result<(), DriverError> {
        self.note(format!("stop {id} {timeout:?} {signal:?}"));
        Ok(())
    }

    async fn destroy(&self, id: &TaskId, force: bool) -> Result<(), DriverError> {
        if !force && self.known(id).is_ok() {
            return Err(DriverError::new(Class::TaskRunning, format!("task {id}")));
        }
        self.tasks.lock().expect("no panic").remove(id);
        self.note(format!("destroy {id}"));
        Ok(())
    }

    async fn inspect(&self, id: &TaskId) -> Result<TaskStatus, DriverError> {
        let meta = self.known(id)?;
        let started_at = SystemTime::now();
        Ok(TaskStatus { meta, running: true, started_at, completed_at: None, exit: None, attributes: BTreeMap::new() })
    }

    async fn signal(&self, id: &TaskId, signal: Signal) -> Result<(), DriverError> {
        self.known(id)?;
        self.note(format!("signal {id} {signal}"));
        Ok(())
    }

    async fn demand(&self, id: &TaskId, demand: Demand) -> Result<(), DriverError> {
        self.known(id)?;
        self.note(format!("demand {id} {demand}"));
        Ok(())
    }

    async fn exec(&self, id: &TaskId, command: Vec<String>, timeout: Duration) -> Result<ExecOutput, DriverError> {
        self.known(id)?;
        assert_ne!(command[0], PANIC, "as the test wants");
        self.note(format!("exec {id} {command:?} {timeout:?}"));
        Ok(ExecOutput::default())
    }

    async fn exec_stream(&self, id: &TaskId, request: ExecRequest) -> Result<ExecSession, DriverError> {
        self.known(id)?;
        self.note(format!("exec_stream {id} {:?} tty={}", request.command, request.tty));
        let (heard, words) = mpsc::unbounded_channel();
        let input = Box::new(Echo(heard));
        let echo = UnboundedReceiverStream::new(words);
        Ok(ExecSession { input, output: echo.map(Ok).boxed() })
    }

    fn stats(&self, id: &TaskId, interval: Duration) -> Result<BoxStream<'static, Usage>, DriverError> {
        self.known(id)?;
        self.note(format!("stats {id} {interval:?}"));
        let at = SystemTime::now();
        let stats = Stats { at, cpu: CpuStats::default(), memory: MemoryStats::default(), pids: None };
        let usage = Usage { at, cpu: CpuPercent { total: 50.0, ..CpuPercent::default() }, stats };
        Ok(stream::once(async { usage }).boxed())
    }

    fn metrics(&self) -> Option<Listen> {
        None
    }

    async fn figures(&self) -> Result<Arc<Figures>, DriverError> {
        Ok(Arc::default())
    }

    async fn create_network(&self, wanted: NetworkRequest) -> Result<NetworkMade, DriverError> {
        self.note(format!("create network {} {:?}", wanted.alloc_id, wanted.hostname));
        let created = self.networks.lock().expect("no panic").insert(wanted.alloc_id);
        let path = PathBuf::from("/proc/1/ns/net");
        Ok(NetworkMade { path, container: "0123456789abcdef".into(), hostname: wanted.hostname, created })
    }

    async fn destroy_network(&self, alloc_id: &str) -> Result<(), DriverError> {
        self.note(format!("destroy network {alloc_id}"));
        self.networks.lock().expect("no panic").remove(alloc_id);
        Ok(())
    }

    async fn shutdown(&self) {
        self.note("shutdown");
    }
}

/// Prints what it reads, and ends with the input: with the number of bytes that it read last.
struct Echo(mpsc::UnboundedSender<ExecNews>);

#[async_trait]
impl ExecInput for Echo {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), container::Error> {
        assert_ne!(bytes, PANIC.as_bytes(), "as the test wants");
        let chunk = ExecChunk { stream: OutputStream::Stdout, bytes: bytes.to_vec().into() };
        self.0.send(ExecNews::Output(chunk)).ok();
        Ok(())
    }

    async fn close(&mut self) -> Result<(), container::Error> {
        self.0.send(ExecNews::Exited(3)).ok();
        Ok(())
    }

    async fn resize(&mut self, size: TerminalSize) -> Result<(), container::Error> {
        let text = format!("{} {}", size.rows, size.columns);
        let chunk = ExecChunk { stream: OutputStream::Stderr, bytes: text.into() };
        self.0.send(ExecNews::Output(chunk)).ok();
        Ok(())
    }
}

/// A fake driver being served.
pub struct Wire {
    /// The driver behind it.
    pub fake: Arc<Fake>,
    /// Ends the serving.
    pub ending: CancellationToken,
    /// Ends when serving has.
    pub served: JoinHandle<()>,
    /// Where it listens.
    pub socket: PathBuf,
    _dir: TempDir,
}

impl Wire {
    /// Serves a fresh fake.
    pub fn serve() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).expect("bound");
        let (fake, ending) = (Arc::new(Fake::default()), CancellationToken::new());
        let served = tokio::spawn(plugin::run(fake.clone(), listener, ending.clone()));
        Self { fake, ending, served, socket, _dir: dir }
    }

    /// Returns a connection.
    pub async fn channel(&self) -> Channel {
        channel(&self.socket).await
    }
}

/// Connects to a plugin's socket.
pub async fn channel(socket: &std::path::Path) -> Channel {
    let target = format!("unix://{}", socket.display());
    Endpoint::from_shared(target).expect("an endpoint").connect().await.expect("a connection")
}

/// Waits until `done` says so.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
