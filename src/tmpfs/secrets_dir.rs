//! One task's mounted directory: its record, and the way to its end.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Result,
    handle::{Dir, Wipe},
    linger::Superseded,
    mounting,
};
use crate::domain::{Owner, SecretBytes, TaskKey};

/// Who owns what is not for the task.
pub(super) const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// The directory that is bound into the container.
const DATA: &str = "data";
const RECORD: &str = "record";
const RECORD_NEW: &str = "record-new";

/// A task's tmpfs. Dropping it leaves everything as it is, so that the task outlives this process.
#[derive(Debug)]
pub struct SecretsDir {
    key: TaskKey,
    tasks: Dir,
    root: Dir,
    data: Dir,
    swap_exposed: bool,
    /// Held while generations change, so that two publications cannot mix.
    superseded: Mutex<Vec<Superseded>>,
}

impl SecretsDir {
    /// Takes the mounted child of `tasks` that is named after `key`; refuses what is not a tmpfs of its own.
    pub(super) fn adopt(tasks: Dir, key: &TaskKey) -> Result<Self> {
        let root = tasks.child(key.as_str())?;
        mounting::check_ram(&root, &tasks)?;
        let data = root.make_child(DATA, 0o500)?;
        let swap_exposed = mounting::is_swappable(&root)?;
        Ok(Self { key: key.clone(), tasks, root, data, swap_exposed, superseded: Mutex::default() })
    }

    /// Returns whose directory it is.
    pub fn key(&self) -> &TaskKey {
        &self.key
    }

    /// Says whether the kernel may write the files to swap.
    pub fn swap_exposed(&self) -> bool {
        self.swap_exposed
    }

    /// Returns the directory to bind into the container, read-only.
    pub fn bind_source(&self) -> PathBuf {
        self.data.path().to_owned()
    }

    /// Returns where the tmpfs is mounted.
    pub fn mount_point(&self) -> &Path {
        self.root.path()
    }

    /// Replaces the record, which only root reads and which the container does not see, at one stroke.
    pub fn write_record(&self, record: &SecretBytes) -> Result<()> {
        self.root.remove(RECORD_NEW, Wipe::Overwrite)?;
        self.root.create_file(RECORD_NEW, record.expose(), ROOT, 0o600)?;
        self.root.rename(RECORD_NEW, RECORD)
    }

    /// Returns the record, when one was written.
    pub fn read_record(&self) -> Result<Option<SecretBytes>> {
        Ok(self.root.read_file(RECORD)?.map(|(record, _)| record))
    }

    /// Overwrites and unlinks what the container saw. The record stays for whoever has yet to revoke what it names.
    pub fn wipe_files(&self) -> Result<()> {
        self.data.clear(Wipe::Overwrite)
    }

    /// Overwrites and unlinks the files, unmounts and removes the directory.
    pub fn remove(self) -> Result<()> {
        let Self { key, tasks, root, data, .. } = self;
        drop((root, data));
        remove(&tasks, &key)
    }

    pub(super) fn data(&self) -> &Dir {
        &self.data
    }

    pub(super) fn superseded(&self) -> MutexGuard<'_, Vec<Superseded>> {
        // What a thread that panicked left is at worst a generation too many.
        self.superseded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a record that was not finished.
    pub(super) fn clear_half_made_record(&self) -> Result<()> {
        self.root.remove(RECORD_NEW, Wipe::Overwrite)
    }
}

/// Wipes, unmounts and removes the child of `tasks` that is named after `key`; nothing there is fine.
pub(super) fn remove(tasks: &Dir, key: &TaskKey) -> Result<()> {
    let name = key.as_str();
    if let Some(dir) = tasks.child_if_any(name)? {
        // What cannot be wiped, such as a foreign mount inside, must not keep the rest from being unmounted.
        dir.clear(Wipe::Overwrite).ok();
    }
    mounting::unmount(tasks, name)?;
    tasks.remove(name, Wipe::Overwrite)
}
