//! How much room a set of files takes, and how much there is.

use std::collections::BTreeSet;

use rustix::fs;

use super::{Error, Result, handle::Dir};
use crate::domain::FileSet;

/// tmpfs gives out whole pages.
const PAGE: u64 = 4096;
/// Links longer than this take a page of their own instead of living in the inode.
const SHORT_LINK: usize = 100;

/// Bytes and inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// In whole pages.
    pub(super) bytes: u64,
    /// Files, directories and links.
    pub(super) inodes: u64,
}

impl Room {
    /// Returns what publishing `files` takes at most, with the links that are made on the way.
    pub(super) fn of(files: &FileSet) -> Self {
        let pages = |len: usize| (len as u64).div_ceil(PAGE);
        let dirs: BTreeSet<_> = files.files.keys().flat_map(|path| path.as_path().ancestors().skip(1)).collect();
        let tops: BTreeSet<_> = files.files.keys().map(|path| path.top()).collect();
        let contents: u64 = files.files.values().map(|file| pages(file.contents.expose().len())).sum();
        let long_links = tops.iter().filter(|top| top.len() > SHORT_LINK).count();
        // Two more for the switch itself and for a link that is being replaced.
        let inodes = files.files.len() + dirs.len() + tops.len() + 2;
        Self { bytes: (contents + long_links as u64 + 1) * PAGE, inodes: inodes as u64 }
    }

    /// Returns what is free on the file system of `dir`.
    pub(super) fn free(dir: &Dir) -> Result<Self> {
        let stat = fs::fstatvfs(dir).map_err(|e| Error::io("look at the room of", dir.path(), e))?;
        Ok(Self { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), inodes: stat.f_favail })
    }

    /// Says what is missing when `self` is needed and `free` is there.
    pub(super) fn fits(self, free: Self) -> Result<()> {
        if self.bytes > free.bytes {
            return Err(Error::NoSpace { need: self.bytes, have: free.bytes });
        }
        if self.inodes > free.inodes {
            return Err(Error::NoInodes { need: self.inodes, have: free.inodes });
        }
        Ok(())
    }
}
