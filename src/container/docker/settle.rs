//! What a job's paths lead to on the disk: looked at when a container is made, and again before it is started anew.

use std::path::Path;

use bollard::models::ContainerInspectResponse;

use crate::{
    container::{
        ContainerId, ContainerSpec, Docker, Error, Policy,
        error::shown,
        mounts::{plan, settle, unmoved},
        review::security::split,
    },
    domain::SecurityOptions,
};

use super::body::Settled;

/// Where every task's own directories are; the task cannot put anything in the place of these.
const OWN_TARGETS: [&str; 4] = ["/alloc", "/alloc/logs", "/local", "/secrets"];

impl Docker {
    /// Looks at what the job's paths lead to.
    pub(super) fn settled(&self, spec: &ContainerSpec<'_>) -> Result<Settled, Error> {
        let planned = plan(spec.task, &self.policy)?.into_iter();
        let mounts = planned.map(|planned| settle(&planned, &self.policy).map(|path| (planned, path)));
        Ok(Settled {
            mounts: mounts.collect::<Result<_, _>>()?,
            seccomp: profile(&spec.task.container.security, &self.policy)?,
        })
    }

    /// Starts a container that has run before.
    pub(super) async fn start_again(&self, id: &ContainerId) -> Result<(), Error> {
        self.check_sources(id).await?;
        self.start_container(id).await
    }

    /// Looks whether the mounts of a container lead where they led when it was made: the engine looks their paths up anew at
    /// each start, and the task could have put links in their place meanwhile.
    async fn check_sources(&self, id: &ContainerId) -> Result<(), Error> {
        match moved(&self.look_at(id).await?) {
            None => Ok(()),
            Some(source) => Err(Error::PathRefused {
                option: format!("mount of {source:?}"),
                why: "it leads somewhere else now than when the container was made".into(),
            }),
        }
    }
}

/// Returns the first source of a bind that is in the allocation and does not lead to itself any more. The task can write there
/// only; what the operator opened of the host is the operator's.
fn moved(found: &ContainerInspectResponse) -> Option<String> {
    let host = found.host_config.as_ref()?;
    let typed = host.mounts.iter().flatten();
    let pairs: Vec<(&str, &str)> =
        typed.filter_map(|mount| Some((mount.source.as_deref()?, mount.target.as_deref()?))).collect();
    let older = host.binds.iter().flatten().filter_map(|bind| bind.split_once(':'));
    let shared = pairs.iter().find(|(_, target)| *target == "/alloc")?.0;
    let alloc = std::fs::canonicalize(Path::new(shared).parent()?).ok()?;
    let jobs = pairs.iter().copied().filter(|(_, target)| !OWN_TARGETS.contains(target)).chain(older);
    let mut sources = jobs.map(|(source, _)| source).filter(|source| Path::new(source).starts_with(&alloc));
    sources.find(|source| !unmoved(Path::new(source))).map(str::to_owned)
}

/// Reads the profile that a job names from the operator's directory.
fn profile(options: &SecurityOptions, policy: &Policy) -> Result<Option<String>, Error> {
    let named = options
        .security_opt
        .iter()
        .map(|text| split(text))
        .find(|(name, value)| *name == "seccomp" && *value != "unconfined");
    let (Some((_, name)), Some(dir)) = (named, &policy.seccomp_dir) else { return Ok(None) };
    let unusable =
        |why: String| Error::ConfigInvalid { option: format!("security_opt \"seccomp={}\"", shown(name)), why };
    let text = std::fs::read_to_string(dir.join(name))
        .map_err(|error| unusable(format!("the operator's directory of profiles has no such file: {error}")))?;
    let whole: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| unusable(format!("is no JSON: {error}")))?;
    Ok(Some(whole.to_string()))
}
