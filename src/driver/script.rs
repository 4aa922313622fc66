//! Runs a job's script inside its container after a change.
//!
//! The output is read, so that the script does not block, and thrown away: it may show what was just delivered. An
//! engine that cannot be reached says nothing about the script; only an exit code or the end of its time does.

use std::sync::Arc;

use futures_util::{StreamExt, future::join_all};

use super::{exec, parts::Parts};
use crate::{
    container::{self, ContainerId, Exec},
    domain::{ChangeScript, ExecRequest, TaskMeta},
};

/// How a script went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// It exited with 0.
    Well,
    /// It failed, and how.
    Failed(String),
    /// No container was running to run it in.
    Nowhere,
}

/// Runs `scripts` side by side, as Nomad does, and returns each with its outcome.
pub(super) async fn run_all<'s>(
    parts: &Arc<Parts>,
    meta: &TaskMeta,
    container: &ContainerId,
    scripts: &[&'s ChangeScript],
) -> Vec<(&'s ChangeScript, Result<Ran, container::Error>)> {
    join_all(scripts.iter().map(|script| async move { (*script, run(parts, meta, container, script).await) })).await
}

async fn run(
    parts: &Arc<Parts>,
    meta: &TaskMeta,
    container: &ContainerId,
    script: &ChangeScript,
) -> Result<Ran, container::Error> {
    let request = ExecRequest { command: script.command_line(), stdin: false, tty: false };
    let opened = super::act::patiently(|| parts.engine.exec_stream(container, &request)).await;
    let exec = match opened {
        Ok(exec) => exec,
        Err(container::Error::NotRunning(_) | container::Error::NotFound(_)) => return Ok(Ran::Nowhere),
        // The program is not there, or may not be run.
        Err(container::Error::EngineRefused { why, .. }) => return Ok(Ran::Failed(why)),
        Err(error) => return Err(error),
    };
    // Running out of time drops the process, which ends it.
    match tokio::time::timeout(script.timeout, attend(parts, meta, exec)).await {
        Ok(Ok(0)) => Ok(Ran::Well),
        Ok(Ok(code)) => Ok(Ran::Failed(format!("exit code {code}"))),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Ran::Failed(format!("not done within {:?}", script.timeout))),
    }
}

/// Reads the output to its end and returns the exit code.
async fn attend(parts: &Arc<Parts>, meta: &TaskMeta, exec: Exec) -> Result<i32, container::Error> {
    let Exec { input, mut output, mut process } = exec;
    drop(input);
    exec::watch(parts, meta, &mut process);
    while let Some(chunk) = output.next().await {
        chunk?;
    }
    process.exit_code().await
}
