//! What must hold when something breaks, end to end: the plugin's binary under an agent's stand-in, on real parts.
//!
//! One program for all themes, because each program links the whole house anew.

#[path = "../support/bao.rs"]
mod bao;
#[path = "../support/bed.rs"]
mod bed;
#[path = "../support/canary.rs"]
mod canary;
#[path = "../support/gate.rs"]
mod gate;
#[path = "../../examples/harness/mod.rs"]
mod harness;
mod jobs;
#[path = "../support/private_engine.rs"]
mod private_engine;

mod apart;
mod demands;
mod endings;
mod figures;
mod kill_in_end;
mod kill_in_journal;
mod kill_in_refresh;
mod kill_in_rotation;
mod kill_in_start;
mod leaks;
mod lives;
mod names;
mod outage;
mod output;
mod policies;
mod reader;
mod restarts;
mod scripts;
mod short;
mod tls;
mod unchanged;
mod variables;
mod wrong_input;

/// Writes the one word of the secret that changes in many tests.
async fn put_word(bed: &bed::Bed, word: &str) {
    bed.bao.ok("POST", "kv/data/timeline", Some(serde_json::json!({ "data": { "word": word } }))).await;
}

/// Returns how often something is done: as often as the environment's `name` says, else as usual.
fn times(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
