//! The socket that the agent connects to: in a fresh directory of our own, closed to everybody else.
//!
//! Who can connect can start containers as root, and nothing on the wire asks who that is. So the file modes are the
//! lock; the peer's user id, checked in `accept`, is the second one.

use std::{
    env, fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::net::UnixListener;

/// Linux's limit for a socket's path: 108 bytes with the closing zero.
const PATH_MAX: usize = 107;
/// How the names of our directories begin.
pub(super) const PREFIX: &str = "strongbox-";
/// The name of the socket in its directory.
pub(super) const SOCKET: &str = "plugin.sock";
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// A listening socket and the directory that holds nothing else; dropping it removes both.
#[derive(Debug)]
pub struct Socket {
    dir: TempDir,
    path: PathBuf,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The operation failed on the path.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Somebody else could put a socket of their own in our place.
    #[error("socket directory {} belongs to user {uid} or is open to others; give one of the plugin's own user, or a sticky one", path.display())]
    Open {
        /// Which directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// The kernel takes no such path.
    #[error("socket path {} has more than {PATH_MAX} bytes; set a shorter PLUGIN_UNIX_SOCKET_DIR or TMPDIR", .0.display())]
    TooLong(PathBuf),
}

impl Socket {
    /// Listens in a fresh directory below `parent`, or below the system's directory for temporary files.
    ///
    /// # Errors
    /// The directory is missing, not writable, unsafe, or its path too long.
    pub fn bind(parent: Option<&Path>) -> Result<(Self, UnixListener), SocketError> {
        let parent = parent.map_or_else(env::temp_dir, Path::to_owned);
        check_parent(&parent)?;
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| SocketError::Io { what, path, source }
        };
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(failed("make a socket directory in", &parent))?;
        let path = dir.path().join(SOCKET);
        if path.as_os_str().len() > PATH_MAX {
            return Err(SocketError::TooLong(path));
        }
        let listener = UnixListener::bind(&path).map_err(failed("listen on", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed("close to others", &path))?;
        Ok((Self { dir, path }, listener))
    }

    /// Returns the socket's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory in which ours was made.
    pub(super) fn parent(&self) -> &Path {
        self.dir.path().parent().unwrap_or(Path::new("/"))
    }

    /// Removes socket and directory; that they are gone already is fine.
    pub fn remove(self) {
        self.dir.close().ok();
    }
}

/// Refuses a parent in which another user could rename our directory away.
fn check_parent(parent: &Path) -> Result<(), SocketError> {
    let meta = fs::metadata(parent).map_err(|source| SocketError::Io {
        what: "look at socket directory",
        path: parent.to_owned(),
        source,
    })?;
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&meta.uid());
    let shut = meta.mode() & WRITABLE_BY_OTHERS == 0 || meta.mode() & STICKY != 0;
    if ours && shut { Ok(()) } else { Err(SocketError::Open { path: parent.to_owned(), uid: meta.uid() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn socket_and_directory_are_closed_to_others_and_go_with_their_owner() {
        let parent = tempfile::tempdir().expect("a directory");
        let (socket, _listener) = Socket::bind(Some(parent.path())).expect("bound");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!((mode(socket.path()), mode(socket.dir.path())), (0o600, 0o700));
        socket.remove();
        assert_eq!(fs::read_dir(parent.path()).expect("readable").count(), 0);
    }

    #[tokio::test]
    async fn unfit_parents_are_refused_by_name() {
        let parent = tempfile::tempdir().expect("a directory");
        let missing = parent.path().join("missing");
        let error = Socket::bind(Some(&missing)).expect_err("missing").to_string();
        assert!(error.contains("missing"), "{error}");

        let long = parent.path().join("x".repeat(90));
        fs::create_dir(&long).expect("made");
        assert!(matches!(Socket::bind(Some(&long)), Err(SocketError::TooLong(_))));
        assert_eq!(fs::read_dir(&long).expect("readable").count(), 0);

        let open = parent.path().join("open");
        fs::create_dir(&open).expect("made");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("opened");
        assert!(matches!(Socket::bind(Some(&open)), Err(SocketError::Open { .. })));
    }
}
