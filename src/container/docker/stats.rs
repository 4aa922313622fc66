//! Samples: from the cgroup's files where they can be seen, from the engine otherwise.

use std::time::SystemTime;

use bollard::{
    models::{ContainerCpuStats, ContainerMemoryStats, ContainerStatsResponse},
    query_parameters::StatsOptions,
};
use futures_util::StreamExt;

use crate::container::{ContainerId, CpuStats, Docker, Error, MemoryStats, Stats};

use super::{
    cgroup::{Cgroup, Sample},
    client::{SHORT, is_missing, sorted},
};

impl Docker {
    pub(super) async fn sample(&self, id: &ContainerId) -> Result<Stats, Error> {
        if let Some(sample) = self.known_cgroup(id).and_then(|cgroup| cgroup.sample()) {
            return Ok(self.noted(id, sample));
        }
        self.forget_cgroup(id);
        match self.find_cgroup(id).await?.as_ref().and_then(Cgroup::sample) {
            Some(sample) => Ok(self.noted(id, sample)),
            None => Ok(read(self.engine_stats(id).await?)),
        }
    }

    /// Returns where the running container's numbers are; `None` where they cannot be seen from here.
    pub(super) async fn find_cgroup(&self, id: &ContainerId) -> Result<Option<Cgroup>, Error> {
        if let Some(known) = self.known_cgroup(id).filter(Cgroup::is_there) {
            return Ok(Some(known));
        }
        let state = self.inspect_container(id).await?.ok_or_else(|| Error::NotFound(id.to_string()))?;
        let pid = state.pid.filter(|_| state.alive()).ok_or_else(|| Error::NotRunning(id.to_string()))?;
        let cgroup = Cgroup::of(pid, id);
        self.know_cgroup(id, cgroup.clone());
        Ok(cgroup)
    }

    fn noted(&self, id: &ContainerId, sample: Sample) -> Stats {
        if sample.starved {
            self.wants.note(id);
        }
        sample.stats
    }

    fn known_cgroup(&self, id: &ContainerId) -> Option<Cgroup> {
        self.cgroups.lock().ok()?.get(id).cloned()
    }

    fn know_cgroup(&self, id: &ContainerId, cgroup: Option<Cgroup>) {
        if let (Ok(mut known), Some(cgroup)) = (self.cgroups.lock(), cgroup) {
            known.insert(id.clone(), cgroup);
        }
    }

    pub(super) fn forget_cgroup(&self, id: &ContainerId) {
        if let Ok(mut known) = self.cgroups.lock() {
            known.remove(id);
        }
    }

    pub(super) async fn engine_stats(&self, id: &ContainerId) -> Result<ContainerStatsResponse, Error> {
        let doing = format!("sample container {id}");
        let api = self.api().await?;
        let options = StatsOptions { stream: false, one_shot: true };
        let mut answers = std::pin::pin!(api.stats(id.as_str(), Some(options)));
        match tokio::time::timeout(SHORT, answers.next()).await {
            Ok(Some(Ok(answer))) => Ok(answer),
            Ok(Some(Err(failure))) if is_missing(&failure) => Err(Error::NotFound(id.to_string())),
            Ok(Some(Err(failure))) => Err(sorted(&doing, failure)),
            Ok(None) => Err(Error::NotRunning(id.to_string())),
            Err(_) => Err(Error::EngineTimeout { doing, after: SHORT }),
        }
    }
}

fn read(answer: ContainerStatsResponse) -> Stats {
    Stats {
        at: answer.read.map_or_else(SystemTime::now, SystemTime::from),
        cpu: cpu(answer.cpu_stats.unwrap_or_default()),
        memory: memory(answer.memory_stats.unwrap_or_default()),
        pids: answer.pids_stats.and_then(|pids| pids.current),
    }
}

fn cpu(stats: ContainerCpuStats) -> CpuStats {
    let usage = stats.cpu_usage.unwrap_or_default();
    let throttled = stats.throttling_data.unwrap_or_default();
    CpuStats {
        total_ns: usage.total_usage.unwrap_or_default(),
        user_ns: usage.usage_in_usermode.unwrap_or_default(),
        system_ns: usage.usage_in_kernelmode.unwrap_or_default(),
        throttled_periods: throttled.throttled_periods.unwrap_or_default(),
        throttled_ns: throttled.throttled_time.unwrap_or_default(),
    }
}

/// The two kinds of cgroups have different names for one thing.
fn memory(stats: ContainerMemoryStats) -> MemoryStats {
    let details = stats.stats.unwrap_or_default();
    let either = |first: &str, second: &str| details.get(first).or_else(|| details.get(second)).copied();
    MemoryStats {
        rss: either("rss", "anon").unwrap_or_default(),
        cache: either("cache", "file").unwrap_or_default(),
        mapped: either("mapped_file", "file_mapped").unwrap_or_default(),
        usage: stats.usage.unwrap_or_default(),
        swap: details.get("swap").copied(),
        max_usage: stats.max_usage,
    }
}
