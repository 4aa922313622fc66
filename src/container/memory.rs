//! An engine in memory for the tests of other rooms. It behaves like one: containers are made, run, are signalled, end.
//!
//! A test plays the world's part with [`MemoryEngine::end`], [`MemoryEngine::print`], [`MemoryEngine::vanish`] and
//! [`MemoryEngine::fail`], and looks at what became of it with [`MemoryEngine::created`] and the other getters.

mod exec;
mod images;
mod state;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use crate::domain::{ExecOutput, ExecRequest, ExitResult, Owner, Signal};

use super::{
    ContainerId, ContainerSpec, ContainerState, CpuStats, Credential, DiskTraffic, Engine, EngineInfo, Error, Exec,
    Extent, Image, ImageNames, ImageRef, ImageRemoval, ImageWish, Keyring, LogCursor, LogStream, MemoryStats,
    OutputStream, PauseSpec, Progress, PullProgress, Restart, Role, Stats, Summary, Traffic,
};

pub use exec::Command;
use state::State;
pub use state::{Created, Fault, Op};

/// An engine in memory. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct MemoryEngine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    instance: String,
    state: watch::Sender<State>,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new("test")
    }
}

impl MemoryEngine {
    /// Makes an engine that holds every image anybody asks for and no container.
    pub fn new(instance: &str) -> Self {
        let state = watch::Sender::new(State::default());
        Self { shared: Arc::new(Shared { instance: instance.to_owned(), state }) }
    }

    /// Lets the next call of that kind go wrong; several are used up in order.
    pub fn fail(&self, op: Op, fault: Fault) {
        self.change(|state| state.faults.push((op, fault, false)));
    }

    /// Lets every call of that kind go wrong until [`MemoryEngine::heal`].
    pub fn fail_always(&self, op: Op, fault: Fault) {
        self.change(|state| state.faults.push((op, fault, true)));
    }

    /// Forgets all faults; calls that hang go on.
    pub fn heal(&self) {
        self.change(|state| state.faults.clear());
    }

    /// Declares what an image is like; others are root's and have no stop signal.
    pub fn set_image(&self, image: Image) {
        self.change(|state| {
            state.images.insert(image.reference.clone(), image);
        });
    }

    /// Declares a user by name, as the images' `/etc/passwd` would.
    pub fn set_user(&self, name: &str, owner: Owner) {
        self.change(|state| {
            state.users.insert(name.to_owned(), owner);
        });
    }

    /// Lets containers ignore signals other than KILL from now on, as a shell that traps them does.
    pub fn ignore_signals(&self) {
        self.change(|state| state.stubborn = true);
    }

    /// Lets every exec answer so from now on.
    pub fn set_exec(&self, output: ExecOutput) {
        self.change(|state| state.exec = output);
    }

    /// Says whether the probe file is seen, which it is by default.
    pub fn set_sees_files(&self, sees: bool) {
        self.change(|state| state.blind = !sees);
    }

    /// Ends the container's process with that code.
    pub fn end(&self, id: &ContainerId, exit: ExitResult) {
        self.change(|state| state.end(id, exit));
    }

    /// Lets the container's process write.
    pub fn print(&self, id: &ContainerId, stream: OutputStream, bytes: &[u8]) {
        self.change(|state| state.print(id, stream, bytes));
    }

    /// Removes the container behind everybody's back.
    pub fn vanish(&self, id: &ContainerId) {
        self.change(|state| state.remove(id));
    }

    /// Returns every container that was ever made, in order, the removed ones too.
    pub fn created(&self) -> Vec<Created> {
        self.read(|state| state.made.clone())
    }

    /// Returns the ids of the containers that exist, in the order they were made.
    pub fn containers(&self) -> Vec<ContainerId> {
        self.read(|state| state.made.iter().map(|made| made.id.clone()).filter(|id| state.has(id)).collect())
    }

    /// Returns the ids of the pause containers that exist.
    pub fn pauses(&self) -> Vec<ContainerId> {
        let is_pause = |(id, role): (ContainerId, Role)| (role == Role::Pause).then_some(id);
        self.read(|state| state.list().into_iter().map(|found| (found.id, found.role)).filter_map(is_pause).collect())
    }

    /// Returns the ids of the containers that run.
    pub fn running(&self) -> Vec<ContainerId> {
        self.read(|state| state.containers.iter().filter(|(_, c)| c.running()).map(|(id, _)| id.clone()).collect())
    }

    /// Returns the signals that the container's process got, stop signals and kills included.
    pub fn signals(&self, id: &ContainerId) -> Vec<Signal> {
        self.read(|state| state.signals.get(id).cloned().unwrap_or_default())
    }

    /// Returns how often the container was started.
    pub fn starts(&self, id: &ContainerId) -> u32 {
        self.read(|state| state.starts.get(id).copied().unwrap_or_default())
    }

    /// Returns the commands that were run in the container.
    pub fn execs(&self, id: &ContainerId) -> Vec<Vec<String>> {
        self.read(|state| state.execs.iter().filter(|(of, _)| of == id).map(|(_, command)| command.clone()).collect())
    }

    /// Puts an image on the machine that the driver did not pull.
    pub fn put_image(&self, reference: &ImageRef) {
        self.change(|state| {
            let id = state.image(reference).id;
            state.here.insert(reference.to_string(), id);
        });
    }

    /// Returns the names of the images that are on the machine.
    pub fn images(&self) -> Vec<String> {
        self.read(|state| state.here.keys().cloned().collect())
    }

    /// Returns every pull with what the registry was shown.
    pub fn pulls(&self) -> Vec<(String, Option<Credential>)> {
        self.read(|state| state.pulls.clone())
    }

    /// Returns how often a call of that kind was made.
    pub fn calls(&self, op: Op) -> usize {
        self.read(|state| state.calls.iter().filter(|call| **call == op).count())
    }

    /// Waits until `condition` holds of this engine; the caller bounds it.
    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changes = self.shared.state.subscribe();
        while !condition(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut answer = None;
        self.shared.state.send_modify(|state| answer = Some(change(state)));
        answer.expect("the change was run")
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.shared.state.borrow())
    }

    /// Runs one call with whatever fault is set for it: before it, instead of it, or behind its back.
    async fn call<T>(&self, op: Op, act: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let fault = self.change(|state| state.enter(op));
        match fault {
            None => self.change(act),
            Some(Fault::Hang) => {
                self.until(|engine| engine.read(|state| !state.hangs(op))).await;
                self.change(act)
            }
            Some(Fault::LostReply) => {
                self.change(act)?;
                Err(Fault::LostReply.error(op))
            }
            Some(fault) => Err(fault.error(op)),
        }
    }

    /// Waits for the container's end, `None` when it is gone.
    async fn ended(&self, id: &ContainerId) -> Option<ExitResult> {
        let mut changes = self.shared.state.subscribe();
        loop {
            let (gone, exit) = self.read(|state| (!state.has(id), state.exit(id)));
            if gone || exit.is_some() || changes.changed().await.is_err() {
                return exit;
            }
        }
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn ping(&self) -> Result<(), Error> {
        self.call(Op::Ping, |_| Ok(())).await
    }

    async fn info(&self) -> Result<EngineInfo, Error> {
        self.call(Op::Info, |_| Ok(state::info())).await
    }

    async fn ensure_image(&self, wish: &ImageWish, keys: &dyn Keyring, progress: &Progress) -> Result<Image, Error> {
        if let Some(image) = self.read(|state| state.present(wish)) {
            return self.call(Op::EnsureImage, |_| Ok(image)).await;
        }
        progress(PullProgress::default());
        let shown = keys.credential(&wish.reference).await?;
        let image = self.call(Op::EnsureImage, |state| Ok(state.pull(&wish.reference, shown))).await?;
        progress(PullProgress { queued: false, layers: 1, layers_done: 1, bytes: 1, bytes_total: 1 });
        Ok(image)
    }

    async fn look_at_image(&self, name: &str) -> Result<Option<ImageNames>, Error> {
        self.call(Op::LookAtImage, |state| Ok(state.names(name))).await
    }

    async fn remove_image(&self, name: &str) -> Result<ImageRemoval, Error> {
        self.call(Op::RemoveImage, |state| Ok(state.remove_image(name))).await
    }

    async fn create(&self, spec: &ContainerSpec<'_>) -> Result<ContainerId, Error> {
        self.call(Op::Create, |state| state.create(spec, &self.shared.instance)).await
    }

    async fn create_pause(&self, spec: &PauseSpec<'_>) -> Result<ContainerId, Error> {
        self.call(Op::CreatePause, |state| Ok(state.create_pause(spec, &self.shared.instance))).await
    }

    async fn resolve_user(&self, id: &ContainerId, image: &Image, user: Option<&str>) -> Result<Owner, Error> {
        self.call(Op::ResolveUser, |state| state.owner(id, user.unwrap_or(&image.user))).await
    }

    async fn sees_file(&self, id: &ContainerId, _path: &str) -> Result<bool, Error> {
        self.call(Op::SeesFile, |state| state.get(id).map(|_| ()).map(|()| !state.blind)).await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), Error> {
        self.call(Op::Start, |state| state.start(id)).await
    }

    async fn start_again(&self, id: &ContainerId) -> Result<(), Error> {
        self.start(id).await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerState>, Error> {
        self.call(Op::Inspect, |state| Ok(state.describe(id))).await
    }

    async fn wait(&self, id: &ContainerId) -> Result<ExitResult, Error> {
        Ok(self.ended(id).await.unwrap_or_else(super::types::removed_outside))
    }

    async fn stop(&self, id: &ContainerId, signal: Option<Signal>, timeout: Duration) -> Result<(), Error> {
        let alive = self.call(Op::Stop, |state| Ok(state.kill(id, signal.unwrap_or(Signal::TERM)))).await?;
        if alive && tokio::time::timeout(timeout, self.ended(id)).await.is_err() {
            self.change(|state| state.kill(id, Signal::KILL));
        }
        Ok(())
    }

    async fn signal(&self, id: &ContainerId, signal: Signal) -> Result<(), Error> {
        self.call(Op::Signal, |state| {
            state.get(id)?;
            if state.kill(id, signal) { Ok(()) } else { Err(Error::NotRunning(id.to_string())) }
        })
        .await
    }

    async fn restart(&self, id: &ContainerId, signal: Option<Signal>, timeout: Duration) -> Result<Restart, Error> {
        if let Some(exit) = self.call(Op::Restart, |state| state.get(id).map(|_| state.exit(id))).await? {
            return Ok(Restart::Ended(exit));
        }
        self.stop(id, signal, timeout).await?;
        self.start(id).await?;
        Ok(Restart::Restarted)
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        self.call(Op::Remove, |state| {
            state.remove(id);
            Ok(())
        })
        .await
    }

    async fn list_ours(&self) -> Result<Vec<Summary>, Error> {
        self.call(Op::List, |state| Ok(state.list())).await
    }

    async fn exec(&self, id: &ContainerId, command: &[String], _timeout: Duration) -> Result<ExecOutput, Error> {
        self.call(Op::Exec, |state| state.exec(id, command)).await
    }

    async fn exec_stream(&self, id: &ContainerId, request: &ExecRequest) -> Result<Exec, Error> {
        self.open_command(id, request).await
    }

    async fn stats(&self, id: &ContainerId) -> Result<Stats, Error> {
        self.call(Op::Stats, |state| {
            state.running(id)?;
            let memory = MemoryStats { rss: 1 << 20, usage: 1 << 20, ..MemoryStats::default() };
            Ok(Stats { at: std::time::SystemTime::now(), cpu: CpuStats::default(), memory, pids: Some(1) })
        })
        .await
    }

    async fn traffic(&self, id: &ContainerId) -> Result<Traffic, Error> {
        self.call(Op::Stats, |state| {
            state.running(id)?;
            Ok(Traffic { network: None, disk: Some(DiskTraffic { written_bytes: 4096, ..DiskTraffic::default() }) })
        })
        .await
    }

    async fn logs(&self, id: &ContainerId, from: &LogCursor, extent: Extent) -> Result<LogStream, Error> {
        let there = self.call(Op::Logs, |state| state.get(id).map(|container| container.output.len())).await?;
        let (since, first) = match extent {
            Extent::Follow | Extent::Rest => (from.since_ns(), 0),
            Extent::Tail(pieces) => (i64::MIN, there.saturating_sub(pieces as usize)),
        };
        let seed = (self.clone(), id.clone(), first);
        let pieces = stream::unfold(seed, |(engine, id, next)| async move {
            let chunk = engine.piece(&id, next).await?;
            Some((chunk, (engine, id, next + 1)))
        });
        let most = if extent == Extent::Follow { usize::MAX } else { there - first };
        let pieces = pieces.take(most).filter(move |chunk| std::future::ready(chunk.at_ns >= since));
        Ok(pieces.map(|chunk| Ok(vec![chunk])).boxed())
    }
}

impl MemoryEngine {
    /// Waits for the n-th piece of output; `None` once the container has ended without it.
    async fn piece(&self, id: &ContainerId, nth: usize) -> Option<super::LogChunk> {
        let mut changes = self.shared.state.subscribe();
        loop {
            let (chunk, over) = self.read(|state| (state.chunk(id, nth), !state.alive(id)));
            if chunk.is_some() || over || changes.changed().await.is_err() {
                return chunk;
            }
        }
    }
}
