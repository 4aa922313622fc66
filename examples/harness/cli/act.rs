//! What can be done to a running job from outside.

use strongbox::plugin::proto::drivers::TaskStats;

use super::{
    Failure,
    control::{Answer, Request},
    run::Running,
};
use crate::harness::runner::Run;

const MEBIBYTE: f64 = (1 << 20) as f64;

/// Does what was asked.
pub async fn act(running: &Running, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::Exec { task, command } => exec(running, find(running, &task)?, &command).await,
        Request::KillPlugin => kill_plugin(running).await,
        Request::Session { .. } => Err("a session is no single question".into()),
        Request::Signal { task, signal } => send(running, find(running, &task)?, &signal).await,
        Request::Stats { task, samples } => stats(running, find(running, &task)?, samples).await,
    }
}

/// Returns the task called `name`.
pub fn find<'a>(running: &'a Running, name: &str) -> Result<&'a Run, Failure> {
    let names: Vec<_> = running.tasks.iter().map(|task| task.name.as_str()).collect();
    let found = running.tasks.iter().find(|task| task.name == name);
    found.ok_or_else(|| format!("no task {name:?} runs here; there are: {}", names.join(", ")).into())
}

async fn exec(running: &Running, task: &Run, command: &[String]) -> Result<Answer, Failure> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let output = task.exec(&running.agent, &words).await.map_err(refused)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.result.unwrap_or_default().exit_code;
    Ok(Answer { out: text(output.stdout), err: text(output.stderr), code })
}

async fn kill_plugin(running: &Running) -> Result<Answer, Failure> {
    let [old, new] = running.kill_plugin().await?;
    Ok(said(format!("process {old} killed; process {new} took over\n")))
}

async fn send(running: &Running, task: &Run, signal: &str) -> Result<Answer, Failure> {
    task.signal(&running.agent, signal).await.map_err(refused)?;
    Ok(said(format!("{signal} sent to {}\n", task.name)))
}

async fn stats(running: &Running, task: &Run, samples: u16) -> Result<Answer, Failure> {
    let samples = task.stats(&running.agent, samples.into()).await.map_err(refused)?;
    Ok(said(samples.iter().map(usage).collect()))
}

fn usage(sample: &TaskStats) -> String {
    let usage = sample.agg_resource_usage.as_ref();
    let cpu = usage.and_then(|usage| usage.cpu.as_ref()).map_or(0.0, |cpu| cpu.percent);
    let memory = usage.and_then(|usage| usage.memory.as_ref()).map_or(0, |memory| memory.usage);
    format!("cpu {cpu:.1} %  memory {:.1} MiB\n", memory as f64 / MEBIBYTE)
}

fn said(out: String) -> Answer {
    Answer { out, ..Answer::default() }
}

fn refused(status: tonic::Status) -> Failure {
    status.message().into()
}
