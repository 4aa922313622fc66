//! Checks of how a container is connected.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    container::{Error, Policy, error::shown, policy::covers},
    domain::{Isolation, NetworkOptions, TaskSpec},
};

use super::{invalid, refused};

pub(super) fn network(task: &TaskSpec, policy: &Policy) -> Result<(), Error> {
    let options = &task.container.network;
    ports(task, policy)?;
    modes(options, policy)?;
    options.extra_hosts.iter().try_for_each(|line| extra_host(line))?;
    names(options)?;
    addresses(task)
}

fn ports(task: &TaskSpec, policy: &Policy) -> Result<(), Error> {
    let known: BTreeSet<&str> = task.ports.iter().map(|port| port.label.as_str()).collect();
    let published = &task.container.network.ports;
    if let Some(port) = published.iter().find(|port| !known.contains(port.label.as_str())) {
        return Err(invalid(format!("ports \"{}\"", shown(&port.label)), "names no port of the group's network"));
    }
    let low = task
        .ports
        .iter()
        .find(|port| task.container.network.publishes(&port.label) && port.host < policy.min_host_port);
    match low {
        Some(port) => Err(refused(
            format!("ports \"{}\" on {}", shown(&port.label), port.host),
            format!("container.min_host_port is {}", policy.min_host_port),
        )),
        None => Ok(()),
    }
}

fn modes(options: &NetworkOptions, policy: &Policy) -> Result<(), Error> {
    let also = options.also.iter().map(|mode| ("networks", mode.as_str()));
    let first = options.mode.as_deref().filter(|mode| !mode.is_empty()).map(|mode| ("network_mode", mode));
    for (name, mode) in first.into_iter().chain(also) {
        let option = format!("{name} \"{}\"", shown(mode));
        match mode {
            _ if name == "networks" && !mode.bytes().all(is_name_byte) => {
                return Err(invalid(option, "is no name of a network"));
            }
            "host" | "none" | "default" if name == "networks" => {
                return Err(invalid(option, "is no network of the engine"));
            }
            "host" if policy.allow_host_network => (),
            "host" => return Err(refused(option, "the plugin's allow_host_network is off")),
            // Whose container or task it is, only the engine knows; the driver asks it before anything is made.
            mode if mode.starts_with("container:") || mode.starts_with("task:") => match mode.split_once(':') {
                Some((_, rest)) if name == "network_mode" && !rest.is_empty() && rest.bytes().all(is_name_byte) => (),
                _ => return Err(invalid(option, "names no container or task")),
            },
            mode if covers(&policy.modes.network, mode) => (),
            _ => return Err(refused(option, "allowed_modes.network does not list it")),
        }
    }
    Ok(())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Takes `name:address`; the address may hold colons, and `host-gateway` is the engine's word for the host.
fn extra_host(line: &str) -> Result<(), Error> {
    let option = || format!("extra_hosts \"{}\"", shown(line));
    let Some((name, address)) = line.split_once(':') else { return Err(invalid(option(), "is no name:address")) };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if !is_host(name) {
        return Err(invalid(option(), "has no host name in front of the colon"));
    }
    if bare.parse::<IpAddr>().is_err() && bare != "host-gateway" {
        return Err(invalid(option(), "has neither an IP address nor host-gateway behind the colon"));
    }
    Ok(())
}

/// Underscores are no part of host names and common in names of services.
fn is_host(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() <= 253 && !name.starts_with(['-', '.']) && name.bytes().all(word)
}

fn names(options: &NetworkOptions) -> Result<(), Error> {
    let plain = |text: &str| !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_graphic());
    for (name, values, good) in [
        ("network_aliases", &options.aliases, &is_host as &dyn Fn(&str) -> bool),
        // One dot is the resolver's word for no search at all.
        ("dns_search_domains", &options.dns_search_domains, &|text| text == "." || is_host(text)),
        ("dns_options", &options.dns_options, &plain),
    ] {
        if let Some(bad) = values.iter().find(|value| !good(value)) {
            return Err(invalid(format!("{name} \"{}\"", shown(bad)), "is no name that can be used there"));
        }
    }
    Ok(())
}

/// Fixed addresses and more names are for networks of the operator's: the engine's own take none.
fn addresses(task: &TaskSpec) -> Result<(), Error> {
    let options = &task.container.network;
    let mode = options.mode.as_deref().unwrap_or("bridge");
    let own = !matches!(mode, "" | "bridge" | "default" | "host" | "none") && !is_another(mode);
    let wanted = [
        ("ipv4_address", options.ipv4_address.is_some()),
        ("ipv6_address", options.ipv6_address.is_some()),
        ("network_aliases", !options.aliases.is_empty()),
    ];
    match wanted.into_iter().find(|(_, wanted)| *wanted && !own) {
        Some((name, _)) => Err(invalid(name, "needs a network_mode that names a network of the engine")),
        None if !options.also.is_empty() && joins(task, mode) => {
            Err(invalid("networks", "cannot be added to the host's, the group's or another container's network"))
        }
        None => twice(options, mode),
    }
}

/// The engine would refuse the second after the container was made.
fn twice(options: &NetworkOptions, mode: &str) -> Result<(), Error> {
    let mut seen = BTreeSet::from([mode]);
    match options.also.iter().find(|network| !seen.insert(network)) {
        Some(network) => Err(invalid(format!("networks \"{}\"", shown(network)), "is named twice")),
        None => Ok(()),
    }
}

fn joins(task: &TaskSpec, mode: &str) -> bool {
    let group = task.container.network.mode.is_none() && matches!(task.isolation, Isolation::Group(_));
    group || matches!(mode, "host" | "none") || is_another(mode)
}

fn is_another(mode: &str) -> bool {
    mode.starts_with("container:") || mode.starts_with("task:")
}

#[cfg(test)]
mod tests {
    use crate::{
        container::{Error, Policy, fixture, review},
        domain::{Port, TaskSpec},
    };

    fn outcome(change: impl FnOnce(&mut TaskSpec)) -> Result<(), Error> {
        let mut task = fixture::task("a/b/1");
        change(&mut task);
        review(&task, &Policy::default()).map(|_| ())
    }

    #[test]
    fn a_line_of_the_hosts_file_has_a_name_and_an_address() {
        for good in
            ["db:10.0.0.1", "db.local:2001:db8::1", "db:[::1]", "host.docker.internal:host-gateway", "a_b:1.2.3.4"]
        {
            outcome(|task| task.container.network.extra_hosts = vec![good.into()]).expect(good);
        }
        for bad in ["db", "db:", ":10.0.0.1", "db:somewhere", "d b:10.0.0.1", "db:10.0.0.1 evil", "-x:1.2.3.4"] {
            assert!(outcome(|task| task.container.network.extra_hosts = vec![bad.into()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn low_ports_of_the_host_are_shut() {
        let with = |host: u16| {
            outcome(|task| {
                task.ports = vec![Port { label: "web".into(), host, to: 80, host_ip: None }];
                task.container.network.ports = vec!["web".parse().expect("a port")];
            })
        };
        with(8080).expect("high");
        assert!(matches!(with(80), Err(Error::PolicyRefused { .. })));
    }

    #[test]
    fn fixed_addresses_need_a_network_of_their_own() {
        assert!(outcome(|task| task.container.network.ipv4_address = Some([10, 0, 0, 9].into())).is_err());
        for also in [&["host"][..], &["../x"], &["bridge"], &["other", "other"]] {
            let policy = Policy::default();
            let modes = crate::container::Modes { network: vec!["*".into()], ..policy.modes.clone() };
            let mut task = fixture::task("a/b/1");
            task.container.network.also = also.iter().map(|name| (*name).to_owned()).collect();
            let refused = review(&task, &Policy { modes, ..policy });
            assert!(matches!(refused, Err(Error::ConfigInvalid { .. })), "{also:?}: {refused:?}");
        }
    }
}
