//! What the story plays on: a secrets server of its own, the plugin under the harness, the task, and what was seen of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    bao::{Bao, Setup, parts::part},
    canary::Canaries,
    eyes::{Notes, PATIENCE, docker, mounts_below, until},
    harness::{feed::Event, identity::Signer, job, process::Program, report::Source, runner::Run, testbed::TestBed},
};

/// The job that the story is about.
pub const JOB: &str = "examples/timeline.nomad.hcl";
/// The shortest life that a job may ask for a certificate.
const CERTIFICATE_TTL: &str = "60s";

/// Everything that is on stage. It is cleared when this is dropped, whatever happened.
pub struct Stage {
    // Before the bed, whose folder the task's directories lie in.
    /// The task.
    pub task: Run,
    /// The agent's side with the plugin.
    pub bed: TestBed,
    /// The secrets server.
    pub bao: Bao,
    /// Secret values that must be nowhere else.
    pub canaries: Canaries,
    /// What was seen of the task while it lived.
    pub seen: Seen,
    root: tempfile::TempDir,
}

/// What was seen of the task.
#[derive(Default)]
pub struct Seen {
    /// When its start was asked for.
    pub begin: Option<Instant>,
    /// The engine's words on the running container: id, process, start.
    pub running: Running,
    /// The token's name.
    pub accessor: String,
    /// The database lease's name.
    pub lease: String,
    /// The first certificate's serial number.
    pub serial: String,
    /// The database user's name.
    pub user: String,
    /// And its password.
    pub password: String,
}

/// A container as the engine tells of it; another process in it, or another start, is another value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The engine's id.
    pub container: String,
    /// The first process, as the host numbers it.
    pub pid: String,
    /// When it was started.
    pub since: String,
}

impl Stage {
    /// Loads the plugin and prepares the task; nothing is started yet.
    pub async fn set(bao: Bao) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let root = tempfile::Builder::new().prefix("strongbox-demo-").tempdir_in("/var/tmp").map_err(|e| text(&e))?;
        let program = Program { binary: plugin()?, env: Vec::new() };
        let signer = Signer::at(&bao.nomad_key_file()).map_err(|e| text(&e))?;
        let bed = TestBed::load(program, &config(&bao, root.path()), signer).await.map_err(|e| text(&e))?;
        bed.agent.healthy(PATIENCE).await?;
        let source = Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(JOB)).map_err(|e| text(&e))?;
        let given = BTreeMap::from([("certificate_ttl".to_owned(), CERTIFICATE_TTL.to_owned())]);
        let job = job::parse(&source, &given).map_err(|e| text(&e))?;
        let task = bed.tasks(&job).map_err(|e| text(&e))?.pop().ok_or("the job has no task")?;
        Ok(Self { bao, bed, task, canaries: Canaries::default(), seen: Seen::default(), root })
    }

    /// Writes a new random API key and returns it.
    pub async fn write_key(&mut self) -> String {
        let key = hex::encode(rand::random::<[u8; 16]>());
        self.canaries.add("API key", &key);
        self.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": key } }))).await;
        key
    }

    /// Runs a shell command in the container, through the driver.
    pub async fn sh(&self, script: &str) -> Result<String, String> {
        let done = self.task.exec(&self.bed.agent, &["sh", "-c", script]).await;
        let output = done.map_err(|status| status.message().to_owned())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.result.unwrap_or_default().exit_code {
            0 => Ok(text(&output.stdout)),
            code => Err(format!("{script:?} ended with {code}: {}", text(&output.stderr))),
        }
    }

    /// Asks the engine for the task's container as it runs now.
    pub async fn running(&self) -> Result<Running, String> {
        let container = self.task.container(&self.bed.agent).await.map_err(|status| status.message().to_owned())?;
        let words =
            docker(&["inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}} {{.State.Running}}", &container])?;
        match words.split(' ').collect::<Vec<_>>()[..] {
            [pid, since, "true"] => Ok(Running { container, pid: pid.to_owned(), since: since.to_owned() }),
            _ => Err(format!("the container does not run: {words}")),
        }
    }

    /// Waits until the task prints a line with `text` in it, not counting what came before entry `from` of the feed.
    pub async fn line(&self, from: usize, text: &str) -> Result<String, String> {
        let found = self.bed.agent.feed.wait_after(from, PATIENCE, |event| match event {
            Event::TaskLog { line, .. } if line.contains(text) => Some(line.clone()),
            _ => None,
        });
        found.await.ok_or_else(|| format!("the task never printed {text:?}"))
    }

    /// Returns the journal's lines.
    pub fn notes(&self) -> Result<Notes, String> {
        Notes::read(&self.state_dir())
    }

    /// Returns where the driver keeps what is on disk.
    pub fn state_dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Returns the task's own directory in RAM.
    pub fn tmpfs(&self) -> Result<PathBuf, String> {
        let mut mounts = mounts_below(&self.runtime_dir());
        match (mounts.pop(), mounts.len()) {
            (Some(one), 0) => Ok(one),
            _ => Err(format!("there is not one mount below {}", self.runtime_dir().display())),
        }
    }

    /// Returns the directory below which the driver mounts.
    pub fn runtime_dir(&self) -> PathBuf {
        self.root.path().join("run")
    }

    /// Returns the containers of this installation, in whatever state.
    pub fn containers(&self) -> Result<Vec<String>, String> {
        bearing(&self.mark()?)
    }

    /// Returns this installation's mark, which its containers bear; the plugin has made it when it was configured.
    fn mark(&self) -> Result<String, String> {
        let file = self.state_dir().join("installation");
        let mark = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(format!("label=strongbox.instance={}", mark.trim()))
    }

    /// Returns what has to be gone when the stage is cleared.
    pub fn traces(&self) -> Traces {
        Traces {
            processes: vec![self.bao.pid(), self.bed.agent.process().pid()],
            folders: vec![self.root.path().into(), self.bed.folder().into(), self.bao.dir().into()],
            mark: self.mark(),
        }
    }
}

impl Drop for Stage {
    // The plugin goes first, or it would clear up behind us; then its containers, its mounts, and with the fields the
    // server, which takes back what it lent, and all folders.
    fn drop(&mut self) {
        kill(&self.bed);
        for container in self.containers().unwrap_or_default() {
            docker(&["rm", "-f", "-v", &container]).ok();
        }
        for mount in mounts_below(self.root.path()) {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}

/// Kills the plugin when it still runs. The harness waits for the process on a thread of its own.
fn kill(bed: &TestBed) {
    let process = bed.agent.process();
    let pid = i32::try_from(process.pid()).ok().and_then(rustix::process::Pid::from_raw);
    let end = Instant::now() + Duration::from_secs(2);
    if let Some(pid) = pid.filter(|_| !process.is_dead()) {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
    while !process.is_dead() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a cleared stage must not leave behind.
pub struct Traces {
    processes: Vec<u32>,
    folders: Vec<PathBuf>,
    mark: Result<String, String>,
}

impl Traces {
    /// Waits until nothing of it is left.
    pub async fn gone(&self) -> Result<(), String> {
        let living = |pid: &&u32| Path::new(&format!("/proc/{pid}")).exists();
        until("its processes are gone", async || self.processes.iter().find(living).is_none().then_some(())).await?;
        let containers = bearing(self.mark.as_ref()?)?;
        if !containers.is_empty() {
            return Err(format!("containers {containers:?}"));
        }
        let mounts: Vec<PathBuf> = self.folders.iter().flat_map(|folder| mounts_below(folder)).collect();
        let folders: Vec<&PathBuf> = self.folders.iter().filter(|folder| folder.exists()).collect();
        if mounts.is_empty() && folders.is_empty() {
            Ok(())
        } else {
            Err(format!("mounts {mounts:?}, folders {folders:?}"))
        }
    }
}

/// Returns the full ids of the containers that bear a mark.
fn bearing(mark: &str) -> Result<Vec<String>, String> {
    let list = docker(&["ps", "-aq", "--no-trunc", "--filter", mark])?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Returns the first digits of a value's SHA-256, as the program in the image prints them.
pub fn fingerprint(value: &str) -> String {
    hex::encode(Sha256::digest(value.as_bytes()))[..8].to_owned()
}

/// Starts the server and configures it with `examples/vault/setup.sh` as shipped. A Ctrl-C must not reach it, since it
/// has database accounts to take back.
pub fn server() -> Bao {
    Bao::configured_with(&Setup { apart: true, ..Setup::default() })
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
  engine {{
    socket = "{socket}"
  }}
  vault {{
    address          = "{address}"
    allow_plain_http = true
  }}
  auth {{
    method = "nomad"
    mount  = "jwt-nomad"
  }}
  allow {{
    namespace = "default"
    job       = "timeline"
    group     = "*"
    task      = "*"
    roles     = ["timeline"]
    paths     = ["kv/data/timeline", "database/creds/timeline"]
    pki       = ["pki_int/timeline"]
  }}
  refresh {{
    kv_poll = "1s"
    quiet   = "200ms"
    longest = "2s"
  }}
}}"#,
        root = root.display(),
        socket = part("STRONGBOX_DOCKER_SOCKET"),
        address = bao.address(),
    )
}
