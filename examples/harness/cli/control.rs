//! The way into a running harness: a unix socket in its data directory, one JSON line each way.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

use super::{Failure, act, arguments::At, print, run::Running, session};

const NAME: &str = "control.sock";
/// Longest line that is read; output of a command is the longest there is.
const LINE: u64 = 64 << 20;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Run a command in a task.
    Exec { task: String, command: Vec<String> },
    /// Kill the plugin and go on with the next one.
    KillPlugin,
    /// Run a command with somebody at its streams; what follows is [`session`]'s.
    Session { task: String, command: Vec<String>, tty: bool },
    /// Send a signal to a task.
    Signal { task: String, signal: String },
    /// Tell what a task uses.
    Stats { task: String, samples: u16 },
}

/// What is answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// For stdout.
    pub out: String,
    /// For stderr.
    pub err: String,
    /// The exit code.
    pub code: i32,
}

/// The socket; gone at its end.
pub struct Control {
    path: PathBuf,
    serving: JoinHandle<()>,
}

impl Control {
    /// Takes no more requests.
    pub fn end(self) {
        self.serving.abort();
        // A socket that nobody answers is cleared away by the next run, too.
        fs::remove_file(&self.path).ok();
    }
}

/// Answers until the socket's end.
pub fn serve(running: Arc<Running>, data: &Path) -> io::Result<Control> {
    let path = data.join(NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who asks and goes away gets no answer, and nobody is to be told.
            tokio::spawn(answer(Arc::clone(&running), stream));
        }
    });
    Ok(Control { path, serving })
}

async fn answer(running: Arc<Running>, stream: UnixStream) -> Result<(), Failure> {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    let answer = match serde_json::from_str(&read_line(&mut reader).await?)? {
        Request::Session { task, command, tty } => match act::find(&running, &task) {
            Ok(task) => return session::carry(&running, task, &command, tty, (reader, write)).await,
            Err(error) => return write_line(&mut write, &session::refused(&error)).await,
        },
        request => act::act(&running, request).await,
    };
    let answer =
        answer.unwrap_or_else(|error| Answer { err: format!("error: {error}\n"), code: 1, ..Answer::default() });
    write_line(&mut write, &answer).await
}

/// Asks a running harness and prints its answer.
pub async fn ask(at: &At, request: Request) -> Result<i32, Failure> {
    let (read, mut write) = reach(at).await?.into_split();
    write_line(&mut write, &request).await?;
    let line = read_line(&mut BufReader::new(read)).await?;
    if line.is_empty() {
        return Err("the harness went away before it answered".into());
    }
    let answer: Answer = serde_json::from_str(&line)?;
    print::raw(&answer.out, &answer.err);
    Ok(answer.code)
}

/// Is the user of a command in a running harness.
pub async fn attend(at: &At, stdin: bool, tty: bool, task: String, command: Vec<String>) -> Result<i32, Failure> {
    let (read, mut write) = reach(at).await?.into_split();
    write_line(&mut write, &Request::Session { task, command, tty }).await?;
    session::attend(stdin, tty, (read, write)).await
}

async fn reach(at: &At) -> Result<UnixStream, Failure> {
    let stream = UnixStream::connect(at.data_dir.join(NAME)).await;
    stream.map_err(|error| format!("no harness runs in {}: {error}", at.data_dir.display()).into())
}

async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = String::new();
    reader.take(LINE).read_line(&mut line).await?;
    Ok(line)
}

/// Writes a value on a line of its own.
pub async fn write_line(stream: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value)? + "\n";
    Ok(stream.write_all(line.as_bytes()).await?)
}
