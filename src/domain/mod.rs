//! The plain words of the field: tasks, secrets, leases, changes, files.
//!
//! No I/O, no async, no wire type. Everything here can be built in a test without a server, an engine or a clock.

mod backoff;
mod change;
mod container;
mod demand;
mod event;
mod exec;
mod exit;
mod failpoint;
mod file;
mod lease;
mod network;
mod request;
mod secret;
mod server;
mod signal;
mod task;

#[cfg(test)]
mod path_properties;

pub use backoff::Backoff;
pub use change::{ChangeAction, ChangeScript, OnOutage, Upkeep};
pub use container::{
    ContainerOptions, Device, FileOptions, LimitOptions, Logging, MountKind, MountRequest, NetworkOptions, Protocol,
    PublishedPort, Pull, PullOptions, RegistryAuth, SecurityOptions, Ulimit, VolumeDriver,
};
pub use demand::Demand;
pub use event::TaskEvent;
pub use exec::{ExecOutput, ExecRequest, TerminalSize};
pub use exit::ExitResult;
pub use failpoint::fail_point;
pub use file::{FileSet, Generation, OutputFile, Owner, RelPath, RelPathError};
pub use lease::{Accessor, Lease, LeaseId, Session};
pub use network::{Dns, GroupNetwork, HostEntry};
pub use request::{
    Access, CertificateFormat, CertificateRequest, Craft, Encoding, Format, KeyType, Loss, Losses, OnLoss,
    SecretRequest, ServerPath, ServerPathError, SshKeyType, TemplateRequest, pem_only,
};
pub use secret::{SecretBytes, SecretString};
pub use server::ServerName;
pub use signal::{Signal, UnknownSignal};
pub use task::{
    GivenDevices, HostMount, Isolation, LogPaths, Port, Resources, TaskId, TaskIdError, TaskKey, TaskMeta, TaskSpec,
};
