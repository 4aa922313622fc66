//! The runtime directory and the tasks' directories in it.

use std::path::Component;

use rustix::fs::Stat;

use super::{Error, Result, SecretsDir, Settings, handle::Dir, mounting, secrets_dir};
use crate::domain::{TaskKey, fail_point};

/// The folder of the runtime directory that has one folder per task.
const TASKS: &str = "tasks";

/// Makes, finds and removes tasks' directories.
#[derive(Clone, Debug)]
pub struct Tmpfs {
    settings: Settings,
}

impl Tmpfs {
    /// Takes the settings; nothing is touched before the first call.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Mounts a fresh directory for a task; what an earlier attempt left under the same key is removed first.
    pub fn create(&self, key: &TaskKey) -> Result<SecretsDir> {
        let tasks = self.make_tasks()?;
        secrets_dir::remove(&tasks, key)?;
        tasks.make_child(key.as_str(), 0o700)?;
        let mounted = mounting::mount(&tasks.path().join(key.as_str()), &self.settings).and_then(|()| {
            fail_point("tmpfs-mounted");
            self.adopt(tasks, key)
        });
        mounted.inspect_err(|_| {
            self.remove(key).ok();
        })
    }

    /// Finds the directory that an earlier process of ours mounted, and mends what a crash left half-made.
    pub fn open(&self, key: &TaskKey) -> Result<Option<SecretsDir>> {
        let Some(tasks) = self.find_tasks()? else { return Ok(None) };
        let Some(dir) = tasks.child_if_any(key.as_str())? else { return Ok(None) };
        // A crash between making and mounting leaves an empty folder; there is nothing to find in it.
        if !mounting::is_mounted(&dir, &tasks)? && dir.names()?.is_empty() {
            return Ok(None);
        }
        let dir = self.adopt(tasks, key)?;
        dir.mend()?;
        Ok(Some(dir))
    }

    /// Returns the keys under which there is a folder, mounted or not.
    pub fn list(&self) -> Result<Vec<TaskKey>> {
        let Some(tasks) = self.find_tasks()? else { return Ok(Vec::new()) };
        Ok(tasks.names()?.iter().filter_map(|name| TaskKey::from_name(name.to_str()?)).collect())
    }

    /// Overwrites and unlinks a task's files, unmounts and removes its directory; nothing there is fine.
    pub fn remove(&self, key: &TaskKey) -> Result<()> {
        match self.find_tasks()? {
            Some(tasks) => secrets_dir::remove(&tasks, key),
            None => Ok(()),
        }
    }

    fn adopt(&self, tasks: Dir, key: &TaskKey) -> Result<SecretsDir> {
        let dir = SecretsDir::adopt(tasks, key)?;
        match dir.swap_exposed() && self.settings.require_noswap {
            true => Err(Error::Swappable { path: dir.mount_point().to_owned() }),
            false => Ok(dir),
        }
    }

    /// Walks to the tasks' folder and makes what is missing on the way.
    fn make_tasks(&self) -> Result<Dir> {
        let names = self.runtime_names()?;
        let (last, parents) = names.split_last().ok_or_else(|| self.not_absolute())?;
        let mut dir = checked(Dir::slash()?, check_parent)?;
        for name in parents {
            dir = checked(dir.make_child(name, 0o755)?, check_parent)?;
        }
        let runtime = checked(dir.make_child(last, 0o700)?, check_private)?;
        checked(runtime.make_child(TASKS, 0o700)?, check_private)
    }

    /// Walks to the tasks' folder, when there is one.
    fn find_tasks(&self) -> Result<Option<Dir>> {
        let mut dir = checked(Dir::slash()?, check_parent)?;
        let names = self.runtime_names()?;
        for (at, name) in names.iter().enumerate() {
            let Some(child) = dir.child_if_any(name)? else { return Ok(None) };
            let check = if at + 1 == names.len() { check_private } else { check_parent };
            dir = checked(child, check)?;
        }
        dir.child_if_any(TASKS)?.map(|tasks| checked(tasks, check_private)).transpose()
    }

    /// Returns the components of the runtime directory's path.
    fn runtime_names(&self) -> Result<Vec<&std::ffi::OsStr>> {
        let mut components = self.settings.runtime_dir.components();
        if components.next() != Some(Component::RootDir) {
            return Err(self.not_absolute());
        }
        let plain = |component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(self.not_absolute()),
        };
        components.map(plain).collect()
    }

    fn not_absolute(&self) -> Error {
        Error::UnsafeDirectory {
            path: self.settings.runtime_dir.clone(),
            why: "is no plain absolute path".to_owned(),
            hint: "give one such as /run/strongbox",
        }
    }
}

/// Applies a check to a directory's owner and mode.
fn checked(dir: Dir, check: fn(&Stat) -> Option<(String, &'static str)>) -> Result<Dir> {
    match check(&dir.stat()?) {
        None => Ok(dir),
        Some((why, hint)) => Err(Error::UnsafeDirectory { path: dir.path().to_owned(), why, hint }),
    }
}

/// Returns what lets others rename what is in a directory. In a sticky one they cannot rename what is root's.
fn check_parent(stat: &Stat) -> Option<(String, &'static str)> {
    let mode = stat.st_mode & 0o7777;
    if stat.st_uid != 0 {
        return Some((format!("belongs to user {}", stat.st_uid), "root must own it, or the runtime directory moves"));
    }
    let open = mode & 0o022 != 0 && mode & 0o1000 == 0;
    open.then(|| (format!("can be written by others (mode {mode:04o})"), "take their write bits away"))
}

/// Returns what lets others look into a directory.
fn check_private(stat: &Stat) -> Option<(String, &'static str)> {
    let mode = stat.st_mode & 0o7777;
    if stat.st_uid != 0 {
        return Some((format!("belongs to user {}", stat.st_uid), "root must own it; remove it and try again"));
    }
    (mode & 0o077 != 0).then(|| (format!("is open to others (mode {mode:04o})"), "set its mode to 0700"))
}
