//! Making the container that holds a network.
//!
//! It does nothing, so it may do nothing: no capability, no writing, few processes, little memory. It has no restart policy:
//! one that comes back by itself, after a reboot or a restart of the engine, comes back with an empty network, and tasks
//! would start in it as if all were well.

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum};

use crate::container::{ContainerId, Docker, Error, PauseSpec, pause_labels};

use super::container::Wanted;

/// Memory of a process that only waits; the engine's least is 6 MiB.
const MEMORY: i64 = 16 << 20;
/// The engine's least share of the processor.
const SHARES: i64 = 2;
/// Processes of the same.
const PIDS: i64 = 16;
/// Nobody in particular, in any image.
const USER: &str = "65534:65534";

impl Docker {
    pub(super) async fn create_pause_container(&self, spec: &PauseSpec<'_>) -> Result<ContainerId, Error> {
        let labels = pause_labels(spec.alloc_id, &self.instance);
        let ours = ["strongbox.role", "strongbox.alloc_id", "strongbox.instance"];
        self.create_marked(Wanted {
            name: spec.name(),
            image: &spec.image.reference,
            marks: ours.iter().filter_map(|key| labels.get(*key).map(|value| (*key, value.clone()))).collect(),
            body: body(spec, labels),
        })
        .await
    }
}

fn body(spec: &PauseSpec<'_>, labels: std::collections::BTreeMap<String, String>) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(spec.image.id.clone()),
        user: Some(USER.to_owned()),
        hostname: spec.hostname.filter(|_| spec.beside.is_none()).map(str::to_owned),
        labels: Some(labels.into_iter().collect()),
        host_config: Some(host(spec)),
        ..ContainerCreateBody::default()
    }
}

fn host(spec: &PauseSpec<'_>) -> HostConfig {
    HostConfig {
        network_mode: Some(spec.beside.map_or("none".to_owned(), |beside| format!("container:{beside}"))),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        privileged: Some(false),
        cpu_shares: Some(SHARES),
        memory: Some(MEMORY),
        memory_swap: Some(MEMORY),
        pids_limit: Some(PIDS),
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Image;

    #[test]
    fn it_may_do_nothing_and_does_not_come_back() {
        let image = Image { id: "sha256:00".into(), ..Image::default() };
        let spec = PauseSpec { alloc_id: "550e", hostname: Some("shop"), image: &image, beside: None };
        let body = body(&spec, pause_labels("550e", "one"));
        assert_eq!(body.hostname.as_deref(), Some("shop"));
        let host = body.host_config.expect("set");
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.restart_policy.expect("set").name, Some(RestartPolicyNameEnum::NO));
        assert_eq!((host.cap_drop, host.cap_add), (Some(vec!["ALL".to_owned()]), None));
        assert_eq!((host.readonly_rootfs, host.pids_limit, host.memory), (Some(true), Some(PIDS), Some(MEMORY)));
    }
}
