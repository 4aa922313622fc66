//! What the engine says about itself.

use bollard::models::{SystemInfo, SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum, SystemVersion};

use crate::container::{Docker, EngineInfo, Error};

use super::client::{SHORT, bounded};

impl Docker {
    pub(super) async fn be_pinged(&self) -> Result<(), Error> {
        self.call("ask for a sign of life", SHORT, |api| async move { api.ping().await }).await.map(drop)
    }

    pub(super) async fn describe(&self) -> Result<EngineInfo, Error> {
        let api = self.renegotiate().await?;
        let (version, info) = tokio::try_join!(
            bounded("ask the engine's version", SHORT, api.version()),
            bounded("ask the engine's state", SHORT, api.info()),
        )?;
        Ok(described(version, info))
    }

    /// Returns by how much the engine shifts user ids: 0, or where its user namespace begins on the host.
    pub(super) async fn id_shift(&self) -> Result<u32, Error> {
        let ask = async {
            let doing = "ask the engine's state";
            let info = self.call(doing, SHORT, |api| async move { api.info().await }).await?;
            shift(&info.security_options.unwrap_or_default(), &info.docker_root_dir.unwrap_or_default())
        };
        self.shift.get_or_try_init(|| ask).await.copied()
    }
}

fn described(version: SystemVersion, info: SystemInfo) -> EngineInfo {
    let runtimes = sorted(info.runtimes.unwrap_or_default().into_keys().collect());
    let plugins = info.plugins.unwrap_or_default();
    let by_containerd = |pair: &Vec<String>| pair.iter().any(|word| word.starts_with("io.containerd.snapshotter"));
    let image_store = match info.driver_status.unwrap_or_default().iter().any(by_containerd) {
        true => "containerd",
        false => "graphdriver",
    };
    let cgroup_version = match info.cgroup_version {
        Some(SystemInfoCgroupVersionEnum::_2) => "2",
        _ => "1",
    };
    let cgroup_driver = match info.cgroup_driver {
        Some(SystemInfoCgroupDriverEnum::SYSTEMD) => "systemd",
        _ => "cgroupfs",
    };
    EngineInfo {
        id: info.id.unwrap_or_default(),
        version: version.version.unwrap_or_default(),
        api_version: version.api_version.unwrap_or_default(),
        os: version.os.unwrap_or_default(),
        arch: version.arch.unwrap_or_default(),
        kernel: version.kernel_version.unwrap_or_default(),
        cgroup_version: cgroup_version.to_owned(),
        cgroup_driver: cgroup_driver.to_owned(),
        storage_driver: info.driver.unwrap_or_default(),
        log_driver: info.logging_driver.unwrap_or_default(),
        runtimes,
        default_runtime: info.default_runtime.unwrap_or_default(),
        volume_plugins: sorted(plugins.volume.unwrap_or_default()),
        network_plugins: sorted(plugins.network.unwrap_or_default()),
        cdi_spec_dirs: info.cdi_spec_dirs.unwrap_or_default(),
        image_store,
        security_options: info.security_options.unwrap_or_default(),
        live_restore: info.live_restore_enabled.unwrap_or_default(),
        cpus: info.ncpu.and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or_default(),
        memory: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// An engine that shifts ids keeps its data below `<root>/<first uid>.<first gid>`.
fn shift(options: &[String], root: &str) -> Result<u32, Error> {
    let has = |name: &str| options.iter().any(|option| option.split(',').any(|part| part == format!("name={name}")));
    let refused =
        |why: &str| Error::EngineRefused { doing: "find the host's user ids".into(), why: why.into(), passing: false };
    if has("rootless") {
        return Err(refused("it runs without root, and its user ids are not known; use an engine that runs as root"));
    }
    if !has("userns") {
        return Ok(0);
    }
    let last = root.rsplit('/').next().unwrap_or_default();
    let first = last.split_once('.').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse::<u32>().ok()?)));
    match first {
        Some((uid, gid)) if uid == gid => Ok(uid),
        _ => Err(refused("it remaps user ids in a way that cannot be read; use one range for users and groups")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_ids_are_read_from_the_data_directory() {
        let userns = ["name=seccomp,profile=default".to_owned(), "name=userns".to_owned()];
        assert_eq!(shift(&userns, "/var/lib/docker/100000.100000").expect("readable"), 100_000);
        assert!(shift(&userns, "/var/lib/docker").is_err());
        assert_eq!(shift(&userns[..1], "/var/lib/docker").expect("none"), 0);
        assert!(shift(&["name=rootless".to_owned()], "/x").is_err());
    }
}
