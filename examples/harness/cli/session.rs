//! A user at the streams of a command in a running harness: lines of JSON each way behind the first.

use std::{
    io::{self, Read},
    process::{Command, Stdio},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{Failure, control, print, run::Running};
use crate::harness::{
    feed::Stream,
    runner::Run,
    session::{Heard, Input, Session},
};

/// Most that is taken of the user's input at a time.
const PIECE: usize = 32 << 10;

/// What the user does.
#[derive(Debug, Serialize, Deserialize)]
enum Done {
    Closed,
    Resized { rows: i32, columns: i32 },
    Typed(String),
}

/// What the user hears.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Err(String),
    Exited(i32),
    Failed(String),
    Out(String),
}

/// Carries a session between a task and who asked for it, until one of the two ends it.
pub async fn carry(
    running: &Running,
    task: &Run,
    command: &[String],
    tty: bool,
    asker: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
) -> Result<(), Failure> {
    let (reader, mut writer) = asker;
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut session = match Session::open(&running.agent, task, &words, tty).await {
        Ok(session) => session,
        Err(status) => return control::write_line(&mut writer, &Told::Failed(status.message().to_owned())).await,
    };
    let input = session.input.clone();
    let telling = async {
        loop {
            let told = match session.next().await {
                Ok(Some(heard)) => told(heard),
                Ok(None) => return Ok(()),
                Err(status) => Some(Told::Failed(status.message().to_owned())),
            };
            if let Some(told) = told {
                control::write_line(&mut writer, &told).await?;
            }
        }
    };
    tokio::select! {
        told = telling => told,
        // Dropping the session is how the plugin hears of it.
        gone = obey(reader, input) => gone,
    }
}

/// Tells why no session begins.
pub fn refused(failure: &Failure) -> impl Serialize + use<> {
    Told::Failed(failure.to_string())
}

fn told(heard: Heard) -> Option<Told> {
    match heard {
        Heard::Closed(_) => None,
        Heard::Exited(code) => Some(Told::Exited(code)),
        Heard::Printed(Stream::Err, bytes) => Some(Told::Err(STANDARD.encode(bytes))),
        Heard::Printed(Stream::Out, bytes) => Some(Told::Out(STANDARD.encode(bytes))),
    }
}

/// Does what the user does; returns when the user has gone.
async fn obey(reader: impl AsyncRead + Unpin, input: Input) -> Result<(), Failure> {
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line)? {
            Done::Closed => input.close().await,
            Done::Resized { rows, columns } => input.resize(rows, columns).await,
            Done::Typed(text) => input.write(STANDARD.decode(text)?).await,
        }
    }
    Ok(())
}

/// Is the user: passes on what is typed, where `stdin` says so, and prints what is heard.
pub async fn attend(
    stdin: bool,
    tty: bool,
    harness: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
) -> Result<i32, Failure> {
    let (reader, mut writer) = harness;
    let _raw = (tty && stdin).then(RawTerminal::new).flatten();
    let mut doings = doings(stdin, tty);
    let mut lines = BufReader::new(reader).lines();
    loop {
        tokio::select! {
            // Where nobody listens any more, the reason is about to be read.
            Some(done) = doings.recv() => drop(control::write_line(&mut writer, &done).await),
            line = lines.next_line() => {
                let line = line?.ok_or("the harness went away before the command ended")?;
                match serde_json::from_str(&line)? {
                    Told::Err(text) => print::bytes(&[], &STANDARD.decode(text)?),
                    Told::Exited(code) => return Ok(code),
                    Told::Failed(why) => return Err(why.into()),
                    Told::Out(text) => print::bytes(&STANDARD.decode(text)?, &[]),
                }
            }
        }
    }
}

/// Watches what the user does.
fn doings(stdin: bool, tty: bool) -> mpsc::Receiver<Done> {
    let (sender, doings) = mpsc::channel(1);
    if tty {
        tokio::spawn(sizes(sender.clone()));
    }
    // A thread of its own, which nobody waits for: reading what a user types cannot be broken off.
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        while stdin && let Ok(length @ 1..) = io::stdin().read(&mut piece) {
            if sender.blocking_send(Done::Typed(STANDARD.encode(&piece[..length]))).is_err() {
                return;
            }
        }
        sender.blocking_send(Done::Closed).ok();
    });
    doings
}

async fn sizes(sender: mpsc::Sender<Done>) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else { return };
    loop {
        if let Some((rows, columns)) = stty(&["size"]).as_deref().and_then(size)
            && sender.send(Done::Resized { rows, columns }).await.is_err()
        {
            return;
        }
        if changes.recv().await.is_none() {
            return;
        }
    }
}

fn size(text: &str) -> Option<(i32, i32)> {
    let (rows, columns) = text.trim().split_once(' ')?;
    Some((rows.parse().ok()?, columns.parse().ok()?))
}

/// The user's terminal, in which keys are the command's alone; as it was before, at the end.
struct RawTerminal {
    before: String,
}

impl RawTerminal {
    /// Nothing where the input is no terminal.
    fn new() -> Option<Self> {
        let before = stty(&["-g"])?;
        stty(&["raw", "-echo"])?;
        Some(Self { before: before.trim().to_owned() })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        stty(&[&self.before]);
    }
}

fn stty(arguments: &[&str]) -> Option<String> {
    let output = Command::new("stty").args(arguments).stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
