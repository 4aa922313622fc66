//! Engines of our own. They go, come back and hang: what is told of the node, and what becomes of tasks and their networks.
//! And they have networks, where these disturb nobody.

#[path = "../network/bench.rs"]
mod bench;
#[path = "../support/private_engine.rs"]
mod private_engine;

mod fingerprint;
mod networks;
mod restart;
