//! The container engine: the port, the real client, one for tests, and the pump for a task's output.
//!
//! Promises: every call ends within its own limit except [`Engine::wait`], which ends when the container does; an engine
//! that is silent is never taken for a container that is gone; what a job author wrote is parsed before it becomes part
//! of a request; no error holds an environment value.
//!
//! Does not know: secrets, leases, the orchestrator's wire. It binds a directory into a container and is told which.

mod devices;
mod docker;
mod engine;
mod error;
mod exec;
mod id;
mod logs;
mod memory;
mod mounts;
mod paths;
mod pause;
mod policy;
mod pump;
mod redact;
mod reference;
mod registry;
mod replay;
mod review;
mod spec;
mod stats;
mod traffic;
mod types;
mod wish;
mod wishes;

#[cfg(test)]
pub(crate) mod fixture;

pub use crate::domain::Pull;

pub use docker::Docker;
pub use engine::{Engine, LogStream, Progress};
pub use error::Error;
pub use exec::{Exec, ExecChunk, ExecChunks, ExecControl, ExecInput, ExecProcess, Leftover};
pub use id::{ContainerId, IdError};
pub use logs::{Extent, LogChunk, LogCursor, NextPiece, OutputStream, StreamCursor};
pub use memory::{Command, Created, Fault, MemoryEngine, Op};
pub use pause::{Connection, PauseSpec, Role, pause_labels, pause_name};
pub use policy::{LogPolicy, Modes, Policy, Volumes};
pub use pump::{Drained, Keep, LogPump, Outlet, Status as LogStatus, hang_up};
pub use redact::{NamedSecret, Redactions, masked};
pub use reference::{ImageRef, ReferenceError};
pub use registry::{
    Anonymous, Credential, HelperName, HelperNameError, HostSettings, Keyring, Login, LookupError, Operator,
    RegistrySettings, Source, canonical_host, credential_of, host_of_address,
};
pub use replay::Replay;
pub use review::{check_hostname, review};
pub use spec::{ContainerSpec, LABEL_PREFIX, SECRETS_TARGET, container_name, labels};
pub use stats::{CpuPercent, CpuStats, MemoryStats, Stats};
pub use traffic::{DiskTraffic, Flow, NetworkTraffic, Traffic};
pub use types::{
    Arrival, ContainerState, EngineInfo, Image, ImageNames, ImageRemoval, PullProgress, Restart, RunState, Summary,
};
pub use wish::{ImageWish, Platform, PlatformError, PullSettings, TaskFile};
pub use wishes::wishes;
