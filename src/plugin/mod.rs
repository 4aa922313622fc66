//! The orchestrator's wire: handshake, gRPC services, schemas, messages to plain types and back.
//!
//! Promises: stdout carries the handshake line and nothing else; no answer lacks a part that an agent needs; no error has a
//! code that an agent takes for a dead plugin; a defect in one call is that call's error and nobody else's.
//!
//! It decides gRPC codes and whether trying again may help, and nothing else; the use cases are the driver's.

mod accept;
mod base;
mod by_hand;
mod config;
mod convert;
mod exec;
mod goplugin;
mod guard;
pub mod handshake;
mod job_file;
mod leftovers;
pub mod log;
mod metrics;
mod network;
pub mod process;
pub mod proto;
mod schema;
mod serve;
mod service;
pub mod socket;
mod start;
mod status;
mod ticks;

pub use base::NAME;
pub use by_hand::{HandError, schemas_as_json, settings_from_hcl};
pub use config::settings;
pub use job_file::{JobFileError, JobTask, tasks_of_job};
pub use serve::{ServeError, run, serve};
