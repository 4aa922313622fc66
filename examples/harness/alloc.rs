//! One allocation: a group of a job, placed on this machine.
//!
//! Its tasks share an id, a directory and ports; each has directories of its own below.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use strongbox::plugin::proto::drivers::PortMapping;

use super::{
    allocdir::{AllocDir, TaskDir},
    ids,
    job::{Group, Port},
    network::GroupNetwork,
};

/// Where an agent begins to give ports away.
const FIRST_PORT: u16 = 20000;

/// A group that is placed here; its directory goes with the last of its tasks.
pub struct Allocation {
    /// Its id.
    pub id: String,
    /// Its directory.
    pub path: PathBuf,
    /// Its ports, all with a number.
    pub ports: Vec<PortMapping>,
    /// The network of its tasks.
    pub network: GroupNetwork,
    dir: Mutex<AllocDir>,
}

impl Allocation {
    /// Gives the group an id, a directory below `data`, and ports.
    pub fn place(data: &Path, group: &Group) -> io::Result<Self> {
        let id = ids::uuid();
        let dir = AllocDir::create(data, &id)?;
        Ok(Self {
            id,
            path: dir.path.clone(),
            ports: settled(group)?,
            network: GroupNetwork::of(group),
            dir: Mutex::new(dir),
        })
    }

    /// Makes a task's directories.
    pub fn task(&self, name: &str) -> io::Result<TaskDir> {
        self.dir().task(name)
    }

    /// Makes the two pipes for a task's output.
    pub fn pipes(&self, task: &str) -> io::Result<[PathBuf; 2]> {
        self.dir().pipes(task)
    }

    fn dir(&self) -> MutexGuard<'_, AllocDir> {
        self.dir.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fixed ports stay as they are, the others are free ones of the loopback address. All are held until the last is found,
/// so that no two are the same.
fn settled(group: &Group) -> io::Result<Vec<PortMapping>> {
    let mut held = Vec::new();
    let mut port = |port: &Port| {
        let value = match port.fixed {
            Some(fixed) => fixed,
            None => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let free = listener.local_addr()?.port();
                held.push(listener);
                free
            }
        };
        Ok(mapping(port, value))
    };
    group.network.ports.iter().map(&mut port).collect()
}

/// Returns ports as they may come out, for a look at a job that nobody starts.
pub fn likely_ports(group: &Group) -> Vec<PortMapping> {
    group.network.ports.iter().map(|port| mapping(port, port.fixed.unwrap_or(FIRST_PORT))).collect()
}

fn mapping(port: &Port, value: u16) -> PortMapping {
    let to = i32::from(port.to.unwrap_or_default());
    let host_ip = Ipv4Addr::LOCALHOST.to_string();
    PortMapping { label: port.label.clone(), value: i32::from(value), to, host_ip }
}
