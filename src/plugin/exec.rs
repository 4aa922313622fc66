//! The talk between an agent's user and a command: requests become input, news become answers.
//!
//! ```text
//!   agent ── setup, then input · sizes · nothing (a sign of life) ──▶ feed ──▶ command
//!   agent ◀── output · … · both closed · exited ─────────────────── answers ◀── command
//! ```
//!
//! An agent never closes its half; input ends with a word. Nothing is kept here: a command whose output nobody takes
//! waits, and so does an agent whose input no command reads.

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::{
    convert, guard,
    proto::drivers::{ExecTaskStreamingIoOperation as Io, *},
    status::{malformed, status},
};
use crate::{
    container::{ExecInput, OutputStream},
    domain::{ExecRequest, TaskId, TerminalSize},
    driver::{DriverError, ExecNews, ExecSession},
};

/// Reads the first message, which says what to run.
pub(super) async fn setup<R>(requests: &mut R) -> Result<(TaskId, ExecRequest), Status>
where
    R: Stream<Item = Result<ExecTaskStreamingRequest, Status>> + Unpin,
{
    let first = requests.next().await.transpose()?;
    let setup = first.and_then(|first| first.setup).ok_or_else(|| malformed("the first message must be setup"))?;
    if setup.command.first().is_none_or(String::is_empty) {
        return Err(malformed("command is empty"));
    }
    let request = ExecRequest { command: setup.command, stdin: true, tty: setup.tty };
    Ok((convert::task_id(&setup.task_id)?, request))
}

/// Carries a session in both directions until the command ends, a message makes no sense, or the stream is dropped.
pub(super) fn carry<R>(session: ExecSession, requests: R, tty: bool) -> BoxStream<'static, Answer>
where
    R: Stream<Item = Result<ExecTaskStreamingRequest, Status>> + Send + Unpin + 'static,
{
    let (refused, refusal) = oneshot::channel();
    let feeding = tokio::spawn(async move {
        if let Err(status) = feed(requests, session.input).await {
            // Nobody hears it when the command has ended meanwhile.
            refused.send(status).ok();
        }
    });
    let carrying = Carrying { output: session.output, refusal, tty, _feeding: AbortOnDropHandle::new(feeding) };
    stream::unfold(Some(carrying), next).flat_map(stream::iter).boxed()
}

type Answer = Result<ExecTaskStreamingResponse, Status>;

struct Carrying {
    output: BoxStream<'static, Result<ExecNews, DriverError>>,
    refusal: oneshot::Receiver<Status>,
    tty: bool,
    _feeding: AbortOnDropHandle<()>,
}

async fn next(carrying: Option<Carrying>) -> Option<(Vec<Answer>, Option<Carrying>)> {
    let mut carrying = carrying?;
    tokio::select! {
        biased;
        // The other end is only dropped unused by a defect.
        refusal = &mut carrying.refusal => {
            let status = refusal.unwrap_or_else(|_| guard::incident("ExecTaskStreaming"));
            Some((vec![Err(status)], None))
        }
        news = carrying.output.next() => match news? {
            Ok(ExecNews::Output(chunk)) => {
                let io = Io { data: chunk.bytes.into(), close: false };
                Some((vec![Ok(printed(chunk.stream, io))], Some(carrying)))
            }
            Ok(ExecNews::Exited(code)) => Some((farewell(code, carrying.tty), None)),
            Err(error) => Some((vec![Err(status(&error))], None)),
        },
    }
}

/// Both outputs are closed, then the end is told.
fn farewell(exit_code: i32, tty: bool) -> Vec<Answer> {
    let closed = |stream| Ok(printed(stream, Io { data: Vec::new(), close: true }));
    let result = Some(ExitResult { exit_code, ..ExitResult::default() });
    let exited = ExecTaskStreamingResponse { exited: true, result, ..ExecTaskStreamingResponse::default() };
    let streams = [OutputStream::Stdout, OutputStream::Stderr];
    let streams = if tty { &streams[..1] } else { &streams[..] };
    streams.iter().map(|stream| closed(*stream)).chain([Ok(exited)]).collect()
}

fn printed(stream: OutputStream, io: Io) -> ExecTaskStreamingResponse {
    match stream {
        OutputStream::Stderr => ExecTaskStreamingResponse { stderr: Some(io), ..Default::default() },
        OutputStream::Stdout => ExecTaskStreamingResponse { stdout: Some(io), ..Default::default() },
    }
}

async fn feed<R>(mut requests: R, mut input: Box<dyn ExecInput>) -> Result<(), Status>
where
    R: Stream<Item = Result<ExecTaskStreamingRequest, Status>> + Unpin,
{
    let refuse = |error| status(&DriverError::from(error));
    while let Some(Ok(ExecTaskStreamingRequest { setup, tty_size, stdin })) = requests.next().await {
        if setup.is_some() {
            return Err(malformed("setup came twice"));
        }
        if let Some(size) = tty_size {
            input.resize(terminal(&size)?).await.map_err(refuse)?;
        }
        let Some(Io { data, close }) = stdin else { continue };
        if !data.is_empty() {
            input.write(&data).await.map_err(refuse)?;
        }
        if close {
            input.close().await.map_err(refuse)?;
        }
    }
    // The agent has gone, or says nothing more; the input stays open, since a command may go by its end.
    std::future::pending().await
}

fn terminal(size: &exec_task_streaming_request::TerminalSize) -> Result<TerminalSize, Status> {
    let side = |length: i32, name: &str| {
        u16::try_from(length).map_err(|_| malformed(format!("tty_size: {name} {length} is not that of a terminal")))
    };
    Ok(TerminalSize { rows: side(size.height, "height")?, columns: side(size.width, "width")? })
}
