//! The port: what the driver asks of a container engine.

use std::{pin::Pin, time::Duration};

use async_trait::async_trait;
use futures_util::Stream;

use crate::domain::{ExecOutput, ExitResult, Owner, Signal};

use super::{
    ContainerId, ContainerSpec, ContainerState, EngineInfo, Error, Image, ImageRef, LogChunk, LogCursor, Pull,
    PullProgress, Restart, Stats, Summary,
};

/// Output of a container as it comes, each piece with its stream and time.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogChunk, Error>> + Send>>;

/// Is told about a pull while it goes on.
pub type Progress = dyn Fn(PullProgress) + Send + Sync;

/// A container engine.
///
/// Calls may be dropped at any point: the engine may then still finish what it was asked, and asking again is safe.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Describes the engine; two round trips, meant for fingerprints and not for every start.
    async fn info(&self) -> Result<EngineInfo, Error>;

    /// Makes sure that the image is there, pulling it when `policy` says so, and describes it.
    ///
    /// Callers that ask for one reference at the same time share one pull; each gets its progress.
    async fn ensure_image(&self, reference: &ImageRef, policy: Pull, progress: &Progress) -> Result<Image, Error>;

    /// Makes a container and does not start it. A leftover of the same task is removed first; somebody else's never is.
    async fn create(&self, spec: &ContainerSpec<'_>) -> Result<ContainerId, Error>;

    /// Returns the host's numbers for `user`, or for the image's own user when the job names none.
    ///
    /// Numbers are taken as they are; names are looked up in the created container's `/etc/passwd` and `/etc/group`,
    /// once for each image and name.
    async fn resolve_user(&self, container: &ContainerId, image: &Image, user: Option<&str>) -> Result<Owner, Error>;

    /// Says whether the engine finds a file at `path` inside a created container. When the file was put into a bound
    /// directory, `false` means that engine and caller do not see the same mounts.
    async fn sees_file(&self, container: &ContainerId, path: &str) -> Result<bool, Error>;

    /// Starts a created or ended container; a running one is left as it is.
    async fn start(&self, id: &ContainerId) -> Result<(), Error>;

    /// Returns what the engine knows about a container, `None` when it knows none of that id.
    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerState>, Error>;

    /// Returns when the container has ended, at once when it already has. Waits through an engine that goes away and
    /// comes back. A container that was removed ended with code 137 and a message saying so.
    ///
    /// A wait that is pending across [`Engine::restart`] may answer with the end of the run before: the owner drops it
    /// first and waits anew afterwards.
    async fn wait(&self, id: &ContainerId) -> Result<ExitResult, Error>;

    /// Ends the container: `signal` (the image's stop signal when `None`), then up to `timeout` of grace, then a kill.
    /// A container that has ended or is gone is fine.
    async fn stop(&self, id: &ContainerId, signal: Option<Signal>, timeout: Duration) -> Result<(), Error>;

    /// Sends a signal to the container's first process.
    async fn signal(&self, id: &ContainerId, signal: Signal) -> Result<(), Error>;

    /// Ends the container as [`Engine::stop`] does and starts the same one again.
    ///
    /// A container that had already ended by itself is not started: its end is the answer, so that it is not hidden.
    async fn restart(&self, id: &ContainerId, signal: Option<Signal>, timeout: Duration) -> Result<Restart, Error>;

    /// Removes the container with its anonymous volumes, killing it when it runs; one that is gone is fine.
    async fn remove(&self, id: &ContainerId) -> Result<(), Error>;

    /// Lists the containers that bear this instance's marks, in whatever state.
    async fn list_ours(&self) -> Result<Vec<Summary>, Error>;

    /// Runs a command in the container and returns its whole output, capped at 1 MiB for each stream.
    async fn exec(&self, id: &ContainerId, command: &[String], timeout: Duration) -> Result<ExecOutput, Error>;

    /// Takes one sample of what the container uses.
    async fn stats(&self, id: &ContainerId) -> Result<Stats, Error>;

    /// Follows the container's output from about `from` (whole seconds), until it ends or the engine goes away. The
    /// reader drops what it has seen with a [`super::Replay`].
    async fn logs(&self, id: &ContainerId, from: &LogCursor) -> Result<LogStream, Error>;
}
