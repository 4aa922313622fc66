//! One process at a time, and the newest one gets its turn.
//!
//! Each process draws a number from the file `turn`, larger than all before. Then it waits for the lock. Whoever holds the
//! lock looks at `turn` now and then and before each write: a larger number there means that a newer process waits, and it lets go.

use std::{
    fs::File,
    os::{fd::AsFd, unix::fs::FileExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, openat},
    io::Errno,
};

use super::{Error, Result};

/// How often a waiting process tries; a hand-over is rare and takes about a second.
const RETRY: Duration = Duration::from_millis(20);
/// Digits of the largest number, so that a write never changes the file's length and needs no new block.
const DIGITS: usize = 20;

/// The right to write, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _held: File,
    turn: File,
    number: u64,
}

impl Lock {
    /// Draws the next number and waits for the lock.
    pub(super) fn take(dir: &impl AsFd, dir_path: &Path, wait: Duration) -> Result<Self> {
        let turn = open(dir, dir_path, "turn")?;
        let number = draw(&turn).map_err(|e| Error::io("draw a number from", &dir_path.join("turn"), e))?;
        let held = open(dir, dir_path, "lock")?;
        wait_for(&held, &dir_path.join("lock"), wait)?;
        let lock = Self { _held: held, turn, number };
        match lock.is_superseded() {
            true => Err(Error::Superseded { path: dir_path.to_owned() }),
            false => Ok(lock),
        }
    }

    /// Returns this process's number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Says whether a newer process wants to write. What cannot be read is not newer: a failing disk must not end us.
    pub(super) fn is_superseded(&self) -> bool {
        read(&self.turn).is_ok_and(|newest| newest > self.number)
    }
}

fn open(dir: &impl AsFd, dir_path: &Path, name: &str) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(dir, name, flags, Mode::RUSR | Mode::WUSR);
    fd.map(File::from).map_err(|e| Error::io("open", &dir_path.join(name), e))
}

/// Raises the number in the file by one, while no other process does.
fn draw(turn: &File) -> std::io::Result<u64> {
    flock(turn, FlockOperation::LockExclusive)?;
    let number = read(turn)?.saturating_add(1);
    let written = turn.write_all_at(format!("{number:0DIGITS$}").as_bytes(), 0);
    let synced = written.and_then(|()| turn.sync_data());
    flock(turn, FlockOperation::Unlock)?;
    synced.map(|()| number)
}

/// Reads the number; an empty or damaged file counts as none.
fn read(turn: &File) -> std::io::Result<u64> {
    let mut digits = [0; DIGITS];
    let length = turn.read_at(&mut digits, 0)?;
    Ok(std::str::from_utf8(&digits[..length]).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn wait_for(lock: &File, path: &Path, wait: Duration) -> Result<()> {
    let limit = Instant::now() + wait;
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if Instant::now() >= limit => {
                return Err(Error::Held { path: path.to_owned(), waited: wait });
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(RETRY),
            Err(errno) => return Err(Error::io("lock", path, errno)),
        }
    }
}
