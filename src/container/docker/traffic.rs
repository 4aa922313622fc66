//! What a container has moved: from the kernel's files where they can be seen, from the engine otherwise.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use bollard::models::{ContainerBlkioStatEntry, ContainerBlkioStats, ContainerNetworkStats, ContainerStatsResponse};

use crate::container::{ContainerId, DiskTraffic, Docker, Error, Flow, NetworkTraffic, Traffic};

use super::cgroup::Cgroup;

impl Docker {
    pub(super) async fn measure_traffic(&self, id: &ContainerId) -> Result<Traffic, Error> {
        match self.find_cgroup(id).await? {
            Some(cgroup) => Ok(Traffic { network: cgroup.first_process().and_then(network), disk: disk(&cgroup) }),
            None => Ok(read(self.engine_stats(id).await?)),
        }
    }
}

/// Reads the interfaces of the network that a process is in, unless that is our own, the host's.
fn network(pid: u32) -> Option<NetworkTraffic> {
    let namespace = |of: &str| fs::metadata(format!("/proc/{of}/ns/net")).ok().map(|meta| (meta.dev(), meta.ino()));
    if namespace(&pid.to_string())? == namespace("self")? {
        return None;
    }
    Some(interfaces(&fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?))
}

/// Adds up a table of two header lines and then one line an interface: eight numbers inwards, eight outwards.
fn interfaces(table: &str) -> NetworkTraffic {
    let mut sum = NetworkTraffic::default();
    for (name, numbers) in table.lines().filter_map(|line| line.split_once(':')) {
        if name.trim() == "lo" {
            continue;
        }
        let numbers: Vec<u64> = numbers.split_whitespace().map(|number| number.parse().unwrap_or_default()).collect();
        let flow = |at: usize| {
            let number = |nth: usize| numbers.get(at + nth).copied().unwrap_or_default();
            Flow { bytes: number(0), packets: number(1), errors: number(2), drops: number(3) }
        };
        sum.received += flow(0);
        sum.sent += flow(8);
    }
    sum
}

fn disk(cgroup: &Cgroup) -> Option<DiskTraffic> {
    match cgroup {
        Cgroup::V1 { blkio, .. } => first_kind(blkio.as_deref()?),
        Cgroup::V2(path) => second_kind(path),
    }
}

/// Adds up lines such as `8:0 Read 4096`. Kernels since 6.9 count only on devices for which some limit is set; where no device is
/// named, nothing is known.
fn first_kind(blkio: &Path) -> Option<DiskTraffic> {
    let read = |name: &str| fs::read_to_string(blkio.join(name)).ok();
    let (bytes, counts) = (read("blkio.throttle.io_service_bytes")?, read("blkio.throttle.io_serviced")?);
    if !bytes.contains(" Read ") {
        return None;
    }
    let sum = |table: &str, kind: &str| -> u64 {
        let numbers = table.lines().filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            (words.next()? == kind).then(|| words.next()?.parse::<u64>().ok())?
        });
        numbers.fold(0, u64::saturating_add)
    };
    Some(DiskTraffic {
        read_bytes: sum(&bytes, "Read"),
        written_bytes: sum(&bytes, "Write"),
        reads: sum(&counts, "Read"),
        writes: sum(&counts, "Write"),
    })
}

/// Adds up lines such as `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`.
fn second_kind(path: &Path) -> Option<DiskTraffic> {
    let table = fs::read_to_string(path.join("io.stat")).ok()?;
    let sum = |name: &str| -> u64 {
        let words = table.split_whitespace().filter_map(|word| word.split_once('='));
        words.filter(|(key, _)| *key == name).filter_map(|(_, value)| value.parse().ok()).fold(0, u64::saturating_add)
    };
    Some(DiskTraffic {
        read_bytes: sum("rbytes"),
        written_bytes: sum("wbytes"),
        reads: sum("rios"),
        writes: sum("wios"),
    })
}

/// Reads the engine's own answer.
fn read(answer: ContainerStatsResponse) -> Traffic {
    let network = answer.networks.map(|interfaces| {
        let mut sum = NetworkTraffic::default();
        for interface in interfaces.into_values() {
            let (received, sent) = flows(&interface);
            sum.received += received;
            sum.sent += sent;
        }
        sum
    });
    Traffic { network, disk: answer.blkio_stats.and_then(told) }
}

fn flows(stats: &ContainerNetworkStats) -> (Flow, Flow) {
    let number = Option::unwrap_or_default;
    let received = Flow {
        bytes: number(stats.rx_bytes),
        packets: number(stats.rx_packets),
        errors: number(stats.rx_errors),
        drops: number(stats.rx_dropped),
    };
    let sent = Flow {
        bytes: number(stats.tx_bytes),
        packets: number(stats.tx_packets),
        errors: number(stats.tx_errors),
        drops: number(stats.tx_dropped),
    };
    (received, sent)
}

/// The two kinds of cgroups write the names of directions differently.
fn told(stats: ContainerBlkioStats) -> Option<DiskTraffic> {
    stats.io_service_bytes_recursive.as_ref().filter(|entries| !entries.is_empty())?;
    let sum = |entries: &Option<Vec<ContainerBlkioStatEntry>>, kind: &str| -> u64 {
        let of_kind =
            |entry: &&ContainerBlkioStatEntry| entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(kind));
        let entries = entries.iter().flatten().filter(of_kind);
        entries.filter_map(|entry| entry.value).fold(0, u64::saturating_add)
    };
    Some(DiskTraffic {
        read_bytes: sum(&stats.io_service_bytes_recursive, "read"),
        written_bytes: sum(&stats.io_service_bytes_recursive, "write"),
        reads: sum(&stats.io_serviced_recursive, "read"),
        writes: sum(&stats.io_serviced_recursive, "write"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const DEV: &str = "Inter-|   Receive                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 999 9 9 9 0 0 0 0 999 9 9 9 0 0 0 0
  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
  eth1:   1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0
";

    #[test]
    fn interfaces_are_added_up_without_the_loopback() {
        let sum = interfaces(DEV);
        assert_eq!(sum.received, Flow { bytes: 1001, packets: 11, errors: 1, drops: 2 });
        assert_eq!(sum.sent, Flow { bytes: 2002, packets: 21, errors: 3, drops: 4 });
    }

    #[test]
    fn disks_of_the_first_kind_are_added_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        put("blkio.throttle.io_service_bytes", "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 1\nTotal 31\n");
        put("blkio.throttle.io_serviced", "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n");
        let sum = DiskTraffic { read_bytes: 11, written_bytes: 20, reads: 1, writes: 2 };
        assert_eq!(first_kind(dir.path()), Some(sum));
    }

    #[test]
    fn disks_of_the_second_kind_are_added_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=9 dios=9\n8:0 rbytes=10 wbytes=20 rios=30 wios=40\n";
        fs::write(dir.path().join("io.stat"), text).expect("written");
        let sum = DiskTraffic { read_bytes: 11, written_bytes: 22, reads: 33, writes: 44 };
        assert_eq!(disk(&Cgroup::V2(dir.path().into())), Some(sum));
    }

    #[test]
    fn a_machine_that_does_not_tell_gives_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(disk(&Cgroup::V2(dir.path().into())), None);
        assert_eq!(first_kind(dir.path()), None);
        for name in ["blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"] {
            fs::write(dir.path().join(name), "Total 0\n").expect("written");
        }
        assert_eq!(first_kind(dir.path()), None);
    }

    #[test]
    fn the_engines_words_for_directions_are_read_in_either_case() {
        let entry =
            |op: &str, value| ContainerBlkioStatEntry { op: Some(op.into()), value: Some(value), ..Default::default() };
        let stats = ContainerBlkioStats {
            io_service_bytes_recursive: Some(vec![entry("Read", 1), entry("write", 2), entry("Total", 3)]),
            ..ContainerBlkioStats::default()
        };
        let eth0 = ContainerNetworkStats { rx_bytes: Some(5), tx_dropped: Some(6), ..Default::default() };
        let answer = ContainerStatsResponse {
            networks: Some(HashMap::from([("eth0".into(), eth0)])),
            blkio_stats: Some(stats),
            ..ContainerStatsResponse::default()
        };
        let traffic = read(answer);
        let network = traffic.network.expect("told");
        assert_eq!((network.received.bytes, network.sent.drops), (5, 6));
        assert_eq!(traffic.disk.map(|disk| (disk.read_bytes, disk.written_bytes)), Some((1, 2)));
    }
}
