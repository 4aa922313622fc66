//! A Nomad agent of one's own: server and client on loopback, with the plugin in its plugin directory.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{cni, leftovers};

/// How the plugin's file is called, and with it the block in the agent's configuration.
const PLUGIN: &str = "nomad-driver-strongbox";
/// How long anything that an agent does by itself may take on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(90);
/// How long one command of Nomad's own command line may take.
const CLI_LIMIT: Duration = Duration::from_secs(60);

/// An agent and everything below its directory; all of it goes with the value.
pub struct Agent {
    nomad: PathBuf,
    root: tempfile::TempDir,
    http: u16,
    child: Option<Child>,
}

impl Agent {
    /// Starts an agent and waits until its node is ready and the driver healthy. `config` gets the agent's directory and
    /// returns the body of the plugin's `config` block.
    pub async fn start(config: impl Fn(&Path) -> String) -> Self {
        // Between the choice of the ports and the agent's use of them somebody else may take one.
        for _ in 0..4 {
            let mut agent = Self::prepare(&config);
            agent.launch();
            if agent.is_ready().await {
                return agent;
            }
        }
        panic!("the agent does not start; its last log is above");
    }

    fn prepare(config: impl Fn(&Path) -> String) -> Self {
        let nomad = std::env::var_os("NOMAD").expect("name the agent's program: make test-nomad NOMAD=/path/to/nomad");
        let root = tempfile::Builder::new().prefix("strongbox-nomad-").tempdir_in("/var/tmp").expect("a directory");
        let [http, rpc, serf] = free_ports();
        let plugins = root.path().join("plugins");
        fs::create_dir(&plugins).expect("a directory");
        fs::copy(plugin(), plugins.join(PLUGIN)).expect("the plugin's file");
        cni::install(root.path());
        let text = configuration(root.path(), [http, rpc, serf], &config(root.path()));
        fs::write(root.path().join("agent.hcl"), text).expect("written");
        Self { nomad: nomad.into(), root, http, child: None }
    }

    /// Runs the agent's program; what ran before must have ended.
    pub fn launch(&mut self) {
        let log = self.log_file();
        let mut command = Command::new(&self.nomad);
        command.arg("agent").arg("-config").arg(self.root.path().join("agent.hcl"));
        command.env_clear().env("HOME", self.root.path()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env(leftovers::MARK, self.root.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("run {}: {error}", self.nomad.display()));
        self.child = Some(child);
    }

    /// Waits until the agent serves and says that the node is ready and the driver healthy.
    ///
    /// # Panics
    ///
    /// When it does not within its time.
    pub async fn ready(&mut self) {
        assert!(self.is_ready().await, "the agent does not get ready; its log is above");
    }

    async fn is_ready(&mut self) -> bool {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end && self.child().try_wait().expect("a child").is_none() {
            if self.node().await.is_some_and(|node| usable(&node)) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.show_log();
        false
    }

    /// Returns what the agent knows of its node, if it answers.
    pub async fn node(&self) -> Option<Value> {
        let output = self.try_cli(["node", "status", "-self", "-json"]).await;
        output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten()
    }

    /// Ends the agent as a service manager does, which leaves its tasks alone.
    pub async fn stop(&mut self) {
        let pid = Pid::from_child(self.child());
        kill_process(pid, Signal::INT).expect("the agent lives");
        let end = Instant::now() + LIMIT;
        while self.child().try_wait().expect("a child").is_none() {
            assert!(Instant::now() < end, "the agent does not end after SIGINT");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.child = None;
    }

    /// Kills the agent alone; what it started goes on.
    pub fn kill_9(&mut self) {
        self.child().kill().expect("the agent lives");
        self.child().wait().expect("the agent is gone");
        self.child = None;
    }

    /// Returns the plugin's process that has lived longest.
    pub fn plugin(&self) -> Option<Pid> {
        let file = self.root.path().join("plugins").join(PLUGIN);
        let of_plugin = |pid: &Pid| leftovers::program(*pid).as_deref() == Some(&file);
        leftovers::processes(self.root.path()).into_iter().find(of_plugin)
    }

    /// Kills the plugin's process.
    pub fn kill_9_plugin(&self) -> Pid {
        let pid = self.plugin().expect("the plugin runs");
        kill_process(pid, Signal::KILL).expect("the plugin lives");
        pid
    }

    /// Returns the agent's version, such as `(1, 6, 3)`.
    pub async fn version(&self) -> (u32, u32, u32) {
        let text = self.cli(["version"]).await;
        let version = text.split_whitespace().find_map(|word| word.strip_prefix('v')).expect("a version");
        let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next())
    }

    /// Runs Nomad's command line and returns what it printed.
    ///
    /// # Panics
    ///
    /// When the command fails.
    pub async fn cli<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let output = self.try_cli(&args).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "nomad {args:?}: {}\n{}", text(&output.stderr), text(&output.stdout));
        text(&output.stdout)
    }

    /// As [`Agent::cli`], whether it succeeds or not.
    pub async fn try_cli<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        let mut command = tokio::process::Command::new(&self.nomad);
        command.args(args).env_clear().env("HOME", self.root.path()).env("PATH", "/usr/bin:/bin");
        command.env("NOMAD_ADDR", format!("http://127.0.0.1:{}", self.http)).env("NOMAD_CLI_NO_COLOR", "1");
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        tokio::time::timeout(CLI_LIMIT, output).await.expect("the command ends").expect("nomad runs")
    }

    /// Asks the agent's HTTP interface.
    pub async fn api(&self, path: &str) -> Value {
        let text = self.cli(["operator", "api", path]).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Returns the agent's own directory.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Returns the agent's address.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the agent was launched")
    }

    fn log_file(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.root.path().join("agent.log")).expect("a log")
    }

    /// Shows the end of the agent's log, in which the cause of most failures stands.
    fn show_log(&self) {
        let text = fs::read_to_string(self.root.path().join("agent.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("[DEBUG]")).collect();
        let tail = lines[lines.len().saturating_sub(80)..].join("\n");
        writeln!(std::io::stderr(), "--- the agent's log ends ---\n{tail}\n---").ok();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_log();
        }
        leftovers::kill_all(self.root.path());
        if let Some(child) = &mut self.child {
            child.wait().ok();
        }
        leftovers::remove_containers(self.root.path());
        leftovers::unmount_all(self.root.path());
        leftovers::remove_control_groups(&control_group(self.root.path()));
    }
}

/// The plugin's binary: the tests' own build unless another is named.
fn plugin() -> PathBuf {
    std::env::var_os("STRONGBOX_PLUGIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_nomad-driver-strongbox").into()).into()
}

/// Says whether jobs can be placed.
fn usable(node: &Value) -> bool {
    node["Status"] == "ready" && node["Drivers"]["strongbox"]["Healthy"] == true
}

fn free_ports() -> [u16; 3] {
    // All are held until all are chosen, so that they differ.
    let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    sockets.map(|socket| socket.local_addr().expect("an address").port())
}

/// A name of its own for each agent: two that share one would take each other's groups away.
fn control_group(root: &Path) -> String {
    format!("{}.slice", root.file_name().and_then(OsStr::to_str).expect("made by us").replace('-', "_"))
}

/// The agent's configuration: everything on loopback, no Consul, no Vault, no cloud to look for.
fn configuration(root: &Path, [http, rpc, serf]: [u16; 3], plugin: &str) -> String {
    let (dir, group) = (root.display(), control_group(root));
    format!(
        r#"
name                 = "node"
data_dir             = "{dir}/data"
plugin_dir           = "{dir}/plugins"
bind_addr            = "127.0.0.1"
log_level            = "DEBUG"
disable_update_check = true
leave_on_interrupt   = false

ports {{
  http = {http}
  rpc  = {rpc}
  serf = {serf}
}}

advertise {{
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}}

server {{
  enabled          = true
  bootstrap_expect = 1
}}

client {{
  enabled           = true
  network_interface = "lo"
  cgroup_parent     = "/{group}"
  cni_path          = "{dir}/cni/bin"
  cni_config_dir    = "{dir}/cni/config"

  # The machine's disk may be fuller than an agent likes; what a test has still to read must not be collected for that.
  gc_disk_usage_threshold  = 99
  gc_inode_usage_threshold = 99

  options = {{
    "driver.allowlist"     = "strongbox"
    "fingerprint.denylist" = "env_aws,env_azure,env_gce,env_digitalocean,consul,vault"
  }}
}}

consul {{
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}}

telemetry {{
  publish_allocation_metrics = true
}}

plugin "{PLUGIN}" {{
  config {{
{plugin}
  }}
}}
"#
    )
}
