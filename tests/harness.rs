//! The harness itself, which judges everything else: job files, config bytes, and its commands around the real plugin.

#[path = "support/bao.rs"]
mod bao;
#[path = "harness/commands.rs"]
mod commands;
#[path = "../examples/harness/mod.rs"]
mod harness;
#[path = "harness/jobs.rs"]
mod jobs;
#[path = "harness/mutual_tls.rs"]
mod mutual_tls;
#[path = "harness/networks.rs"]
mod networks;
#[path = "harness/playing.rs"]
mod playing;
#[path = "harness/specs.rs"]
mod specs;
