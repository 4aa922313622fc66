//! The whole picture: an agent with the plugin, a configured server of secrets, and the questions that tests ask of them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    agent::{Agent, LIMIT},
    bao::Bao,
    leftovers,
};

/// The job's and its only task's name.
pub const NAME: &str = "timeline";

/// An agent and a server.
pub struct Bed {
    // The agent goes first: what its tasks hold is then still the server's to take back.
    pub agent: Agent,
    pub bao: Bao,
}

/// A task that runs.
pub struct Running {
    /// The allocation's id.
    pub alloc: String,
    /// The container's id.
    pub container: String,
}

impl Bed {
    /// Starts both; tasks log in by what the node's key signs.
    pub async fn new() -> Self {
        Self::with_auth(|bao| {
            let key = bao.node_key_file();
            format!("method = \"driver\"\n mount = \"jwt-strongbox\"\n key_file = \"{}\"", key.display())
        })
        .await
    }

    /// Starts both with another `auth` block.
    pub async fn with_auth(auth: impl Fn(&Bao) -> String) -> Self {
        let bao = Bao::configured();
        bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "first-api-key" } }))).await;
        let auth = auth(&bao);
        let agent = Agent::start(|root| plugin_config(&bao, &auth, root)).await;
        Self { agent, bao }
    }

    /// Hands a job of `tests/nomad/` to the agent and returns the id of its allocation.
    pub async fn submit(&self, job: &str, vars: &[(&str, &str)]) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nomad").join(format!("{job}.nomad.hcl"));
        let mut args = vec!["job".to_owned(), "run".into(), "-detach".into()];
        args.extend(vars.iter().map(|(name, value)| format!("-var={name}={value}")));
        args.push(file.display().to_string());
        self.agent.cli(args).await;
        let path = format!("/v1/job/{NAME}/allocations");
        let first = async || Some(self.agent.api(&path).await[0]["ID"].as_str()?.to_owned());
        until("the job gets an allocation", first).await
    }

    /// Runs a job and waits until its task runs.
    pub async fn run(&self, job: &str, vars: &[(&str, &str)]) -> Running {
        let alloc = self.submit(job, vars).await;
        self.in_state(&alloc, "running").await;
        let container = self.only_container();
        Running { alloc, container }
    }

    /// Waits until the task's state is `state` and returns the allocation.
    pub async fn in_state(&self, alloc: &str, state: &str) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            let about = self.about(alloc).await;
            let now = &about["TaskStates"][NAME]["State"];
            if now == state {
                return about;
            }
            let over = now == "dead" || Instant::now() > end;
            assert!(!over, "the task is {now} and not {state}: {:#?}", events(&about));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns what the agent tells of an allocation.
    pub async fn about(&self, alloc: &str) -> Value {
        let text = self.agent.cli(["alloc", "status", "-json", alloc]).await;
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits for an event of the task whose text holds `part`, and returns that text.
    pub async fn event(&self, alloc: &str, part: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let events = events(&self.about(alloc).await);
            if let Some(event) = events.iter().find(|event| event.contains(part)) {
                return event.clone();
            }
            assert!(Instant::now() < end, "no event says {part:?}: {events:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the task's output holds `line`.
    pub async fn output(&self, alloc: &str, line: &str) {
        self.output_times(alloc, line, 1).await;
    }

    /// Waits until the task's output holds `line` so many times.
    pub async fn output_times(&self, alloc: &str, line: &str, times: usize) {
        let end = Instant::now() + LIMIT;
        loop {
            // The file appears with the first line.
            let output = self.agent.try_cli(["alloc", "logs", alloc, NAME]).await;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let count = text.lines().filter(|said| *said == line).count();
            assert!(count <= times, "the output holds {line:?} {count} times, not {times}: {text:?}");
            if count == times {
                return;
            }
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(Instant::now() < end, "the output does not hold {line:?} {times} times: {text:?} {why}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Writes a new value and waits until the container's file has it.
    pub async fn change_arrives(&self, task: &Running, value: &str) {
        self.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": value } }))).await;
        let wanted = format!("API_KEY={value}");
        until(&format!("{wanted} arrives in the container"), async || {
            (read(&task.container, "app.env").trim() == wanted).then_some(())
        })
        .await;
    }

    /// Checks that the task is what it was: same container, same allocation, never restarted.
    pub async fn is_unharmed(&self, task: &Running) {
        assert_eq!(self.only_container(), task.container);
        let about = self.in_state(&task.alloc, "running").await;
        assert_eq!(about["ClientStatus"], "running");
        assert_eq!(about["TaskStates"][NAME]["Restarts"], 0, "{:#?}", events(&about));
        let path = format!("/v1/job/{NAME}/allocations");
        assert_eq!(self.agent.api(&path).await.as_array().map(Vec::len), Some(1), "no second allocation");
    }

    /// Has the agent end the job and forget it.
    pub async fn stop(&self) {
        self.agent.cli(["job", "stop", "-purge", "-detach", NAME]).await;
    }

    /// Waits until no container, mount, token or lease of any task is left.
    pub async fn is_clean(&self) {
        let end = Instant::now() + LIMIT;
        loop {
            let mounts = leftovers::mounts(&self.runtime_dir());
            let left = (self.containers(), mounts, self.bao.logins().await, self.bao.leases().await);
            if left.0.is_empty() && left.1.is_empty() && left.2.is_empty() && left.3.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "left over (containers, mounts, tokens, leases): {left:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the ids of this installation's containers, in whatever state.
    pub fn containers(&self) -> Vec<String> {
        leftovers::containers(self.agent.root())
    }

    fn only_container(&self) -> String {
        let mut containers = self.containers();
        assert_eq!(containers.len(), 1, "one container: {containers:?}");
        containers.remove(0)
    }

    fn runtime_dir(&self) -> PathBuf {
        self.agent.root().join("run")
    }
}

/// Waits until `look` finds something.
///
/// # Panics
///
/// When it does not within its time.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Returns the task's events, oldest first, as `Type: text`.
pub fn events(alloc: &Value) -> Vec<String> {
    let events = alloc["TaskStates"][NAME]["Events"].as_array().cloned().unwrap_or_default();
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    events.iter().map(|event| format!("{}: {}", text(event, "Type"), text(event, "DisplayMessage"))).collect()
}

/// Returns one of the secrets in a container; empty when it cannot be read.
pub fn read(container: &str, file: &str) -> String {
    sh(container, &format!("cat /run/secrets/{file}"))
}

/// Runs a shell command in a container and returns its output.
pub fn sh(container: &str, script: &str) -> String {
    let output = Command::new("docker").args(["exec", container, "sh", "-c", script]).output();
    String::from_utf8_lossy(&output.expect("docker runs; run `make setup`").stdout).into_owned()
}

/// The operator's config: short intervals, and rules for the one job.
fn plugin_config(bao: &Bao, auth: &str, root: &Path) -> String {
    format!(
        r#"
  state_dir   = "{root}/state"
  runtime_dir = "{root}/run"
  vault {{
    address          = "{address}"
    allow_plain_http = true
  }}
  auth {{
    {auth}
  }}
  refresh {{
    kv_poll         = "1s"
    quiet           = "100ms"
    longest         = "2s"
    secrets_timeout = "5s"
  }}
  network {{
    infra_image = "strongbox/pause:1"
  }}
  allow {{
    job   = "timeline"
    roles = ["timeline", "nobody"]
    paths = ["kv/data/timeline", "kv/data/{{namespace}}/{{job}}/**", "database/creds/timeline"]
    pki   = ["pki_int/timeline"]
  }}"#,
        root = root.display(),
        address = bao.address(),
    )
}
