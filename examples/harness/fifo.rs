//! Reads a task's output out of a pipe, as the agent's log collector does: opened blocking, for reading only.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::feed::{Event, Feed, Stream};

/// A collector of one pipe.
pub struct Collector {
    path: PathBuf,
    closed: Arc<AtomicBool>,
}

impl Collector {
    /// Starts to collect.
    ///
    /// When the last writer is gone the pipe is opened anew at once: an agent does so only at the next start of the
    /// task or of itself, and loses what is written in between.
    pub fn start(path: PathBuf, task: &str, stream: Stream, feed: Feed) -> Self {
        let closed = Arc::new(AtomicBool::new(false));
        let collector = Self { path: path.clone(), closed: closed.clone() };
        let task = task.to_owned();
        std::thread::spawn(move || {
            while let Ok(pipe) = File::open(&path)
                && !closed.load(Ordering::SeqCst)
            {
                collect(pipe, &task, stream, &feed);
            }
        });
        collector
    }
}

fn collect(pipe: File, task: &str, stream: Stream, feed: &Feed) {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
        feed.push(Event::TaskLog { task: task.to_owned(), stream, line });
        bytes.clear();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // A writer that comes and goes wakes the thread where it waits for one.
        let _ =
            OpenOptions::new().write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(&self.path);
    }
}
