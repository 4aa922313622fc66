//! Networks of allocations on the real engine: made, found, joined, lost, removed. The agent's plumbing is done by hand.

mod bench;
#[path = "../support/parts.rs"]
mod parts;
#[path = "../support/engine.rs"]
mod proxy;
#[path = "../support/registry.rs"]
mod registry;

mod files;
mod image;
mod leftovers;
mod life;
mod loss;
mod mend;
mod others;
mod peer;
