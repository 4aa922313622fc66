//! Starts a container's own program with variables that nobody has written down.
//!
//! It is bound into the container and stands before the image's entrypoint. It reads names and values from the task's
//! directory in RAM, and becomes the program: same process, same user, same arguments, same signals. A static program without
//! dependencies, because an image need not have anything.
//!
//! It checks nothing: the driver has done that before it wrote the file.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::PermissionsExt,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, exit},
};

/// What the driver wrote: `NAME=value`, each ended by a zero byte.
const VARIABLES: &str = "/run/secrets/.strongbox-env";
/// What engines search when an image says nothing.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The driver's own trouble, as engines number it.
const TROUBLE: i32 = 125;
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

fn main() {
    let mut words = env::args_os().skip(1);
    let Some(name) = words.next() else { leave(TROUBLE, "no program was named") };
    let variables = match fs::read(VARIABLES) {
        Ok(bytes) => variables(&bytes),
        Err(error) => leave(TROUBLE, &format!("{VARIABLES}: {error}")),
    };
    let program = find(&name);
    let error = Command::new(&program).arg0(&name).args(words).envs(variables).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    leave(code, &format!("exec {name:?}: {error}"));
}

fn variables(bytes: &[u8]) -> Vec<(OsString, OsString)> {
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let part = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Some((part(&pair[..at]), part(&pair[at + 1..])))
    });
    pairs.collect()
}

/// Finds the program as the engine would: a name with a slash is a path, any other is searched in the container's `PATH`.
fn find(name: &OsStr) -> PathBuf {
    if name.as_bytes().contains(&b'/') {
        return PathBuf::from(name);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| PATH.into());
    let mut denied = None;
    for folder in env::split_paths(&path).filter(|folder| !folder.as_os_str().is_empty()) {
        let candidate = folder.join(name);
        if is_executable(&candidate) {
            return candidate;
        }
        if candidate.is_file() {
            denied.get_or_insert(candidate);
        }
    }
    match denied {
        Some(candidate) => candidate,
        None => leave(NOT_FOUND, &format!("exec {name:?}: executable file not found in $PATH")),
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Says why on stderr and ends with `code`.
fn leave(code: i32, why: &str) -> ! {
    eprintln!("strongbox: {why}");
    exit(code)
}
