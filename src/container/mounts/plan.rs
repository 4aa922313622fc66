//! From a job's words about mounts to a plan, by text alone.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use crate::{
    container::{
        Error, Policy,
        error::{invalid, outside, refused, shown},
        paths::{inside, reaches_socket},
        policy::covers,
    },
    domain::{MountKind, MountRequest, TaskSpec, VolumeDriver},
};

/// Most mounts of one job; the engine and the kernel take more, and nobody needs them.
const MOUNTS_MAX: usize = 256;

/// One mount as it is going to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::container) struct Planned {
    /// How the job names it, for messages.
    pub option: String,
    /// What is mounted.
    pub source: Source,
    /// Where inside.
    pub target: String,
    /// Whether writing is refused.
    pub read_only: bool,
    /// How mounts below spread.
    pub propagation: Option<String>,
    /// `z` or `Z`.
    pub selinux_label: Option<String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::container) enum Source {
    /// A path below `base`, one of the task's own directories or the one that the group shares.
    Own {
        /// The directory that it must not leave.
        base: PathBuf,
        /// Below it.
        path: PathBuf,
        /// Whether a directory is made when there is nothing.
        make: bool,
    },
    /// A path of the host that the operator allows, with the allowed path that covers it.
    Host {
        /// The path.
        path: PathBuf,
        /// What allows it.
        allowed: PathBuf,
    },
    /// A volume of the engine.
    Volume {
        /// Its name; a new one without a name when absent.
        name: Option<String>,
        /// Do not copy the image's files into it.
        no_copy: bool,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// The plugin that makes it.
        driver: Option<VolumeDriver>,
    },
    /// Memory.
    Tmpfs {
        /// Bytes.
        size: Option<i64>,
        /// Permission bits.
        mode: Option<u32>,
    },
}

/// Reads all mounts that a job asks for, in order, and holds each against the operator's policy.
pub(in crate::container) fn plan(task: &TaskSpec, policy: &Policy) -> Result<Vec<Planned>, Error> {
    let files = &task.container.files;
    if files.volume_driver.as_deref().is_some_and(|driver| !covers(&policy.volumes.allow_drivers, driver)) {
        let driver = files.volume_driver.as_deref().unwrap_or_default();
        return Err(refused(format!("volume_driver \"{}\"", shown(driver)), "volumes.allow_drivers does not list it"));
    }
    let volumes = files.volumes.iter().map(|text| volume(text, task, policy));
    let mounts = files.mounts.iter().map(|mount| typed(mount, task, policy));
    let planned: Vec<Planned> = volumes.chain(mounts).collect::<Result<_, _>>()?;
    if planned.len() > MOUNTS_MAX {
        return Err(invalid("mounts", format!("are {}; at most {MOUNTS_MAX} are taken", planned.len())));
    }
    twice(&planned)?;
    Ok(planned)
}

/// Reads `source:target[:mode]`.
fn volume(text: &str, task: &TaskSpec, policy: &Policy) -> Result<Planned, Error> {
    let option = format!("volumes \"{}\"", shown(text));
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let [source, target, rest @ ..] = parts.as_slice() else {
        return Err(invalid(option, "is no source:target, with :mode if you like"));
    };
    let mode = mode(rest.first().copied().unwrap_or_default(), &option)?;
    let source = match &task.container.files.volume_driver {
        Some(driver) => named(Some(source), Some(driver), policy, &option)?,
        None => path(source, true, task, &option)?,
    };
    let plain = Planned {
        option,
        source,
        target: (*target).to_owned(),
        read_only: mode.read_only,
        propagation: mode.propagation,
        selinux_label: mode.selinux_label.or_else(|| policy.volumes.selinux_label.clone()),
    };
    checked(with_no_copy(plain, mode.no_copy), policy)
}

/// What the third part of a volume says.
#[derive(Default)]
struct Mode {
    read_only: bool,
    no_copy: bool,
    propagation: Option<String>,
    selinux_label: Option<String>,
}

fn mode(text: &str, option: &str) -> Result<Mode, Error> {
    let mut mode = Mode::default();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match word {
            "rw" => (),
            "ro" => mode.read_only = true,
            "nocopy" => mode.no_copy = true,
            "z" | "Z" => mode.selinux_label = Some(word.to_owned()),
            word if is_propagation(word) => mode.propagation = Some(word.to_owned()),
            other => return Err(invalid(option, format!("has the unknown mode \"{}\"", shown(other)))),
        }
    }
    Ok(mode)
}

fn with_no_copy(planned: Planned, wanted: bool) -> Planned {
    match planned.source {
        Source::Volume { name, labels, driver, no_copy } => {
            Planned { source: Source::Volume { name, labels, driver, no_copy: no_copy || wanted }, ..planned }
        }
        _ => planned,
    }
}

fn typed(mount: &MountRequest, task: &TaskSpec, policy: &Policy) -> Result<Planned, Error> {
    let option = format!("mount at \"{}\"", shown(&mount.target));
    let source = match mount.kind {
        MountKind::Tmpfs => Source::Tmpfs { size: mount.tmpfs_size, mode: mount.tmpfs_mode },
        MountKind::Bind => path(mount.source.as_deref().unwrap_or_default(), false, task, &option)?,
        MountKind::Volume => engine_volume(mount, policy, &option)?,
    };
    let planned = Planned {
        option,
        source,
        target: mount.target.clone(),
        read_only: mount.read_only,
        propagation: mount.propagation.clone(),
        selinux_label: None,
    };
    checked(planned, policy)
}

fn engine_volume(mount: &MountRequest, policy: &Policy, option: &str) -> Result<Source, Error> {
    let driver = mount.driver.as_ref();
    match named(mount.source.as_deref(), driver.map(|driver| driver.name.as_str()), policy, option)? {
        Source::Volume { name, .. } => Ok(Source::Volume {
            name,
            no_copy: mount.no_copy,
            labels: mount.labels.clone(),
            driver: mount.driver.clone(),
        }),
        other => Ok(other),
    }
}

/// A volume of the engine. A plugin with options can lead anywhere on the host, so plugins have a list of their own.
fn named(name: Option<&str>, driver: Option<&str>, policy: &Policy, option: &str) -> Result<Source, Error> {
    if !policy.volumes.allow_named {
        return Err(refused(option, "volumes.allow_named is off"));
    }
    if let Some(driver) = driver.filter(|driver| !covers(&policy.volumes.allow_drivers, driver)) {
        let gate = format!("volumes.allow_drivers does not list \"{}\"", shown(driver));
        return Err(refused(option, gate));
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let good = |name: &str| name.len() <= 255 && name.bytes().all(word) && !name.starts_with(['.', '-', '_']);
    let name = name.filter(|name| !name.is_empty());
    if let Some(bad) = name.filter(|name| !good(name)) {
        return Err(invalid(option, format!("{:?} is no name of a volume", shown(bad))));
    }
    let driver = driver.map(|name| VolumeDriver { name: name.to_owned(), options: BTreeMap::new() });
    Ok(Source::Volume { name: name.map(str::to_owned), no_copy: false, labels: BTreeMap::new(), driver })
}

/// A path: relative ones start in the task's directory. What is in the allocation is the task's own, or the group's, or
/// nobody's; anything else is the host's and judged by [`checked`].
fn path(text: &str, make: bool, task: &TaskSpec, option: &str) -> Result<Source, Error> {
    if text.is_empty() || text.contains('\0') {
        return Err(invalid(option, "has an empty source"));
    }
    let whole = task.task_dir().join(text);
    let Some(path) = plain(&whole) else { return Err(outside(option, "leads above the root")) };
    let (own, shared) = (task.task_dir(), task.alloc_dir.join("alloc"));
    if path.starts_with(own.join("private")) {
        return Err(outside(option, "is in a directory that the agent keeps for itself"));
    }
    for base in [own, shared] {
        if let Ok(below) = path.strip_prefix(&base) {
            return Ok(Source::Own { path: below.to_path_buf(), base, make });
        }
    }
    if path.starts_with(&task.alloc_dir) {
        return Err(outside(option, "is in another task's directory"));
    }
    if Path::new(text).is_relative() {
        return Err(outside(option, "leads out of the allocation"));
    }
    Ok(Source::Host { allowed: path.clone(), path })
}

/// Holds a mount against the operator's policy, and its target against the places that are kept.
fn checked(planned: Planned, policy: &Policy) -> Result<Planned, Error> {
    inside(&planned.option, Path::new(&planned.target))?;
    match planned.propagation.as_deref() {
        Some(mode) if !is_propagation(mode) => {
            return Err(invalid(planned.option, format!("has the unknown propagation \"{}\"", shown(mode))));
        }
        Some("shared" | "rshared") if !policy.volumes.allow_shared => {
            return Err(refused(planned.option, "volumes.allow_shared is off"));
        }
        _ => (),
    }
    match &planned.source {
        Source::Host { path, .. } => {
            let allowed = host_path(path, planned.read_only, policy, &planned.option)?;
            let source = Source::Host { path: path.clone(), allowed };
            Ok(Planned { source, ..planned })
        }
        _ => Ok(planned),
    }
}

/// Returns the operator's entry that covers a path of the host.
pub(super) fn host_path(path: &Path, read_only: bool, policy: &Policy, option: &str) -> Result<PathBuf, Error> {
    if reaches_socket(path, &policy.socket) {
        return Err(refused(option, "the container engine's socket is never given to a task"));
    }
    if policy.private_paths.iter().any(|kept| path.starts_with(kept) || kept.starts_with(path)) {
        return Err(refused(option, "the driver's own directories are never given to a task"));
    }
    let entries = policy.volumes.allow_host_paths.iter().map(|entry| match entry.strip_suffix(":ro") {
        Some(entry) => (Path::new(entry), true),
        None => (Path::new(entry.as_str()), false),
    });
    let mut covering = entries.filter(|(entry, _)| path.starts_with(entry)).peekable();
    if covering.peek().is_none() {
        return Err(refused(option, "volumes.allow_host_paths does not list it"));
    }
    let found = covering.find(|(_, only_reading)| read_only || !only_reading);
    let found = found.ok_or_else(|| refused(option, "volumes.allow_host_paths lists it for reading only"))?;
    Ok(found.0.to_path_buf())
}

/// The kernel would put the second on top of the first, in an order that the engine does not promise.
fn twice(planned: &[Planned]) -> Result<(), Error> {
    let clean = |target: &str| target.trim_end_matches('/').to_owned();
    let mut seen = BTreeMap::new();
    for one in planned {
        if seen.insert(clean(&one.target), ()).is_some() {
            return Err(invalid(&one.option, "has the same target as another mount"));
        }
    }
    Ok(())
}

/// Removes `.` and `..` by text; `None` when it leads above the root.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir | Component::Prefix(_) => (),
            Component::ParentDir if !plain.pop() => return None,
            Component::ParentDir => (),
            Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    Some(plain)
}

fn is_propagation(word: &str) -> bool {
    matches!(word, "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Volumes, fixture};

    fn planned(volumes: &[&str], policy: &Policy) -> Result<Vec<Planned>, Error> {
        let mut task = fixture::task("a/b/1");
        task.container.files.volumes = volumes.iter().map(|text| (*text).to_owned()).collect();
        plan(&task, policy)
    }

    fn own(base: &str, path: &str) -> Source {
        Source::Own { base: base.into(), path: path.into(), make: true }
    }

    #[test]
    fn relative_paths_are_the_tasks_own_or_the_groups() {
        let found = planned(&["local/data:/data", "../alloc/shared:/shared:ro"], &Policy::default()).expect("allowed");
        assert_eq!(found[0].source, own("/var/alloc/550e/web", "local/data"));
        assert_eq!((found[1].source.clone(), found[1].read_only), (own("/var/alloc/550e/alloc", "shared"), true));
    }

    #[test]
    fn a_path_out_of_the_tasks_directories_is_refused() {
        for bad in [
            "../other/secrets:/x",
            "../../../etc:/x",
            "local/../../other:/x",
            "private/x:/x",
            "/var/alloc/550e/other:/x",
        ] {
            assert!(matches!(planned(&[bad], &Policy::default()), Err(Error::PathRefused { .. })), "{bad}");
        }
        for bad in ["/etc:/x", "/var/alloc:/x", "/:/x"] {
            assert!(matches!(planned(&[bad], &Policy::default()), Err(Error::PolicyRefused { .. })), "{bad}");
        }
        for bad in [
            "local",
            ":/x",
            "local/x:x",
            "local/x:/proc",
            "local/x:/run/secrets/y",
            "local/x:/run",
            "local/x:/y:sometimes",
        ] {
            assert!(matches!(planned(&[bad], &Policy::default()), Err(Error::ConfigInvalid { .. })), "{bad}");
        }
    }

    #[test]
    fn the_operator_opens_paths_with_what_is_below_them() {
        let volumes =
            Volumes { allow_host_paths: vec!["/srv/data".into(), "/etc/ssl:ro".into()], ..Volumes::default() };
        let policy = Policy { volumes, private_paths: vec!["/srv/data/strongbox".into()], ..Policy::default() };
        planned(&["/srv/data/web:/data", "/etc/ssl/certs:/certs:ro"], &policy).expect("allowed");
        for bad in
            ["/srv/database:/x", "/etc/ssl:/x", "/srv/data/../x:/x", "/srv/data/strongbox/run:/x", "/srv/data:/x"]
        {
            assert!(matches!(planned(&[bad], &policy), Err(Error::PolicyRefused { .. })), "{bad}");
        }
    }

    #[test]
    fn one_target_is_mounted_once() {
        let error = planned(&["local/a:/x", "local/b:/x/"], &Policy::default()).expect_err("twice");
        assert!(error.to_string().contains("same target"));
    }

    #[test]
    fn spreading_mounts_and_named_volumes_are_shut() {
        assert!(matches!(planned(&["local/a:/x:rshared"], &Policy::default()), Err(Error::PolicyRefused { .. })));
        let mut task = fixture::task("a/b/1");
        task.container.files.mounts = vec![MountRequest { target: "/x".into(), ..MountRequest::default() }];
        assert!(matches!(plan(&task, &Policy::default()), Err(Error::PolicyRefused { .. })));
        let open = Policy { volumes: Volumes { allow_named: true, ..Volumes::default() }, ..Policy::default() };
        plan(&task, &open).expect("allowed");
        let back_door = VolumeDriver { name: "local".into(), options: [("device".into(), "/".into())].into() };
        task.container.files.mounts[0].driver = Some(back_door);
        assert!(matches!(plan(&task, &open), Err(Error::PolicyRefused { .. })));
    }
}
