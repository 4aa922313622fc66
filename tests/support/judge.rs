//! The Go program that has an agent's own libraries in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Builds one judge; Go's own cache makes this cheap the second time.
pub fn built(go: &str, modfile: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Each test program has its own, so that none replaces what another one runs.
    let name = format!("{}-{}", env!("CARGO_CRATE_NAME"), modfile.replace(".mod", ""));
    let judge = root.join("target/agent").join(name);
    let output = Command::new(go)
        .args(["build", "-mod=readonly", "-modfile", modfile, "-o"])
        .arg(&judge)
        .arg(".")
        .current_dir(root.join("tests/agent/rpcs"))
        .output()
        .expect("Go runs; `make setup` installs it");
    assert!(output.status.success(), "go build: {}", String::from_utf8_lossy(&output.stderr));
    judge
}
