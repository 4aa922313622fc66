//! Makes the state directory and refuses an unfit one.

use std::{
    fs::DirBuilder,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags, fstat, fstatfs, open},
    io::Errno,
    process::geteuid,
};

use super::{Error, Result};

/// What `statfs` says of file systems that a reboot empties (linux/magic.h).
const TMPFS_MAGIC: i64 = 0x0102_1994;
const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// Opens the state directory, made when it is missing.
pub(super) fn open_state_dir(path: &Path) -> Result<OwnedFd> {
    if !path.is_absolute() {
        return Err(refuse(path, "is not absolute", "give an absolute path such as /var/lib/nomad-driver-strongbox"));
    }
    make(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::LOOP | Errno::NOTDIR => refuse(path, "is a link or a file", "give the real path of a directory"),
        other => Error::io("open", path, other),
    })?;
    check_file_system(path, &dir)?;
    check_owner(path, &dir)?;
    Ok(dir)
}

/// Makes what is missing: the parents open to read, the directory itself to nobody else.
fn make(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let failed = |e| Error::io("make", path, e);
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(e)),
        _ => Ok(()),
    }
}

fn check_file_system(path: &Path, dir: &OwnedFd) -> Result<()> {
    let stat = fstatfs(dir).map_err(|e| Error::io("look at", path, e))?;
    #[allow(clippy::unnecessary_cast, reason = "the field's width differs between architectures")]
    let magic = stat.f_type as i64;
    match magic {
        TMPFS_MAGIC | RAMFS_MAGIC => {
            Err(refuse(path, "is in RAM and would be lost at a reboot", "give a directory on a disk"))
        }
        _ => Ok(()),
    }
}

fn check_owner(path: &Path, dir: &OwnedFd) -> Result<()> {
    let stat = fstat(dir).map_err(|e| Error::io("look at", path, e))?;
    if stat.st_uid != geteuid().as_raw() {
        return Err(refuse(path, &format!("belongs to user {}", stat.st_uid), "let the plugin's user own it"));
    }
    let mode = stat.st_mode & 0o7777;
    match mode & 0o022 {
        0 => Ok(()),
        _ => Err(refuse(path, &format!("can be written by others (mode {mode:04o})"), "set its mode to 0700")),
    }
}

fn refuse(path: &Path, why: &str, hint: &'static str) -> Error {
    Error::UnsafeDirectory { path: path.to_owned(), why: why.to_owned(), hint }
}
