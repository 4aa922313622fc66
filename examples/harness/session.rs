//! A command in a task with somebody at its streams, as `nomad alloc exec` has it.

use strongbox::plugin::proto::drivers::{
    ExecTaskStreamingIoOperation as Io, ExecTaskStreamingRequest, ExecTaskStreamingResponse,
    exec_task_streaming_request::{Setup, TerminalSize},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{agent::Agent, feed::Stream, runner::Run};

/// Messages that wait for the plugin to take them.
const WAITING: usize = 8;

/// A session; dropping it is the user's leaving.
pub struct Session {
    /// The way in; may be cloned for another task.
    pub input: Input,
    answers: Streaming<ExecTaskStreamingResponse>,
}

/// The half that the user types into.
#[derive(Clone)]
pub struct Input(mpsc::Sender<ExecTaskStreamingRequest>);

/// One word of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Output has come to its end.
    Closed(Stream),
    /// The command ended with this code.
    Exited(i32),
    /// Output.
    Printed(Stream, Vec<u8>),
}

/// All that was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
    /// The exit code.
    pub code: Option<i32>,
}

impl Session {
    /// Starts a command in a task.
    pub async fn open(agent: &Agent, task: &Run, command: &[&str], tty: bool) -> Result<Self, Status> {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        let setup = Setup { task_id: task.id(), command, tty };
        Self::talk(agent, ExecTaskStreamingRequest { setup: Some(setup), ..Default::default() }).await
    }

    /// Starts the talk with a first message of one's own.
    pub async fn talk(agent: &Agent, first: ExecTaskStreamingRequest) -> Result<Self, Status> {
        let (input, messages) = mpsc::channel(WAITING);
        let input = Input(input);
        input.say(first).await;
        let answers = agent.process().driver().exec_task_streaming(ReceiverStream::new(messages)).await?;
        Ok(Self { input, answers: answers.into_inner() })
    }

    /// Waits for the next word; nothing after the last.
    pub async fn next(&mut self) -> Result<Option<Heard>, Status> {
        loop {
            match self.answers.message().await? {
                None => return Ok(None),
                Some(answer) => match heard(answer) {
                    Some(heard) => return Ok(Some(heard)),
                    None => continue,
                },
            }
        }
    }

    /// Listens to the end.
    pub async fn listen(&mut self) -> Result<Transcript, Status> {
        let mut all = Transcript::default();
        while let Some(heard) = self.next().await? {
            match heard {
                Heard::Printed(Stream::Out, bytes) => all.out.extend(bytes),
                Heard::Printed(Stream::Err, bytes) => all.err.extend(bytes),
                Heard::Exited(code) => all.code = Some(code),
                Heard::Closed(_) => {}
            }
        }
        Ok(all)
    }
}

impl Input {
    /// Types.
    pub async fn write(&self, data: impl Into<Vec<u8>>) {
        self.io(data.into(), false).await;
    }

    /// Ends the input.
    pub async fn close(&self) {
        self.io(Vec::new(), true).await;
    }

    /// Changes the terminal's size.
    pub async fn resize(&self, height: i32, width: i32) {
        self.say(ExecTaskStreamingRequest { tty_size: Some(TerminalSize { height, width }), ..Default::default() })
            .await;
    }

    /// Gives a sign of life.
    pub async fn beat(&self) {
        self.say(ExecTaskStreamingRequest::default()).await;
    }

    async fn io(&self, data: Vec<u8>, close: bool) {
        self.say(ExecTaskStreamingRequest { stdin: Some(Io { data, close }), ..Default::default() }).await;
    }

    /// Sends any message; one that comes after the end is dropped.
    pub async fn say(&self, message: ExecTaskStreamingRequest) {
        self.0.send(message).await.ok();
    }
}

fn heard(answer: ExecTaskStreamingResponse) -> Option<Heard> {
    if answer.exited {
        return Some(Heard::Exited(answer.result.map_or(-1, |result| result.exit_code)));
    }
    let (stream, io) = match (answer.stdout, answer.stderr) {
        (Some(io), _) => (Stream::Out, io),
        (None, Some(io)) => (Stream::Err, io),
        (None, None) => return None,
    };
    Some(if io.close && io.data.is_empty() { Heard::Closed(stream) } else { Heard::Printed(stream, io.data) })
}
