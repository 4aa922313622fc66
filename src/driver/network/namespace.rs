//! What can be seen of a network namespace from outside: which one it is, and what is in it.
//!
//! Read from `/proc` by a process that lives in it; nothing is entered and no engine is asked.

use std::{
    collections::BTreeSet,
    fs, io,
    net::Ipv4Addr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A namespace as it was seen once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::driver) struct Namespace {
    /// Tells this start of the machine from every other.
    boot: String,
    /// The kernel's number for the namespace; it may be used again after the namespace's end.
    inode: u64,
    /// Its interfaces but the loopback one.
    interfaces: BTreeSet<String>,
}

impl Namespace {
    /// Looks at the namespace in which `pid` lives.
    ///
    /// # Errors
    /// There is no such process, or it cannot be seen.
    pub(in crate::driver) fn of(pid: u32) -> io::Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        Ok(Self {
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
            inode: fs::metadata(process.join("ns/net"))?.ino(),
            interfaces: interfaces(&fs::read_to_string(process.join("net/dev"))?),
        })
    }

    /// Forgets the interfaces: they are the agent's to make, after the namespace.
    pub(super) fn without_interfaces(self) -> Self {
        Self { interfaces: BTreeSet::new(), ..self }
    }

    /// Says whether there is nothing but loopback.
    pub(super) fn is_bare(&self) -> bool {
        self.interfaces.is_empty()
    }

    /// Says what `self` has lost since it was seen as `was`.
    pub(super) fn lost(&self, was: &Self) -> Option<String> {
        if (&self.boot, self.inode) != (&was.boot, was.inode) {
            return Some("it has another namespace than when it was made".to_owned());
        }
        let gone: Vec<&str> = was.interfaces.difference(&self.interfaces).map(String::as_str).collect();
        (!gone.is_empty()).then(|| format!("its interface {} is gone", gone.join(", ")))
    }
}

/// Returns the address through which the namespace of `pid` reaches its host.
pub(super) fn gateway(pid: u32) -> Option<Ipv4Addr> {
    let routes = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/net/route"))).ok()?;
    default_gateway(&routes)
}

/// Reads names from the table of `/proc/<pid>/net/dev`.
fn interfaces(table: &str) -> BTreeSet<String> {
    let names = table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    names.filter(|name| name != "lo").collect()
}

/// Reads the table of `/proc/<pid>/net/route`, whose addresses are in the machine's byte order.
fn default_gateway(table: &str) -> Option<Ipv4Addr> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let address = u32::from_str_radix(gateway, 16).ok().filter(|address| *address != 0)?;
        (destination == "00000000").then(|| Ipv4Addr::from(address.to_ne_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive    |  Transmit\n face |bytes packets|bytes packets\n    lo:  0 0 0 0\n\
                       eth0: 1016 12 0\nnet1:0 0\n";

    fn seen(interfaces: &[&str]) -> Namespace {
        let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();
        Namespace { boot: "b".into(), inode: 7, interfaces }
    }

    #[test]
    fn interfaces_are_read_without_loopback() {
        assert_eq!(interfaces(DEV), ["eth0", "net1"].map(str::to_owned).into());
    }

    #[test]
    fn the_gateway_is_the_default_routes() {
        let table = "Iface\tDestination\tGateway\tFlags\neth0\t004011AC\t00000000\t0001\n\
                     eth0\t00000000\t01401AAC\t0003\n";
        assert_eq!(default_gateway(table), Some([172, 26, 64, 1].into()).filter(|_| cfg!(target_endian = "little")));
        assert_eq!(default_gateway("Iface\tDestination\tGateway\n"), None);
    }

    #[test]
    fn a_namespace_loses_by_being_another_or_by_missing_an_interface() {
        assert_eq!(seen(&["eth0", "net1"]).lost(&seen(&["eth0"])), None);
        assert_eq!(seen(&[]).lost(&seen(&["eth0"])).expect("lost"), "its interface eth0 is gone");
        assert!(seen(&["eth0"]).lost(&Namespace { inode: 8, ..seen(&[]) }).is_some());
        assert!(seen(&[]).lost(&Namespace { boot: "c".into(), ..seen(&[]) }).is_some());
    }

    #[test]
    fn our_own_namespace_can_be_looked_at() {
        let here = Namespace::of(std::process::id()).expect("this process");
        assert_eq!(here.lost(&here), None);
    }
}
