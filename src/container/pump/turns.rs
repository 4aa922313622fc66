//! Sees when the engine begins another file of a container's output.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, time::SystemTime};

/// A look now and then at the file that is written now.
#[derive(Debug)]
pub(super) struct Turns {
    path: PathBuf,
    /// Which file it was, and how long.
    seen: Option<(u64, u64)>,
    last: SystemTime,
}

impl Turns {
    /// Watches `path`. Of what was before nothing is known, so a turn is taken to have been `now`.
    pub(super) fn of(path: PathBuf, now: SystemTime) -> Self {
        let mut turns = Self { path, seen: None, last: now };
        turns.last(now);
        turns
    }

    /// Returns when a turn was last noticed, which is not before it was.
    pub(super) fn last(&mut self, now: SystemTime) -> SystemTime {
        let seen = fs::metadata(&self.path).ok().map(|meta| (meta.ino(), meta.len()));
        // A single file is cut short instead of being put aside; between the files there is none for a moment.
        let same = self.seen.zip(seen).is_some_and(|(before, now)| before.0 == now.0 && before.1 <= now.1);
        if !same {
            self.last = now;
        }
        self.seen = seen;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn another_file_a_shorter_one_and_none_are_turns() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        fs::write(&path, "one").expect("written");
        let mut turns = Turns::of(path.clone(), at(1));
        assert_eq!(turns.last(at(2)), at(1));
        fs::write(&path, "one two").expect("written");
        assert_eq!(turns.last(at(3)), at(1), "it only grew");
        fs::rename(&path, dir.path().join("log.1")).expect("put aside");
        assert_eq!(turns.last(at(4)), at(4));
        fs::write(&path, "three four").expect("written");
        assert_eq!((turns.last(at(5)), turns.last(at(6))), (at(5), at(5)));
        fs::write(&path, "").expect("cut");
        assert_eq!(turns.last(at(7)), at(7));
    }
}
