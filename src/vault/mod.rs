//! The secrets server: log in, read, write, renew, revoke.
//!
//! [`Vault`] is the port, [`Client`] the real thing over HTTP, [`Memory`] the one for tests of other rooms. Serves HashiCorp
//! Vault and OpenBao alike; what a server can do is found by asking, never by its version.
//!
//! It promises that no token, value or answer body gets into an error, that every exchange ends within its time, and that
//! only the configured addresses are ever spoken to: no proxy, no redirect elsewhere, no environment variable. A request that a
//! server may have heard is never sent again by itself.
//!
//! It does not know tasks, schedules or files; who asks decides when, and what to do about an error, by its [`Kind`].

mod answer;
mod breaker;
mod client;
mod cluster;
mod endpoint;
mod envelope;
mod error;
mod file;
mod http;
mod jwt;
mod memory;
mod port;
mod settings;
mod traffic;
mod workload;

pub use client::Client;
pub use error::{Error, Kind};
pub use file::{FileError, read_secret};
pub use jwt::{JwtError, NodeKey, TokenTerms};
pub use memory::{Memory, Renewal};
pub use port::{ChildToken, Health, KvMount, LeaseInfo, Minted, Reply, TokenInfo, Vault, Wrapping};
pub use settings::{ClientCert, Settings, SettingsError, is_namespace};
pub use workload::{WorkloadError, WorkloadIdentity, identity_file, read_identity};
