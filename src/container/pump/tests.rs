//! The pump between an engine in memory and real pipes.

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
        let spec = ContainerSpec { task: &task, image: &Image::default(), secrets: None, connection: None };
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
        let outlet = Outlet { paths: Some(self.paths()), cursor, ..Outlet::default() };
        LogPump::spawn(Arc::new(self.engine.clone()), self.id.clone(), outlet)
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
    assert_eq!((drained.complete, drained.status.cursor.stdout.pieces), (false, 0));
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
    let outlet = Outlet { paths: Some(null), ..Outlet::default() };
    let pump = LogPump::spawn(engine, bench.id.clone(), outlet);
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
