//! Work beneath an open directory: no name is resolved from the root, and no link is followed.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid},
    io::Errno,
};

use super::{Error, Result};
use crate::domain::{Owner, SecretBytes};

/// Deeper trees than any file set makes are left to the unmount.
const DEEPEST: u32 = 16;

/// An open directory and the path it had, for messages.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// Whether bytes are overwritten before their name goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wipe {
    /// Readers that still hold a file open keep what they see.
    Keep,
    /// Nobody may read it any more.
    Overwrite,
}

impl Dir {
    /// Opens the root of the host's tree.
    pub(super) fn slash() -> Result<Self> {
        let path = PathBuf::from("/");
        let fd = fs::open(&path, dir_flags(), Mode::empty()).map_err(|e| Error::io("open", &path, e))?;
        Ok(Self { fd, path })
    }

    /// Opens a directory by its name in this one.
    pub(super) fn child(&self, name: impl AsRef<OsStr>) -> Result<Self> {
        self.try_child(name.as_ref()).map_err(|errno| self.refusal(name.as_ref(), errno))
    }

    /// Opens a directory by its name in this one, when there is one.
    pub(super) fn child_if_any(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>> {
        match self.try_child(name.as_ref()) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.refusal(name.as_ref(), errno)),
        }
    }

    /// Opens a directory, made with `mode` when it is missing.
    pub(super) fn make_child(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self> {
        let name = name.as_ref();
        match fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => self.child(name),
            Err(errno) => Err(Error::io("make directory", &self.path.join(name), errno)),
        }
    }

    fn try_child(&self, name: &OsStr) -> rustix::io::Result<Self> {
        let fd = fs::openat(&self.fd, name, dir_flags(), Mode::empty())?;
        Ok(Self { fd, path: self.path.join(name) })
    }

    /// Says what stands where a directory was looked for.
    fn refusal(&self, name: &OsStr, errno: Errno) -> Error {
        let path = self.path.join(name);
        match errno {
            Errno::LOOP | Errno::NOTDIR => Error::Foreign { path, what: "a link or a file where a directory belongs" },
            other => Error::io("open", &path, other),
        }
    }

    /// Returns the path it was opened by.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns owner, mode and device of the directory itself.
    pub(super) fn stat(&self) -> Result<Stat> {
        fs::fstat(&self.fd).map_err(|e| Error::io("look at", &self.path, e))
    }

    /// Returns what a name stands for, without following it.
    pub(super) fn stat_of(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>> {
        match fs::statat(&self.fd, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("look at", &self.path.join(name.as_ref()), errno)),
        }
    }

    /// Gives the directory itself an owner and a mode.
    pub(super) fn belong_to(&self, owner: Owner, mode: u32) -> Result<()> {
        give(&self.fd, owner, mode).map_err(|e| Error::io("set owner of", &self.path, e))
    }

    /// Returns the names in it, in the order of their bytes.
    pub(super) fn names(&self) -> Result<Vec<OsString>> {
        let failed = |e| Error::io("list", &self.path, e);
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.fd).map_err(failed)? {
            let name = OsStr::from_bytes(entry.map_err(failed)?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes a file that was not there, with owner and mode set before it is whole.
    pub(super) fn create_file(&self, name: &str, contents: &[u8], owner: Owner, mode: u32) -> Result<()> {
        let path = self.path.join(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR).map_err(|e| Error::io("make", &path, e))?;
        give(&fd, owner, mode).map_err(|e| Error::io("set owner of", &path, e))?;
        File::from(fd).write_all(contents).map_err(|source| Error::Io { doing: "write", path, source })
    }

    /// Reads a regular file and its mode, when there is one.
    pub(super) fn read_file(&self, name: impl AsRef<OsStr>) -> Result<Option<(SecretBytes, u32)>> {
        let name = name.as_ref();
        let path = self.path.join(name);
        // Without NONBLOCK a pipe that somebody put there would hold us until it gets a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(Error::Foreign { path, what: "a symbolic link" }),
            Err(errno) => return Err(Error::io("open", &path, errno)),
        };
        let stat = fs::fstat(&fd).map_err(|e| Error::io("look at", &path, e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::Foreign { path, what: "no regular file" });
        }
        // Room for all of it at once: a growing buffer would leave copies of the secret behind.
        let mut contents = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0) + 1);
        let read = File::from(fd).read_to_end(&mut contents);
        read.map_err(|source| Error::Io { doing: "read", path, source })?;
        Ok(Some((SecretBytes::new(contents), stat.st_mode & 0o777)))
    }

    /// Returns where a link points, when the name is a link.
    pub(super) fn read_link(&self, name: impl AsRef<OsStr>) -> Result<Option<String>> {
        match fs::readlinkat(&self.fd, name.as_ref(), Vec::new()) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(Error::io("read link", &self.path.join(name.as_ref()), errno)),
        }
    }

    /// Makes a link.
    pub(super) fn symlink(&self, target: &str, name: &str) -> Result<()> {
        fs::symlinkat(target, &self.fd, name).map_err(|e| Error::io("link", &self.path.join(name), e))
    }

    /// Gives an entry another name at one stroke; what had that name goes.
    pub(super) fn rename(&self, from: &str, to: impl AsRef<OsStr>) -> Result<()> {
        fs::renameat(&self.fd, from, &self.fd, to.as_ref())
            .map_err(|e| Error::io("rename to", &self.path.join(to.as_ref()), e))
    }

    /// Removes whatever has the name, with all that is below it; nothing is fine too.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>, wipe: Wipe) -> Result<()> {
        self.remove_to(name.as_ref(), wipe, DEEPEST)
    }

    /// Removes all that is in the directory.
    pub(super) fn clear(&self, wipe: Wipe) -> Result<()> {
        self.clear_to(wipe, DEEPEST)
    }

    fn remove_to(&self, name: &OsStr, wipe: Wipe, depth: u32) -> Result<()> {
        let Some(stat) = self.stat_of(name)? else { return Ok(()) };
        let flags = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let child = self.child(name)?;
                // Another file system mounted here belongs to whoever mounted it.
                if depth > 0 && child.stat()?.st_dev == self.stat()?.st_dev {
                    child.clear_to(wipe, depth - 1)?;
                }
                AtFlags::REMOVEDIR
            }
            FileType::RegularFile if wipe == Wipe::Overwrite => {
                self.overwrite(name).ok();
                AtFlags::empty()
            }
            _ => AtFlags::empty(),
        };
        match fs::unlinkat(&self.fd, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::io("remove", &self.path.join(name), errno)),
        }
    }

    /// Clears as much as can be cleared and returns the first failure.
    fn clear_to(&self, wipe: Wipe, depth: u32) -> Result<()> {
        let mut first = Ok(());
        for name in self.names()? {
            first = first.and(self.remove_to(&name, wipe, depth));
        }
        first
    }

    /// Writes zeros over a regular file's bytes.
    fn overwrite(&self, name: &OsStr) -> std::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(fs::openat(&self.fd, name, flags, Mode::empty())?);
        let size = file.metadata()?.len();
        std::io::copy(&mut std::io::repeat(0).take(size), &mut file).map(drop)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sets the owner first: the kernel takes bits away when the owner changes.
fn give(fd: impl AsFd, owner: Owner, mode: u32) -> rustix::io::Result<()> {
    fs::fchown(&fd, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
    fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o777))
}

fn dir_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
