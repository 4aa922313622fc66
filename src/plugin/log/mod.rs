//! The plugin's log: JSON lines on stderr, in the form that an agent files under their own level.
//!
//! Promises: a line is under 64 KiB and its three `@` keys are strings, since an agent splits longer lines and dies of other
//! types; writing never blocks a task and never fails: when the reader stalls, lines are dropped and counted.

mod line;
mod panic;
mod writer;

use std::{env, io};

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use writer::Flusher;

/// The variable by which the level is set; the agent's own filter comes after it.
const LEVELS: &str = "STRONGBOX_LOG";
/// Our own lines from debug on, since the agent filters again; of the libraries only what matters. The two that speak HTTP
/// log every failed exchange without a word of what it was; our own errors have that.
const DEFAULT_LEVELS: &str = "warn,rustify=off,vaultrs=off,strongbox=debug,nomad_driver_strongbox=debug";

/// Sends the process's log and its panics to stderr. The returned value waits for the last lines at the end.
pub fn init() -> Flusher {
    let writer = writer::Writer::start(io::stderr());
    let (filter, refused) = filter(env::var(LEVELS).ok());
    let lines = line::Lines::new(writer.clone()).with_filter(filter);
    // A second subscriber, as in tests, leaves the first in place.
    tracing_subscriber::registry().with(lines).try_init().ok();
    panic::install(writer.clone());
    if let Some(text) = refused {
        tracing::warn!(text, "{LEVELS} is no list of levels and is ignored");
    }
    writer.flusher()
}

/// Returns the filter for `wanted`, and the text when it is none.
fn filter(wanted: Option<String>) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(DEFAULT_LEVELS);
    match wanted.filter(|text| !text.trim().is_empty()) {
        None => (default(), None),
        Some(text) => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(_) => (default(), Some(text)),
        },
    }
}
