//! The way into a running harness: a unix socket in its data directory, one JSON line each way.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

use super::{Failure, print, run::Running};

const NAME: &str = "control.sock";

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    Exec { task: String, command: Vec<String> },
    KillPlugin,
    Signal { task: String, signal: String },
    Stats { task: String },
}

/// What is answered: text for stdout and the exit code, or why not.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    text: String,
    code: i32,
}

/// Answers until the returned task is aborted.
pub fn serve(running: Arc<Running>, data: &Path) -> io::Result<JoinHandle<()>> {
    let path = data.join(NAME);
    fs::remove_file(&path).ok();
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let running = Arc::clone(&running);
            tokio::spawn(async move { answer(&running, stream).await.ok() });
        }
    }))
}

async fn answer(running: &Running, stream: UnixStream) -> Result<(), Failure> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let answer = match act(running, serde_json::from_str(&line)?).await {
        Ok(answer) => answer,
        Err(error) => Answer { text: format!("error: {error}"), code: 1 },
    };
    let text = serde_json::to_string(&answer)? + "\n";
    Ok(stream.get_mut().write_all(text.as_bytes()).await?)
}

async fn act(running: &Running, request: Request) -> Result<Answer, Failure> {
    let find = |name: &str| {
        let found = running.tasks.iter().find(|task| task.name == name);
        found.ok_or_else(|| {
            format!("no task {name:?}; there are {:?}", running.tasks.iter().map(|task| &task.name).collect::<Vec<_>>())
        })
    };
    let refused = |status: tonic::Status| status.message().to_owned();
    Ok(match request {
        Request::Exec { task, command } => {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let output = find(&task)?.exec(&running.agent, &words).await.map_err(refused)?;
            let text = [output.stdout, output.stderr].concat();
            Answer {
                text: String::from_utf8_lossy(&text).into_owned(),
                code: output.result.unwrap_or_default().exit_code,
            }
        }
        Request::KillPlugin => {
            let process = running.agent.process();
            process.kill_9().await;
            Answer { text: format!("plugin process {} killed", process.pid()), code: 0 }
        }
        Request::Signal { task, signal } => {
            find(&task)?.signal(&running.agent, &signal).await.map_err(refused)?;
            Answer { text: format!("{signal} sent to {task}"), code: 0 }
        }
        Request::Stats { task } => {
            let samples = find(&task)?.stats(&running.agent, 2).await.map_err(refused)?;
            let words = |sample: &strongbox::plugin::proto::drivers::TaskStats| {
                let usage = sample.agg_resource_usage.as_ref();
                let cpu = usage.and_then(|usage| usage.cpu.as_ref()).map_or(0.0, |cpu| cpu.percent);
                let memory = usage.and_then(|usage| usage.memory.as_ref()).map_or(0, |memory| memory.usage);
                format!("cpu {cpu:.1} %  memory {:.1} MiB", memory as f64 / f64::from(1 << 20))
            };
            Answer { text: samples.last().map(words).unwrap_or_default(), code: 0 }
        }
    })
}

/// Asks a running harness and prints its answer.
pub async fn ask(data: &Path, request: Request) -> Result<i32, Failure> {
    let path = data.join(NAME);
    let stream =
        UnixStream::connect(&path).await.map_err(|error| format!("no harness runs in {}: {error}", data.display()))?;
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all((serde_json::to_string(&request)? + "\n").as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let answer: Answer = serde_json::from_str(&line)?;
    print::out(answer.text.trim_end());
    Ok(answer.code)
}
