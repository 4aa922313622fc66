//! The real engine, over its unix socket.
//!
//! Each call has its own limit; a call that runs into it fails and the engine may still finish the work. Nothing is
//! asked twice for one start: the image is inspected once, the dialect is negotiated once for each connection.

mod answer;
mod attach;
mod body;
mod cgroup;
mod client;
mod container;
mod exec;
mod image;
mod info;
mod logs;
mod memory_watch;
mod networks;
mod pause;
mod settle;
mod stats;
mod traffic;
mod user;
mod wait;

use std::{collections::HashMap, path::PathBuf, sync::Mutex, time::Duration};

use async_trait::async_trait;

use crate::domain::{ExecOutput, ExecRequest, ExitResult, Owner, Signal};

use super::{
    ContainerId, ContainerSpec, ContainerState, Engine, EngineInfo, Error, Exec, Extent, Image, ImageNames,
    ImageRemoval, ImageWish, Keyring, LogCursor, LogStream, PauseSpec, Policy, Progress, PullSettings, Restart, Stats,
    Summary, Traffic,
};

/// The client of a Docker engine on this machine.
pub struct Docker {
    policy: Policy,
    /// This driver's own mark on everything it makes, so that two agents on one engine leave each other alone.
    instance: String,
    client: tokio::sync::RwLock<Option<client::Client>>,
    pulls: image::Pulls,
    /// Names that were looked up, by image and name.
    owners: Mutex<HashMap<(String, String), Owner>>,
    /// By how much the engine shifts user ids, once asked.
    shift: tokio::sync::OnceCell<u32>,
    /// Where the containers' cgroups are.
    cgroups: Mutex<HashMap<ContainerId, cgroup::Cgroup>>,
    wants: memory_watch::Wants,
}

impl Docker {
    /// Makes a client for the engine behind `policy.socket`. Nothing is asked of it yet, and it need not be there.
    pub fn new(policy: Policy, instance: impl Into<String>) -> Self {
        Self {
            policy,
            instance: instance.into(),
            client: tokio::sync::RwLock::default(),
            pulls: image::Pulls::new(PullSettings::default().max_parallel),
            owners: Mutex::default(),
            shift: tokio::sync::OnceCell::new(),
            cgroups: Mutex::default(),
            wants: memory_watch::Wants::default(),
        }
    }

    /// Sets how many pulls may go on side by side.
    #[must_use]
    pub fn with_pulls(mut self, settings: &PullSettings) -> Self {
        self.pulls = image::Pulls::new(settings.max_parallel);
        self
    }

    /// Returns the operator's policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn socket(&self) -> &PathBuf {
        &self.policy.socket
    }
}

#[async_trait]
impl Engine for Docker {
    async fn ping(&self) -> Result<(), Error> {
        self.be_pinged().await
    }

    async fn info(&self) -> Result<EngineInfo, Error> {
        self.describe().await
    }

    async fn ensure_image(&self, wish: &ImageWish, keys: &dyn Keyring, progress: &Progress) -> Result<Image, Error> {
        self.have_image(wish, keys, progress).await
    }

    async fn look_at_image(&self, name: &str) -> Result<Option<ImageNames>, Error> {
        self.names_of_image(name).await
    }

    async fn remove_image(&self, name: &str) -> Result<ImageRemoval, Error> {
        self.take_image_away(name).await
    }

    async fn create(&self, spec: &ContainerSpec<'_>) -> Result<ContainerId, Error> {
        self.create_container(spec).await
    }

    async fn create_pause(&self, spec: &PauseSpec<'_>) -> Result<ContainerId, Error> {
        self.create_pause_container(spec).await
    }

    async fn resolve_user(&self, id: &ContainerId, image: &Image, user: Option<&str>) -> Result<Owner, Error> {
        self.find_owner(id, image, user).await
    }

    async fn sees_file(&self, id: &ContainerId, path: &str) -> Result<bool, Error> {
        self.has_file(id, path).await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), Error> {
        self.start_container(id).await
    }

    async fn start_again(&self, id: &ContainerId) -> Result<(), Error> {
        Docker::start_again(self, id).await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerState>, Error> {
        self.inspect_container(id).await
    }

    async fn wait(&self, id: &ContainerId) -> Result<ExitResult, Error> {
        Ok(self.wait_for_end(id).await)
    }

    async fn stop(&self, id: &ContainerId, signal: Option<Signal>, timeout: Duration) -> Result<(), Error> {
        self.stop_container(id, signal, timeout).await
    }

    async fn signal(&self, id: &ContainerId, signal: Signal) -> Result<(), Error> {
        self.kill_container(id, signal).await
    }

    async fn restart(&self, id: &ContainerId, signal: Option<Signal>, timeout: Duration) -> Result<Restart, Error> {
        self.restart_container(id, signal, timeout).await
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        self.remove_container(id).await
    }

    async fn list_ours(&self) -> Result<Vec<Summary>, Error> {
        self.list_containers().await
    }

    async fn exec(&self, id: &ContainerId, command: &[String], timeout: Duration) -> Result<ExecOutput, Error> {
        self.run_command(id, command, timeout).await
    }

    async fn exec_stream(&self, id: &ContainerId, request: &ExecRequest) -> Result<Exec, Error> {
        self.open_command(id, request).await
    }

    async fn stats(&self, id: &ContainerId) -> Result<Stats, Error> {
        self.sample(id).await
    }

    async fn traffic(&self, id: &ContainerId) -> Result<Traffic, Error> {
        self.measure_traffic(id).await
    }

    async fn logs(&self, id: &ContainerId, from: &LogCursor, extent: Extent) -> Result<LogStream, Error> {
        self.output(id, from, extent).await
    }

    async fn log_file(&self, id: &ContainerId) -> Option<PathBuf> {
        self.output_file(id).await
    }
}
