//! The scanner that other tests look for leaked values with.

// Only its own tests run here; those that use all of it are elsewhere.
#[allow(dead_code)]
#[path = "support/canary.rs"]
mod canary;
