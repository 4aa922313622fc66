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
mod agenda;
mod asker;
mod asks;
mod authorities;
mod cursor;
mod deed;
mod demands;
mod difference;
mod doctor;
mod error;
mod exec;
mod explain;
mod figures;
mod files;
mod fingerprint;
mod finish;
mod formats;
mod handle;
mod holdings;
mod images;
mod issuing;
mod keeper;
mod keys;
mod lag;
mod launch;
mod launcher;
mod loan;
mod login;
mod loss;
mod masks;
mod network;
mod node;
mod outage;
mod owners;
mod parts;
mod plan;
mod prepare;
mod publish;
mod pull;
mod pull_events;
mod queue;
mod receipts;
mod record;
mod recover;
mod refresh;
mod resume;
mod revocation;
mod script;
mod servers;
mod service;
mod settings;
mod shared;
mod supervisor;
mod sweep;
mod tasks;
mod turns;
mod usage;
mod whole_file;

#[cfg(test)]
mod tests;

pub use asks::Asks;
pub use doctor::{Finding, examine};
pub use error::{Class, DriverError};
pub use exec::{ExecNews, ExecSession};
pub use explain::{Ground, Verdict, explain};
pub use facade::{
    AttributeValue, Fingerprint, Health, NetworkInfo, NetworkMade, NetworkRequest, Started, TaskDriver, TaskStatus,
    Usage,
};
pub use figures::{Counts, Figures, TaskFigures};
pub use parts::Parts;
pub use service::Driver;
pub use settings::{
    AuthMethod, AuthSettings, ChildSettings, ClusterSettings, Collect, CollectSettings, DeliverySettings,
    ImageSettings, Listen, NetworkSettings, PkiSettings, RefreshSettings, Settings,
};

/// How long a superseded generation of files stays for readers that opened it.
const GENERATION_LINGER: std::time::Duration = std::time::Duration::from_secs(11);
