//! The opening of a named pipe.
//!
//! The directory of the pipes can be written by tasks, so nothing is trusted before it is open: the last name is opened
//! without following it and without effect, looked at, and only then opened for writing through that handle.

use std::{
    fs::File,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2},
    io::Errno,
};
use tokio::net::unix::pipe::Sender;

/// Why a pipe cannot be opened.
pub(super) enum Shut {
    /// Nobody reads it, or it is not there yet.
    NotYet,
    /// Something else is in its place.
    Refused(String),
}

/// Opens the pipe and closes it at once.
pub(super) fn touch(path: &Path) {
    open_pipe(path).ok();
}

/// Opens the pipe for writing, without waiting for a reader.
pub(super) fn open_pipe(path: &Path) -> Result<Sender, Shut> {
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
    use std::time::Duration;

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
