//! Checks of the working directory and of the orchestrator's own mounts, as text.

use std::path::Path;

use crate::{
    container::{
        Error, Policy,
        error::shown,
        paths::{inside, is_clean, reaches_socket},
    },
    domain::HostMount,
};

use super::{invalid, refused};

/// A working directory below these is opened by the runtime while it still holds the host's files open.
const LEAKY: [&str; 2] = ["/proc", "/dev/fd"];

pub(super) fn work_dir(path: Option<&str>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    let option = || format!("work_dir \"{}\"", shown(path));
    if !is_clean(Path::new(path)) {
        return Err(Error::PathRefused { option: option(), why: "is not an absolute path of plain names".into() });
    }
    if LEAKY.iter().any(|leaky| Path::new(path).starts_with(leaky)) {
        return Err(Error::PathRefused { option: option(), why: "could lead out of the container".into() });
    }
    Ok(())
}

pub(super) fn mount(mount: &HostMount, policy: &Policy) -> Result<(), Error> {
    let target = mount.target.display().to_string();
    let option = format!("mount at \"{}\"", shown(&target));
    inside(&option, &mount.target)?;
    if !is_clean(&mount.source) {
        return Err(invalid(option, "source and target must be absolute paths of plain names"));
    }
    if reaches_socket(&mount.source, &policy.socket) {
        return Err(refused(option, "the container engine's socket is never given to a task"));
    }
    match mount.propagation.as_str() {
        "" | "private" | "host-to-task" => Ok(()),
        "bidirectional" => Err(refused(option, "mounts of a task are not shared with the host")),
        other => Err(invalid(option, format!("has the unknown propagation \"{}\"", shown(other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str, target: &str) -> HostMount {
        HostMount { source: source.into(), target: target.into(), read_only: true, propagation: String::new() }
    }

    #[test]
    fn a_working_directory_cannot_lead_out() {
        let bad =
            ["/proc/self/fd/8", "/proc/1/cwd", "/dev/fd", "/dev/fd/3", "//proc/self", "/x/../proc", "/./proc", "x"];
        for path in bad {
            assert!(matches!(work_dir(Some(path)), Err(Error::PathRefused { .. })), "{path}");
        }
        work_dir(Some("/srv/.app/")).expect("a plain one");
    }

    #[test]
    fn kept_places_are_not_covered() {
        for target in ["/", "/secrets", "/alloc/x", "/local", "/proc", "/sys/fs", "/dev", "/run", "/run/secrets/x"] {
            assert!(mount(&of("/data", target), &Policy::default()).is_err(), "{target}");
        }
        mount(&of("/data", "/srv/data"), &Policy::default()).expect("a plain one");
    }

    #[test]
    fn the_socket_is_never_given_away() {
        for source in ["/var/run/docker.sock", "/run/docker.sock", "/var/run", "/run", "/", "/var"] {
            assert!(mount(&of(source, "/x"), &Policy::default()).is_err(), "{source}");
        }
    }
}
