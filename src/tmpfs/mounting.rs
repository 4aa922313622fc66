//! Mounts, checks and unmounts one task's tmpfs.

use std::{ffi::CString, fs, path::Path};

use rustix::{
    fs::{major, minor},
    io::Errno,
    mount::{MountFlags, UnmountFlags},
};

use super::{Error, Result, Settings, handle::Dir};

/// What `statfs` says of a tmpfs (linux/magic.h).
const TMPFS_MAGIC: i64 = 0x0102_1994;
/// Bounds the kernel memory that empty files can take; enough for four generations of 64 outputs in folders.
const FEWEST_INODES: u64 = 1024;
/// Somebody may have mounted over our mount; more layers than this are not an accident.
const MOST_LAYERS: u32 = 8;

/// Mounts a tmpfs on `target`, with `noswap` when the kernel has it.
pub(super) fn mount(target: &Path, settings: &Settings) -> Result<()> {
    mount_by(target, settings, |options| {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("tmpfs", target, "tmpfs", flags, Some(options.as_c_str()))
    })
}

/// Tries both option strings on `attempt`, the stricter one first.
fn mount_by(target: &Path, settings: &Settings, attempt: impl Fn(&CString) -> rustix::io::Result<()>) -> Result<()> {
    let inodes = FEWEST_INODES.max(settings.size_bytes / 4096);
    let plain = format!("size={},mode=0700,nr_inodes={inodes}", settings.size_bytes);
    let options = |text: String| CString::new(text).expect("numbers and names have no NUL");
    let refused = match attempt(&options(format!("{plain},noswap"))) {
        Ok(()) => return Ok(()),
        Err(errno) => errno,
    };
    match refused {
        Errno::INVAL if settings.require_noswap => Err(Error::Swappable { path: target.to_owned() }),
        Errno::INVAL => attempt(&options(plain)).map_err(|e| Error::io("mount tmpfs on", target, e)),
        errno => Err(Error::io("mount tmpfs on", target, errno)),
    }
}

/// Says whether a file system of its own is mounted on `dir`, a child of `parent`.
pub(super) fn is_mounted(dir: &Dir, parent: &Dir) -> Result<bool> {
    Ok(dir.stat()?.st_dev != parent.stat()?.st_dev)
}

/// Refuses everything but a tmpfs of its own.
pub(super) fn check_ram(dir: &Dir, parent: &Dir) -> Result<()> {
    let stat = rustix::fs::fstatfs(dir).map_err(|e| Error::io("look at", dir.path(), e))?;
    #[allow(clippy::unnecessary_cast, reason = "the field's width differs between architectures")]
    let is_tmpfs = stat.f_type as i64 == TMPFS_MAGIC;
    match is_tmpfs && is_mounted(dir, parent)? {
        true => Ok(()),
        false => Err(Error::NotRam { path: dir.path().to_owned() }),
    }
}

/// Says whether the kernel may swap the files of `dir` out; what cannot be read counts as yes.
pub(super) fn is_swappable(dir: &Dir) -> Result<bool> {
    let device = dir.stat()?.st_dev;
    let id = format!("{}:{}", major(device), minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(!mounts.lines().any(|line| has_option(line, &id, "noswap")))
}

/// Reads a line of mountinfo: the device is its third field, the file system's own options are the last.
fn has_option(line: &str, device: &str, option: &str) -> bool {
    let Some((mount, filesystem)) = line.split_once(" - ") else { return false };
    mount.split(' ').nth(2) == Some(device)
        && filesystem.rsplit(' ').next().is_some_and(|options| options.split(',').any(|one| one == option))
}

/// Unmounts all that is mounted on the child `name` of `parent`; what somebody still holds goes when they let go.
pub(super) fn unmount(parent: &Dir, name: &str) -> Result<()> {
    let path = parent.path().join(name);
    for _ in 0..MOST_LAYERS {
        let Some(dir) = parent.child_if_any(name)? else { return Ok(()) };
        if !is_mounted(&dir, parent)? {
            return Ok(());
        }
        // Our own handle would keep the mount busy.
        drop(dir);
        let detached = rustix::mount::unmount(&path, UnmountFlags::NOFOLLOW)
            .or_else(|_| rustix::mount::unmount(&path, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH));
        detached.map_err(|e| Error::io("unmount", &path, e))?;
    }
    Err(Error::Foreign { path, what: "mounted over again and again" })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Mounts with a kernel that does not know `noswap`, and returns what it was asked for.
    fn on_an_old_kernel(settings: &Settings) -> (Result<()>, Vec<String>) {
        let asked = RefCell::new(Vec::new());
        let result = mount_by(Path::new("/x"), settings, |options| {
            let text = options.to_str().expect("options are text").to_owned();
            let known = !text.contains("noswap");
            asked.borrow_mut().push(text);
            if known { Ok(()) } else { Err(Errno::INVAL) }
        });
        (result, asked.into_inner())
    }

    #[test]
    fn a_kernel_without_noswap_is_asked_again_without() {
        let (result, asked) = on_an_old_kernel(&Settings::default());
        assert!(result.is_ok());
        let plain = "size=4194304,mode=0700,nr_inodes=1024";
        assert_eq!(asked, [format!("{plain},noswap"), plain.to_owned()]);
    }

    #[test]
    fn a_kernel_without_noswap_is_refused_when_it_is_required() {
        let (result, asked) = on_an_old_kernel(&Settings { require_noswap: true, ..Settings::default() });
        assert!(matches!(result, Err(Error::Swappable { .. })));
        assert_eq!(asked.len(), 1);
    }

    #[test]
    fn options_are_read_from_mountinfo() {
        let line = "36 35 0:45 / /run/x rw,nosuid shared:1 - tmpfs tmpfs rw,size=4096k,noswap";
        assert!(has_option(line, "0:45", "noswap"));
        assert!(!has_option(line, "0:4", "noswap"));
        assert!(!has_option(line, "0:45", "swap"));
    }
}
