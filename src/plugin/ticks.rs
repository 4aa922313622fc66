//! How many of the scheduler's MHz a percent of a core is.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::proto::base::ClientTopology;

/// The node's speed, as far as the agent told it. Clones are one.
#[derive(Clone, Default)]
pub struct Ticks {
    /// Mean MHz of a core; nothing as long as it is not known.
    mhz: Arc<AtomicU64>,
}

impl Ticks {
    /// Takes the speed from what the agent says of the node's cores.
    pub fn learn(&self, topology: &ClientTopology) {
        let speeds: Vec<u64> =
            topology.cores.iter().map(|core| core.max_speed.max(core.base_speed).max(core.guess_speed)).collect();
        if let Some(mean) = speeds.iter().sum::<u64>().checked_div(speeds.len() as u64) {
            self.mhz.store(mean, Ordering::Relaxed);
        }
    }

    /// Returns MHz for one percent of a core.
    pub fn per_percent(&self) -> f64 {
        self.mhz.load(Ordering::Relaxed) as f64 / 100.0
    }
}
