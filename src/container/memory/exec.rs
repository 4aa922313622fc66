//! Commands of the engine in memory: they print what they are set to, read what they get, and end or stay.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};

use crate::{
    container::{ContainerId, Error, Exec, ExecChunk, ExecControl, ExecInput, ExecProcess, Leftover, OutputStream},
    domain::{ExecRequest, TerminalSize},
};

use super::{MemoryEngine, Op};

/// A command with its streams, as it went.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// What was asked.
    pub request: ExecRequest,
    /// What it was given to read.
    pub input: Vec<u8>,
    /// Whether its input has ended.
    pub closed: bool,
    /// The sizes that its terminal was given.
    pub sizes: Vec<(u16, u16)>,
    /// Whether it was ended from outside.
    pub ended: bool,
}

impl MemoryEngine {
    /// Lets commands with streams stay after what they print, until they are ended or [`MemoryEngine::release_commands`].
    pub fn hold_commands(&self) {
        self.change(|state| state.held = true);
    }

    /// Lets them end.
    pub fn release_commands(&self) {
        self.change(|state| state.held = false);
    }

    /// Lets commands be out of reach when they are to be ended.
    pub fn hide_commands(&self) {
        self.change(|state| state.hidden = true);
    }

    /// Returns the commands with streams, in order.
    pub fn commands(&self) -> Vec<Command> {
        self.read(|state| state.commands.clone())
    }

    pub(super) async fn open_command(&self, id: &ContainerId, request: &ExecRequest) -> Result<Exec, Error> {
        let (nth, output) = self
            .call(Op::ExecStream, |state| {
                let output = state.exec(id, &request.command)?;
                state.commands.push(Command { request: request.clone(), ..Command::default() });
                Ok((state.commands.len() - 1, output))
            })
            .await?;
        let handle = Handle { engine: self.clone(), nth, code: output.exit_code };
        let piece = |stream, bytes: Vec<u8>| ExecChunk { stream, bytes: Bytes::from(bytes) };
        let pieces = [piece(OutputStream::Stdout, output.stdout), piece(OutputStream::Stderr, output.stderr)];
        let waiting = handle.clone();
        let end = stream::once(async move { waiting.over().await }).filter_map(|()| future::ready(None));
        let output = stream::iter(pieces).filter(|piece| future::ready(!piece.bytes.is_empty())).map(Ok).chain(end);
        let process = ExecProcess::new(Arc::new(handle.clone()));
        Ok(Exec { input: Box::new(handle), output: output.boxed(), process })
    }
}

#[derive(Clone)]
struct Handle {
    engine: MemoryEngine,
    nth: usize,
    code: i32,
}

impl Handle {
    fn change(&self, change: impl FnOnce(&mut Command)) {
        self.engine.change(|state| change(&mut state.commands[self.nth]));
    }

    async fn over(&self) {
        self.engine.until(|engine| engine.read(|state| !state.held || state.commands[self.nth].ended)).await;
    }
}

#[async_trait]
impl ExecInput for Handle {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.change(|command| command.input.extend_from_slice(bytes));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.change(|command| command.closed = true);
        Ok(())
    }

    async fn resize(&mut self, size: TerminalSize) -> Result<(), Error> {
        self.change(|command| command.sizes.push((size.rows, size.columns)));
        Ok(())
    }
}

#[async_trait]
impl ExecControl for Handle {
    async fn exit_code(&self) -> Result<i32, Error> {
        self.over().await;
        Ok(self.code)
    }

    async fn end(&self) -> Leftover {
        if self.engine.read(|state| state.hidden) {
            return Leftover::Unreachable;
        }
        self.change(|command| command.ended = true);
        Leftover::Killed
    }
}
