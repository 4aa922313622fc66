//! The parts that the story needs: a server of its own, the plugin under the harness, and eyes to look with.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    bao::Bao,
    canary::Canaries,
    harness::{job, process::Program, report::Source, runner::Run, testbed::TestBed},
};

/// Longest wait for anything in the story.
pub const PATIENCE: Duration = Duration::from_secs(75);

/// Everything that is on stage.
pub struct Stage {
    /// The secrets server.
    pub bao: Bao,
    /// The agent's side with the plugin.
    pub bed: TestBed,
    /// The task.
    pub task: Run,
    /// Secret values that must be nowhere.
    pub canaries: Canaries,
    root: tempfile::TempDir,
}

impl Stage {
    /// Sets the stage: server configured as shipped, plugin loaded, task prepared but not started.
    pub async fn set() -> Result<Self, String> {
        let bao = Bao::configured();
        let root = tempfile::Builder::new()
            .prefix("strongbox-demo-")
            .tempdir_in("/var/tmp")
            .map_err(|error| error.to_string())?;
        let program = Program { binary: plugin()?, env: Vec::new() };
        let bed = TestBed::start(program, &config(&bao, root.path())).await;
        bed.agent.healthy(PATIENCE).await?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/timeline.nomad.hcl");
        let source = Source::read(&path).map_err(|report| report.to_string())?;
        let given = BTreeMap::from([("certificate_ttl".to_owned(), "60s".to_owned())]);
        let job = job::parse(&source, &given).map_err(|report| report.to_string())?;
        let task = bed.tasks(&job).map_err(|error| error.to_string())?.pop().ok_or("the job has no task")?;
        Ok(Self { bao, bed, task, canaries: Canaries::default(), root })
    }

    /// Writes a new random API key and returns the first digits of its SHA-256, as the program in the image prints it.
    pub async fn write_key(&mut self) -> String {
        let key = hex::encode(rand::random::<[u8; 16]>());
        self.canaries.add("API key", &key);
        self.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": key } }))).await;
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(key.as_bytes()))[..8].to_owned()
    }

    /// Runs a shell command in the container.
    pub async fn sh(&self, script: &str) -> Result<String, String> {
        let output = self
            .task
            .exec(&self.bed.agent, &["sh", "-c", script])
            .await
            .map_err(|status| status.message().to_owned())?;
        let code = output.result.unwrap_or_default().exit_code;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if code == 0 {
            Ok(text)
        } else {
            Err(format!("{script:?} ended with {code}: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
    }

    /// Returns the container's id.
    pub async fn container(&self) -> Result<String, String> {
        self.task.container(&self.bed.agent).await.map_err(|status| status.message().to_owned())
    }

    /// Waits until the task prints a line with `text` in it, not counting what it printed before entry `from` of the feed.
    pub async fn line(&self, from: usize, text: &str) -> Result<String, String> {
        use super::harness::feed::Event;
        let found = self.bed.agent.feed.wait_after(from, PATIENCE, |event| match event {
            Event::TaskLog { line, .. } if line.contains(text) => Some(line.clone()),
            _ => None,
        });
        found.await.ok_or_else(|| format!("the task never printed {text:?}"))
    }

    /// Returns the journal's lines.
    pub fn journal(&self) -> String {
        fs::read_to_string(self.root.path().join("state/journal.jsonl")).unwrap_or_default()
    }

    /// Returns the accessor of the task's token, as the journal names it.
    pub fn accessor(&self) -> Option<String> {
        let entry = |line: &str| serde_json::from_str::<Value>(line).ok();
        let entries: Vec<Value> = self.journal().lines().filter_map(entry).collect();
        entries.iter().rev().find_map(|line| line["entry"]["accessor"].as_str().map(str::to_owned))
    }

    /// Returns the tmpfs mounts of tasks.
    pub fn mounts(&self) -> Vec<String> {
        let below = self.root.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        points.filter(|path| path.starts_with(&below)).map(str::to_owned).collect()
    }

    /// Returns where the driver keeps what is on disk.
    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let instance = fs::read_to_string(self.root.path().join("state/installation")).unwrap_or_default();
        let filter = format!("label=strongbox.instance={instance}");
        for container in docker(&["ps", "-aq", "--filter", &filter]).unwrap_or_default().lines() {
            docker(&["rm", "-f", "-v", container]).ok();
        }
        for mount in self.mounts() {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}

/// Runs the engine's own client.
pub fn docker(arguments: &[&str]) -> Result<String, String> {
    let out = Command::new("docker").args(arguments).output().map_err(|error| format!("docker: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if out.status.success() { Ok(text(&out.stdout) + &text(&out.stderr)) } else { Err(text(&out.stderr)) }
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
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The plugin's binary, built in the same profile beside this program.
fn plugin() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = own.parent().and_then(Path::parent).ok_or("no target directory")?;
    Ok(target.join("nomad-driver-strongbox"))
}

/// The operator's config: as an operator would write it, but for intervals that fit a demo.
fn config(bao: &Bao, root: &Path) -> String {
    format!(
        r#"config {{
  state_dir   = "{root}/state"
  runtime_dir = "{root}/run"
  vault {{
    address          = "{address}"
    allow_plain_http = true
  }}
  auth {{
    method   = "driver"
    mount    = "jwt-strongbox"
    key_file = "{key}"
  }}
  allow {{
    job   = "timeline"
    roles = ["timeline"]
    paths = ["kv/data/timeline", "database/creds/timeline"]
    pki   = ["pki_int/timeline"]
  }}
  refresh {{
    kv_poll = "1s"
    quiet   = "200ms"
    longest = "2s"
  }}
}}"#,
        root = root.display(),
        address = bao.address(),
        key = bao.node_key_file().display(),
    )
}
