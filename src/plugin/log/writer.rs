//! The way to stderr, on a thread of its own.
//!
//! The reader of stderr may stall or be gone. Whoever logs only puts a line into a bounded queue, and never waits.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use serde_json::Map;
use tracing::Level;

use super::line::line;

/// Lines that wait for a slow reader.
const QUEUE: usize = 1024;
/// Longest wait for the last lines when the process ends.
const FLUSH_TIME: Duration = Duration::from_millis(200);

/// Puts lines into the queue.
#[derive(Clone)]
pub(super) struct Writer {
    queue: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

/// Waits for the lines that are still in the queue.
#[derive(Clone)]
pub struct Flusher(Writer);

enum Item {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Writer {
    /// Starts the thread that writes to `out`. It ends when the last writer is dropped.
    pub(super) fn start(out: impl Write + Send + 'static) -> Self {
        let (queue, items) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        // Without the thread nothing is ever logged; the queue then fills up and drops, which harms nobody else.
        thread::Builder::new().name("log".to_owned()).spawn(move || drain(&items, out, &counter)).ok();
        Self { queue, dropped }
    }

    /// Queues a line, or counts it as dropped.
    pub(super) fn write(&self, line: Vec<u8>) {
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn flusher(&self) -> Flusher {
        Flusher(self.clone())
    }
}

impl Flusher {
    /// Waits until all lines so far have been written, but not long.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.0.queue.try_send(Item::Flush(done)).is_ok() {
            wait.recv_timeout(FLUSH_TIME).ok();
        }
    }
}

/// Writes until all writers are gone. A closed or broken stderr is no reason to stop: the agent may have died, and the
/// tasks go on.
fn drain(items: &Receiver<Item>, mut out: impl Write, dropped: &AtomicU64) {
    for item in items {
        match item {
            Item::Line(line) => {
                out.write_all(&line).and_then(|()| out.flush()).ok();
            }
            Item::Flush(done) => {
                done.send(()).ok();
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let fields = Map::from_iter([("dropped".to_owned(), lost.into())]);
            let note = line(&Level::WARN, module_path!(), Some("Log lines were dropped".into()), fields);
            out.write_all(&note).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, mpsc::Sender},
    };

    use super::*;

    /// A reader that takes a line only when told, and keeps it.
    struct Stalled {
        go: Receiver<()>,
        seen: Sender<Vec<u8>>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().ok();
            self.seen.send(bytes.to_vec()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed(Arc<Mutex<u32>>);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            *self.0.lock().expect("no panic") += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_blocks_nobody_and_lost_lines_are_counted() {
        let (go, wait) = std::sync::mpsc::channel();
        let (seen, lines) = std::sync::mpsc::channel();
        let writer = Writer::start(Stalled { go: wait, seen });
        for _ in 0..QUEUE * 2 {
            writer.write(b"x\n".to_vec());
        }
        drop(go);
        let note = lines.iter().find(|line| line.starts_with(b"{")).expect("a note about lost lines");
        assert!(String::from_utf8_lossy(&note).contains("\"dropped\":10"), "{note:?}");
    }

    #[test]
    fn a_closed_reader_is_no_failure() {
        let tries = Arc::new(Mutex::new(0));
        let writer = Writer::start(Closed(Arc::clone(&tries)));
        writer.write(b"a\n".to_vec());
        writer.write(b"b\n".to_vec());
        writer.flusher().flush();
        assert_eq!(*tries.lock().expect("no panic"), 2);
    }
}
