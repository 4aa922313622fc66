//! A command in a task with somebody at its streams.
//!
//! Its output is passed on as it is asked for, then its end; who drops the session before that has the command ended,
//! and where it cannot be reached the task's history says so.

use std::sync::Arc;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{DriverError, parts::Parts};
use crate::{
    container::{ContainerId, Exec, ExecChunk, ExecChunks, ExecInput, ExecProcess, Leftover},
    domain::{ExecRequest, TaskEvent, TaskMeta},
};

/// A running command and both directions of talk with it.
pub struct ExecSession {
    /// The way in.
    pub input: Box<dyn ExecInput>,
    /// What comes out; dropping it ends the command.
    pub output: BoxStream<'static, Result<ExecNews, DriverError>>,
}

/// What is heard of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecNews {
    /// It ended, and all of its output was passed on before.
    Exited(i32),
    /// It printed something.
    Output(ExecChunk),
}

/// Starts a command in a task.
pub(super) async fn open(
    parts: &Arc<Parts>,
    task: &TaskMeta,
    container: &ContainerId,
    request: &ExecRequest,
) -> Result<ExecSession, DriverError> {
    let Exec { input, output, mut process } = parts.engine.exec_stream(container, request).await?;
    watch(parts, task, &mut process);
    let output = stream::unfold(Some((output, process)), next).boxed();
    Ok(ExecSession { input, output })
}

/// Has the task's history say so when the process is given up and cannot be reached.
pub(super) fn watch(parts: &Arc<Parts>, task: &TaskMeta, process: &mut ExecProcess) {
    let (tracker, parts, meta) = (parts.leaving.clone(), Arc::clone(parts), task.clone());
    process.tell(&tracker, move |leftover| told(&parts, &meta, leftover));
}

type Running = Option<(ExecChunks, ExecProcess)>;

/// Passes the output on, then asks for the end: never the other way round, which would cut the output short.
async fn next(running: Running) -> Option<(Result<ExecNews, DriverError>, Running)> {
    let (mut output, mut process) = running?;
    match output.next().await {
        Some(Ok(chunk)) => Some((Ok(ExecNews::Output(chunk)), Some((output, process)))),
        Some(Err(error)) => Some((Err(error.into()), None)),
        None => Some((process.exit_code().await.map(ExecNews::Exited).map_err(DriverError::from), None)),
    }
}

fn told(parts: &Parts, meta: &TaskMeta, leftover: Leftover) {
    match leftover {
        Leftover::Gone => {}
        Leftover::Killed => tracing::info!(task_id = %meta.id, "Command ended, since nobody attends it any more"),
        Leftover::Unreachable => {
            let message =
                "a command that nobody attends any more may still run in the container; its process cannot be reached";
            parts.tell(TaskEvent::new(meta, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        container::{ContainerSpec, Engine, Image, MemoryEngine, OutputStream, fixture},
        domain::ExecOutput,
        driver::Settings,
        journal::{self, Journal},
    };

    struct Bench {
        engine: MemoryEngine,
        parts: Arc<Parts>,
        meta: TaskMeta,
        container: ContainerId,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let engine = MemoryEngine::default();
            let output = ExecOutput { stdout: b"out".to_vec(), stderr: b"err".to_vec(), exit_code: 4 };
            engine.set_exec(output);
            let task = fixture::task("550e8400/web/1");
            let spec = ContainerSpec { task: &task, image: &Image::default(), secrets: None, connection: None };
            let container = engine.create(&spec).await.expect("created");
            engine.start(&container).await.expect("started");
            let journal = Journal::open(&journal::Settings { state_dir: folder.path().into() }).expect("a journal");
            let parts = Parts::new(Settings::default(), Arc::new(engine.clone()), None, journal).expect("parts");
            Self { engine, parts: Arc::new(parts), meta: task.meta, container, _folder: folder }
        }

        async fn open(&self) -> ExecSession {
            let request = ExecRequest { command: vec!["sh".into()], stdin: true, tty: false };
            open(&self.parts, &self.meta, &self.container, &request).await.expect("opened")
        }
    }

    async fn within<T>(what: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(10), what).await.expect("in time")
    }

    #[tokio::test]
    async fn output_comes_whole_and_before_the_end() {
        let bench = Bench::new().await;
        let mut session = bench.open().await;
        session.input.write(b"in").await.expect("taken");
        session.input.close().await.expect("taken");
        let news: Vec<_> = within(session.output.map(|news| news.expect("no error")).collect()).await;
        let output = |stream, bytes: &'static str| ExecNews::Output(ExecChunk { stream, bytes: bytes.into() });
        let expected = [output(OutputStream::Stdout, "out"), output(OutputStream::Stderr, "err"), ExecNews::Exited(4)];
        assert_eq!(news, expected);
        let command = &bench.engine.commands()[0];
        assert_eq!((command.input.as_slice(), command.closed, command.ended), (b"in".as_slice(), true, false));
    }

    #[tokio::test]
    async fn a_session_that_is_dropped_ends_its_command() {
        let bench = Bench::new().await;
        bench.engine.hold_commands();
        let mut session = bench.open().await;
        within(session.output.next()).await.expect("some output").expect("no error");
        drop(session);
        within(bench.engine.until(|engine| engine.commands()[0].ended)).await;
    }

    #[tokio::test]
    async fn a_command_out_of_reach_becomes_an_event() {
        let bench = Bench::new().await;
        bench.engine.hold_commands();
        bench.engine.hide_commands();
        let mut events = bench.parts.events();
        drop(bench.open().await);
        let event = within(events.recv()).await.expect("an event");
        assert!(event.message.contains("may still run"), "{}", event.message);
        assert_eq!(event.task_name, "web");
    }
}
