//! A command that runs inside a container, with its streams.
//!
//! Promises: output is pulled, never gathered; a command whose [`ExecProcess`] is dropped before its end is told is
//! ended, and what became of it is reported.

use std::{fmt, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use tokio_util::task::TaskTracker;

use crate::domain::TerminalSize;

use super::{Error, OutputStream};

/// A running command.
pub struct Exec {
    /// What it reads.
    pub input: Box<dyn ExecInput>,
    /// What it prints; ends when all of it was read.
    pub output: ExecChunks,
    /// Its process.
    pub process: ExecProcess,
}

/// Output of a command as it comes. The command waits while nobody asks for the next piece.
pub type ExecChunks = Pin<Box<dyn Stream<Item = Result<ExecChunk, Error>> + Send>>;

/// A piece of output. In a terminal all is standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecChunk {
    /// Where it was written to.
    pub stream: OutputStream,
    /// What was written.
    pub bytes: Bytes,
}

/// The way into a running command.
#[async_trait]
pub trait ExecInput: Send {
    /// Hands over input; waits while the command does not read. Input for a command that reads no more is dropped.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error>;

    /// Ends the input; in a terminal, as its user would.
    async fn close(&mut self) -> Result<(), Error>;

    /// Sets the size of the terminal, if there is one.
    async fn resize(&mut self, size: TerminalSize) -> Result<(), Error>;
}

/// What an engine can say about a command's process and do to it.
#[async_trait]
pub trait ExecControl: Send + Sync {
    /// Waits for the end; meant for when the output has been read, which is when it ends, too.
    async fn exit_code(&self) -> Result<i32, Error>;

    /// Ends the command's process group as far as it can be reached.
    async fn end(&self) -> Leftover;
}

/// What became of a command that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// It had ended.
    Gone,
    /// It was killed.
    Killed,
    /// It cannot be reached from here and may go on.
    Unreachable,
}

type Told = Box<dyn FnOnce(Leftover) + Send>;

/// A command's process. Dropping it before [`ExecProcess::exit_code`] has told the end ends the process.
pub struct ExecProcess {
    control: Arc<dyn ExecControl>,
    told: Option<Told>,
    /// Who waits for the ends that drops cause.
    tracker: TaskTracker,
}

impl ExecProcess {
    /// Takes charge of a process.
    pub fn new(control: Arc<dyn ExecControl>) -> Self {
        Self { control, told: Some(Box::new(log)), tracker: TaskTracker::new() }
    }

    /// Has `told` called, instead of a line in the log, when the process is ended by a drop; `tracker` can be waited for.
    pub fn tell(&mut self, tracker: &TaskTracker, told: impl FnOnce(Leftover) + Send + 'static) {
        self.told = Some(Box::new(told));
        self.tracker = tracker.clone();
    }

    /// Waits for the end, and lets go of the process then.
    pub async fn exit_code(&mut self) -> Result<i32, Error> {
        let code = self.control.exit_code().await?;
        self.told = None;
        Ok(code)
    }

    /// Ends the process now.
    pub async fn end(mut self) -> Leftover {
        let leftover = self.control.end().await;
        self.told = None;
        leftover
    }
}

impl Drop for ExecProcess {
    fn drop(&mut self) {
        let Some(told) = self.told.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let control = Arc::clone(&self.control);
        self.tracker.spawn_on(async move { told(control.end().await) }, &runtime);
    }
}

impl fmt::Debug for ExecProcess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ExecProcess").field("told", &self.told.is_none()).finish_non_exhaustive()
    }
}

fn log(leftover: Leftover) {
    match leftover {
        Leftover::Gone | Leftover::Killed => tracing::debug!(?leftover, "Command given up"),
        Leftover::Unreachable => tracing::warn!("Command given up that may still run in its container"),
    }
}
