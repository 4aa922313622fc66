//! The state of the engine in memory: plain data and its changes, no waiting.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use time::OffsetDateTime;

use crate::{
    container::{
        Connection, ContainerId, ContainerSpec, ContainerState, Credential, EngineInfo, Error, Image, LogChunk,
        OutputStream, PauseSpec, Role, RunState, Summary, container_name, labels, pause_labels, spec::marked_task,
    },
    domain::{ExecOutput, ExitResult, Owner, Signal, TaskSpec},
};

use super::Command;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the port's function of that name")]
pub enum Op {
    Create,
    CreatePause,
    EnsureImage,
    Exec,
    ExecStream,
    Info,
    Inspect,
    List,
    Logs,
    LookAtImage,
    Ping,
    Remove,
    RemoveImage,
    ResolveUser,
    Restart,
    SeesFile,
    Signal,
    Start,
    Stats,
    Stop,
}

/// A way for a call to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Never answers, until healed; then it does what it was asked.
    Hang,
    /// The image is refused.
    ImageRefused,
    /// The registry is away.
    ImageUnavailable,
    /// Does what it was asked and loses the answer.
    LostReply,
    /// Refuses for good.
    Refused,
    /// Refuses for now.
    RefusedForNow,
    /// Takes too long, and does nothing.
    Timeout,
    /// Cannot be reached.
    Unavailable,
}

/// A container as it was asked for.
#[derive(Clone, Debug)]
pub struct Created {
    /// Which container.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it was made from.
    pub task: TaskSpec,
    /// The directory bound at `/run/secrets`.
    pub secrets: Option<PathBuf>,
    /// What it was connected to.
    pub connection: Connection,
    /// The image's content id.
    pub image: String,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) containers: BTreeMap<ContainerId, Container>,
    pub(super) made: Vec<Created>,
    pub(super) signals: HashMap<ContainerId, Vec<Signal>>,
    pub(super) starts: HashMap<ContainerId, u32>,
    pub(super) execs: Vec<(ContainerId, Vec<String>)>,
    pub(super) images: HashMap<String, Image>,
    /// Names of the images that are on the machine, with the image's id.
    pub(super) here: BTreeMap<String, String>,
    pub(super) pulls: Vec<(String, Option<Credential>)>,
    pub(super) users: HashMap<String, Owner>,
    pub(super) faults: Vec<(Op, Fault, bool)>,
    pub(super) calls: Vec<Op>,
    pub(super) exec: ExecOutput,
    pub(super) commands: Vec<Command>,
    pub(super) held: bool,
    pub(super) hidden: bool,
    pub(super) stubborn: bool,
    pub(super) blind: bool,
    ticks: i64,
    added: usize,
}

#[derive(Debug)]
pub(super) struct Container {
    nth: usize,
    name: String,
    labels: BTreeMap<String, String>,
    image: String,
    hostname: String,
    created: OffsetDateTime,
    started: Option<OffsetDateTime>,
    finished: Option<OffsetDateTime>,
    exit: Option<ExitResult>,
    pub(super) output: Vec<LogChunk>,
}

impl Container {
    pub(super) fn running(&self) -> bool {
        self.started.is_some() && self.exit.is_none()
    }

    fn state(&self) -> RunState {
        match (self.started, &self.exit) {
            (None, _) => RunState::Created,
            (Some(_), None) => RunState::Running,
            (Some(_), Some(_)) => RunState::Ended,
        }
    }
}

impl State {
    /// Notes the call and takes the fault that is set for it.
    pub(super) fn enter(&mut self, op: Op) -> Option<Fault> {
        self.calls.push(op);
        let at = self.faults.iter().position(|(of, _, _)| *of == op)?;
        let (_, fault, always) = self.faults[at];
        if !always && fault != Fault::Hang {
            self.faults.remove(at);
        }
        Some(fault)
    }

    pub(super) fn hangs(&self, op: Op) -> bool {
        self.faults.iter().any(|(of, fault, _)| *of == op && *fault == Fault::Hang)
    }

    pub(super) fn create(&mut self, spec: &ContainerSpec<'_>, instance: &str) -> Result<ContainerId, Error> {
        let name = container_name(&spec.task.meta);
        self.remove_by_name(&name);
        let labels = labels(&spec.task.meta, instance);
        let hostname = spec.task.container.hostname.clone();
        let id = self.add(name.clone(), labels.clone(), spec.image.id.clone(), hostname);
        self.made.push(Created {
            id: id.clone(),
            name,
            labels,
            task: spec.task.clone(),
            secrets: spec.secrets.map(PathBuf::from),
            connection: spec.connection.cloned().unwrap_or_default(),
            image: spec.image.id.clone(),
        });
        Ok(id)
    }

    pub(super) fn create_pause(&mut self, spec: &PauseSpec<'_>, instance: &str) -> ContainerId {
        let (name, labels) = (spec.name(), pause_labels(spec.alloc_id, instance));
        self.remove_by_name(&name);
        self.add(name, labels, spec.image.id.clone(), spec.hostname.map(str::to_owned))
    }

    fn add(
        &mut self,
        name: String,
        labels: BTreeMap<String, String>,
        image: String,
        hostname: Option<String>,
    ) -> ContainerId {
        self.added += 1;
        let id: ContainerId = format!("{:064x}", self.added).parse().expect("hexadecimal digits");
        let container = Container {
            nth: self.added,
            name,
            labels,
            image,
            hostname: hostname.unwrap_or_else(|| id.short().to_owned()),
            created: OffsetDateTime::now_utc(),
            started: None,
            finished: None,
            exit: None,
            output: Vec::new(),
        };
        self.containers.insert(id.clone(), container);
        id
    }

    fn remove_by_name(&mut self, name: &str) {
        self.containers.retain(|_, container| container.name != name);
    }

    pub(super) fn owner(&self, id: &ContainerId, user: &str) -> Result<Owner, Error> {
        self.get(id)?;
        let (name, group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
        let numeric = name.parse().ok().map(|uid| Owner { uid, gid: group.and_then(|g| g.parse().ok()).unwrap_or(0) });
        let known = if name.is_empty() { Some(Owner { uid: 0, gid: 0 }) } else { self.users.get(name).copied() };
        numeric.or(known).ok_or_else(|| Error::ConfigInvalid {
            option: format!("user {name:?}"),
            why: "the image has no such user".into(),
        })
    }

    pub(super) fn start(&mut self, id: &ContainerId) -> Result<(), Error> {
        let container = self.containers.get_mut(id).ok_or_else(|| Error::NotFound(id.to_string()))?;
        if !container.running() {
            container.started = Some(OffsetDateTime::now_utc());
            container.exit = None;
            *self.starts.entry(id.clone()).or_default() += 1;
        }
        Ok(())
    }

    /// Delivers a signal; `false` when there is no process to get it.
    pub(super) fn kill(&mut self, id: &ContainerId, signal: Signal) -> bool {
        if !self.alive(id) {
            return false;
        }
        self.signals.entry(id.clone()).or_default().push(signal);
        let deadly = signal == Signal::KILL || (signal == Signal::TERM && !self.stubborn);
        if deadly {
            let number = signal.number();
            self.end(id, ExitResult { exit_code: 128 + number, signal: number, ..ExitResult::default() });
        }
        true
    }

    pub(super) fn end(&mut self, id: &ContainerId, exit: ExitResult) {
        if let Some(container) = self.containers.get_mut(id).filter(|container| container.running()) {
            container.exit = Some(exit);
            container.finished = Some(OffsetDateTime::now_utc());
        }
    }

    pub(super) fn print(&mut self, id: &ContainerId, stream: OutputStream, bytes: &[u8]) {
        self.ticks += 1;
        let chunk = LogChunk { stream, at_ns: self.ticks, bytes: Bytes::copy_from_slice(bytes) };
        if let Some(container) = self.containers.get_mut(id) {
            container.output.push(chunk);
        }
    }

    pub(super) fn remove(&mut self, id: &ContainerId) {
        self.containers.remove(id);
    }

    pub(super) fn exec(&mut self, id: &ContainerId, command: &[String]) -> Result<ExecOutput, Error> {
        self.running(id)?;
        self.execs.push((id.clone(), command.to_vec()));
        Ok(self.exec.clone())
    }

    pub(super) fn has(&self, id: &ContainerId) -> bool {
        self.containers.contains_key(id)
    }

    pub(super) fn alive(&self, id: &ContainerId) -> bool {
        self.containers.get(id).is_some_and(Container::running)
    }

    pub(super) fn exit(&self, id: &ContainerId) -> Option<ExitResult> {
        self.containers.get(id).and_then(|container| container.exit.clone())
    }

    pub(super) fn chunk(&self, id: &ContainerId, nth: usize) -> Option<LogChunk> {
        self.containers.get(id)?.output.get(nth).cloned()
    }

    pub(super) fn get(&self, id: &ContainerId) -> Result<&Container, Error> {
        self.containers.get(id).ok_or_else(|| Error::NotFound(id.to_string()))
    }

    pub(super) fn running(&self, id: &ContainerId) -> Result<(), Error> {
        if self.get(id)?.running() { Ok(()) } else { Err(Error::NotRunning(id.to_string())) }
    }

    pub(super) fn describe(&self, id: &ContainerId) -> Option<ContainerState> {
        let container = self.containers.get(id)?;
        Some(ContainerState {
            id: id.clone(),
            state: container.state(),
            pid: container.running().then_some(u32::MAX - container.nth as u32),
            exit: container.exit.clone(),
            started_at: container.started,
            finished_at: container.finished,
            ip: None,
            ip6: None,
            network: None,
            labels: container.labels.clone(),
            image: container.image.clone(),
            sandbox: None,
            hostname: container.hostname.clone(),
        })
    }

    pub(super) fn list(&self) -> Vec<Summary> {
        self.containers
            .iter()
            .map(|(id, container)| {
                let (task_id, task_key) = marked_task(&container.labels).unzip();
                Summary {
                    id: id.clone(),
                    name: container.name.clone(),
                    task_id,
                    task_key,
                    role: Role::marked(&container.labels),
                    alloc_id: container.labels.get("strongbox.alloc_id").cloned(),
                    task_name: container.labels.get("strongbox.task_name").cloned(),
                    state: container.state(),
                    created: container.created,
                }
            })
            .collect()
    }
}

impl Fault {
    /// Returns the error that a caller sees.
    pub(super) fn error(self, op: Op) -> Error {
        let doing = format!("{op:?}").to_lowercase();
        let why = String::from("made up for a test");
        match self {
            Self::ImageRefused => Error::ImageRefused { image: "x".into(), why },
            Self::ImageUnavailable => Error::ImageUnavailable { image: "x".into(), why },
            Self::Hang | Self::Timeout => Error::EngineTimeout { doing, after: Duration::from_secs(30) },
            Self::Refused => Error::EngineRefused { doing, why, passing: false },
            Self::RefusedForNow => Error::EngineRefused { doing, why, passing: true },
            Self::LostReply | Self::Unavailable => Error::EngineUnavailable { doing, why },
        }
    }
}

pub(super) fn info() -> EngineInfo {
    EngineInfo {
        id: "memory".into(),
        version: "0".into(),
        api_version: "1.41".into(),
        os: "linux".into(),
        arch: "amd64".into(),
        cgroup_version: "2".into(),
        cgroup_driver: "cgroupfs".into(),
        storage_driver: "memory".into(),
        log_driver: "json-file".into(),
        cpus: 2,
        memory: 1 << 30,
        ..EngineInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Anonymous, Engine, ImageWish, MemoryEngine, Pull, fixture};

    async fn made(engine: &MemoryEngine) -> ContainerId {
        let task = fixture::task("a/b/1");
        let wish = ImageWish::new("busybox:1".parse().expect("good"), Pull::Missing);
        let image = engine.ensure_image(&wish, &Anonymous, &|_| ()).await;
        let spec = ContainerSpec { task: &task, image: &image.expect("is there"), secrets: None, connection: None };
        engine.create(&spec).await.expect("created")
    }

    #[tokio::test]
    async fn a_container_lives_and_ends() {
        let engine = MemoryEngine::default();
        let id = made(&engine).await;
        engine.start(&id).await.expect("started");
        engine.stop(&id, None, Duration::from_secs(5)).await.expect("stopped");
        assert_eq!(engine.wait(&id).await.expect("ended").exit_code, 143);
        assert!(matches!(engine.signal(&id, Signal::HUP).await, Err(Error::NotRunning(_))));
        engine.remove(&id).await.expect("removed");
        assert!(engine.inspect(&id).await.expect("asked").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stubborn_process_is_killed_after_its_grace() {
        let engine = MemoryEngine::default();
        engine.ignore_signals();
        let id = made(&engine).await;
        engine.start(&id).await.expect("started");
        engine.stop(&id, None, Duration::from_secs(5)).await.expect("stopped");
        assert_eq!(engine.signals(&id), [Signal::TERM, Signal::KILL]);
    }

    #[tokio::test]
    async fn a_lost_reply_leaves_the_container() {
        let engine = MemoryEngine::default();
        engine.fail(Op::Create, Fault::LostReply);
        let task = fixture::task("a/b/1");
        let image = Image::default();
        let spec = ContainerSpec { task: &task, image: &image, secrets: None, connection: None };
        assert!(engine.create(&spec).await.is_err());
        assert_eq!(engine.list_ours().await.expect("listed").len(), 1);
        engine.create(&spec).await.expect("made again");
        assert_eq!(engine.containers().len(), 1);
    }
}
