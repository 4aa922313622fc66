//! The peers: the engine alone, and the secrets server's own agent.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use strongbox::{
    container::{Anonymous, ContainerSpec, Docker, Engine, Image, ImageWish, Policy, Pull},
    domain::TaskSpec,
};

use super::bao::{self, Bao};

/// Creates and starts a container with the same options through the engine's API alone. Returns milliseconds.
pub async fn bare_start(docker: &Docker, image: &Image, task: &TaskSpec) -> f64 {
    let begin = Instant::now();
    let id = docker.create(&ContainerSpec { task, image, secrets: None, connection: None }).await.expect("a container");
    docker.start(&id).await.expect("it starts");
    let took = begin.elapsed();
    docker.remove(&id).await.expect("removed");
    took.as_secs_f64() * 1000.0
}

/// Returns the engine as the bare peer uses it, and the image.
pub async fn engine(image: &str) -> (Docker, Image) {
    let docker = Docker::new(Policy::default(), "bench-bare");
    let reference = image.parse().expect("an image reference");
    let image = docker
        .ensure_image(&ImageWish::new(reference, Pull::Missing), &Anonymous, &|_| {})
        .await
        .expect("the image; run `make setup`");
    (docker, image)
}

/// The secrets server's own agent, one for each task.
pub struct ServerAgent {
    /// The server.
    pub address: String,
    /// A directory of its own.
    pub folder: PathBuf,
    /// A signed identity of the task.
    pub jwt: String,
    /// Further lines of its configuration.
    pub more: String,
}

/// A file that the agent is to make.
pub struct Rendering {
    /// Its name.
    pub name: String,
    /// The template.
    pub source: String,
    /// What it runs when the file has changed; nothing when empty.
    pub command: Vec<String>,
}

impl Rendering {
    /// Returns a file of which nobody is told.
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Self {
        Self { name: name.into(), source: source.into(), command: Vec::new() }
    }
}

/// An agent that runs; it ends with the value.
pub struct RunningAgent {
    child: Child,
    begin: Instant,
    log: PathBuf,
    /// The files it is to make.
    pub outputs: Vec<PathBuf>,
}

/// Returns an agent of task `name` that keeps its files below `folder`.
pub fn agent(bao: &Bao, folder: &Path, name: &str) -> ServerAgent {
    ServerAgent {
        address: bao.address().to_owned(),
        folder: folder.join(name),
        jwt: bao.nomad().sign("timeline", "timeline", name, json!({})),
        more: String::new(),
    }
}

/// The set of [`super::ours::FULL`]: one certificate, one database login, one KV secret.
pub fn full_set() -> Vec<Rendering> {
    vec![
        Rendering::new(
            "bundle.pem",
            r#"{{ with pkiCert "pki_int/issue/timeline" "common_name=web.front.timeline.default.strongbox.internal" "ttl=1h" "key_type=ec" "key_bits=256" }}{{ .Cert }}{{ .CA }}{{ .Key }}{{ end }}"#,
        ),
        Rendering::new(
            "db.env",
            r#"{{ with secret "database/creds/timeline" }}U={{ .Data.username }} P={{ .Data.password }}{{ end }}"#,
        ),
        Rendering::new("app.env", r#"{{ with secret "kv/data/timeline" }}API_KEY={{ .Data.data.api_key }}{{ end }}"#),
    ]
}

impl ServerAgent {
    /// Starts the agent and waits until all files are there. Returns milliseconds from exec, and its resident MiB then.
    pub fn time_to_files(&self, files: &[Rendering]) -> (f64, f64) {
        let agent = self.start(files);
        let took = agent.wait_for_files(Duration::from_secs(20));
        (took.as_secs_f64() * 1000.0, resident_mib(agent.pid()))
    }

    /// Starts the agent.
    pub fn start(&self, files: &[Rendering]) -> RunningAgent {
        let outputs = self.configure(files);
        let log = self.folder.join("log");
        let begin = Instant::now();
        let child = Command::new(bao::program())
            .arg("agent")
            .arg(format!("-config={}", self.folder.join("agent.hcl").display()))
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("the agent runs");
        RunningAgent { child, begin, log, outputs }
    }

    /// Writes the agent's configuration and returns the files it is to make.
    fn configure(&self, files: &[Rendering]) -> Vec<PathBuf> {
        fs::create_dir_all(&self.folder).expect("a folder");
        let jwt = self.folder.join("jwt");
        fs::write(&jwt, &self.jwt).expect("a file");
        let mut config = format!(
            "vault {{ address = {:?} }}\nauto_auth {{ method {{ type = \"jwt\" mount_path = \"auth/jwt-nomad\" config = {{ path = {jwt:?} role = \"timeline\" remove_jwt_after_reading = false }} }} }}\n{}\n",
            self.address, self.more
        );
        let mut outputs = Vec::new();
        for Rendering { name, source, command } in files {
            let output = self.folder.join(name);
            fs::remove_file(&output).ok();
            let command =
                if command.is_empty() { String::new() } else { format!("  exec {{ command = {command:?} }}\n") };
            config += &format!(
                "template {{\n  contents = <<EOT\n{source}\nEOT\n  destination = {output:?}\n  perms = \"0400\"\n{command}}}\n"
            );
            outputs.push(output);
        }
        fs::write(self.folder.join("agent.hcl"), config).expect("a configuration");
        outputs
    }
}

impl RunningAgent {
    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until all files are there; returns how long after exec that was.
    pub fn wait_for_files(&self, limit: Duration) -> Duration {
        let complete = || self.outputs.iter().all(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 0));
        while !complete() {
            if self.begin.elapsed() > limit {
                panic!("the agent made no files: {}", fs::read_to_string(&self.log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.begin.elapsed()
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Returns the resident memory of a process in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}
