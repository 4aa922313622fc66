//! The audit file as the use cases see it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use tokio::sync::oneshot;

use super::{
    Error, Note, Result, Settings,
    file::LogFile,
    writer::{Request, Writer},
};

/// Where lines are noted. Cheap to use: only [`Audit::settle`] waits.
#[derive(Debug)]
pub struct Audit {
    /// Gone while the value is being dropped, and where nothing is to be written.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<thread::JoinHandle<()>>,
    failing: Arc<AtomicBool>,
    required: bool,
    path: PathBuf,
}

impl Audit {
    /// Starts the writer for the file of `settings`, or for `default`; the file is touched when the first line comes.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: &Settings, default: PathBuf, installation: &str) -> Result<Self> {
        let path = settings.file.clone().unwrap_or(default);
        let failing = Arc::new(AtomicBool::new(false));
        let (mut requests, mut writer) = (None, None);
        if settings.enabled {
            let log = LogFile::new(path.clone(), installation.to_owned(), settings.max_size, settings.keep);
            let (sender, received) = mpsc::channel();
            writer = Some(Writer::start(log, Arc::clone(&failing), received)?);
            requests = Some(sender);
        }
        Ok(Self { requests, writer, failing, required: settings.required, path })
    }

    /// Has a line written, some time soon. Lines keep their order.
    pub fn note(&self, note: Note) {
        if let Some(requests) = &self.requests {
            requests.send(Request::Note(Box::new(note))).ok();
        }
    }

    /// Returns when every line noted before is with the kernel.
    ///
    /// # Errors
    /// They cannot be written now. They wait, and are tried again.
    pub async fn settle(&self) -> Result<()> {
        let Some(requests) = &self.requests else { return Ok(()) };
        let gone = || Error::NoWriter { path: self.path.clone() };
        let (done, answer) = oneshot::channel();
        requests.send(Request::Settle(done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// As [`Audit::settle`], where lines are required; where they are not, nothing stops anybody.
    ///
    /// # Errors
    /// As [`Audit::settle`].
    pub async fn require(&self) -> Result<()> {
        match (self.settle().await, self.required) {
            (Err(error), true) => Err(error),
            _ => Ok(()),
        }
    }

    /// Says whether something may be obtained. Waits only while the last line could not be written.
    ///
    /// # Errors
    /// Lines are required and still cannot be written.
    pub async fn ready(&self) -> Result<()> {
        match self.required && self.failing.load(Ordering::SeqCst) {
            true => self.settle().await,
            false => Ok(()),
        }
    }
}

/// Lets the thread finish what it was given.
impl Drop for Audit {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take() {
            writer.join().ok();
        }
    }
}
