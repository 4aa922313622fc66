//! The harness itself, which judges everything else: job files, config bytes, and its commands around the real plugin.

#[path = "harness/commands.rs"]
mod commands;
#[path = "../examples/harness/mod.rs"]
mod harness;
#[path = "harness/jobs.rs"]
mod jobs;
#[path = "harness/playing.rs"]
mod playing;
#[path = "harness/specs.rs"]
mod specs;
