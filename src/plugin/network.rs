//! An allocation's network on the wire.
//!
//! The two labels are the agent's own words: it reads them whatever the driver is called, and sends them back with each task.

use std::collections::HashMap;

use super::proto::drivers as wire;
use crate::{
    domain::{Dns, GroupNetwork, HostEntry},
    driver::NetworkMade,
};

/// The id of the container that holds the network.
pub(super) const CONTAINER_LABEL: &str = "docker_sandbox_container_id";
/// The host name, when the job gives one.
const HOSTNAME_LABEL: &str = "docker_sandbox_hostname";

/// Reads the network that a task shall join.
pub(super) fn group(spec: &wire::NetworkIsolationSpec, container: &str) -> GroupNetwork {
    let entry = |config: &wire::HostsConfig| {
        let address = config.address.parse().ok()?;
        (!config.hostname.is_empty()).then(|| HostEntry { name: config.hostname.clone(), address })
    };
    GroupNetwork { container: container.to_owned(), host: spec.hosts_config.as_ref().and_then(entry) }
}

/// Reads how names are resolved.
pub(super) fn dns(wire: Option<&wire::DnsConfig>) -> Dns {
    wire.map(|dns| Dns { servers: dns.servers.clone(), searches: dns.searches.clone(), options: dns.options.clone() })
        .unwrap_or_default()
}

/// Tells the agent of a network that is there.
pub(super) fn made(made: &NetworkMade) -> wire::CreateNetworkResponse {
    let hostname = made.hostname.iter().map(|name| (HOSTNAME_LABEL.to_owned(), name.clone()));
    let labels: HashMap<String, String> =
        hostname.chain([(CONTAINER_LABEL.to_owned(), made.container.clone())]).collect();
    let spec = wire::NetworkIsolationSpec {
        mode: wire::network_isolation_spec::NetworkIsolationMode::Group as i32,
        path: made.path.to_string_lossy().into_owned(),
        labels,
        hosts_config: None,
    };
    wire::CreateNetworkResponse { isolation_spec: Some(spec), created: made.created }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_address_is_no_entry() {
        let config = |hostname: &str, address: &str| wire::NetworkIsolationSpec {
            hosts_config: Some(wire::HostsConfig { hostname: hostname.into(), address: address.into() }),
            ..wire::NetworkIsolationSpec::default()
        };
        let entry = group(&config("shop", "172.26.64.3"), "abc").host.expect("an entry");
        assert_eq!((entry.name.as_str(), entry.address.to_string().as_str()), ("shop", "172.26.64.3"));
        assert_eq!(group(&config("shop", ""), "abc").host, None);
        assert_eq!(group(&config("", "172.26.64.3"), "abc").host, None);
    }
}
