//! What is mounted: every task's own directories, what the orchestrator wants, what the job asks for.

use std::path::{Path, PathBuf};

use bollard::models::{
    HostConfig, Mount, MountBindOptions, MountBindOptionsPropagationEnum as Propagation, MountTmpfsOptions, MountType,
    MountVolumeOptions, MountVolumeOptionsDriverConfig,
};

use crate::{
    container::{
        ContainerSpec, SECRETS_TARGET,
        mounts::{Planned, Source},
    },
    domain::HostMount,
};

/// Fills in all mounts; `jobs` are the job's own, each with the path that was found for it. Those that are to be labelled for SELinux take the older form, the only one that can say so.
pub(super) fn mounts(host: HostConfig, spec: &ContainerSpec<'_>, jobs: Vec<(Planned, Option<PathBuf>)>) -> HostConfig {
    let alloc = spec.task.alloc_dir.join("alloc");
    let task = spec.task.task_dir();
    let own = [
        bind(&alloc, "/alloc", false),
        // Once more and read-only, so that a task cannot put something else in the place of its output's pipes.
        bind(&alloc.join("logs"), "/alloc/logs", true),
        bind(&task.join("local"), "/local", false),
        bind(&task.join("secrets"), "/secrets", false),
    ];
    let secrets = spec.secrets.map(|source| bind(source, SECRETS_TARGET, true));
    let others = spec.task.mounts.iter().map(orchestrators);
    let files = spec.connection.into_iter().flat_map(|connection| &connection.files);
    let files = files.map(|(source, target)| bind(source, target, true));
    let (labelled, typed): (Vec<_>, Vec<_>) =
        jobs.into_iter().partition(|(planned, path)| planned.selinux_label.is_some() && path.is_some());
    let binds: Vec<String> = labelled.iter().filter_map(|(planned, path)| older(planned, path.as_deref()?)).collect();
    let jobs = typed.iter().map(|(planned, path)| job(planned, path.as_deref()));
    HostConfig {
        mounts: Some(own.into_iter().chain(secrets).chain(others).chain(files).chain(jobs).collect()),
        binds: Some(binds).filter(|binds| !binds.is_empty()),
        ..host
    }
}

/// A bind whose source must exist: the engine makes no directory of its own in its place.
fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        target: Some(target.to_owned()),
        source: Some(source.to_string_lossy().into_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

fn orchestrators(mount: &HostMount) -> Mount {
    let propagation = match mount.propagation.as_str() {
        "host-to-task" => Propagation::RSLAVE,
        _ => Propagation::RPRIVATE,
    };
    spreading(bind(&mount.source, &mount.target.to_string_lossy(), mount.read_only), propagation)
}

fn spreading(mount: Mount, propagation: Propagation) -> Mount {
    let options = MountBindOptions { propagation: Some(propagation), ..MountBindOptions::default() };
    Mount { bind_options: Some(options), ..mount }
}

fn job(planned: &Planned, path: Option<&Path>) -> Mount {
    let plain = Mount { target: Some(planned.target.clone()), read_only: Some(planned.read_only), ..Mount::default() };
    match (&planned.source, path) {
        (Source::Tmpfs { size, mode }, _) => Mount {
            typ: Some(MountType::TMPFS),
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: *size,
                mode: mode.map(i64::from),
                ..MountTmpfsOptions::default()
            }),
            ..plain
        },
        (Source::Volume { name, no_copy, labels, driver }, _) => Mount {
            typ: Some(MountType::VOLUME),
            source: name.clone(),
            volume_options: Some(MountVolumeOptions {
                no_copy: Some(*no_copy),
                labels: Some(labels.clone().into_iter().collect()),
                driver_config: driver.as_ref().map(|driver| MountVolumeOptionsDriverConfig {
                    name: Some(driver.name.clone()),
                    options: Some(driver.options.clone().into_iter().collect()),
                }),
                ..MountVolumeOptions::default()
            }),
            ..plain
        },
        (Source::Own { .. } | Source::Host { .. }, path) => {
            let source = path.map(|path| path.to_string_lossy().into_owned());
            let bound = Mount { typ: Some(MountType::BIND), source, ..plain };
            match planned.propagation.as_deref().and_then(propagation) {
                Some(propagation) => spreading(bound, propagation),
                None => bound,
            }
        }
    }
}

fn propagation(word: &str) -> Option<Propagation> {
    Some(match word {
        "private" => Propagation::PRIVATE,
        "rprivate" => Propagation::RPRIVATE,
        "shared" => Propagation::SHARED,
        "rshared" => Propagation::RSHARED,
        "slave" => Propagation::SLAVE,
        "rslave" => Propagation::RSLAVE,
        _ => return None,
    })
}

/// `source:target:mode`; a colon in a path cannot be said in this form, so such a mount is left unlabelled to the other.
fn older(planned: &Planned, path: &Path) -> Option<String> {
    let mut words = vec![if planned.read_only { "ro" } else { "rw" }];
    words.extend(planned.selinux_label.as_deref());
    words.extend(planned.propagation.as_deref());
    Some(format!("{}:{}:{}", path.to_str()?, planned.target, words.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Image, fixture};

    fn planned(source: Source) -> Planned {
        Planned {
            option: "mount".into(),
            source,
            target: "/x".into(),
            read_only: true,
            propagation: None,
            selinux_label: None,
        }
    }

    #[test]
    fn mounts_are_passed_on() {
        let task = fixture::task("a/b/1");
        let image = Image::default();
        let spec = ContainerSpec { task: &task, image: &image, secrets: None, connection: None };
        let own = Source::Own { base: "/a".into(), path: "b".into(), make: false };
        let volume = Source::Volume { name: Some("v".into()), no_copy: true, labels: [].into(), driver: None };
        let labelled = Planned { selinux_label: Some("z".into()), ..planned(own.clone()) };
        let jobs = vec![
            (Planned { propagation: Some("rslave".into()), ..planned(own) }, Some("/a/b".into())),
            (planned(volume), None),
            (planned(Source::Tmpfs { size: Some(1024), mode: Some(0o700) }), None),
            (labelled, Some("/a/b".into())),
        ];
        let host = mounts(HostConfig::default(), &spec, jobs);
        let [.., bound, volume, tmpfs] = &host.mounts.expect("set")[..] else { panic!("the job's come last") };
        assert_eq!((bound.source.as_deref(), bound.read_only), (Some("/a/b"), Some(true)));
        assert_eq!(bound.bind_options.as_ref().and_then(|options| options.propagation), Some(Propagation::RSLAVE));
        assert_eq!(volume.volume_options.as_ref().and_then(|options| options.no_copy), Some(true));
        let options = tmpfs.tmpfs_options.as_ref().expect("set");
        assert_eq!((options.size_bytes, options.mode), (Some(1024), Some(0o700)));
        assert_eq!(host.binds, Some(vec!["/a/b:/x:ro,z".to_owned()]));
    }
}
