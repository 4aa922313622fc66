//! The orchestrator's side, standalone: runs a Nomad job file's tasks through the plugin as an agent would.

use std::process::ExitCode;

#[path = "harness/cli/mod.rs"]
mod cli;
#[path = "harness/mod.rs"]
mod harness;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main().await
}
