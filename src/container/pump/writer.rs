//! The task that writes one stream into its pipe.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::unix::pipe::Sender,
    sync::{mpsc, watch},
};

use crate::container::{
    LogChunk, OutputStream,
    redact::{Redacted, Redactor},
};

use super::{
    Item, Keep, Outlet, QUEUE, Status,
    fifo::{Shut, open_pipe},
    is_null,
    progress::Progress,
};

/// First and longest pause between two tries to open a pipe.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// Writes one stream into its pipe.
pub(super) struct Writer {
    stream: OutputStream,
    path: PathBuf,
    pipe: Option<Sender>,
    /// What is there is no pipe, or there shall be none: everything is dropped.
    void: bool,
    progress: Progress,
    redactor: Redactor,
    /// What is being written; kept for its room.
    out: Redacted,
    keep: Option<Arc<Keep>>,
    status: Arc<watch::Sender<Status>>,
}

impl Writer {
    pub(super) fn new(stream: OutputStream, path: &Path, outlet: &Outlet, status: Arc<watch::Sender<Status>>) -> Self {
        let mut cursor = outlet.cursor;
        let progress = Progress::new(cursor.of(stream));
        let (redactor, keep) = (Redactor::new(outlet.redactions.clone()), outlet.keep.clone());
        let (path, void, out) = (path.to_owned(), is_null(path), Redacted::default());
        Self { stream, path, pipe: None, void, progress, redactor, out, keep, status }
    }

    /// Opens the pipe even while there is nothing to write: its reader hangs until somebody does.
    pub(super) async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut batch = Vec::with_capacity(QUEUE);
        while self.next(&mut items, &mut batch).await > 0 {
            let mut pieces = Vec::new();
            for item in batch.drain(..) {
                match item {
                    Item::Batch(more) if pieces.is_empty() => pieces = more,
                    Item::Batch(more) => pieces.extend(more),
                    Item::Flush(done) => {
                        self.deliver(std::mem::take(&mut pieces)).await;
                        self.redactor.finish(&mut self.out);
                        self.write().await;
                        self.try_open();
                        let _ = done.send(());
                    }
                }
            }
            self.deliver(pieces).await;
        }
    }

    async fn next(&mut self, items: &mut mpsc::Receiver<Item>, batch: &mut Vec<Item>) -> usize {
        if self.pipe.is_none() && !self.void {
            tokio::select! {
                biased;
                () = self.reopen() => {}
                count = items.recv_many(batch, QUEUE) => return count,
            }
        }
        items.recv_many(batch, QUEUE).await
    }

    /// Writes the pieces, together, as an engine sends each line by itself.
    async fn deliver(&mut self, pieces: Vec<LogChunk>) {
        self.progress.take(&pieces);
        self.redactor.feed(pieces.iter().map(|piece| piece.bytes.as_ref()), &mut self.out);
        drop(pieces);
        self.write().await;
    }

    /// Writes all that may be shown, however often the reader goes and comes.
    async fn write(&mut self) {
        self.note(0);
        let text = std::mem::take(&mut self.out.text);
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            match &self.pipe {
                _ if self.void => {
                    self.lose(rest.len());
                    self.note(rest.len());
                    rest = &[];
                }
                None => self.reopen().await,
                Some(pipe) => match write_some(pipe, rest).await {
                    Ok(written) => {
                        rest = &rest[written..];
                        self.note(written);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => self.reopen().await,
                },
            }
        }
        self.out.text = text;
        self.out.clear();
    }

    /// Moves the cursor at once: whoever kills this process now makes the next one repeat nothing.
    fn note(&mut self, bytes: usize) {
        let raw = self.out.deliver(bytes);
        let (stream, progress, keep) = (self.stream, &mut self.progress, &self.keep);
        self.status.send_modify(|status| {
            progress.deliver(raw, status.cursor.of(stream));
            if let Some(keep) = keep.as_ref().filter(|_| raw > 0) {
                keep(&status.cursor);
            }
        });
    }

    fn lose(&self, bytes: usize) {
        // A stream that nobody wants is not lost.
        if !is_null(&self.path) {
            self.status.send_modify(|status| status.lost += bytes as u64);
        }
    }

    /// Opens the pipe of a silent stream whose task has ended at once: its reader may hang by now.
    fn try_open(&mut self) {
        if self.pipe.is_none() && !self.void {
            self.pipe = open_pipe(&self.path).ok();
        }
    }

    /// Waits until the pipe can be opened. The old handle is kept meanwhile: while it is open, the kernel keeps what
    /// the old reader had not read.
    async fn reopen(&mut self) {
        let mut pause = PAUSE.0;
        while !self.void {
            match open_pipe(&self.path) {
                Ok(pipe) => {
                    self.pipe = Some(pipe);
                    return;
                }
                Err(Shut::NotYet) => tokio::time::sleep(pause).await,
                Err(Shut::Refused(why)) => self.give_up(why),
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    fn give_up(&mut self, why: String) {
        self.void = true;
        self.pipe = None;
        let problem = format!("output pipe {:?} {why}", self.path.display().to_string());
        self.status.send_modify(|status| status.problem = Some(problem));
    }
}

async fn write_some(pipe: &Sender, bytes: &[u8]) -> io::Result<usize> {
    pipe.writable().await?;
    pipe.try_write(bytes)
}
