//! Removes the socket directories of plugin processes that were killed.
//!
//! Who is killed removes nothing, and an agent kills a plugin that is slow to end. A directory is taken for a leftover when it
//! looks like one of ours in every way, is older than any start takes, and nobody listens on its socket. Nothing is ever
//! removed with what is in it: a directory that holds anything else stays.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream,
    },
    path::Path,
    time::{Duration, SystemTime},
};

use super::socket::{PREFIX, SOCKET};

/// A process that starts has made its directory and does not listen yet.
const OLD: Duration = Duration::from_secs(60);
/// So many are looked at by one start; the next ones do the rest.
const MOST: usize = 256;

/// Removes the leftovers in `parent` and returns how many there were. What cannot be looked at or removed stays.
pub(super) fn remove(parent: &Path, now: SystemTime) -> usize {
    let Ok(entries) = fs::read_dir(parent) else { return 0 };
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)).take(MOST);
    ours.filter(|entry| is_leftover(&entry.path(), now) && remove_one(&entry.path()).is_ok()).count()
}

fn is_leftover(dir: &Path, now: SystemTime) -> bool {
    let Ok(meta) = dir.symlink_metadata() else { return false };
    let shut = meta.is_dir() && meta.mode() & 0o777 == 0o700 && meta.uid() == rustix::process::geteuid().as_raw();
    let old = meta.modified().is_ok_and(|made| now.duration_since(made).is_ok_and(|age| age >= OLD));
    shut && old && is_deserted(&dir.join(SOCKET))
}

/// Says whether there is no socket, or one on which nobody listens.
fn is_deserted(socket: &Path) -> bool {
    match socket.symlink_metadata() {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(meta) if !meta.file_type().is_socket() => false,
        Ok(_) => UnixStream::connect(socket).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused),
    }
}

fn remove_one(dir: &Path) -> io::Result<()> {
    fs::remove_file(dir.join(SOCKET)).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    fs::remove_dir(dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    use super::*;

    const KEPT: [&str; 5] = ["alive", "fresh", "open", "other", "used"];

    fn dir(parent: &Path, name: &str, mode: u32) -> std::path::PathBuf {
        let dir = parent.join(format!("{PREFIX}{name}"));
        fs::create_dir(&dir).expect("made");
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).expect("set");
        dir
    }

    #[test]
    fn only_directories_that_a_killed_process_left_are_removed() {
        let parent = tempfile::tempdir().expect("a directory");
        let parent = parent.path();
        let dead = dir(parent, "dead", 0o700);
        drop(UnixListener::bind(dead.join(SOCKET)).expect("bound"));
        let empty = dir(parent, "empty", 0o700);
        let _alive = UnixListener::bind(dir(parent, "alive", 0o700).join(SOCKET)).expect("bound");
        dir(parent, "open", 0o755);
        fs::write(dir(parent, "other", 0o700).join(SOCKET), "no socket").expect("written");
        fs::write(dir(parent, "used", 0o700).join("notes"), "of somebody").expect("written");
        std::os::unix::fs::symlink(&empty, parent.join(format!("{PREFIX}link"))).expect("linked");
        fs::create_dir(parent.join("foreign")).expect("made");

        assert_eq!(remove(parent, SystemTime::now()), 0, "all are fresh");
        let later = SystemTime::now() + OLD;
        dir(parent, "fresh", 0o700);
        fs::File::open(parent.join(format!("{PREFIX}fresh"))).and_then(|dir| dir.set_modified(later)).expect("set");
        assert_eq!(remove(parent, later), 2);
        assert!(!dead.exists() && !empty.exists());
        assert!(KEPT.iter().all(|name| parent.join(format!("{PREFIX}{name}")).exists()));
        assert!(parent.join("foreign").exists());
    }
}
