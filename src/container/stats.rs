//! One sample of what a container uses, and the arithmetic between two.

use std::time::SystemTime;

/// What a container uses at one moment. `None` means that this machine's cgroups do not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// When the sample was taken.
    pub at: SystemTime,
    /// Processor time since the container's start.
    pub cpu: CpuStats,
    /// Memory now.
    pub memory: MemoryStats,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Processor time, in nanoseconds since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// All.
    pub total_ns: u64,
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
    /// Periods in which the limit cut in.
    pub throttled_periods: u64,
    /// Time spent waiting for the limit.
    pub throttled_ns: u64,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Anonymous memory.
    pub rss: u64,
    /// Page cache, which includes tmpfs.
    pub cache: u64,
    /// Mapped files.
    pub mapped: u64,
    /// Everything the kernel charges, cache included.
    pub usage: u64,
    /// Swapped out.
    pub swap: Option<u64>,
    /// Highest usage so far.
    pub max_usage: Option<u64>,
}

/// Use of the processor between two samples; 100 is one core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuPercent {
    /// All.
    pub total: f64,
    /// In user mode.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

impl Stats {
    /// Returns the use of the processor since `earlier`; zero when the clock or the counters went back.
    pub fn percent_since(&self, earlier: &Self) -> CpuPercent {
        let wall = self.at.duration_since(earlier.at).unwrap_or_default().as_nanos() as f64;
        let share = |now: u64, then: u64| if wall > 0.0 { now.saturating_sub(then) as f64 / wall * 100.0 } else { 0.0 };
        CpuPercent {
            total: share(self.cpu.total_ns, earlier.cpu.total_ns),
            user: share(self.cpu.user_ns, earlier.cpu.user_ns),
            system: share(self.cpu.system_ns, earlier.cpu.system_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(second: u64, total_ns: u64) -> Stats {
        let cpu = CpuStats { total_ns, ..CpuStats::default() };
        Stats {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            cpu,
            memory: MemoryStats::default(),
            pids: None,
        }
    }

    #[test]
    fn one_busy_core_is_a_hundred_percent() {
        assert_eq!(sample(2, 1_500_000_000).percent_since(&sample(1, 500_000_000)).total, 100.0);
    }

    #[test]
    fn a_restart_or_a_clock_that_goes_back_gives_zero() {
        assert_eq!(sample(2, 0).percent_since(&sample(1, 5)).total, 0.0);
        assert_eq!(sample(1, 10).percent_since(&sample(1, 5)).total, 0.0);
    }
}
