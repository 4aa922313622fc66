//! The directory of an allocation, laid out as an agent does.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    mount::{MountFlags, UnmountFlags, mount, unmount},
};

/// The directory; unmounted and removed when dropped, as by an agent's garbage collection.
pub struct AllocDir {
    /// Its top, `<data>/alloc/<allocation>`.
    pub path: PathBuf,
    mounts: Vec<PathBuf>,
}

/// The directories of one task.
#[derive(Clone, Debug)]
pub struct TaskDir {
    /// Its top.
    pub path: PathBuf,
    /// Becomes `/local`.
    pub local: PathBuf,
    /// Becomes `/secrets`; in RAM.
    pub secrets: PathBuf,
    /// Never enters the task; in RAM.
    pub private: PathBuf,
}

impl AllocDir {
    /// Makes the part that tasks share.
    pub fn create(data: &Path, alloc_id: &str) -> io::Result<Self> {
        let path = data.join("alloc").join(alloc_id);
        for shared in ["logs", "tmp", "data"] {
            open_dir(&path.join("alloc").join(shared))?;
        }
        Ok(Self { path, mounts: Vec::new() })
    }

    /// Makes a task's part.
    pub fn task(&mut self, name: &str) -> io::Result<TaskDir> {
        let path = self.path.join(name);
        let dirs =
            TaskDir { local: path.join("local"), secrets: path.join("secrets"), private: path.join("private"), path };
        for dir in [&dirs.local, &dirs.secrets, &dirs.private, &dirs.path.join("tmp")] {
            open_dir(dir)?;
        }
        self.in_ram(&dirs.secrets)?;
        self.in_ram(&dirs.private)?;
        Ok(dirs)
    }

    /// Makes the two pipes for a task's output.
    pub fn pipes(&self, task: &str) -> io::Result<[PathBuf; 2]> {
        let pipe = |stream: &str| -> io::Result<PathBuf> {
            let path = self.path.join("alloc/logs").join(format!(".{task}.{stream}.fifo"));
            match mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(path),
                Err(e) => Err(e.into()),
            }
        };
        Ok([pipe("stdout")?, pipe("stderr")?])
    }

    /// Without root the directory stays a plain one, as it does for an agent.
    fn in_ram(&mut self, path: &Path) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() || path.join(".nomad-mount").exists() {
            return Ok(());
        }
        let tmpfs = |options| mount("tmpfs", path, "tmpfs", MountFlags::NOEXEC, options);
        tmpfs(Some(c"size=1m,noswap")).or_else(|_| tmpfs(Some(c"size=1m")))?;
        self.mounts.push(path.to_owned());
        fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
        fs::write(path.join(".nomad-mount"), "")
    }
}

impl Drop for AllocDir {
    fn drop(&mut self) {
        // What cannot be removed is left for whoever looks; a destructor has nobody to tell.
        for path in &self.mounts {
            let _ = unmount(path, UnmountFlags::DETACH);
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn open_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))
}
