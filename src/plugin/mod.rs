//! The orchestrator's wire.

pub mod proto;
