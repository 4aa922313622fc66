//! Reads small files that decide about trust: bounded, regular, and private where they must be.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::domain::SecretString;

/// Largest file that can be one secret.
const SECRET_MAX: u64 = 64 * 1024;

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// It is a directory, a pipe, a device or a symbolic link where none may be.
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// It holds nothing.
    #[error("file {} is empty", .0.display())]
    Empty(PathBuf),
    /// It holds more than such a file ever does.
    #[error("file {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// What it may hold.
        limit: u64,
    },
    /// Others than its owner may read or change it.
    #[error("file {} has mode {mode:04o}; set it to 0600", path.display())]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system says no.
    #[error("cannot read file {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads a public file, such as a CA; a symbolic link is followed.
pub(super) fn read_public(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // A pipe would block the open until somebody writes.
    read(path, open(path, OFlags::NONBLOCK)?, limit)
}

/// Reads a file that a task may have tampered with; a symbolic link is refused.
pub(super) fn read_untrusted(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read(path, open(path, OFlags::NONBLOCK | OFlags::NOFOLLOW)?, limit)
}

/// Reads a key; a symbolic link is refused, and so is a file that others may read.
pub(super) fn read_private(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = open(path, OFlags::NONBLOCK | OFlags::NOFOLLOW)?;
    let mode = file.metadata().map_err(|source| unreadable(path, source))?.mode() & 0o7777;
    if mode & 0o177 != 0 {
        return Err(FileError::TooOpen { path: path.to_owned(), mode });
    }
    read(path, file, limit)
}

/// Reads a one-line secret, such as a token, from a file that only its owner may read; what surrounds it is cut off.
pub fn read_secret(path: &Path) -> Result<SecretString, FileError> {
    let bytes = read_private(path, SECRET_MAX)?;
    let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    if text.is_empty() { Err(FileError::Empty(path.to_owned())) } else { Ok(SecretString::new(text)) }
}

fn open(path: &Path, flags: OFlags) -> Result<File, FileError> {
    let flags = (flags | OFlags::CLOEXEC).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|source| unreadable(path, source))
}

fn read(path: &Path, file: File, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    if !file.metadata().map_err(|source| unreadable(path, source))?.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    match bytes.len() as u64 {
        0 => Err(FileError::Empty(path.to_owned())),
        length if length > limit => Err(FileError::TooLarge { path: path.to_owned(), limit }),
        _ => Ok(bytes),
    }
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOENT) => FileError::Missing(path.to_owned()),
        Some(rustix::io::Errno::LOOP) => FileError::NotRegular(path.to_owned()),
        _ => FileError::Unreadable { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn each_flaw_of_a_file_has_its_own_sentence() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("empty"), "").expect("written");
        fs::write(at("large"), "12345").expect("written");
        std::os::unix::fs::symlink(at("large"), at("link")).expect("linked");
        assert!(matches!(read_public(&at("none"), 4), Err(FileError::Missing(_))));
        assert!(matches!(read_public(dir.path(), 4), Err(FileError::NotRegular(_))));
        assert!(matches!(read_public(&at("empty"), 4), Err(FileError::Empty(_))));
        assert!(matches!(read_public(&at("large"), 4), Err(FileError::TooLarge { .. })));
        assert!(matches!(read_untrusted(&at("link"), 9), Err(FileError::NotRegular(_))));
        assert!(read_public(&at("link"), 9).is_ok());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        fs::write(&path, "k").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(read_private(&path, 9), Err(FileError::TooOpen { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        assert!(read_private(&path, 9).is_ok());
    }
}
