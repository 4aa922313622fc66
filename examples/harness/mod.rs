//! The orchestrator's side of the wire, standalone.
//!
//! Reads a job file, launches the plugin as an agent does, and runs the job's tasks with it. Everything here is also
//! the test bench of the plugin: a test includes this folder as a module and starts at [`testbed`].

#![allow(dead_code, missing_docs, unused_imports)]

pub mod agent;
pub mod alloc;
pub mod allocdir;
pub mod cty;
pub mod env;
pub mod feed;
pub mod fifo;
pub mod handshake;
pub mod hcl;
pub mod hclog;
pub mod identity;
pub mod ids;
pub mod job;
pub mod network;
pub mod process;
pub mod report;
pub mod runner;
pub mod session;
pub mod spec;
pub mod testbed;
