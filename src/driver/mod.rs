//! The use cases: start, supervise, refresh, stop, destroy, recover, sweep, fingerprint.
//!
//! ```text
//!                 ┌── refused: nothing sent, nothing made
//!   start ── check ── intent ──┬─ log in, fetch, render ─┬─ publish ── start ── RUNNING ──────────────┐
//!                              └─ image, create ─────────┘                        │  ▲               │
//!                                   │ any failure: undo, newest first             │  │               │
//!                                   ▼                                    due or changed: fetch,       │
//!                                 GONE                                   render, flip, act            │
//!                                                                                                     │
//!   recover ── handle + record ── RUNNING            stop: signal, wait, kill ──▶ ENDED ◀── it exits ─┘
//!                                                                                   │
//!   sweep: what no process finished ───────────────────────────────▶ revoke, wipe ◀─┤
//!                                                                                   ▼
//!                                                                    destroy ──▶  GONE
//! ```
//!
//! `launch` tells the story of a start; `supervisor` is the one owner of a running task and `keeper` its hand at the
//! secrets server. `finish` gives everything back and is the same for a failed start, an end and a leftover. The plugin
//! ending is no event in a task's life: supervisors let go and the next process recovers.
//!
//! Nothing here knows the wire; another front door can stand beside `plugin/`.

mod facade;

mod acquire;
mod act;
mod asker;
mod asks;
mod cursor;
mod doctor;
mod error;
mod files;
mod fingerprint;
mod finish;
mod handle;
mod holdings;
mod keeper;
mod launch;
mod login;
mod parts;
mod plan;
mod prepare;
mod record;
mod recover;
mod refresh;
mod resume;
mod service;
mod settings;
mod supervisor;
mod sweep;
mod tasks;
mod usage;

#[cfg(test)]
mod tests;

pub use doctor::{Finding, examine};
pub use error::{Class, DriverError};
pub use facade::{AttributeValue, Fingerprint, Health, NetworkInfo, Started, TaskDriver, TaskStatus, Usage};
pub use parts::Parts;
pub use service::Driver;
pub use settings::{AuthMethod, AuthSettings, PkiSettings, RefreshSettings, Settings};

/// How long a superseded generation of files stays for readers that opened it.
const GENERATION_LINGER: std::time::Duration = std::time::Duration::from_secs(11);
