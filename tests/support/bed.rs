//! The whole picture for end-to-end tests: the plugin's binary under the harness, a configured OpenBao, PostgreSQL, Docker.

use std::{
    fs,
    ops::Deref,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    bao::Bao,
    harness::{process::Program, testbed::TestBed},
};

/// A job with one of everything; it sleeps until it is stopped.
pub const JOB: &str = r#"
job "timeline" {
  group "web" {
    task "timeline" {
      driver       = "strongbox"
      kill_timeout = "2s"
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "trap 'exit 0' TERM; echo up; while :; do sleep 1; done"]
        certificate "server" {
          change_mode   = "signal"
          change_signal = "SIGHUP"
        }
        secret "db" {
          path = "database/creds/timeline"
        }
        template {
          destination = "app.env"
          data        = "API_KEY={{ with secret \"kv/data/timeline\" }}{{ .Data.data.api_key }}{{ end }}"
          change_mode = "noop"
        }
      }
    }
  }
}
"#;

/// An agent with the plugin, and a server of its own.
pub struct Bed {
    /// The server.
    pub bao: Bao,
    bed: TestBed,
    root: tempfile::TempDir,
}

impl Bed {
    /// Starts everything; `more` is added to the operator's config.
    pub async fn new(more: &str) -> Self {
        Self::with(more, &[]).await
    }

    /// As [`Bed::new`], with further environment for the plugin.
    pub async fn with(more: &str, env: &[(&str, &str)]) -> Self {
        let bao = Bao::configured();
        let root =
            tempfile::Builder::new().prefix("strongbox-e2e-").tempdir_in("/var/tmp").expect("a directory on a disk");
        let config = config(&bao, root.path(), more);
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let program = Program { binary: PathBuf::from(env!("CARGO_BIN_EXE_nomad-driver-strongbox")), env };
        Self { bed: TestBed::start(program, &config).await, bao, root }
    }

    /// Returns what the plugin logged and the harness did, for the message of a failed test.
    pub fn log(&self) -> String {
        let entries = self.bed.agent.feed.since(0);
        entries.iter().map(|entry| format!("{:.3} {:?}\n", entry.since.as_secs_f64(), entry.what)).collect()
    }

    /// Takes the further environment away from the launches to come, such as a fail point.
    pub fn calm(&mut self) {
        self.bed.agent.program.env.clear();
    }

    /// Lets logins live for so long only.
    pub async fn shorten_tokens(&self, life: &str) {
        let tuned = Some(serde_json::json!({ "default_lease_ttl": life, "max_lease_ttl": life }));
        self.bao.ok("POST", "sys/auth/jwt-strongbox/tune", tuned).await;
    }

    /// Returns the state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Returns the directory below which tasks' tmpfs are mounted.
    pub fn runtime_dir(&self) -> PathBuf {
        self.root.path().join("run")
    }

    /// Returns this installation's mark, which its containers bear.
    pub fn instance(&self) -> String {
        fs::read_to_string(self.state_dir().join("installation")).unwrap_or_default()
    }

    /// Returns the ids of this installation's containers, in whatever state.
    pub fn containers(&self) -> Vec<String> {
        let filter = format!("label=strongbox.instance={}", self.instance());
        let out = Command::new("docker")
            .args(["ps", "-aq", "--no-trunc", "--filter", &filter])
            .output()
            .expect("docker runs");
        String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
    }

    /// Returns the tasks' mounted directories.
    pub fn mounts(&self) -> Vec<String> {
        let below = self.runtime_dir().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").expect("readable");
        mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(|path| path.starts_with(&below))
            .map(str::to_owned)
            .collect()
    }

    /// Returns the accessors of all tokens that a login made.
    pub async fn tokens(&self) -> Vec<String> {
        self.bao.logins().await
    }

    /// Returns the leases of the database engine.
    pub async fn leases(&self) -> Vec<String> {
        self.bao.leases().await
    }

    /// Waits until no container, mount, token or lease of any task is left.
    pub async fn is_clean(&self) {
        let end = Instant::now() + Duration::from_secs(40);
        loop {
            let left = (self.containers(), self.mounts(), self.tokens().await, self.leases().await);
            if left.0.is_empty() && left.1.is_empty() && left.2.is_empty() && left.3.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "left over (containers, mounts, tokens, leases): {left:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Deref for Bed {
    type Target = TestBed;

    fn deref(&self) -> &TestBed {
        &self.bed
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for container in self.containers() {
            Command::new("docker").args(["rm", "-f", "-v", &container]).output().ok();
        }
        for mount in self.mounts() {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}

/// Returns the operator's config: short intervals, login with the node's key, rules for the job `timeline`.
pub fn config(bao: &Bao, root: &std::path::Path, more: &str) -> String {
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
    paths = ["kv/data/timeline", "kv/data/timeline/**", "database/creds/timeline"]
    pki   = ["pki_int/timeline"]
  }}
  {refresh}
  {more}
}}"#,
        root = root.display(),
        address = bao.address(),
        key = bao.node_key_file().display(),
        refresh = if more.contains("refresh") { "" } else { REFRESH },
    )
}

/// Intervals that let a test see a change within a second or two.
const REFRESH: &str = r#"refresh {
    kv_poll    = "1s"
    quiet      = "100ms"
    longest    = "2s"
    reap_after = "5s"
  }"#;
