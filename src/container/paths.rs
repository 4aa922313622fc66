//! What makes a path of a container or the host one that may be named, as text.

use std::path::Path;

use super::{Error, error::invalid};

/// Places that are the driver's or the kernel's.
const KEPT: [&str; 8] = ["/alloc", "/dev", "/local", "/proc", "/run/secrets", "/secrets", "/sys", "/var/run/secrets"];

/// The one place below a kept directory where a mount is common and harmless.
const MOUNTABLE: &str = "/dev/shm";

/// Checks where something is mounted: an absolute path of plain names that covers nothing of the driver's or the kernel's.
pub(super) fn inside(option: &str, target: &Path) -> Result<(), Error> {
    if !is_clean(target) {
        return Err(invalid(option, "source and target must be absolute paths of plain names"));
    }
    // A mount at `/run` or `/var` would hide `/run/secrets` or lead around it.
    let covers = |kept: &&str| target.starts_with(kept) || Path::new(kept).starts_with(target);
    if KEPT.iter().any(covers) && !target.starts_with(MOUNTABLE) {
        return Err(invalid(option, "would cover a directory that is kept for the driver or the kernel"));
    }
    Ok(())
}

/// Says whether a path is absolute and made of plain names.
pub(super) fn is_clean(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let rest = text.strip_prefix(b"/").map(|rest| rest.strip_suffix(b"/").unwrap_or(rest));
    let good = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    rest.is_some_and(|rest| rest.is_empty() || rest.split(|b| *b == b'/').all(good))
}

/// Says whether `source` is the engine's socket itself, or any directory above it. `/var/run` and `/run` are one place on every distribution of today.
pub(super) fn reaches_socket(source: &Path, socket: &Path) -> bool {
    let plain = |path: &Path| match path.strip_prefix("/var/run") {
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => path.to_path_buf(),
    };
    plain(socket).starts_with(plain(source)) || socket.starts_with(source)
}
