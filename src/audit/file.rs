//! The file: found again at its end, added to, closed where it was torn, and followed by another when it is full.
//!
//! Whoever writes holds the file's lock and first makes sure that it still is the file that it knows. So a process that
//! takes over from another, and an operator who moves the file away, leave one chain.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    process::geteuid,
};

use super::{
    Act, Error, Note, Result,
    chain::{self, Link},
};

/// How far from the end the last good line is looked for; a line takes about 1 KiB, and never more than 20.
const TAIL: u64 = 256 << 10;

/// The file, and where in it we are.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    installation: String,
    max_size: u64,
    keep: usize,
    known: Option<Known>,
    /// The last line that was written, for a file that has gone.
    last: Option<Link>,
}

/// A file whose end is known.
#[derive(Debug)]
struct Known {
    file: File,
    length: u64,
    head: Link,
}

/// What stands at the end of a file.
pub(super) struct End {
    /// The last good line.
    pub(super) head: Option<Link>,
    /// What follows it.
    pub(super) rest: Vec<u8>,
}

impl LogFile {
    /// Names the file; nothing is touched.
    pub(super) fn new(path: PathBuf, installation: String, max_size: u64, keep: usize) -> Self {
        Self { path, installation, max_size, keep, known: None, last: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds lines; when it returns well the kernel has them all, else none of them stands in the file.
    pub(super) fn add(&mut self, notes: &[Note]) -> Result<()> {
        let mut known = self.locked()?;
        let outcome = self.add_locked(&mut known, notes);
        flock(&known.file, FlockOperation::Unlock).ok();
        if outcome.is_ok() {
            self.last = Some(known.head.clone());
            self.known = Some(known);
        }
        outcome
    }

    fn add_locked(&mut self, known: &mut Known, notes: &[Note]) -> Result<()> {
        if known.length >= self.max_size {
            self.turn_over(known)?;
        }
        let mut head = known.head.clone();
        let mut text = String::new();
        for note in notes {
            let (line, link) = head.tie(note.clone());
            text.push_str(&line);
            head = link;
        }
        self.write(known, text.as_bytes())?;
        known.head = head;
        Ok(())
    }

    /// Writes whole lines or takes back what was written of them.
    fn write(&self, known: &mut Known, bytes: &[u8]) -> Result<()> {
        if let Err(error) = known.file.write_all(bytes) {
            // What cannot be taken back is closed with a note when the disk lets us.
            known.file.set_len(known.length).ok();
            return Err(self.failed("write", error));
        }
        known.length += bytes.len() as u64;
        Ok(())
    }

    /// Returns the file under its lock, at its end.
    fn locked(&mut self) -> Result<Known> {
        if let Some(known) = self.known.take() {
            self.lock(&known.file)?;
            if self.is_current(&known.file) && known.file.metadata().is_ok_and(|meta| meta.len() == known.length) {
                return Ok(known);
            }
        }
        // The name may move to another file between the opening and the lock.
        for _ in 0..16 {
            let file = self.open(OFlags::CREATE)?;
            self.lock(&file)?;
            if self.is_current(&file) {
                return self.find_end(file);
            }
        }
        Err(self.failed("lock", std::io::Error::other("it is replaced again and again")))
    }

    /// Finds the last good line, closes what follows it, and begins a chain where there is none.
    fn find_end(&mut self, file: File) -> Result<Known> {
        let length = file.metadata().map_err(|error| self.failed("look at", error))?.len();
        let End { head, rest } = end_of(&file, length).map_err(|error| self.failed("read", error))?;
        match head {
            Some(head) => {
                let mut known = Known { file, length, head };
                match chain::read(&rest) {
                    // Only its end is missing.
                    Some((_, head)) => {
                        self.write(&mut known, b"\n")?;
                        known.head = head;
                    }
                    None if rest.is_empty() => {}
                    None => self.close(&mut known, &rest)?,
                }
                Ok(known)
            }
            None if length == 0 => self.begin(file, ""),
            None => {
                let aside = self.set_aside()?;
                let file = self.open(OFlags::CREATE)?;
                self.lock(&file)?;
                self.begin(file, &format!("what was here had no good line and is now {aside}"))
            }
        }
    }

    /// Says in the chain what a crash, or somebody, left after the last good line.
    fn close(&self, known: &mut Known, rest: &[u8]) -> Result<()> {
        let torn = !rest.contains(&b'\n');
        let bytes = rest.strip_suffix(b"\n").unwrap_or(rest);
        let note = Note {
            count: Some(bytes.len() as u64),
            damage: chain::hash_of(bytes),
            installation: self.installation.clone(),
            ..Note::new(if torn { Act::Torn } else { Act::Damaged })
        };
        let (line, head) = known.head.tie(note);
        let end = if rest.ends_with(b"\n") { "" } else { "\n" };
        self.write(known, format!("{end}{line}").as_bytes())?;
        known.head = head;
        tracing::warn!(path = %self.path.display(), bytes = bytes.len(), torn, "The audit file's end was damaged; a note in it says so");
        Ok(())
    }

    /// Writes the first line: of a new chain, or of one that goes on.
    fn begin(&self, file: File, reason: &str) -> Result<Known> {
        let note =
            |event| Note { installation: self.installation.clone(), reason: reason.to_owned(), ..Note::new(event) };
        // Another process may have gone further than we did.
        let before = [self.last.clone(), self.head_of_older()].into_iter().flatten().max_by_key(|link| link.seq);
        let (line, head) = match before {
            Some(before) => before.tie(note(Act::Continued)),
            None => chain::begin(note(Act::Genesis)),
        };
        let mut known = Known { file, length: 0, head };
        self.write(&mut known, line.as_bytes())?;
        Ok(known)
    }

    /// Returns the last line of the newest full file, when a crash came between its move and the next file.
    fn head_of_older(&self) -> Option<Link> {
        let file = File::open(numbered(&self.path, 1)).ok()?;
        let length = file.metadata().ok()?.len();
        end_of(&file, length).ok()?.head
    }

    /// Moves the full file away and begins the next one.
    fn turn_over(&mut self, known: &mut Known) -> Result<()> {
        self.last = Some(known.head.clone());
        let failed = |error| self.failed("move", error);
        if self.keep == 0 {
            fs::remove_file(&self.path).map_err(failed)?;
        } else {
            for n in (1..self.keep).rev() {
                match fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                    _ => {}
                }
            }
            fs::rename(&self.path, numbered(&self.path, 1)).map_err(failed)?;
        }
        let file = self.open(OFlags::CREATE | OFlags::EXCL)?;
        self.lock(&file)?;
        *known = self.begin(file, "")?;
        Ok(())
    }

    fn set_aside(&self) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut aside = self.path.clone().into_os_string();
        aside.push(format!(".bad-{now}"));
        fs::rename(&self.path, &aside).map_err(|error| self.failed("set aside", error))?;
        tracing::error!(path = %self.path.display(), aside = %aside.to_string_lossy(), "The audit file had no good line; it was set aside");
        Ok(PathBuf::from(aside).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
    }

    fn open(&self, more: OFlags) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
        let fd = open(&self.path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| self.failed("open", errno))?;
        let file = File::from(fd);
        let meta = file.metadata().map_err(|error| self.failed("look at", error))?;
        let unfit = |why, hint| Err(Error::Unfit { path: self.path.clone(), why, hint });
        if !meta.is_file() {
            return unfit("is no regular file", "give another audit { file }");
        }
        if meta.uid() != geteuid().as_raw() || meta.mode() & 0o022 != 0 {
            return unfit("can be written by others", "let the plugin's user own it, mode 0600");
        }
        Ok(file)
    }

    fn lock(&self, file: &File) -> Result<()> {
        flock(file, FlockOperation::LockExclusive).map_err(|errno| self.failed("lock", errno))
    }

    /// Says whether the name still leads to `file`.
    fn is_current(&self, file: &File) -> bool {
        let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (fs::symlink_metadata(&self.path), file.metadata()) {
            (Ok(named), Ok(held)) => same(named, held),
            _ => false,
        }
    }

    fn failed(&self, verb: &'static str, source: impl Into<std::io::Error>) -> Error {
        Error::io(verb, &self.path, source)
    }
}

/// Names the n-th newest of the full files.
pub(super) fn numbered(path: &Path, n: usize) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{n}"));
    name.into()
}

/// Finds the last good line near the end of a file.
fn end_of(file: &File, length: u64) -> std::io::Result<End> {
    let from = length.saturating_sub(TAIL);
    let mut tail = vec![0; usize::try_from(length - from).unwrap_or_default()];
    file.read_exact_at(&mut tail, from)?;
    let mut end = tail.len();
    while let Some(newline) = tail[..end].iter().rposition(|byte| *byte == b'\n') {
        let start = tail[..newline].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if let Some((_, head)) = chain::read(&tail[start..newline]) {
            return Ok(End { head: Some(head), rest: tail[newline + 1..].to_vec() });
        }
        end = newline;
    }
    Ok(End { head: None, rest: tail })
}
