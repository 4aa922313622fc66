//! What the paths of a plan lead to on the disk.

use std::path::{Path, PathBuf};

use rustix::{
    fd::OwnedFd,
    fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, open, openat2, readlinkat},
    io::Errno,
};

use super::plan::{Planned, Source, host_path};
use crate::container::{Error, Policy};

/// Permission bits of a directory that is made for a job, as the engine would make it.
const MADE: Mode = Mode::from_raw_mode(0o755);

/// Returns the path that the engine is to mount: with every link followed, and checked to be where the plan allows.
///
/// What is mounted is named by path, so somebody who can write to the directory could still swap it between this and the
/// engine's look; for the task's own directories that is another task of its group.
pub(in crate::container) fn settle(planned: &Planned, policy: &Policy) -> Result<Option<PathBuf>, Error> {
    match &planned.source {
        Source::Own { base, path, make } => {
            if *make {
                make_below(base, path).map_err(|error| unusable(planned, base, path, error))?;
            }
            below(base, path).map(Some).map_err(|error| unusable(planned, base, path, error))
        }
        Source::Host { path, allowed } => host(planned, path, allowed, policy).map(Some),
        Source::Volume { .. } | Source::Tmpfs { .. } => Ok(None),
    }
}

/// Says whether a source that [`settle`] gave still leads to itself.
pub(in crate::container) fn unmoved(source: &Path) -> bool {
    std::fs::canonicalize(source).is_ok_and(|now| now == source)
}

/// Links may be followed as long as they stay below `base`; the kernel holds the walk to that.
fn below(base: &Path, path: &Path) -> Result<PathBuf, Errno> {
    let base = open(base, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let found = step(&base, if path.as_os_str().is_empty() { Path::new(".") } else { path }, OFlags::empty())?;
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found));
    let name = readlinkat(CWD, link, Vec::new())?;
    Ok(PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(name.into_bytes())))
}

fn make_below(base: &Path, path: &Path) -> Result<(), Errno> {
    let mut here = open(base, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let parts: Vec<_> = path.components().collect();
    for (at, part) in parts.iter().enumerate() {
        match mkdirat(&here, part.as_os_str(), MADE) {
            Ok(()) | Err(Errno::EXIST) => (),
            Err(error) => return Err(error),
        }
        let last = at + 1 == parts.len();
        // The last part may be a file, and any may be a link that the walk of the whole path judges better than a step can.
        match step(&here, Path::new(part), if last { OFlags::empty() } else { OFlags::DIRECTORY }) {
            Ok(next) => here = next,
            Err(Errno::XDEV) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn step(from: &OwnedFd, path: &Path, kind: OFlags) -> Result<OwnedFd, Errno> {
    openat2(from, path, OFlags::PATH | OFlags::CLOEXEC | kind, Mode::empty(), ResolveFlags::BENEATH)
}

fn host(planned: &Planned, path: &Path, allowed: &Path, policy: &Policy) -> Result<PathBuf, Error> {
    let real = std::fs::canonicalize(path).map_err(|error| {
        let why = format!("{} cannot be mounted: {error}", path.display());
        Error::ConfigInvalid { option: planned.option.clone(), why }
    })?;
    let allowed = std::fs::canonicalize(allowed).unwrap_or_else(|_| allowed.to_path_buf());
    if !real.starts_with(&allowed) {
        host_path(&real, planned.read_only, policy, &planned.option)?;
    }
    Ok(real)
}

fn unusable(planned: &Planned, base: &Path, path: &Path, error: Errno) -> Error {
    let option = planned.option.clone();
    let whole = base.join(path);
    match error {
        Errno::XDEV | Errno::LOOP => {
            Error::PathRefused { option, why: format!("a link in {} leads out of its directory", whole.display()) }
        }
        Errno::NOENT => Error::ConfigInvalid { option, why: format!("{} does not exist", whole.display()) },
        other => Error::ConfigInvalid { option, why: format!("{} cannot be mounted: {other}", whole.display()) },
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn planned(base: &Path, path: &str, make: bool) -> Planned {
        Planned {
            option: "volumes".into(),
            source: Source::Own { base: base.to_path_buf(), path: path.into(), make },
            target: "/x".into(),
            read_only: false,
            propagation: None,
            selinux_label: None,
        }
    }

    #[test]
    fn a_directory_that_is_missing_is_made_and_a_file_is_taken_as_it_is() {
        let base = tempfile::tempdir().expect("a directory");
        let root = fs::canonicalize(base.path()).expect("it is there");
        let made = settle(&planned(&root, "local/a/b", true), &Policy::default()).expect("made");
        assert_eq!(made, Some(root.join("local/a/b")));
        fs::write(root.join("local/file"), "x").expect("written");
        let file = settle(&planned(&root, "local/file", true), &Policy::default()).expect("there");
        assert!(unmoved(&file.expect("a path")));
        assert!(settle(&planned(&root, "local/none", false), &Policy::default()).is_err());
    }

    #[test]
    fn a_link_may_not_lead_out() {
        let base = tempfile::tempdir().expect("a directory");
        let root = fs::canonicalize(base.path()).expect("it is there");
        fs::create_dir_all(root.join("local/v1")).expect("made");
        symlink("v1", root.join("local/current")).expect("linked");
        symlink("/etc", root.join("local/evil")).expect("linked");
        let good = settle(&planned(&root, "local/current", true), &Policy::default()).expect("stays inside");
        assert_eq!(good, Some(root.join("local/v1")));
        for bad in ["local/evil", "local/evil/ssl"] {
            let error = settle(&planned(&root, bad, true), &Policy::default()).expect_err("leads out");
            assert!(matches!(error, Error::PathRefused { .. }), "{bad}: {error}");
        }
        fs::remove_dir(root.join("local/v1")).expect("removed");
        symlink("/etc", root.join("local/v1")).expect("linked");
        assert!(!unmoved(&root.join("local/v1")));
    }
}
