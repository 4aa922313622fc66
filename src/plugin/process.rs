//! What the process does to itself before it holds the first secret.

use rustix::{
    fs::Mode,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Closes new files to others, and memory to core dumps and to debuggers of the same user.
///
/// A refusal is no reason not to serve: containers that need no secret still can be run.
pub fn harden() {
    umask(Mode::from_raw_mode(0o077));
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "Core dumps cannot be forbidden");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "Memory cannot be closed to debuggers");
    }
}

/// Takes SIGINT and does nothing: an agent in a terminal shares its process group with us, and a Ctrl-C that is meant
/// for the agent must not end the plugin before it. Lasts as long as the process.
pub fn ignore_interrupt() {
    if let Err(error) = signal(SignalKind::interrupt()) {
        tracing::warn!(%error, "SIGINT cannot be ignored");
    }
}

/// Waits for SIGTERM; for ever where the signal cannot be had.
pub async fn terminated() {
    let received: std::io::Result<Signal> = signal(SignalKind::terminate());
    match received {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
