//! The network that an allocation's tasks share: made by the driver, plumbed here, as an agent and its plug-ins would.
//!
//! A pair of interfaces leads from the allocation's namespace into one of our own, which stands for the host; nothing of
//! this machine's own network is touched, and the allocation's ports are not mapped to it.

use std::{collections::BTreeSet, path::Path, process::Command};

use strongbox::plugin::proto::drivers::{
    CreateNetworkRequest, DestroyNetworkRequest, HostsConfig, NetworkIsolationSpec,
    network_isolation_spec::NetworkIsolationMode,
};
use tokio::sync::Mutex;
use tonic::Status;

use super::{agent::Agent, job::Group};

/// The range that agents use when nobody tells them another.
const GATEWAY: &str = "172.26.64.1";
const ADDRESS: &str = "172.26.64.3";
const CONTAINER_LABEL: &str = "docker_sandbox_container_id";
const HOSTNAME_LABEL: &str = "docker_sandbox_hostname";

/// A group's network, before, while and after it is there.
pub struct GroupNetwork {
    mode: String,
    hostname: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spec: Option<NetworkIsolationSpec>,
    /// Names of the tasks that were started and are not destroyed.
    tasks: BTreeSet<String>,
    host: Option<Host>,
}

/// The namespace that stands for the host; it goes when dropped, and with it the other end of the pair.
struct Host(String);

impl GroupNetwork {
    /// Takes what the group says; nothing is made yet.
    pub fn of(group: &Group) -> Self {
        let network = &group.network;
        Self { mode: network.mode.clone(), hostname: network.hostname.clone(), state: Mutex::default() }
    }

    /// Returns the network that a task is told of when it is started, after having it made for the first.
    pub async fn join(&self, agent: &Agent, alloc: &str, task: &str) -> Result<Option<NetworkIsolationSpec>, Status> {
        match self.mode.as_str() {
            "" => Ok(None),
            "host" => Ok(Some(NetworkIsolationSpec {
                mode: NetworkIsolationMode::Host.into(),
                ..NetworkIsolationSpec::default()
            })),
            _ => {
                let mut state = self.state.lock().await;
                if state.spec.is_none() {
                    self.ask(agent, alloc, &mut state).await?;
                }
                state.tasks.insert(task.to_owned());
                Ok(state.spec.clone())
            }
        }
    }

    /// Asks for the network once more, as an agent does at each of its starts, and says whether it is a new one.
    pub async fn ask_again(&self, agent: &Agent, alloc: &str) -> Result<bool, Status> {
        let mut state = self.state.lock().await;
        self.ask(agent, alloc, &mut state).await
    }

    /// Has the network removed when the last of its tasks leaves it.
    pub async fn leave(&self, agent: &Agent, alloc: &str, task: &str) -> Result<(), Status> {
        let mut state = self.state.lock().await;
        let left = state.tasks.remove(task) && state.tasks.is_empty();
        match state.spec.take_if(|_| left) {
            Some(spec) => {
                state.host = None;
                let request = DestroyNetworkRequest { alloc_id: alloc.to_owned(), isolation_spec: Some(spec) };
                agent.process().driver().destroy_network(request).await.map(drop)
            }
            None => Ok(()),
        }
    }

    async fn ask(&self, agent: &Agent, alloc: &str, state: &mut State) -> Result<bool, Status> {
        let request = CreateNetworkRequest { alloc_id: alloc.to_owned(), hostname: self.hostname.clone() };
        let made = agent.process().driver().create_network(request).await?.into_inner();
        let mut spec = made.isolation_spec.ok_or_else(|| Status::internal("no network was told"))?;
        // As an agent does, which leaves the allocation's name out when it plumbs nothing.
        if made.created && self.mode != "none" {
            state.host = None;
            state.host = Some(Host::plumb(alloc, Path::new(&spec.path)).map_err(Status::internal)?);
            spec.hosts_config = hosts(&spec);
        }
        state.spec = Some(spec);
        Ok(made.created)
    }
}

fn hosts(spec: &NetworkIsolationSpec) -> Option<HostsConfig> {
    let by_container = || spec.labels.get(CONTAINER_LABEL).map(|id| id.chars().take(12).collect());
    let hostname = spec.labels.get(HOSTNAME_LABEL).cloned().or_else(by_container)?;
    Some(HostsConfig { hostname, address: ADDRESS.to_owned() })
}

impl Host {
    fn plumb(alloc: &str, namespace: &Path) -> Result<Self, String> {
        let name = format!("harness-{}", &alloc[..8]);
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let host = Self(name);
        let inside = format!(
            "ip link add eth0 type veth peer name alloc0 netns {name} && ip link set lo up && \
             ip addr add {ADDRESS}/20 dev eth0 && ip link set eth0 up",
            name = host.0
        );
        run(Command::new("nsenter").arg(format!("--net={}", namespace.display())).args(["sh", "-c", &inside]))?;
        let outside = format!("ip addr add {GATEWAY}/20 dev alloc0 && ip link set lo up && ip link set alloc0 up");
        run(Command::new("ip").args(["netns", "exec", &host.0, "sh", "-c", &outside]))?;
        let route = ["ip", "route", "add", "default", "via", GATEWAY];
        run(Command::new("nsenter").arg(format!("--net={}", namespace.display())).args(route))?;
        Ok(host)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        Command::new("ip").args(["netns", "del", &self.0]).output().ok();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim()))
}
