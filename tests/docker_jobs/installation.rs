//! A plugin with an operator's config, in directories of its own.

use std::{fs, ops::Deref, path::Path, process::Command};

use crate::harness::{process::Program, testbed::TestBed};

/// The driver as one operator has set it up. What it leaves behind is cleared away.
pub struct Installation {
    bed: TestBed,
    root: tempfile::TempDir,
}

impl Installation {
    /// Starts a plugin; `operator` is added to its config.
    pub async fn start(operator: &str) -> Self {
        let root = tempfile::Builder::new().prefix("strongbox-docker-jobs-").tempdir_in("/var/tmp");
        let root = root.expect("a directory on a disk");
        let at = root.path().display();
        let config = format!("config {{\n  state_dir = \"{at}/state\"\n  runtime_dir = \"{at}/run\"\n{operator}}}\n");
        let program = Program { binary: env!("CARGO_BIN_EXE_nomad-driver-strongbox").into(), env: Vec::new() };
        Self { bed: TestBed::start(program, &config).await, root }
    }

    /// Returns the driver's containers that are not gone, one a line of what the engine says.
    pub fn containers(&self, more: &str) -> Vec<String> {
        let Ok(mark) = fs::read_to_string(self.root.path().join("state/installation")) else { return Vec::new() };
        let mark = format!("label=strongbox.instance={}", mark.trim());
        let mut command = Command::new("docker");
        command.args(["ps", "-aq", "--no-trunc", "--filter", &mark]);
        if !more.is_empty() {
            command.args(["--filter", more]);
        }
        let output = command.output().expect("docker runs; run `make setup`");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    fn mounts(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("readable");
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned);
        points.filter(|point| Path::new(point).starts_with(self.root.path())).collect()
    }

    /// Says what is there that should be gone when every task is.
    pub fn leftovers(&self) -> Option<String> {
        let left = (self.containers(""), self.mounts());
        (!left.0.is_empty() || !left.1.is_empty()).then(|| format!("left over (containers, mounts): {left:?}"))
    }
}

impl Deref for Installation {
    type Target = TestBed;

    fn deref(&self) -> &TestBed {
        &self.bed
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for container in self.containers("") {
            Command::new("docker").args(["rm", "-f", "-v", &container]).output().ok();
        }
        for mount in self.mounts() {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}
