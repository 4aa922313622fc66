//! A container's cgroup files: cheaper than asking the engine, which takes a second for each sample.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::container::{ContainerId, CpuStats, MemoryStats, Stats};

/// Where cgroups are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// `cpuacct.stat` counts in the clock ticks that user space has always been shown.
const NS_PER_TICK: u64 = 10_000_000;

/// Where the files of one container are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cgroup {
    /// One directory for each controller. Also on machines where both kinds are mounted: the first has the numbers.
    V1 { cpu: PathBuf, cpuacct: PathBuf, memory: PathBuf, pids: PathBuf, blkio: Option<PathBuf> },
    /// One directory.
    V2(PathBuf),
}

/// One sample, and whether the kernel has killed something in the container for want of memory.
pub(super) struct Sample {
    pub(super) stats: Stats,
    pub(super) starved: bool,
}

impl Cgroup {
    /// Finds the cgroup of the process, if it is the container's and can be seen from here.
    pub(super) fn of(pid: u32, id: &ContainerId) -> Option<Self> {
        let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        Self::read(&table, id, Path::new(ROOT)).filter(Self::is_there)
    }

    fn read(table: &str, id: &ContainerId, root: &Path) -> Option<Self> {
        let controller = |name: &str| {
            let path = entries(table).find(|(names, _)| names.split(',').any(|one| one == name))?.1;
            path.contains(id.as_str()).then(|| root.join(name).join(path.trim_start_matches('/')))
        };
        let v1 = || {
            Some(Self::V1 {
                cpu: controller("cpu")?,
                cpuacct: controller("cpuacct")?,
                memory: controller("memory")?,
                pids: controller("pids")?,
                blkio: controller("blkio"),
            })
        };
        let v2 = || {
            let path = entries(table).find(|(names, _)| names.is_empty())?.1;
            path.contains(id.as_str()).then(|| Self::V2(root.join(path.trim_start_matches('/'))))
        };
        v1().or_else(v2)
    }

    /// Says whether the files can be seen.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::V1 { memory, .. } => memory.join("memory.stat").exists(),
            Self::V2(path) => path.join("memory.stat").exists(),
        }
    }

    /// Returns a process of the container.
    pub(super) fn first_process(&self) -> Option<u32> {
        let (Self::V1 { pids: path, .. } | Self::V2(path)) = self;
        fs::read_to_string(path.join("cgroup.procs")).ok()?.lines().next()?.parse().ok()
    }

    /// Takes a sample; `None` once the container is gone.
    pub(super) fn sample(&self) -> Option<Sample> {
        match self {
            Self::V1 { cpu, cpuacct, memory, pids, .. } => v1(cpu, cpuacct, memory, pids),
            Self::V2(path) => v2(path),
        }
    }
}

/// Splits `4:cpu,cpuacct:/docker/…` into the controllers and the path.
fn entries(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'))
}

fn v1(cpu: &Path, cpuacct: &Path, memory: &Path, pids: &Path) -> Option<Sample> {
    let stat = Table::read(&memory.join("memory.stat"))?;
    let ticks = Table::read(&cpuacct.join("cpuacct.stat"))?;
    let throttled = Table::read(&cpu.join("cpu.stat")).unwrap_or_default();
    let control = Table::read(&memory.join("memory.oom_control")).unwrap_or_default();
    let stats = Stats {
        at: SystemTime::now(),
        cpu: CpuStats {
            total_ns: number(&cpuacct.join("cpuacct.usage"))?,
            user_ns: ticks.get("user") * NS_PER_TICK,
            system_ns: ticks.get("system") * NS_PER_TICK,
            throttled_periods: throttled.get("nr_throttled"),
            throttled_ns: throttled.get("throttled_time"),
        },
        memory: MemoryStats {
            rss: stat.get("rss"),
            cache: stat.get("cache"),
            mapped: stat.get("mapped_file"),
            usage: number(&memory.join("memory.usage_in_bytes"))?,
            swap: stat.find("swap"),
            max_usage: number(&memory.join("memory.max_usage_in_bytes")),
        },
        pids: number(&pids.join("pids.current")),
    };
    Some(Sample { stats, starved: control.get("oom_kill") > 0 })
}

fn v2(path: &Path) -> Option<Sample> {
    let stat = Table::read(&path.join("memory.stat"))?;
    let cpu = Table::read(&path.join("cpu.stat"))?;
    let events = Table::read(&path.join("memory.events")).unwrap_or_default();
    let stats = Stats {
        at: SystemTime::now(),
        cpu: CpuStats {
            total_ns: cpu.get("usage_usec") * 1000,
            user_ns: cpu.get("user_usec") * 1000,
            system_ns: cpu.get("system_usec") * 1000,
            throttled_periods: cpu.get("nr_throttled"),
            throttled_ns: cpu.get("throttled_usec") * 1000,
        },
        memory: MemoryStats {
            rss: stat.get("anon"),
            cache: stat.get("file"),
            mapped: stat.get("file_mapped"),
            usage: number(&path.join("memory.current"))?,
            swap: number(&path.join("memory.swap.current")),
            max_usage: number(&path.join("memory.peak")),
        },
        pids: number(&path.join("pids.current")),
    };
    Some(Sample { stats, starved: events.get("oom_kill") > 0 })
}

/// A file of names and numbers.
#[derive(Default)]
struct Table(String);

impl Table {
    fn read(path: &Path) -> Option<Self> {
        fs::read_to_string(path).ok().map(Self)
    }

    fn find(&self, name: &str) -> Option<u64> {
        let mut pairs = self.0.lines().filter_map(|line| line.split_once(' '));
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.trim().parse().ok())
    }

    fn get(&self, name: &str) -> u64 {
        self.find(name).unwrap_or_default()
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ContainerId {
        "abc123".parse().expect("good")
    }

    #[test]
    fn a_hybrid_machine_is_read_by_its_first_kind() {
        let table = "5:pids:/docker/abc123\n4:memory:/docker/abc123\n3:cpuacct:/docker/abc123\n2:cpu:/docker/abc123\n0::/docker/abc123\n";
        let Some(Cgroup::V1 { memory, cpuacct, .. }) = Cgroup::read(table, &id(), Path::new("/r")) else {
            panic!("first kind")
        };
        assert_eq!(memory, Path::new("/r/memory/docker/abc123"));
        assert_eq!(cpuacct, Path::new("/r/cpuacct/docker/abc123"));
    }

    #[test]
    fn a_machine_of_the_second_kind_is_read() {
        let found = Cgroup::read("0::/system.slice/docker-abc123.scope\n", &id(), Path::new("/r"));
        assert_eq!(found, Some(Cgroup::V2("/r/system.slice/docker-abc123.scope".into())));
    }

    #[test]
    fn another_containers_numbers_are_not_taken() {
        assert_eq!(Cgroup::read("0::/docker/def456\n", &id(), Path::new("/r")), None);
    }

    #[test]
    fn a_sample_of_the_second_kind_is_read_from_its_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        put("memory.stat", "anon 10\nfile 20\nfile_mapped 5\n");
        put("memory.events", "low 0\noom 1\noom_kill 1\n");
        put("memory.current", "40\n");
        put("cpu.stat", "usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_throttled 7\nthrottled_usec 9\n");
        let sample = Cgroup::V2(dir.path().into()).sample().expect("readable");
        assert_eq!((sample.stats.memory.rss, sample.stats.memory.usage, sample.stats.memory.swap), (10, 40, None));
        assert_eq!((sample.stats.cpu.total_ns, sample.stats.cpu.throttled_ns), (3000, 9000));
        assert!(sample.starved);
    }
}
