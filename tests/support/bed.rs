//! The whole picture for end-to-end tests: the plugin's binary under the harness, a configured OpenBao, PostgreSQL, Docker.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::{
    fs,
    future::Future,
    ops::Deref,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    bao::{Bao, Setup},
    harness::{process::Program, runner::Run, testbed::TestBed},
};

/// Where the plugin is told to die; see `fail_point` in the plugin's own source.
const FAIL_POINT: &str = "STRONGBOX_FAIL_POINT";
/// How long a condition may take that no row gives another limit for.
pub const LIMIT: Duration = Duration::from_secs(120);

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
    pub bao: Arc<Bao>,
    bed: TestBed,
    root: tempfile::TempDir,
}

/// What may differ from bed to bed.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// Added to the operator's config; a `refresh` block replaces the short intervals.
    pub more: &'a str,
    /// Further environment for the plugin.
    pub env: &'a [(&'a str, &'a str)],
    /// Where the plugin finds the server, when not at its own address.
    pub address: Option<String>,
    /// What is started, when not the plugin itself.
    pub program: Option<PathBuf>,
}

impl Bed {
    /// Starts everything; `more` is added to the operator's config.
    pub async fn new(more: &str) -> Self {
        Self::with(more, &[]).await
    }

    /// As [`Bed::new`], with further environment for the plugin.
    pub async fn with(more: &str, env: &[(&str, &str)]) -> Self {
        Self::on(Arc::new(Bao::configured()), &Options { more, env, ..Options::default() }).await
    }

    /// As [`Bed::new`], with a server whose tokens and database accounts live so long between renewals.
    pub async fn with_lives(more: &str, token_period: &str, db_ttl: &str) -> Self {
        let setup = Setup { token_period: token_period.into(), db_ttl: db_ttl.into(), ..Setup::default() };
        Self::on(Arc::new(Bao::configured_with(&setup)), &Options { more, ..Options::default() }).await
    }

    /// Starts an agent beside a server that is there.
    pub async fn on(bao: Arc<Bao>, options: &Options<'_>) -> Self {
        let root =
            tempfile::Builder::new().prefix("strongbox-e2e-").tempdir_in("/var/tmp").expect("a directory on a disk");
        let address = options.address.as_deref().unwrap_or(bao.address());
        let config = config(&bao, address, root.path(), options.more);
        let env = options.env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let plugin = || PathBuf::from(env!("CARGO_BIN_EXE_nomad-driver-strongbox"));
        let program = Program { binary: options.program.clone().unwrap_or_else(plugin), env };
        Self { bed: TestBed::start(program, &config).await, bao, root }
    }

    /// Returns what the plugin logged and the harness did, for the message of a failed test.
    pub fn log(&self) -> String {
        let entries = self.bed.agent.feed.since(0);
        entries.iter().map(|entry| format!("{:.3} {:?}\n", entry.since.as_secs_f64(), entry.what)).collect()
    }

    /// Kills the plugin and starts one that will die at the fail point, or at none; it takes up `tasks`.
    pub async fn anew(&self, fail_point: Option<&str>, tasks: &[&Run]) {
        self.bed.agent.set_env(FAIL_POINT, fail_point);
        self.bed.kill_9_and_recover(tasks).await;
    }

    /// Waits until the plugin has died as by `kill -9`.
    pub async fn is_dead(&self, why: &str) {
        use std::os::unix::process::ExitStatusExt;
        let process = self.bed.agent.process();
        let Ok(status) = tokio::time::timeout(LIMIT, process.dead()).await else {
            panic!("the plugin has not died at {why}")
        };
        assert_eq!(status.and_then(|status| status.signal()), Some(9), "at {why}");
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

    /// Returns the directory in RAM of the one task that there is, as root sees it.
    pub fn ram(&self) -> PathBuf {
        let mounts = self.mounts();
        assert_eq!(mounts.len(), 1, "one directory in RAM: {mounts:?}");
        PathBuf::from(&mounts[0])
    }

    /// Waits until no container, mount, token or lease of any task is left.
    pub async fn is_clean(&self) {
        let end = Instant::now() + LIMIT;
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

/// Returns the operator's config with short intervals, unless `more` says others.
pub fn config(bao: &Bao, address: &str, root: &std::path::Path, more: &str) -> String {
    let refresh = if more.contains("refresh") { "" } else { REFRESH };
    bao.operator_config(root, Some(address), &format!("{refresh}\n  {more}"))
}

/// Runs `docker` and returns what it printed.
///
/// # Panics
/// It fails.
pub fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().expect("docker runs; run `make setup`");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "docker {words:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// Runs a shell command in a container without the plugin, and returns what it printed.
pub fn inside(container: &str, script: &str) -> String {
    docker(&["exec", container, "sh", "-c", script])
}

/// Waits until `holds` says yes.
///
/// # Panics
/// It does not within the limit.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + LIMIT;
    while !holds().await {
        assert!(Instant::now() < end, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Intervals that let a test see a change within a second or two.
const REFRESH: &str = r#"refresh {
    kv_poll    = "1s"
    quiet      = "100ms"
    longest    = "2s"
    reap_after = "5s"
  }"#;
