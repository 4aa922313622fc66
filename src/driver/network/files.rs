//! The files by which a task finds names in its group's network.
//!
//! Each task has its own, with its own `extra_hosts`, bound read-only. They lie in the runtime directory, which no task
//! reaches.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use crate::{
    domain::{Dns, HostEntry, TaskKey, TaskSpec},
    driver::{Class, DriverError, parts::Parts},
};

const HOSTS: &str = "/etc/hosts";
const RESOLV: &str = "/etc/resolv.conf";
/// What every machine's file says.
const LOCALHOST: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                         ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// The files of one task.
#[derive(Clone, Debug)]
pub(in crate::driver) struct NetworkFiles {
    dir: PathBuf,
}

impl NetworkFiles {
    /// Returns the files of the task `key`, whether they exist or not.
    pub(in crate::driver) fn of(parts: &Parts, key: &TaskKey) -> Self {
        Self { dir: folder(parts).join(key.as_str()) }
    }

    /// Writes the files and returns where each of them lies and belongs.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub(in crate::driver) fn write(
        &self,
        files: &[(&'static str, String)],
    ) -> Result<Vec<(PathBuf, &'static str)>, DriverError> {
        let written = files.iter().map(|(target, text)| Ok((self.write_one(target, text)?, *target)));
        written.collect::<io::Result<_>>().map_err(|error| {
            DriverError::new(Class::StateUnavailable, format!("directory {}: {error}", self.dir.display()))
        })
    }

    fn write_one(&self, target: &str, text: &str) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let path = self.dir.join(target.rsplit('/').next().unwrap_or(target));
        // A file of an earlier try may be bound somewhere: its name goes, its text stays as it is.
        fs::remove_file(&path)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
        file.write_all(text.as_bytes())?;
        // The process's mask would keep the task's user out.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        Ok(path)
    }

    /// Removes the files; finding none is fine.
    pub(in crate::driver) fn remove(&self) {
        fs::remove_dir_all(&self.dir).ok();
    }

    /// Returns the keys of all tasks that have files.
    pub(in crate::driver) fn list(parts: &Parts) -> Vec<TaskKey> {
        let entries = fs::read_dir(folder(parts)).into_iter().flatten().flatten();
        entries.filter_map(|entry| TaskKey::from_name(entry.file_name().to_str()?)).collect()
    }
}

fn folder(parts: &Parts) -> PathBuf {
    parts.settings.tmpfs.runtime_dir.join("net")
}

/// Returns the hosts file of a task in its group's network.
///
/// # Errors
/// `host-gateway` is asked for and the network has none.
pub(super) fn hosts(
    spec: &TaskSpec,
    host: Option<&HostEntry>,
    gateway: Option<IpAddr>,
) -> Result<(&'static str, String), DriverError> {
    let own = host.map(|entry| format!("{}\t{}\n", entry.address, entry.name)).unwrap_or_default();
    let extra = spec.container.network.extra_hosts.iter().map(|line| extra_host(line, gateway));
    let extra: String = extra.collect::<Result<_, _>>()?;
    Ok((HOSTS, format!("{LOCALHOST}{own}{extra}")))
}

/// Turns `name:address` into a line of the file; the text has been reviewed.
fn extra_host(line: &str, gateway: Option<IpAddr>) -> Result<String, DriverError> {
    let (name, address) = line.split_once(':').unwrap_or((line, ""));
    let address = address.trim_start_matches('[').trim_end_matches(']');
    match (address, gateway) {
        ("host-gateway", Some(gateway)) => Ok(format!("{gateway}\t{name}\n")),
        ("host-gateway", None) => Err(DriverError::new(
            Class::TaskConfigInvalid,
            format!("extra_hosts {line:?}: the joined network has no way to its host; give an address"),
        )),
        (address, _) => Ok(format!("{address}\t{name}\n")),
    }
}

/// Returns the resolver's file when the group says how names are resolved, or when the task does in a network that it joins: the
/// engine would refuse its words there.
pub(super) fn resolver(spec: &TaskSpec, joins: bool) -> Option<(&'static str, String)> {
    let options = &spec.container.network;
    let own = Dns {
        servers: options.dns_servers.clone(),
        searches: options.dns_search_domains.clone(),
        options: options.dns_options.clone(),
    };
    let dns = match spec.dns.is_empty() {
        false => spec.dns.clone(),
        true if joins && own.servers.is_empty() && !own.is_empty() => Dns { servers: machines_servers(), ..own },
        true if joins && !own.is_empty() => own,
        true => return None,
    };
    Some((RESOLV, resolv_conf(&dns)))
}

/// Returns the servers that this machine asks, without those of its own loopback, which no other network reaches.
fn machines_servers() -> Vec<String> {
    let text = fs::read_to_string(RESOLV).unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")).map(str::trim);
    let reached = |server: &&str| server.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback());
    servers.filter(reached).map(str::to_owned).collect()
}

fn resolv_conf(dns: &Dns) -> String {
    let servers: String = dns.servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    let line = |word: &str, rest: &[String]| match rest {
        [] => String::new(),
        rest => format!("{word} {}\n", rest.join(" ")),
    };
    format!("{servers}{}{}", line("search", &dns.searches), line("options", &dns.options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_hosts_file_has_the_address_in_front() {
        let gateway = Some([172, 26, 64, 1].into());
        for (line, text) in [
            ("db:10.0.0.1", "10.0.0.1\tdb\n"),
            ("db:2001:db8::1", "2001:db8::1\tdb\n"),
            ("db:[::1]", "::1\tdb\n"),
            ("host.docker.internal:host-gateway", "172.26.64.1\thost.docker.internal\n"),
        ] {
            assert_eq!(extra_host(line, gateway).expect(line), text);
        }
        let error = extra_host("x:host-gateway", None).expect_err("there is none");
        assert!(error.to_string().contains("give an address"), "{error}");
    }

    #[test]
    fn the_resolvers_file_says_what_the_group_says() {
        let dns = Dns {
            servers: vec!["10.0.0.1".into(), "fd00::1".into()],
            searches: vec!["shop.internal".into(), "internal".into()],
            options: vec!["ndots:2".into()],
        };
        let text = "nameserver 10.0.0.1\nnameserver fd00::1\nsearch shop.internal internal\noptions ndots:2\n";
        assert_eq!(resolv_conf(&dns), text);
        assert_eq!(resolv_conf(&Dns { servers: vec!["::1".into()], ..Dns::default() }), "nameserver ::1\n");
    }
}
