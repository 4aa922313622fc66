//! The file itself: read whole, set aside when damaged, made short, added to.

use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, fsync, linkat, openat, renameat, unlinkat},
    io::Errno,
};

use super::{Entry, Error, Result, state::State};

const NAME: &str = "journal.jsonl";
const NEW_NAME: &str = "journal.jsonl.new";
/// A file larger than this is made short while in use, if that halves it. A task takes some 2 KiB.
const LARGE: u64 = 1 << 20;
/// Larger files than this are not ours.
const HUGE: u64 = 256 << 20;

/// A damaged journal that was set aside. What it cannot tell any more may be left behind on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Where the damaged file is now; where it was when it could not even be moved.
    pub path: PathBuf,
    /// How many lines could not be read; 0 when the whole file could not.
    pub lines: usize,
}

/// The open journal file, at its end.
#[derive(Debug)]
pub(super) struct LogFile {
    dir: OwnedFd,
    dir_path: PathBuf,
    file: File,
    /// Up to here all is whole and on the disk.
    length: u64,
    /// Whether there is something beyond `length` that a failed write left.
    torn: bool,
}

/// What a file's bytes hold.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// What the good lines come to.
    pub(super) state: State,
    /// Number of damaged lines.
    pub(super) bad: usize,
    /// Number of good lines.
    good: usize,
}

impl Contents {
    /// Reads lines; one without an end is damaged, since it was never acknowledged or has been cut.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut contents = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| *line != b"\n") {
            let whole = line.strip_suffix(b"\n");
            match whole.and_then(|whole| Some((Entry::from_line(whole)?, std::str::from_utf8(line).ok()?))) {
                Some((entry, text)) => {
                    contents.state.apply(entry, text);
                    contents.good += 1;
                }
                None => contents.bad += 1,
            }
        }
        contents
    }
}

impl LogFile {
    /// Reads what there is, sets damage aside, and makes the file short.
    pub(super) fn open(dir: OwnedFd, dir_path: &Path) -> Result<(Self, State, Option<Quarantine>)> {
        unlink_if_any(&dir, dir_path, NEW_NAME)?;
        let (contents, unreadable) = match read_all(&dir, dir_path) {
            Ok(bytes) => (Contents::read(&bytes), false),
            Err(_) => (Contents::default(), true),
        };
        let damaged = unreadable || contents.bad > 0;
        let quarantine = damaged.then(|| set_aside(&dir, dir_path, contents.bad));
        let log = Self::open_short(dir, dir_path, &contents, damaged)?;
        Ok((log, contents.state, quarantine))
    }

    /// Opens the file after making it short; a full disk leaves it long.
    fn open_short(dir: OwnedFd, dir_path: &Path, contents: &Contents, damaged: bool) -> Result<Self> {
        let lines = contents.state.to_lines();
        if damaged || lines.len() < contents.good {
            match write_new(&dir, dir_path, &lines) {
                Ok(()) => {}
                Err(error) if damaged && contents.good == 0 => return Err(error),
                // All good lines are still there, and reading skips the others again.
                Err(_) => unlink_if_any(&dir, dir_path, NEW_NAME)?,
            }
        }
        let path = dir_path.join(NAME);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&dir, NAME, flags, Mode::RUSR | Mode::WUSR).map_err(|e| Error::io("open", &path, e))?;
        fsync(&dir).map_err(|e| Error::io("sync", dir_path, e))?;
        let file = File::from(fd);
        let length = file.metadata().map_err(|e| Error::io("look at", &path, e))?.len();
        let mut log = Self { dir, dir_path: dir_path.to_owned(), file, length, torn: false };
        if damaged && contents.bad > 0 {
            // If the file stayed long, this ends a line that was cut.
            log.add("\n").ok();
        }
        Ok(log)
    }

    /// Adds whole lines; when it returns they are on the disk, or none of them is.
    pub(super) fn add(&mut self, lines: &str) -> Result<()> {
        let path = self.dir_path.join(NAME);
        if self.file.metadata().map_err(|e| Error::io("look at", &path, e))?.nlink() == 0 {
            return Err(Error::Lost { path });
        }
        if self.torn {
            self.file.set_len(self.length).map_err(|e| Error::io("mend", &path, e))?;
            self.torn = false;
        }
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.torn = self.file.set_len(self.length).is_err();
            return Err(Error::io("write", &path, error));
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Makes a file short that has grown, when it is worth it.
    pub(super) fn shorten(&mut self, state: &State) -> Result<()> {
        if self.length < LARGE {
            return Ok(());
        }
        let lines = state.to_lines();
        if lines.iter().map(|line| line.len() as u64).sum::<u64>() > self.length / 2 {
            return Ok(());
        }
        write_new(&self.dir, &self.dir_path, &lines)?;
        let path = self.dir_path.join(NAME);
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.dir, NAME, flags, Mode::empty()).map_err(|e| Error::io("open", &path, e))?;
        self.file = File::from(fd);
        self.length = self.file.metadata().map_err(|e| Error::io("look at", &path, e))?.len();
        Ok(())
    }
}

fn read_all(dir: &impl AsFd, dir_path: &Path) -> Result<Vec<u8>> {
    let path = dir_path.join(NAME);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(dir, NAME, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(Error::io("open", &path, errno)),
    };
    let stat = file.metadata().map_err(|e| Error::io("look at", &path, e))?;
    if !stat.is_file() || stat.len() > HUGE {
        return Err(Error::io("read", &path, std::io::Error::other("no regular file of a sensible size")));
    }
    let mut bytes = Vec::new();
    (&file).take(HUGE).read_to_end(&mut bytes).map_err(|e| Error::io("read", &path, e))?;
    Ok(bytes)
}

/// Keeps the damaged file under another name. A second name first: the file keeps its own until a whole new one takes it.
fn set_aside(dir: &impl AsFd, dir_path: &Path, lines: usize) -> Quarantine {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for n in 0..100 {
        let name = if n == 0 { format!("{NAME}.bad-{now}") } else { format!("{NAME}.bad-{now}-{n}") };
        match linkat(dir, NAME, dir, &name, AtFlags::empty()) {
            Ok(()) => return Quarantine { path: dir_path.join(name), lines },
            Err(Errno::EXIST) => {}
            // A directory has no second name, but can be moved away.
            Err(_) if renameat(dir, NAME, dir, &name).is_ok() => {
                return Quarantine { path: dir_path.join(name), lines };
            }
            Err(_) => break,
        }
    }
    Quarantine { path: dir_path.join(NAME), lines }
}

/// Writes a whole new file and lets it take the name.
fn write_new(dir: &impl AsFd, dir_path: &Path, lines: &[String]) -> Result<()> {
    let path = dir_path.join(NEW_NAME);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(dir, NEW_NAME, flags, Mode::RUSR | Mode::WUSR).map_err(|e| Error::io("make", &path, e))?;
    let mut file = File::from(fd);
    file.write_all(lines.concat().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::io("write", &path, e))?;
    renameat(dir, NEW_NAME, dir, NAME).map_err(|e| Error::io("rename", &path, e))?;
    fsync(dir).map_err(|e| Error::io("sync", dir_path, e))
}

fn unlink_if_any(dir: &impl AsFd, dir_path: &Path, name: &str) -> Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::io("remove", &dir_path.join(name), errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::entry::samples::{key, life},
        *,
    };

    #[test]
    fn a_file_cut_at_any_byte_gives_the_lines_before() {
        let lines: Vec<String> = life(1)[..13].iter().map(Entry::to_line).collect();
        let bytes = lines.concat().into_bytes();
        for cut in 0..=bytes.len() {
            let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            let contents = Contents::read(&bytes[..cut]);
            let torn = usize::from(cut > 0 && bytes[cut - 1] != b'\n');
            assert_eq!((contents.good, contents.bad), (whole, torn), "cut at {cut}");
            let expected = Contents::read(lines[..whole].concat().as_bytes()).state.open_tasks();
            assert_eq!(contents.state.open_tasks(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_its_own_line_only() {
        let lines: Vec<String> = (1..=3).map(|n| life(n)[0].to_line()).collect();
        let bytes = lines.concat().into_bytes();
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            let contents = Contents::read(&bad);
            assert!(contents.bad >= 1, "bit {at}");
            // A flipped end of a line joins it with the next one.
            let lost = if bytes[at / 8] == b'\n' { 2 } else { 1 };
            assert!(contents.good >= 3 - lost, "bit {at}");
        }
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let home = tempfile::tempdir().expect("a directory");
        let dir = OwnedFd::from(File::open(home.path()).expect("an open directory"));
        let (mut log, ..) = LogFile::open(dir, home.path()).expect("a fresh file");
        let file = home.path().join(NAME);
        let lines: Vec<String> = life(1).iter().map(Entry::to_line).collect();
        log.add(&lines[0]).expect("written");
        // A handle that cannot write stands for a disk that fails; what it wrote of the line is still there.
        let good = std::mem::replace(&mut log.file, File::open(&file).expect("a handle for reading"));
        assert!(matches!(log.add(&lines[1]), Err(Error::Io { .. })));
        (&good).write_all(&lines[1].as_bytes()[..20]).expect("half a line");
        assert!(log.torn && log.add(&lines[1]).is_err());
        log.file = good;
        log.add(&lines[2]).expect("written");
        assert_eq!(std::fs::read_to_string(file).expect("the file"), [lines[0].as_str(), &lines[2]].concat());
    }

    #[test]
    fn a_removed_file_is_noticed() {
        let home = tempfile::tempdir().expect("a directory");
        let dir = OwnedFd::from(File::open(home.path()).expect("an open directory"));
        let (mut log, ..) = LogFile::open(dir, home.path()).expect("a fresh file");
        std::fs::remove_file(home.path().join(NAME)).expect("removed");
        assert!(matches!(log.add(&life(1)[0].to_line()), Err(Error::Lost { .. })));
    }

    #[test]
    fn a_line_of_a_newer_version_is_kept_as_it_is() {
        let newer = life(1)[6].to_line();
        let entry = newer.replace("started", "teleported");
        let body = entry.split_once(r#""entry":"#).expect("a line").1.trim_end().strip_suffix('}').expect("an end");
        let sum = hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(body.as_bytes())[..8]);
        let line = format!("{{\"sum\":\"{sum}\",\"entry\":{body}}}\n");
        let contents = Contents::read(line.as_bytes());
        assert_eq!((contents.good, contents.bad), (1, 0));
        assert!(contents.state.task(&key(1)).is_some());
        assert_eq!(contents.state.to_lines(), [line]);
    }
}
