//! The thread that writes: it takes all that waits, writes it at once, syncs once, and answers all.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::{Entry, Error, Result, file::LogFile, lock::Lock, state::State};

/// How often the thread looks whether a newer process waits. An older one must be out of the way within 5 s.
const LOOK: Duration = Duration::from_millis(500);
/// Bounds what one sync carries.
const MOST_AT_ONCE: usize = 512;

/// Something to note, and whom to tell.
pub(super) struct Request {
    pub(super) entry: Entry,
    pub(super) done: oneshot::Sender<Result<()>>,
}

/// What the thread owns.
pub(super) struct Writer {
    pub(super) log: LogFile,
    pub(super) lock: Lock,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) state_dir: PathBuf,
    pub(super) superseded: watch::Sender<bool>,
    #[cfg(test)]
    pub(super) syncs: Arc<std::sync::atomic::AtomicUsize>,
}

impl Writer {
    /// Starts the thread. It ends when the other end of `requests` is gone.
    pub(super) fn start(self, requests: mpsc::Receiver<Request>) -> Result<thread::JoinHandle<()>> {
        let state_dir = self.state_dir.clone();
        let named = thread::Builder::new().name("journal".to_owned());
        named.spawn(move || self.run(&requests)).map_err(|e| Error::io("start a thread for", &state_dir, e))
    }

    fn run(mut self, requests: &mpsc::Receiver<Request>) {
        loop {
            let first = match requests.recv_timeout(LOOK) {
                Ok(request) => Some(request),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            if self.lock.is_superseded() {
                return self.stand_down(first, requests);
            }
            let Some(first) = first else { continue };
            let batch = [first].into_iter().chain(requests.try_iter().take(MOST_AT_ONCE - 1)).collect();
            self.write(batch);
        }
    }

    /// Writes all requests' lines and answers them alike.
    fn write(&mut self, batch: Vec<Request>) {
        let lines: Vec<String> = batch.iter().map(|request| request.entry.to_line()).collect();
        let result = self.log.add(&lines.concat());
        #[cfg(test)]
        self.syncs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (Request { entry, done }, line) in batch.into_iter().zip(&lines) {
            if result.is_ok() {
                // As the next process will read it, so that both know the same to the second.
                state.apply(Entry::from_line(line.trim_end().as_bytes()).unwrap_or(entry), line);
            }
            // Who no longer waits has gone; the line is on the disk all the same.
            done.send(result.clone()).ok();
        }
        // A file that cannot be made short is still a good one.
        self.log.shorten(&state).ok();
    }

    /// Lets go of lock and file, so that the newer process can have them, and refuses from now on.
    fn stand_down(self, first: Option<Request>, requests: &mpsc::Receiver<Request>) {
        let Self { log, lock, state_dir, superseded, .. } = self;
        superseded.send_replace(true);
        drop((log, lock));
        for request in first.into_iter().chain(requests.iter()) {
            request.done.send(Err(Error::Superseded { path: state_dir.clone() })).ok();
        }
    }
}
