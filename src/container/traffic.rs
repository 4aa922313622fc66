//! What a container has moved over its network and to its disks.
//!
//! Apart from [`super::Stats`], because those are taken each second for every task and nobody asks these of the agent: they are
//! read when somebody looks.

use std::ops::AddAssign;

/// What a container has moved since its start. `None` means that it cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Over the network it is in, which containers that joined it share; `None` also in the host's.
    pub network: Option<NetworkTraffic>,
    /// To and from block devices, all together.
    pub disk: Option<DiskTraffic>,
}

/// What went over a network's interfaces, all together but the loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkTraffic {
    /// Inwards.
    pub received: Flow,
    /// Outwards.
    pub sent: Flow,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were damaged or could not be carried.
    pub errors: u64,
    /// Packets that were dropped.
    pub drops: u64,
}

/// What went to and from block devices. Writes that are still in the page cache are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskTraffic {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

impl AddAssign for Flow {
    fn add_assign(&mut self, other: Self) {
        // A container names its interfaces and cannot set these, but an overflow must not end a scrape.
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
        self.errors = self.errors.saturating_add(other.errors);
        self.drops = self.drops.saturating_add(other.drops);
    }
}
