//! The secrets server: log in, read, write, renew, revoke.
//!
//! [`Vault`] is the port, [`Client`] the real thing over HTTP, [`Memory`] the one for tests of other rooms. Serves HashiCorp
//! Vault and OpenBao alike; what a server can do is found by asking, never by its version.
//!
//! It promises that no token, value or answer body gets into an error, that every exchange ends within its time, and that
//! only the configured address is ever spoken to: no proxy, no redirect, no environment variable.
//!
//! It does not know tasks, schedules or files; who asks decides when, and what to do about an error, by its [`Kind`].

mod answer;
mod client;
mod endpoint;
mod envelope;
mod error;
mod file;
mod http;
mod jwt;
mod memory;
mod port;
pub mod retry;
mod settings;
mod workload;

pub use client::Client;
pub use error::{Error, Kind};
pub use file::FileError;
pub use jwt::{JwtError, NodeKey, TokenTerms};
pub use memory::Memory;
pub use port::{Health, KvMount, LeaseInfo, Reply, TokenInfo, Vault};
pub use settings::{Settings, SettingsError};
pub use workload::{WorkloadError, WorkloadIdentity, identity_file, read_identity};
