//! The container engine: the port, the real client, one for tests, and the pump for a task's output.
//!
//! Promises: every call ends within its own limit except [`Engine::wait`], which ends when the container does; an engine
//! that is silent is never taken for a container that is gone; what a job author wrote is parsed before it becomes part
//! of a request; no error holds an environment value.
//!
//! Does not know: secrets, leases, the orchestrator's wire. It binds a directory into a container and is told which.

mod docker;
mod engine;
mod error;
mod id;
mod logs;
mod memory;
mod policy;
mod pump;
mod reference;
mod review;
mod spec;
mod stats;
mod types;

#[cfg(test)]
mod fixture;

pub use docker::Docker;
pub use engine::{Engine, LogStream, Progress};
pub use error::Error;
pub use id::{ContainerId, IdError};
pub use logs::{LogChunk, LogCursor, OutputStream, Replay, StreamCursor};
pub use memory::{Created, Fault, MemoryEngine, Op};
pub use policy::Policy;
pub use pump::{Drained, LogPump, Status as LogStatus, hang_up};
pub use reference::{ImageRef, ReferenceError};
pub use review::review;
pub use spec::{ContainerSpec, LABEL_PREFIX, SECRETS_TARGET, container_name, labels};
pub use stats::{CpuPercent, CpuStats, MemoryStats, Stats};
pub use types::{ContainerState, EngineInfo, Image, Pull, PullProgress, Restart, RunState, Summary};
