//! Commands run inside a container.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bollard::{
    exec::{CreateExecOptions, ResizeExecOptions},
    models::ExecInspectResponse,
};
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};
use tokio::{io::AsyncWriteExt, net::unix::OwnedWriteHalf};

use crate::{
    container::{
        ContainerId, Docker, Error, Exec, ExecChunk, ExecChunks, ExecControl, ExecInput, ExecProcess, Leftover,
        OutputStream,
    },
    domain::{ExecOutput, ExecRequest, TerminalSize},
};

use super::{
    attach::attach,
    client::{SHORT, bounded},
};

/// Most that is kept of each stream of a command that is run to its end; the rest is read and dropped, so that the
/// command is not blocked by it.
const OUTPUT_MAX: usize = 1 << 20;
/// First and longest pause between two looks at a command that has closed its output and not ended.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Tries to end a command, which may be about to start, and the pause between two.
const TRIES: u32 = 40;
const TRY_PAUSE: Duration = Duration::from_millis(50);
/// What a terminal's user types for it, twice.
const END_OF_INPUT: [u8; 2] = [4, 4];
/// Leaves a terminal and its command; nobody types this by accident. It cannot be switched off, and what the engine
/// takes unless told otherwise is what a shell uses to go back in its history.
const DETACH: &str = "ctrl-],ctrl-^,ctrl-_,ctrl-]";

impl Docker {
    /// Starts a command and hands over its streams.
    pub(super) async fn open_command(&self, id: &ContainerId, request: &ExecRequest) -> Result<Exec, Error> {
        let exec = self.prepare(id, request).await?;
        let command = Arc::new(Command { api: self.api().await?, container: id.clone(), exec });
        // In charge before the start is asked for: whoever leaves in the middle of it leaves a process.
        let process = ExecProcess::new(command.clone());
        let doing = format!("run a command in container {id}");
        let (socket, path) =
            (self.socket().clone(), self.versioned_path(&format!("/exec/{}/start", command.exec)).await);
        let body = serde_json::json!({ "Detach": false, "Tty": request.tty }).to_string();
        let (input, output) = attached(socket, path, body, &doing).await?.split(request.tty, &doing);
        let input = Input { half: input, tty: request.tty, line_begins: true, command };
        Ok(Exec { input: Box::new(input), output, process })
    }

    /// Runs a command. The output is read to its end before the exit code is asked for, so none is lost. A timeout of
    /// zero means none.
    pub(super) async fn run_command(
        &self,
        id: &ContainerId,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, Error> {
        let request = ExecRequest { command: command.to_vec(), ..ExecRequest::default() };
        // The way in is held open: closing it would be the end of input.
        let Exec { input: _input, output, mut process } = self.open_command(id, &request).await?;
        let limit = if timeout.is_zero() { Duration::MAX } else { timeout };
        match tokio::time::timeout(limit, to_the_end(output, &mut process)).await {
            Ok(output) => output,
            Err(_) => {
                let leftover = process.end().await.words();
                Err(Error::ExecTimeout { container: id.to_string(), after: timeout, leftover })
            }
        }
    }

    async fn prepare(&self, id: &ContainerId, request: &ExecRequest) -> Result<String, Error> {
        let doing = format!("prepare a command in container {id}");
        let options = CreateExecOptions {
            cmd: Some(request.command.clone()),
            attach_stdin: Some(request.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(request.tty),
            detach_keys: request.tty.then(|| DETACH.to_owned()),
            ..CreateExecOptions::default()
        };
        let request = |api: bollard::Docker| async move { api.create_exec(id.as_str(), options).await };
        Ok(self.on_container(&doing, SHORT, id, request).await?.id)
    }
}

async fn attached(socket: PathBuf, path: String, body: String, doing: &str) -> Result<super::attach::Attached, Error> {
    match tokio::time::timeout(SHORT, attach(&socket, &path, &body, doing)).await {
        Ok(attached) => attached,
        Err(_) => Err(Error::EngineTimeout { doing: doing.to_owned(), after: SHORT }),
    }
}

async fn to_the_end(mut pieces: ExecChunks, process: &mut ExecProcess) -> Result<ExecOutput, Error> {
    let mut output = ExecOutput::default();
    while let Some(piece) = pieces.next().await {
        keep(&mut output, piece?);
    }
    output.exit_code = process.exit_code().await?;
    Ok(output)
}

fn keep(output: &mut ExecOutput, piece: ExecChunk) {
    let kept = match piece.stream {
        OutputStream::Stderr => &mut output.stderr,
        OutputStream::Stdout => &mut output.stdout,
    };
    let room = OUTPUT_MAX - kept.len().min(OUTPUT_MAX);
    kept.extend_from_slice(&piece.bytes[..piece.bytes.len().min(room)]);
}

impl Leftover {
    /// Ends a sentence about a command that took too long.
    fn words(self) -> &'static str {
        match self {
            Self::Gone => "",
            Self::Killed => " and was killed",
            Self::Unreachable => " and may still run",
        }
    }
}

struct Input {
    half: OwnedWriteHalf,
    tty: bool,
    line_begins: bool,
    command: Arc<Command>,
}

#[async_trait]
impl ExecInput for Input {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.line_begins = bytes.last().map_or(self.line_begins, |byte| matches!(byte, b'\n' | b'\r'));
        // A command that has ended reads no more; its end is told elsewhere.
        self.half.write_all(bytes).await.ok();
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Error> {
        if self.tty {
            // The engine would take the end of a terminal's input for the end of its output. The key for it counts at
            // the beginning of a line only; elsewhere it hands over what was typed.
            let keys = if self.line_begins { &END_OF_INPUT[..1] } else { &END_OF_INPUT[..] };
            self.half.write_all(keys).await.ok();
        } else {
            self.half.shutdown().await.ok();
        }
        Ok(())
    }

    async fn resize(&mut self, size: TerminalSize) -> Result<(), Error> {
        if !self.tty {
            return Ok(());
        }
        let Command { api, exec, container } = &*self.command;
        let doing = format!("resize the terminal of a command in container {container}");
        let options = ResizeExecOptions { height: size.rows, width: size.columns };
        match bounded(&doing, SHORT, api.resize_exec(exec, options)).await {
            // The engine says so when the command has ended or is not quite there yet.
            Err(Error::EngineRefused { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A command, by the engine's name for it.
struct Command {
    api: bollard::Docker,
    container: ContainerId,
    exec: String,
}

impl Command {
    async fn look(&self) -> Result<ExecInspectResponse, Error> {
        let doing = format!("look at a command in container {}", self.container);
        bounded(&doing, SHORT, self.api.inspect_exec(&self.exec)).await
    }

    /// Tries once to end the command; nothing while it is not there yet or out of reach.
    async fn end_now(&self) -> Option<Leftover> {
        // The engine says that a command runs before it knows its process.
        let state = self.look().await.ok()?;
        if state.running != Some(true) {
            return state.exit_code.map(|_| Leftover::Gone);
        }
        let pid = state.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)?;
        (belongs(pid, &self.container) && kill(pid)).then_some(Leftover::Killed)
    }
}

#[async_trait]
impl ExecControl for Command {
    async fn exit_code(&self) -> Result<i32, Error> {
        let mut pause = LOOKS.0;
        loop {
            let state = self.look().await?;
            if state.running != Some(true) {
                return Ok(state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOKS.1);
        }
    }

    /// The engine has no way to end a command, so its processes are killed from outside where they can be seen.
    async fn end(&self) -> Leftover {
        for _ in 0..TRIES {
            if let Some(leftover) = self.end_now().await {
                return leftover;
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
        // One that has not begun by now will not: the start was refused, or the engine has ended in it.
        let begun = self.look().await.map_or(true, |state| state.running == Some(true));
        if begun { Leftover::Unreachable } else { Leftover::Gone }
    }
}

/// Kills the process with those that it started, unless they have gone their own way.
fn kill(pid: Pid) -> bool {
    match getpgid(Some(pid)) {
        Ok(group) if group == pid => kill_process_group(pid, Signal::KILL).is_ok(),
        _ => kill_process(pid, Signal::KILL).is_ok(),
    }
}

/// A number from the engine is only trusted when the process is in the container's cgroup: it may count elsewhere.
fn belongs(pid: Pid, id: &ContainerId) -> bool {
    let path = format!("/proc/{}/cgroup", pid.as_raw_nonzero());
    std::fs::read_to_string(path).is_ok_and(|cgroups| cgroups.contains(id.as_str()))
}
