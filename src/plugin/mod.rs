//! The orchestrator's wire.
