//! Eyes of the demo's own, which ask the engine, the kernel and the journal's file and take nobody's word.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::bao::parts::part;

/// Longest wait for anything in the story; a certificate of a minute is replaced well before.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Runs the engine's own client and returns what it printed.
pub fn docker(arguments: &[&str]) -> Result<String, String> {
    let out = client(docker_client()?).args(arguments).output().map_err(|error| format!("docker: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if out.status.success() {
        // `docker logs` gives the container's standard error as its own.
        Ok(text(&[&out.stdout[..], &out.stderr[..]].concat()))
    } else {
        Err(text(&out.stderr))
    }
}

/// Finds a client that this engine accepts: a newer one may not speak the engine's version.
fn docker_client() -> Result<&'static Path, String> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let accepted = |path: &PathBuf| client(path).arg("version").output().is_ok_and(|out| out.status.success());
    let found = FOUND.get_or_init(|| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let there = std::env::split_paths(&folders).map(|folder| folder.join("docker"));
        there.chain(["/usr/bin/docker".into()]).filter(|path| path.exists()).find(accepted)
    });
    found.as_deref().ok_or_else(|| "there is no docker client that this engine accepts; run `make setup`".to_owned())
}

fn client(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.arg("-H").arg(format!("unix://{}", part("STRONGBOX_DOCKER_SOCKET")));
    command
}

/// Waits until `condition` gives something.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> Result<T, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(format!("never came true: {what}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns the mount points below a folder.
pub fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the kernel lists its mounts");
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    points.map(PathBuf::from).filter(|point| point.starts_with(folder)).collect()
}

/// Returns one sentence when `found` is what was `wanted`, else another.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, found: &T) -> Result<(), String> {
    if wanted == found { Ok(()) } else { Err(format!("{what} was {wanted:?} and is {found:?}")) }
}

/// The journal's lines, read from its file.
pub struct Notes(Vec<Value>);

impl Notes {
    /// Reads the journal of a state directory.
    pub fn read(state: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(state.join("journal.jsonl")).map_err(|error| format!("the journal: {error}"))?;
        let entry = |line: &str| serde_json::from_str::<Value>(line).ok().map(|line| line["entry"].clone());
        let entries: Option<Vec<Value>> = text.lines().map(entry).collect();
        entries.map(Self).ok_or_else(|| "a line of the journal is no JSON".to_owned())
    }

    /// Returns what was noted in `field` of the entries of one step.
    pub fn all(&self, step: &str, field: &str) -> BTreeSet<String> {
        let of_step = self.0.iter().filter(|entry| entry["step"] == step);
        of_step.filter_map(|entry| entry[field].as_str().map(str::to_owned)).collect()
    }

    /// Returns the one thing that was noted in `field` of the entries of one step.
    pub fn only(&self, step: &str, field: &str) -> Result<String, String> {
        let mut all = self.all(step, field);
        match (all.len(), all.pop_first()) {
            (1, Some(one)) => Ok(one),
            (number, _) => Err(format!("the journal names {number} of {step} {field} instead of one")),
        }
    }

    /// Returns the keys of the tasks that were begun and those that are not over.
    pub fn tasks(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut begun, mut open) = (BTreeSet::new(), BTreeSet::new());
        for entry in &self.0 {
            let key = entry["key"].as_str().unwrap_or_default().to_owned();
            begun.insert(key.clone());
            match entry["step"] == "closed" {
                true => _ = open.remove(&key),
                false => _ = open.insert(key),
            }
        }
        (begun, open)
    }
}
