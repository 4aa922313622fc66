//! The port: what the driver asks of a container engine.

use std::{path::PathBuf, pin::Pin, time::Duration};

use async_trait::async_trait;
use futures_util::Stream;

use crate::domain::{ExecOutput, ExecRequest, ExitResult, Owner, Signal};

use super::{
    ContainerId, ContainerSpec, ContainerState, EngineInfo, Error, Exec, Extent, Image, ImageNames, ImageRemoval,
    ImageWish, Keyring, LogChunk, LogCursor, PauseSpec, PullProgress, Restart, Stats, Summary, Traffic,
};

/// Output of a container as it comes, each piece with its stream and time: all that is there at once, in its order.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<Vec<LogChunk>, Error>> + Send>>;

/// Is told about a pull while it goes on.
pub type Progress = dyn Fn(PullProgress) + Send + Sync;

/// A container engine.
///
/// Calls may be dropped at any point: the engine may then still finish what it was asked, and asking again is safe.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Asks for a sign of life; one short round trip.
    async fn ping(&self) -> Result<(), Error>;

    /// Describes the engine; two round trips, meant for fingerprints and not for every start.
    async fn info(&self) -> Result<EngineInfo, Error>;

    /// Makes sure that the image is there, loading or pulling it when `wish` says so, and describes it.
    ///
    /// `keys` are asked only when the registry is. Callers that ask for one reference and platform with one credential at
    /// the same time share one pull; each gets its progress, and the pull ends early when nobody waits for it any more.
    async fn ensure_image(&self, wish: &ImageWish, keys: &dyn Keyring, progress: &Progress) -> Result<Image, Error>;

    /// Looks at an image by reference or content id, without asking any registry; `None` when it is not there.
    async fn look_at_image(&self, name: &str) -> Result<Option<ImageNames>, Error>;

    /// Takes away a name of an image, and with its last name the image, unless something uses it.
    async fn remove_image(&self, name: &str) -> Result<ImageRemoval, Error>;

    /// Makes a container and does not start it. A leftover of the same task is removed first; somebody else's never is.
    async fn create(&self, spec: &ContainerSpec<'_>) -> Result<ContainerId, Error>;

    /// Makes the container that holds an allocation's network, and does not start it. A leftover of the same allocation is
    /// removed first; somebody else's never is.
    async fn create_pause(&self, spec: &PauseSpec<'_>) -> Result<ContainerId, Error>;

    /// Returns the host's numbers for `user`, or for the image's own user when the job names none.
    ///
    /// Numbers are taken as they are; names are looked up in the created container's `/etc/passwd` and `/etc/group`,
    /// once for each image and name.
    async fn resolve_user(&self, container: &ContainerId, image: &Image, user: Option<&str>) -> Result<Owner, Error>;

    /// Says whether the engine finds a file at `path` inside a created container. When the file was put into a bound
    /// directory, `false` means that engine and caller do not see the same mounts.
    async fn sees_file(&self, container: &ContainerId, path: &str) -> Result<bool, Error>;

    /// Starts a created container; a running one is left as it is.
    async fn start(&self, id: &ContainerId) -> Result<(), Error>;

    /// Starts a container that has run before, once it is sure that its mounts still lead where they led then: the task could
    /// have put links in their place. A running one is left as it is.
    async fn start_again(&self, id: &ContainerId) -> Result<(), Error>;

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

    /// Starts a command in the container and hands over its streams.
    ///
    /// Whoever drops the answer, or this call before it has answered, ends the command.
    async fn exec_stream(&self, id: &ContainerId, request: &ExecRequest) -> Result<Exec, Error>;

    /// Takes one sample of what the container uses.
    async fn stats(&self, id: &ContainerId) -> Result<Stats, Error>;

    /// Reads what the container has moved over its network and to its disks.
    async fn traffic(&self, id: &ContainerId) -> Result<Traffic, Error>;

    /// Reads the container's output, as much of it as `extent` says, until it ends or the engine goes away. The engine may
    /// show what it has shown before, and pass over what it has no more or takes for read; a follower may end before all
    /// was shown. The reader drops what it has seen with a [`super::Replay`].
    async fn logs(&self, id: &ContainerId, from: &LogCursor, extent: Extent) -> Result<LogStream, Error>;

    /// Returns the file to which the engine writes the container's output now, where that can be seen from here.
    async fn log_file(&self, _id: &ContainerId) -> Option<PathBuf> {
        None
    }
}
