//! The peer of the template engine: Go's own, in a program of ours that the machine's Go builds.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::bao::parts::part;

/// The program that rendered the corpus of the tests; it also says how fast it does.
pub struct Go(PathBuf);

/// How often in a second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// A template that was parsed before.
    pub rendered: f64,
    /// One that is parsed each time.
    pub parsed: f64,
}

impl Go {
    /// Builds the program.
    pub fn build() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = root.join("target/bench/record");
        let output = Command::new(part("STRONGBOX_GO"))
            .args(["build", "-mod=readonly", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(root.join("tests/templates/record"))
            .output()
            .expect("Go runs; `make setup` installs it");
        assert!(output.status.success(), "go build: {}", String::from_utf8_lossy(&output.stderr));
        Self(program)
    }

    /// Renders each of `templates` for `time` in both ways.
    pub fn rates(&self, templates: &[PathBuf], time: Duration) -> Vec<Rates> {
        let mut command = Command::new(&self.0);
        let output =
            command.arg("-rate").arg(format!("{}ms", time.as_millis())).args(templates).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("text");
        let rates = said.lines().map(|line| {
            let (rendered, parsed) = line.split_once(' ').expect("two numbers");
            Rates { rendered: rendered.parse().expect("a number"), parsed: parsed.parse().expect("a number") }
        });
        rates.collect()
    }
}
