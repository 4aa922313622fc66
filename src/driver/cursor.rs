//! How far a task's output was delivered, kept for the next process.
//!
//! A small file in the runtime directory, which is in RAM on ordinary machines; it holds positions, no output. It is written
//! in place right behind each piece of output, so that a process that is killed leaves its true position.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use super::parts::Parts;
use crate::{
    container::{Keep, LogCursor},
    domain::TaskKey,
};

/// Room for a cursor. Each is filled up with spaces, so that nothing of a longer one is left behind it.
const ROOM: usize = 512;

/// The file of one task.
#[derive(Clone, Debug)]
pub(super) struct CursorFile {
    path: PathBuf,
}

impl CursorFile {
    /// Returns the file of the task `key`, whether it exists or not.
    pub(super) fn of(parts: &Parts, key: &TaskKey) -> Self {
        Self { path: parts.settings.tmpfs.runtime_dir.join("cursors").join(key.as_str()) }
    }

    /// Reads the cursor; a missing or damaged file means the beginning.
    pub(super) fn read(&self) -> LogCursor {
        let text = fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Forgets the cursor; finding none is fine.
    pub(super) fn remove(&self) {
        fs::remove_file(&self.path).ok();
    }

    /// Returns what writes each cursor down. A file that cannot be made or written is said once and then done without.
    pub(super) fn keeper(self) -> Arc<Keep> {
        let file = OnceLock::new();
        Arc::new(move |cursor: &LogCursor| {
            let opened = file.get_or_init(|| self.open().map_err(|error| self.warn(&error)).ok());
            let written = opened.as_ref().map(|file| write(file, cursor));
            if let Some(Err(error)) = written {
                self.warn(&error);
            }
        })
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)
    }

    fn warn(&self, error: &io::Error) {
        tracing::warn!(path = %self.path.display(), %error, "The output's position cannot be kept; a restart may repeat output");
    }
}

/// Writes in one call less than a page, which a kill does not cut in two.
fn write(file: &File, cursor: &LogCursor) -> io::Result<()> {
    let mut text = serde_json::to_vec(cursor)?;
    text.resize(text.len().max(ROOM), b' ');
    file.write_all_at(&text, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::NextPiece;

    #[test]
    fn a_shorter_cursor_leaves_nothing_of_a_longer_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = CursorFile { path: folder.path().join("cursors/x") };
        assert_eq!(file.read(), LogCursor::default());
        let keep = file.clone().keeper();
        let mut cursor = LogCursor::default();
        cursor.stdout.advance(i64::MAX);
        cursor.stdout.next = Some(NextPiece { at_ns: i64::MAX, bytes: u64::MAX });
        cursor.stderr = cursor.stdout;
        let longest = serde_json::to_vec(&cursor).expect("text").len();
        assert!(longest < ROOM, "{longest}");
        for cursor in [cursor, LogCursor::default(), cursor] {
            keep(&cursor);
            assert_eq!(file.read(), cursor);
        }
        file.remove();
        assert_eq!(file.read(), LogCursor::default());
    }
}
