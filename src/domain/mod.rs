//! The plain words of the field: tasks, secrets, leases, changes, files.
//!
//! No I/O, no async, no wire type. Everything here can be built in a test without a server, an engine or a clock.

mod change;
mod event;
mod exit;
mod failpoint;
mod file;
mod lease;
mod request;
mod secret;
mod signal;
mod task;

pub use change::ChangeAction;
pub use event::TaskEvent;
pub use exit::{ExecOutput, ExitResult};
pub use failpoint::fail_point;
pub use file::{FileSet, Generation, OutputFile, Owner, RelPath, RelPathError};
pub use lease::{Accessor, Lease, LeaseId, Session};
pub use request::{CertificateRequest, KeyType, SecretRequest, ServerPath, ServerPathError, TemplateRequest};
pub use secret::{SecretBytes, SecretString};
pub use signal::{Signal, UnknownSignal};
pub use task::{
    ContainerOptions, HostMount, Isolation, LogPaths, Port, Resources, TaskId, TaskIdError, TaskKey, TaskMeta, TaskSpec,
};
