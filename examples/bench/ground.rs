//! What most parts stand on: a server configured for the job, and an agent that has loaded the plugin.

use std::path::Path;

use serde_json::json;

use super::{
    bao::Bao,
    harness::{process::Program, testbed::TestBed},
    plugin,
};

/// A secrets server and a plugin that knows it.
pub struct Ground {
    /// The agent with the plugin; ends first.
    pub bed: TestBed,
    /// The server.
    pub bao: Bao,
    folder: tempfile::TempDir,
}

impl Ground {
    /// Starts both, with `more` blocks in the operator's config.
    pub async fn start(more: &str) -> Self {
        let bao = Bao::configured();
        bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "bench" } }))).await;
        let folder = tempfile::tempdir_in("/var/tmp").expect("a directory on a disk");
        let program = Program { binary: plugin(), env: Vec::new() };
        let bed = TestBed::start(program, &bao.operator_config(folder.path(), None, more)).await;
        Self { bed, bao, folder }
    }

    /// Returns a directory on a disk.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
