//! The peers: the engine alone, and the secrets server's own agent.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use strongbox::{
    container::{ContainerSpec, Docker, Engine, Image, Policy, Pull},
    domain::TaskSpec,
};

/// Creates and starts a container with the same options through the engine's API alone. Returns milliseconds.
pub async fn bare_start(docker: &Docker, image: &Image, task: &TaskSpec) -> f64 {
    let begin = Instant::now();
    let id = docker.create(&ContainerSpec { task, image, secrets: None }).await.expect("a container");
    docker.start(&id).await.expect("it starts");
    let took = begin.elapsed();
    docker.remove(&id).await.expect("removed");
    took.as_secs_f64() * 1000.0
}

/// Returns the engine as the bare peer uses it, and the image.
pub async fn engine(image: &str) -> (Docker, Image) {
    let docker = Docker::new(Policy::default(), "bench-bare");
    let reference = image.parse().expect("an image reference");
    let image = docker.ensure_image(&reference, Pull::Missing, &|_| {}).await.expect("the image; run `make setup`");
    (docker, image)
}

/// The secrets server's own agent, rendering the same set: one certificate, one database login, one KV secret.
pub struct ServerAgent<'a> {
    /// The program.
    pub bao: &'a Path,
    /// The server.
    pub address: &'a str,
    /// A directory of its own.
    pub folder: PathBuf,
    /// A signed identity of the task.
    pub jwt: String,
}

impl ServerAgent<'_> {
    /// Starts the agent and waits until all files are there. Returns milliseconds from exec, and its resident MiB then.
    pub fn time_to_files(&self) -> (f64, f64) {
        let outputs = self.configure();
        let begin = Instant::now();
        let mut child = self.spawn();
        let complete = || outputs.iter().all(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 0));
        while !complete() {
            if begin.elapsed() > Duration::from_secs(20) {
                child.kill().ok();
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("the agent made no files: {log}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = begin.elapsed();
        let memory = resident_mib(child.id());
        child.kill().ok();
        child.wait().ok();
        (took.as_secs_f64() * 1000.0, memory)
    }

    fn spawn(&self) -> Child {
        Command::new(self.bao)
            .arg("agent")
            .arg(format!("-config={}", self.folder.join("agent.hcl").display()))
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.join("log")).expect("a log"))
            .spawn()
            .expect("the agent runs")
    }

    /// Writes the agent's configuration and returns the files it is to make.
    fn configure(&self) -> Vec<PathBuf> {
        fs::create_dir_all(&self.folder).expect("a folder");
        let jwt = self.folder.join("jwt");
        fs::write(&jwt, &self.jwt).expect("a file");
        let templates = [
            (
                "bundle.pem",
                r#"{{ with pkiCert "pki_int/issue/timeline" "common_name=web.front.timeline.default.strongbox.internal" "ttl=1h" "key_type=ec" "key_bits=256" }}{{ .Cert }}{{ .CA }}{{ .Key }}{{ end }}"#,
            ),
            (
                "db.env",
                r#"{{ with secret "database/creds/timeline" }}U={{ .Data.username }} P={{ .Data.password }}{{ end }}"#,
            ),
            ("app.env", r#"{{ with secret "kv/data/timeline" }}API_KEY={{ .Data.data.api_key }}{{ end }}"#),
        ];
        let outputs: Vec<PathBuf> = templates.iter().map(|(name, _)| self.folder.join(name)).collect();
        outputs.iter().for_each(|path| drop(fs::remove_file(path)));
        let mut config = format!(
            "vault {{ address = {:?} }}\nauto_auth {{ method {{ type = \"jwt\" mount_path = \"auth/jwt-nomad\" config = {{ path = {jwt:?} role = \"timeline\" remove_jwt_after_reading = false }} }} }}\n",
            self.address
        );
        for ((_, source), output) in templates.iter().zip(&outputs) {
            config += &format!(
                "template {{\n  contents = <<EOT\n{source}\nEOT\n  destination = {output:?}\n  perms = \"0400\"\n}}\n"
            );
        }
        fs::write(self.folder.join("agent.hcl"), config).expect("a configuration");
        outputs
    }
}

/// Returns the resident memory of a process in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}
