//! Strongbox: containers that already hold, in RAM and nowhere else, the identity, credentials and certificates they need.
//!
//! The library is laid out so that arrows only point down:
//!
//! ```text
//! plugin, cli  →  driver  →  identity, vault, pki, template, tmpfs, container, lease, journal, audit  →  domain
//! ```
//!
//! `plugin` speaks the orchestrator's wire, `driver` holds the use cases, each folder below it wraps one outside thing
//! or one piece of arithmetic, and `domain` has the plain words they share. `tests/architecture.rs` keeps it so.

pub mod audit;
pub mod cli;
pub mod container;
pub mod domain;
pub mod driver;
pub mod identity;
pub mod journal;
pub mod lease;
pub mod pki;
pub mod plugin;
pub mod template;
pub mod tmpfs;
pub mod vault;
