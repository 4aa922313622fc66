//! One named pipe and the task that writes to it.
//!
//! The directory of the pipes can be written by tasks, so nothing is trusted before it is open: the last name is opened
//! without following it and without effect, looked at, and only then opened for writing through that handle.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2},
    io::Errno,
};
use tokio::{
    net::unix::pipe::Sender,
    sync::{mpsc, watch},
};

use crate::container::{LogChunk, OutputStream};

use super::{Item, QUEUE, Status, is_null};

/// First and longest pause between two tries to open a pipe.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// Writes one stream into its pipe.
pub(super) struct Writer {
    stream: OutputStream,
    path: PathBuf,
    pipe: Option<Sender>,
    /// What is there is no pipe, or there shall be none: everything is dropped.
    void: bool,
    status: Arc<watch::Sender<Status>>,
}

/// Why a pipe cannot be opened.
enum Shut {
    /// Nobody reads it, or it is not there yet.
    NotYet,
    /// Something else is in its place.
    Refused(String),
}

impl Writer {
    pub(super) fn new(stream: OutputStream, path: &Path, status: Arc<watch::Sender<Status>>) -> Self {
        Self { stream, path: path.to_owned(), pipe: None, void: is_null(path), status }
    }

    /// Opens the pipe even while there is nothing to write: its reader hangs until somebody does.
    pub(super) async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut batch = Vec::with_capacity(QUEUE);
        while self.next(&mut items, &mut batch).await > 0 {
            let mut pieces = Vec::new();
            for item in batch.drain(..) {
                match item {
                    Item::Piece(piece) => pieces.push(piece),
                    Item::Flush(done) => {
                        self.deliver(&pieces).await;
                        pieces.clear();
                        self.try_open();
                        let _ = done.send(());
                    }
                }
            }
            self.deliver(&pieces).await;
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

    /// Writes the pieces and notes them as delivered. Together, as an engine sends each line by itself.
    async fn deliver(&mut self, pieces: &[LogChunk]) {
        let bytes: Vec<&[u8]> = pieces.iter().map(|piece| piece.bytes.as_ref()).collect();
        self.write(&bytes.concat()).await;
        if !pieces.is_empty() {
            let stream = self.stream;
            self.status.send_modify(|status| {
                pieces.iter().for_each(|piece| status.cursor.of(stream).advance(piece.at_ns));
            });
        }
    }

    /// Opens the pipe of a silent stream whose task has ended at once: its reader may hang by now.
    fn try_open(&mut self) {
        if self.pipe.is_none() && !self.void {
            self.pipe = open_pipe(&self.path).ok();
        }
    }

    /// Writes all of it, however often the reader goes and comes.
    async fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &self.pipe {
                _ if self.void => return self.lose(rest.len()),
                None => self.reopen().await,
                Some(pipe) => match write_some(pipe, rest).await {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => self.reopen().await,
                },
            }
        }
    }

    fn lose(&self, bytes: usize) {
        // A stream that nobody wants is not lost.
        if !is_null(&self.path) {
            self.status.send_modify(|status| status.lost += bytes as u64);
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

/// Opens the pipe and closes it at once.
pub(super) fn touch(path: &Path) {
    open_pipe(path).ok();
}

fn open_pipe(path: &Path) -> Result<Sender, Shut> {
    let found = look(path).map_err(shut)?;
    let kind = fstat(&found).map(|stat| FileType::from_raw_mode(stat.st_mode)).map_err(shut)?;
    if kind != FileType::Fifo {
        return Err(Shut::Refused(format!("is replaced by something else ({kind:?})")));
    }
    let through = format!("/proc/self/fd/{}", found.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let pipe = open(through, flags, Mode::empty()).map_err(shut)?;
    Sender::from_file(File::from(pipe)).map_err(|error| Shut::Refused(error.to_string()))
}

/// Takes hold of what has that name, without opening it. Below an allocation no component may be a link.
fn look(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some((anchor, below)) = allocation(path) else {
        return open(path, flags, Mode::empty());
    };
    let anchor = open(anchor, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(&anchor, below, flags, Mode::empty(), beneath) {
        Err(Errno::NOSYS) => rustix::fs::openat(CWD, path, flags, Mode::empty()),
        other => other,
    }
}

/// Splits `<allocation>/alloc/logs/<name>` into what the host made and what tasks can write to.
fn allocation(path: &Path) -> Option<(&Path, &Path)> {
    let anchor = path.ancestors().nth(3).filter(|anchor| !anchor.as_os_str().is_empty())?;
    let below = path.strip_prefix(anchor).ok()?;
    below.starts_with("alloc/logs").then_some((anchor, below))
}

fn shut(error: Errno) -> Shut {
    match error {
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR => Shut::Refused(format!("is behind a link ({error})")),
        Errno::ACCESS | Errno::PERM => Shut::Refused(format!("cannot be opened ({error})")),
        _ => Shut::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_on_the_way_through_an_allocation_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let (alloc, elsewhere) = (dir.path().join("alloc"), dir.path().join("elsewhere"));
        std::fs::create_dir_all(&alloc).expect("made");
        std::fs::create_dir_all(&elsewhere).expect("made");
        std::os::unix::fs::symlink(&elsewhere, alloc.join("logs")).expect("linked");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, elsewhere.join("x"), FileType::Fifo, mode, 0).expect("a pipe");
        assert!(matches!(open_pipe(&alloc.join("logs/x")), Err(Shut::Refused(_))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_of_a_pipe_that_is_only_touched_finds_nothing_and_goes() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
        let reader = tokio::task::spawn_blocking({
            let path = path.clone();
            move || std::fs::read(path).expect("read")
        });
        // Before the reader waits there is nobody to open the pipe for.
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !reader.is_finished() && std::time::Instant::now() < end {
            touch(&path);
            tokio::task::yield_now().await;
        }
        assert!(reader.is_finished(), "the reader hangs");
        assert!(reader.await.expect("ended").is_empty());
    }

    #[test]
    fn devices_and_files_are_not_opened() {
        assert!(matches!(open_pipe(Path::new("/dev/zero")), Err(Shut::Refused(_))));
        assert!(matches!(open_pipe(Path::new("/proc/self/status")), Err(Shut::Refused(_))));
        assert!(matches!(open_pipe(Path::new("/nonexistent")), Err(Shut::NotYet)));
    }
}
