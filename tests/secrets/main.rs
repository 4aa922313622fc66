//! Secrets of every kind on the real server, delivered by the plugin's binary, and read by the programs they are for.

#[path = "../support/bao.rs"]
mod bao;
#[path = "../support/bed.rs"]
mod bed;
#[path = "../../examples/harness/mod.rs"]
mod harness;
#[path = "../support/java.rs"]
mod java;
#[path = "../e2e/jobs.rs"]
#[allow(dead_code)] // The other program of tests uses the rest.
mod jobs;

mod children;
mod crafted;
mod engines;
mod files;
mod grants;
mod issue;
mod kv;
mod loss;
mod node;
mod readers;
mod shared;
mod ssh;
mod stores;

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use bao::{Bao, Setup};
use bed::{Bed, Options};
use serde_json::{Value, json};

/// What jobs of these tests may ask for beside the main job's wishes.
const ALLOW: &str = r#"
  allow {
    job        = "timeline"
    paths      = ["kv/data/default/timeline/*", "old/*", "database/static-creds/timeline-*", "transit/decrypt/app",
                  "ssh/sign/app", "totp/code/app", "nomad/creds/app", "lent/**"]
    principals = ["app", "ops", "host.example"]
    deliver    = ["token"]
  }"#;

/// Starts a bed whose server also has a policy with `more` for the job.
async fn bed_with(more_config: &str, more_policy: &str) -> Bed {
    let bao = Arc::new(Bao::configured_with(&Setup::default()));
    let policy = bao.ok("GET", "sys/policies/acl/timeline", None).await;
    let text = format!("{}\n{more_policy}", policy["policy"].as_str().expect("a policy"));
    bao.ok("PUT", "sys/policies/acl/timeline", Some(json!({ "policy": text }))).await;
    Bed::on(bao, &Options { more: &format!("{more_config}{ALLOW}"), ..Options::default() }).await
}

/// Writes a secret of KV 2 below what every task of the job may read.
async fn put(bed: &Bed, name: &str, fields: Value) {
    bed.bao.ok("POST", &path_of(name), Some(json!({ "data": fields }))).await;
}

fn path_of(name: &str) -> String {
    format!("kv/data/default/timeline/{name}")
}

/// Returns where the one task's file `name` is, as root sees it.
fn file(bed: &Bed, name: &str) -> PathBuf {
    bed.ram().join("data").join(name)
}

/// Returns what the one task's file `name` holds; `None` when it is not there.
fn shown(bed: &Bed, name: &str) -> Option<Vec<u8>> {
    fs::read(file(bed, name)).ok()
}

/// Runs a program and returns what it printed.
///
/// # Panics
/// It fails.
fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
