//! Commands run inside a container.

use std::time::Duration;

use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
};
use futures_util::StreamExt;

use crate::{
    container::{ContainerId, Docker, Error},
    domain::ExecOutput,
};

use super::client::{SHORT, bounded, sorted};

/// Most that is kept of each stream; the rest is read and dropped, so that the command is not blocked by it.
const OUTPUT_MAX: usize = 1 << 20;

impl Docker {
    /// Runs a command. The output is read to its end before the exit code is asked for, so none is lost. A timeout of
    /// zero means none.
    pub(super) async fn run_command(
        &self,
        id: &ContainerId,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, Error> {
        let exec = self.prepare(id, command).await?;
        let limit = if timeout.is_zero() { Duration::MAX } else { timeout };
        match tokio::time::timeout(limit, self.attend(id, &exec)).await {
            Ok(output) => output,
            Err(_) => Err(self.abandon(id, &exec, timeout).await),
        }
    }

    async fn prepare(&self, id: &ContainerId, command: &[String]) -> Result<String, Error> {
        let doing = format!("prepare a command in container {id}");
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let request = |api: bollard::Docker| async move { api.create_exec(id.as_str(), options).await };
        Ok(self.on_container(&doing, SHORT, id, request).await?.id)
    }

    async fn attend(&self, id: &ContainerId, exec: &str) -> Result<ExecOutput, Error> {
        let doing = format!("run a command in container {id}");
        let api = self.api().await?;
        let options = StartExecOptions { output_capacity: Some(64 << 10), ..StartExecOptions::default() };
        let started = bounded(&doing, SHORT, api.start_exec(exec, Some(options))).await?;
        let mut output = ExecOutput::default();
        // The write half is kept: dropping it would be the end of input for a command that reads none.
        if let StartExecResults::Attached { output: mut pieces, input: _input } = started {
            while let Some(piece) = pieces.next().await {
                keep(&mut output, piece.map_err(|failure| sorted(&doing, failure))?);
            }
        }
        let ended = bounded(&doing, SHORT, api.inspect_exec(exec)).await?;
        output.exit_code = ended.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
        Ok(output)
    }

    /// The engine has no way to end a command, so its process is killed from outside where it can be seen.
    async fn abandon(&self, id: &ContainerId, exec: &str, after: Duration) -> Error {
        let leftover = match self.leftover(id, exec).await {
            Leftover::Gone => "",
            Leftover::Killed => " and was killed",
            Leftover::Unreachable => " and may still run",
        };
        Error::ExecTimeout { container: id.to_string(), after, leftover }
    }

    async fn leftover(&self, id: &ContainerId, exec: &str) -> Leftover {
        let request = |api: bollard::Docker| async move { api.inspect_exec(exec).await };
        let Ok(state) = self.call("look at a command", SHORT, request).await else { return Leftover::Unreachable };
        if state.running == Some(false) {
            return Leftover::Gone;
        }
        let pid = state.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        match pid.filter(|pid| belongs(*pid, id)) {
            Some(pid) if rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok() => Leftover::Killed,
            _ => Leftover::Unreachable,
        }
    }
}

enum Leftover {
    Gone,
    Killed,
    Unreachable,
}

/// A number from the engine is only trusted when the process is in the container's cgroup: it may count elsewhere.
fn belongs(pid: rustix::process::Pid, id: &ContainerId) -> bool {
    let path = format!("/proc/{}/cgroup", pid.as_raw_nonzero());
    std::fs::read_to_string(path).is_ok_and(|cgroups| cgroups.contains(id.as_str()))
}

fn keep(output: &mut ExecOutput, piece: LogOutput) {
    let (kept, bytes) = match piece {
        LogOutput::StdErr { message } => (&mut output.stderr, message),
        LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut output.stdout, message),
        LogOutput::StdIn { .. } => return,
    };
    let room = OUTPUT_MAX - kept.len().min(OUTPUT_MAX);
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
