//! Carries a container's output from the engine into the orchestrator's pipes.
//!
//! ```text
//! engine ──logs──▶ follower ──┬─▶ queue ─▶ writer ─▶ stdout pipe
//!                             └─▶ queue ─▶ writer ─▶ stderr pipe      each writer moves its half of the cursor
//! ```
//!
//! Promises: a task is never held up by its start or by a pipe that nobody reads; both pipes are opened as soon as
//! somebody reads them and held until the pump is dropped; nothing is lost or repeated when the engine, the reader or
//! this process goes away and comes back, as far as the engine still has the output and the cursor was kept; memory
//! is bounded by the two queues.
//!
//! A task that writes faster than the engine reads its own files is not slowed down: once it is a whole ring of files
//! ahead, the engine skips, and nobody is told how much.
//!
//! Does not know: whether the container lives. The owner says so with [`LogPump::drain`] and [`LogPump::wake`].

mod fifo;

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};

use crate::domain::LogPaths;

use super::{ContainerId, Engine, Error, LogChunk, LogCursor, OutputStream, Replay};

use fifo::Writer;

/// Pieces that wait for each pipe; a piece is at most 16 KiB with today's engines.
const QUEUE: usize = 64;
/// First and longest pause between two looks at a container that has no output stream.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The carrying of one container's output. Dropping it closes the pipes.
#[derive(Debug)]
pub struct LogPump {
    status: watch::Receiver<Status>,
    wanted: watch::Sender<Wanted>,
    tasks: Vec<AbortHandle>,
}

/// What became of the output so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What was delivered; to be kept for the next process.
    pub cursor: LogCursor,
    /// Why a pipe was given up, such as that something else is in its place.
    pub problem: Option<String>,
    /// Bytes that could not be delivered because of that.
    pub lost: u64,
    /// Everything was delivered, or will never be.
    drained: bool,
}

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// All output reached its pipe.
    pub complete: bool,
    /// What was delivered and what was not.
    pub status: Status,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    drain: bool,
    wakes: u32,
}

/// What a writer is sent.
enum Item {
    Flush(oneshot::Sender<()>),
    Piece(LogChunk),
}

impl LogPump {
    /// Begins to carry output that comes behind `cursor`. Without paths, or with `/dev/null`, nothing is carried.
    pub fn spawn(engine: Arc<dyn Engine>, id: ContainerId, paths: Option<&LogPaths>, cursor: LogCursor) -> Self {
        let (status, watched) = watch::channel(Status { cursor, ..Status::default() });
        let (wanted, wishes) = watch::channel(Wanted::default());
        let mut tasks = Vec::new();
        match paths.filter(|paths| [&paths.stdout, &paths.stderr].iter().any(|path| !is_null(path))) {
            None => status.send_modify(|status| status.drained = true),
            Some(paths) => {
                let status = Arc::new(status);
                let mut writer = |stream, path: &Path| {
                    let (queue, items) = mpsc::channel(QUEUE);
                    tasks.push(tokio::spawn(Writer::new(stream, path, status.clone()).run(items)).abort_handle());
                    queue
                };
                let stdout = writer(OutputStream::Stdout, &paths.stdout);
                let stderr = writer(OutputStream::Stderr, &paths.stderr);
                let follower = Follower { engine, id, cursor, stdout, stderr, wishes, status };
                tasks.push(tokio::spawn(follower.run()).abort_handle());
            }
        }
        Self { status: watched, wanted, tasks }
    }

    /// Returns what was delivered so far.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Returns a view of the status that can be waited upon.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Says that the container was started again, so that its output is looked for at once.
    pub fn wake(&self) {
        self.wanted.send_modify(|wanted| wanted.wakes += 1);
    }

    /// Delivers the rest of the output of a container that has ended. Gives up when nothing moved for `patience`. The
    /// pipes stay open.
    pub async fn drain(&self, patience: Duration) -> Drained {
        self.wanted.send_modify(|wanted| wanted.drain = true);
        let mut status = self.status.clone();
        loop {
            let now = status.borrow_and_update().clone();
            if now.drained {
                return Drained { complete: now.problem.is_none(), status: now };
            }
            match tokio::time::timeout(patience, status.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Drained { complete: false, status: status.borrow().clone() },
            }
        }
    }
}

/// Opens and closes the pipes of a task that will write nothing: their reader hangs until somebody opens them, and holds
/// up the task's end. Pipes that nobody reads are left alone.
pub fn hang_up(paths: &LogPaths) {
    for path in [&paths.stdout, &paths.stderr] {
        if !is_null(path) {
            fifo::touch(path);
        }
    }
}

impl Drop for LogPump {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn is_null(path: &Path) -> bool {
    path.as_os_str().is_empty() || path == Path::new("/dev/null")
}

/// Reads the engine's stream, again and again, and hands new pieces to the writers.
struct Follower {
    engine: Arc<dyn Engine>,
    id: ContainerId,
    /// What was handed over; the delivered part is in the status.
    cursor: LogCursor,
    stdout: mpsc::Sender<Item>,
    stderr: mpsc::Sender<Item>,
    wishes: watch::Receiver<Wanted>,
    status: Arc<watch::Sender<Status>>,
}

/// How one reading ended.
enum Pass {
    /// The engine cut it, or cannot be reached.
    Broken,
    /// The stream ended by itself.
    Done,
    /// There is no such container any more.
    Gone,
}

impl Follower {
    async fn run(mut self) {
        let mut pause = PAUSE.0;
        loop {
            // Read before the reading begins: only one that began after the end is sure to have seen all.
            let ended = self.wishes.borrow_and_update().drain;
            let before = self.cursor;
            match self.pass().await {
                Pass::Gone => break,
                Pass::Done if ended => break,
                Pass::Done | Pass::Broken => {}
            }
            if self.cursor != before {
                pause = PAUSE.0;
            }
            pause = self.rest(pause).await;
        }
        self.flush().await;
        self.status.send_modify(|status| status.drained = true);
        // The queues stay open, and with them the pipes, until the pump is dropped.
        std::future::pending::<()>().await;
    }

    async fn pass(&mut self) -> Pass {
        let mut chunks = match self.engine.logs(&self.id, &self.cursor).await {
            Ok(chunks) => chunks,
            Err(error) => return after(&error),
        };
        let mut replay = Replay::new(&self.cursor);
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) if replay.admit(&chunk) => self.hand_over(chunk).await,
                Ok(_) => {}
                Err(error) => return after(&error),
            }
        }
        Pass::Done
    }

    async fn hand_over(&mut self, chunk: LogChunk) {
        let (stream, at_ns) = (chunk.stream, chunk.at_ns);
        // A writer only ends together with this task.
        let _ = self.queue(stream).send(Item::Piece(chunk)).await;
        self.cursor.of(stream).advance(at_ns);
    }

    fn queue(&self, stream: OutputStream) -> &mpsc::Sender<Item> {
        match stream {
            OutputStream::Stderr => &self.stderr,
            OutputStream::Stdout => &self.stdout,
        }
    }

    /// Waits a while, or until the owner says something. Returns the next pause.
    async fn rest(&mut self, pause: Duration) -> Duration {
        tokio::select! {
            () = tokio::time::sleep(pause) => (pause * 2).min(PAUSE.1),
            heard = self.wishes.changed() => if heard.is_ok() { PAUSE.0 } else { PAUSE.1 },
        }
    }

    async fn flush(&self) {
        for queue in [&self.stdout, &self.stderr] {
            let (done, wait) = oneshot::channel();
            if queue.send(Item::Flush(done)).await.is_ok() {
                let _ = wait.await;
            }
        }
    }
}

fn after(error: &Error) -> Pass {
    match error {
        Error::NotFound(_) => Pass::Gone,
        _ => Pass::Broken,
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncReadExt,
        net::unix::pipe::{OpenOptions, Receiver},
    };

    use super::*;
    use crate::{
        container::{ContainerSpec, Image, MemoryEngine, fixture},
        domain::ExitResult,
    };

    const LIMIT: Duration = Duration::from_secs(10);

    struct Bench {
        engine: MemoryEngine,
        id: ContainerId,
        dir: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let engine = MemoryEngine::default();
            let task = fixture::task("a/b/1");
            let spec = ContainerSpec { task: &task, image: &Image::default(), secrets: None };
            let id = engine.create(&spec).await.expect("created");
            engine.start(&id).await.expect("started");
            let dir = tempfile::tempdir().expect("a directory");
            let bench = Self { engine, id, dir };
            for path in [bench.paths().stdout, bench.paths().stderr] {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
            }
            bench
        }

        fn paths(&self) -> LogPaths {
            LogPaths { stdout: self.dir.path().join("out"), stderr: self.dir.path().join("err") }
        }

        fn readers(&self) -> (Reader, Reader) {
            (Reader::open(&self.paths().stdout), Reader::open(&self.paths().stderr))
        }

        fn pump(&self, cursor: LogCursor) -> LogPump {
            LogPump::spawn(Arc::new(self.engine.clone()), self.id.clone(), Some(&self.paths()), cursor)
        }

        fn print(&self, text: &str) {
            self.engine.print(&self.id, OutputStream::Stdout, text.as_bytes());
        }

        fn end(&self) {
            self.engine.end(&self.id, ExitResult::default());
        }
    }

    /// The other end of a pipe. Opened for both directions, so that opening never blocks and reading never ends.
    struct Reader(Receiver);

    impl Reader {
        fn open(path: &Path) -> Self {
            Self(OpenOptions::new().read_write(true).open_receiver(path).expect("opens"))
        }

        async fn expect(&mut self, text: &str) {
            let mut bytes = vec![0; text.len()];
            within(self.0.read_exact(&mut bytes)).await.expect("readable");
            assert_eq!(String::from_utf8_lossy(&bytes), text);
        }

        fn expect_no_more(&mut self) {
            assert!(self.0.try_read(&mut [0; 16]).is_err(), "more than expected");
        }
    }

    async fn within<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(LIMIT, future).await.expect("in time")
    }

    #[tokio::test]
    async fn output_reaches_its_pipe() {
        let bench = Bench::new().await;
        let (mut out, mut err) = bench.readers();
        let pump = bench.pump(LogCursor::default());
        bench.print("one\n");
        bench.engine.print(&bench.id, OutputStream::Stderr, b"bad\n");
        bench.print("two\n");
        bench.end();
        assert!(within(pump.drain(LIMIT)).await.complete);
        out.expect("one\ntwo\n").await;
        err.expect("bad\n").await;
    }

    #[tokio::test]
    async fn both_pipes_are_opened_though_one_stays_silent() {
        let bench = Bench::new().await;
        let pump = bench.pump(LogCursor::default());
        let path = bench.paths().stderr;
        // Opening for reading returns once there is a writer.
        let opened = tokio::task::spawn_blocking(move || std::fs::File::open(path));
        within(opened).await.expect("joined").expect("opened");
        drop(pump);
    }

    #[tokio::test]
    async fn a_second_pump_goes_on_behind_the_cursor() {
        let bench = Bench::new().await;
        let (mut out, _err) = bench.readers();
        let first = bench.pump(LogCursor::default());
        bench.print("one\n");
        out.expect("one\n").await;
        let mut status = first.watch();
        within(status.wait_for(|status| status.cursor.stdout.at_ns > 0)).await.expect("moved");
        let cursor = first.status().cursor;
        drop(first);
        let second = bench.pump(cursor);
        bench.print("two\n");
        bench.end();
        assert!(within(second.drain(LIMIT)).await.complete);
        out.expect("two\n").await;
        out.expect_no_more();
    }

    #[tokio::test]
    async fn a_reader_that_goes_and_comes_back_misses_nothing() {
        let bench = Bench::new().await;
        let (mut out, _err) = bench.readers();
        let pump = bench.pump(LogCursor::default());
        bench.print("one\n");
        out.expect("one\n").await;
        drop(out);
        bench.print("two\n");
        let mut out = Reader::open(&bench.paths().stdout);
        bench.print("six\n");
        bench.end();
        assert!(within(pump.drain(LIMIT)).await.complete);
        out.expect("two\nsix\n").await;
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_reads_ends_the_drain_in_time() {
        let bench = Bench::new().await;
        let pump = bench.pump(LogCursor::default());
        bench.print("one\n");
        bench.end();
        let drained = within(pump.drain(Duration::from_millis(300))).await;
        assert!(!drained.complete && drained.status.cursor == LogCursor::default());
    }

    #[tokio::test]
    async fn something_else_in_the_place_of_a_pipe_is_refused() {
        let bench = Bench::new().await;
        let target = bench.dir.path().join("target");
        std::fs::write(&target, "").expect("written");
        std::fs::remove_file(bench.paths().stdout).expect("removed");
        std::os::unix::fs::symlink(&target, bench.paths().stdout).expect("linked");
        let mut err = Reader::open(&bench.paths().stderr);
        let pump = bench.pump(LogCursor::default());
        bench.print("one\n");
        bench.engine.print(&bench.id, OutputStream::Stderr, b"two\n");
        bench.end();
        let drained = within(pump.drain(LIMIT)).await;
        assert_eq!((drained.complete, drained.status.lost), (false, 4));
        assert!(drained.status.problem.expect("told").contains("out"));
        err.expect("two\n").await;
        assert_eq!(std::fs::read(&target).expect("readable"), b"");
    }

    #[tokio::test]
    async fn without_paths_nothing_is_carried() {
        let bench = Bench::new().await;
        let null = LogPaths { stdout: "/dev/null".into(), stderr: "/dev/null".into() };
        let engine = Arc::new(bench.engine.clone());
        let pump = LogPump::spawn(engine, bench.id.clone(), Some(&null), LogCursor::default());
        assert!(within(pump.drain(LIMIT)).await.complete);
    }

    #[tokio::test]
    async fn a_container_that_is_started_again_is_followed_on() {
        let bench = Bench::new().await;
        let (mut out, _err) = bench.readers();
        let pump = bench.pump(LogCursor::default());
        bench.print("one\n");
        bench.end();
        out.expect("one\n").await;
        bench.engine.start(&bench.id).await.expect("started");
        pump.wake();
        bench.print("two\n");
        bench.end();
        assert!(within(pump.drain(LIMIT)).await.complete);
        out.expect("two\n").await;
        out.expect_no_more();
    }
}
