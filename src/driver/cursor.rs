//! How far a task's output was delivered, kept for the next process.
//!
//! A small file in the runtime directory, which is in RAM on ordinary machines; it holds positions, no output. A process
//! that is killed leaves a file up to a second old, so that at most a second of output may be delivered twice.

use std::{fs, io, path::PathBuf, time::Duration};

use tokio::sync::watch;

use super::parts::Parts;
use crate::{
    container::{LogCursor, LogStatus},
    domain::TaskKey,
};

/// Shortest time between two writes for one task.
const PAUSE: Duration = Duration::from_secs(1);

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

    /// Writes the cursor at one stroke.
    pub(super) fn write(&self, cursor: &LogCursor) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, cursor)?;
        file.persist(&self.path)?;
        Ok(())
    }

    /// Forgets the cursor; finding none is fine.
    pub(super) fn remove(&self) {
        fs::remove_file(&self.path).ok();
    }

    /// Writes the cursor whenever it has moved, until nothing moves it any more.
    pub(super) async fn follow(self, mut status: watch::Receiver<LogStatus>) {
        let mut failed = false;
        while status.changed().await.is_ok() {
            let cursor = status.borrow_and_update().cursor;
            if let Err(error) = self.write(&cursor)
                && !std::mem::replace(&mut failed, true)
            {
                tracing::warn!(path = %self.path.display(), %error, "The output's position cannot be kept; a restart may repeat output");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
