//! Hears from the kernel itself when something in a container is killed for want of memory: the engine listens in the same
//! way, but takes the cgroup's removal, which follows at once, for all there was when it comes late to look.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Mutex,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    io::read,
};

use crate::container::ContainerId;

use super::cgroup::Cgroup;

/// What is known of containers' want of memory, each in its present run.
#[derive(Default)]
pub(super) struct Wants {
    watches: Mutex<HashMap<ContainerId, Watch>>,
    /// Where a sample saw the kernel's count of kills.
    seen: Mutex<HashSet<ContainerId>>,
}

impl Wants {
    /// Begins to watch a running container whose first process is `pid`, unless that is done.
    pub(super) fn watch(&self, id: &ContainerId, pid: u32) {
        let Ok(mut watches) = self.watches.lock() else { return };
        if !watches.contains_key(id)
            && let Some(watch) = Cgroup::of(pid, id).as_ref().and_then(Watch::over)
        {
            watches.insert(id.clone(), watch);
        }
    }

    /// Says whether a container's want will be heard.
    pub(super) fn watched(&self, id: &ContainerId) -> bool {
        self.watches.lock().is_ok_and(|watches| watches.contains_key(id))
    }

    /// Notes that a sample showed it.
    pub(super) fn note(&self, id: &ContainerId) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.insert(id.clone());
        }
    }

    /// Says whether memory was wanting. Soon after an end, `false` is not final: events take their time.
    pub(super) fn known(&self, id: &ContainerId) -> bool {
        self.seen.lock().is_ok_and(|seen| seen.contains(id))
            || self.watches.lock().is_ok_and(|mut watches| watches.get_mut(id).is_some_and(Watch::wanted))
    }

    /// Forgets a container that is started anew or gone.
    pub(super) fn forget(&self, id: &ContainerId) {
        if let (Ok(mut watches), Ok(mut seen)) = (self.watches.lock(), self.seen.lock()) {
            watches.remove(id);
            seen.remove(id);
        }
    }
}

/// Only for cgroups of the first kind; the second has no event that outlives the cgroup.
struct Watch {
    events: OwnedFd,
    heard: u64,
    dir: PathBuf,
}

impl Watch {
    fn over(cgroup: &Cgroup) -> Option<Self> {
        match cgroup {
            Cgroup::V1 { memory, .. } => Self::at(memory),
            Cgroup::V2(_) => None,
        }
    }

    fn at(dir: &Path) -> Option<Self> {
        let events = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
        let control = File::open(dir.join("memory.oom_control")).ok()?;
        let pair = format!("{} {}", events.as_raw_fd(), control.as_raw_fd());
        fs::write(dir.join("cgroup.event_control"), pair).ok()?;
        Some(Self { events, heard: 0, dir: dir.to_owned() })
    }

    /// The cgroup's removal is one event more, which may come a moment after the directory is gone.
    fn wanted(&mut self) -> bool {
        let mut count = [0; 8];
        if let Ok(8) = read(&self.events, &mut count) {
            self.heard = self.heard.saturating_add(u64::from_ne_bytes(count));
        }
        // Looked at after the count: an event of the removal is never counted while the directory is there.
        self.heard > u64::from(!self.dir.exists())
    }
}
