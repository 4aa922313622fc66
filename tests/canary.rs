//! The scanner that other tests look for leaked values with.

#[path = "support/canary.rs"]
mod canary;
