//! The thread that writes: it takes all that waits, writes it at once, and answers those who wait for that.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Act, Error, Note, Result, file::LogFile};

/// How often lines that could not be written are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Lines that wait for a full disk; about 4 MiB. What comes on top is lost, and the chain will say how many were.
const WAITING_MAX: usize = 4096;

/// What the thread is asked for.
pub(super) enum Request {
    /// Write a line, some time.
    Note(Box<Note>),
    /// Write all that came before, and say how it went.
    Settle(oneshot::Sender<Result<()>>),
}

/// What the thread owns.
pub(super) struct Writer {
    log: LogFile,
    waiting: VecDeque<Note>,
    lost: u64,
    failing: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the thread. It ends when the other end of `requests` is gone.
    pub(super) fn start(
        log: LogFile,
        failing: Arc<AtomicBool>,
        requests: mpsc::Receiver<Request>,
    ) -> Result<thread::JoinHandle<()>> {
        let path = log.path().to_owned();
        let writer = Self { log, waiting: VecDeque::new(), lost: 0, failing };
        let named = thread::Builder::new().name("audit".to_owned());
        named.spawn(move || writer.run(&requests)).map_err(|error| Error::io("start a thread for", &path, error))
    }

    fn run(mut self, requests: &mpsc::Receiver<Request>) {
        loop {
            let first = match requests.recv_timeout(RETRY) {
                Ok(first) => Some(first),
                Err(mpsc::RecvTimeoutError::Timeout) if self.waiting.is_empty() => continue,
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    if !self.waiting.is_empty() {
                        self.write().ok();
                    }
                    return;
                }
            };
            let mut settled = Vec::new();
            for request in first.into_iter().chain(requests.try_iter()) {
                match request {
                    Request::Note(note) => self.take(*note),
                    Request::Settle(done) => settled.push(done),
                }
            }
            let outcome = self.write();
            for done in settled {
                // Who no longer waits has gone; the lines are written all the same.
                done.send(outcome.clone()).ok();
            }
        }
    }

    fn take(&mut self, note: Note) {
        match self.waiting.len() < WAITING_MAX {
            true => self.waiting.push_back(note.cut()),
            false => self.lost += 1,
        }
    }

    /// Writes all that waits. With nothing waiting it still makes sure that a line could be written.
    fn write(&mut self) -> Result<()> {
        let lost = (self.lost > 0).then(|| Note { count: Some(self.lost), ..Note::new(Act::Lost) });
        let notes: Vec<Note> = self.waiting.iter().cloned().chain(lost).collect();
        let outcome = self.log.add(&notes);
        let was_failing = self.failing.swap(outcome.is_err(), Ordering::SeqCst);
        match &outcome {
            Ok(()) => {
                self.waiting.clear();
                self.lost = 0;
            }
            Err(error) if !was_failing => tracing::error!(%error, "Audit lines cannot be written; they wait"),
            Err(_) => {}
        }
        outcome
    }
}
