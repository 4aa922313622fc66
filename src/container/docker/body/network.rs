//! How a container is connected.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{EndpointIpamConfig, EndpointSettings, HostConfig, NetworkingConfig, PortBinding};

use crate::{container::ContainerSpec, domain::NetworkOptions};

/// Says whether the container lives in another one's network.
pub(super) fn joins(spec: &ContainerSpec<'_>) -> bool {
    spec.connection.is_some_and(|connection| connection.join.is_some())
}

pub(super) fn network(host: HostConfig, spec: &ContainerSpec<'_>) -> HostConfig {
    let options = &spec.task.container.network;
    let ports = bindings(spec);
    // In another container's network these are that one's, and the engine refuses to hear of them.
    let own = !joins(spec);
    let texts = |list: &Vec<String>| Some(list.clone()).filter(|list| own && !list.is_empty());
    HostConfig {
        network_mode: Some(mode(spec)),
        port_bindings: Some(ports.into_iter().collect()),
        dns: texts(&options.dns_servers),
        dns_search: texts(&options.dns_search_domains),
        dns_options: texts(&options.dns_options),
        extra_hosts: texts(&options.extra_hosts),
        ..host
    }
}

fn mode(spec: &ContainerSpec<'_>) -> String {
    let join = spec.connection.and_then(|connection| connection.join.as_ref());
    match (join, &spec.task.container.network.mode) {
        (Some(container), _) => format!("container:{}", container.as_str()),
        (None, Some(mode)) => mode.clone(),
        (None, None) => "bridge".to_owned(),
    }
}

/// Ports are published on one address only, over TCP unless the job says otherwise; in a network that has its own ports, none are.
pub(super) fn bindings(spec: &ContainerSpec<'_>) -> BTreeMap<String, Option<Vec<PortBinding>>> {
    let mut ports: BTreeMap<String, Option<Vec<PortBinding>>> = BTreeMap::new();
    let task = spec.task;
    if matches!(mode(spec).as_str(), "host" | "none") || joins(spec) {
        return ports;
    }
    for published in &task.container.network.ports {
        for port in task.ports.iter().filter(|port| port.label == published.label) {
            let address = port.host_ip.map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_string());
            let binding = PortBinding { host_ip: Some(address), host_port: Some(port.host.to_string()) };
            for protocol in published.protocol.names() {
                let bindings = ports.entry(format!("{}/{protocol}", port.to)).or_default().get_or_insert_default();
                if !bindings.contains(&binding) {
                    bindings.push(binding.clone());
                }
            }
        }
    }
    ports
}

/// What the container is on its network: only said when the job says something, since older engines take one entry and no more.
pub(super) fn endpoints(spec: &ContainerSpec<'_>) -> Option<NetworkingConfig> {
    let options = &spec.task.container.network;
    let wanted = options.mac_address.is_some()
        || options.ipv4_address.is_some()
        || options.ipv6_address.is_some()
        || !options.aliases.is_empty();
    (wanted && !joins(spec))
        .then(|| NetworkingConfig { endpoints_config: Some(HashMap::from([(mode(spec), endpoint(options))])) })
}

fn endpoint(options: &NetworkOptions) -> EndpointSettings {
    let fixed = options.ipv4_address.is_some() || options.ipv6_address.is_some();
    EndpointSettings {
        aliases: Some(options.aliases.clone()).filter(|aliases| !aliases.is_empty()),
        mac_address: options.mac_address.clone(),
        ipam_config: fixed.then(|| EndpointIpamConfig {
            ipv4_address: options.ipv4_address.map(|ip| ip.to_string()),
            ipv6_address: options.ipv6_address.map(|ip| ip.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        container::{Image, fixture},
        domain::{Port, TaskSpec},
    };

    fn with<T>(task: &TaskSpec, look: impl FnOnce(&ContainerSpec<'_>) -> T) -> T {
        let image = Image::default();
        look(&ContainerSpec { task, image: &image, secrets: None, connection: None })
    }

    #[test]
    fn endpoints_are_passed_on() {
        let mut task = fixture::task("a/b/1");
        assert!(with(&task, endpoints).is_none());
        let options = &mut task.container.network;
        options.mode = Some("backend".into());
        options.aliases = vec!["db".into()];
        options.ipv4_address = Some([10, 9, 8, 7].into());
        options.mac_address = Some("02:42:ac:11:00:02".into());
        options.dns_servers = vec!["10.0.0.2".into()];
        options.dns_search_domains = vec!["example".into()];
        options.dns_options = vec!["ndots:2".into()];
        options.extra_hosts = vec!["db:10.0.0.1".into()];
        let endpoint =
            with(&task, endpoints).and_then(|config| config.endpoints_config).expect("set")["backend"].clone();
        assert_eq!(endpoint.aliases, Some(vec!["db".to_owned()]));
        assert_eq!(endpoint.ipam_config.and_then(|config| config.ipv4_address).as_deref(), Some("10.9.8.7"));
        assert_eq!(endpoint.mac_address.as_deref(), Some("02:42:ac:11:00:02"));
        let host = with(&task, |spec| network(HostConfig::default(), spec));
        assert_eq!((host.dns, host.dns_search), (Some(vec!["10.0.0.2".into()]), Some(vec!["example".into()])));
        assert_eq!(
            (host.dns_options, host.extra_hosts),
            (Some(vec!["ndots:2".into()]), Some(vec!["db:10.0.0.1".into()]))
        );
    }

    #[test]
    fn datagrams_are_published_when_asked_for() {
        let mut task = fixture::task("a/b/1");
        task.ports = vec![Port { label: "dns".into(), host: 20053, to: 53, host_ip: None }];
        task.container.network.ports = vec!["dns/tcp+udp".parse().expect("a port")];
        let ports: Vec<String> = with(&task, bindings).into_keys().collect();
        assert_eq!(ports, ["53/tcp", "53/udp"]);
    }
}
