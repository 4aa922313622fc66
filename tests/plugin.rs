//! The plugin's process as an agent launches it: the line, the end, the signals, the broken pipes.

#[path = "support/fake_driver.rs"]
mod fake_driver;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use fake_driver::channel;
use rustix::process::{Pid, Signal, kill_process};
use strongbox::plugin::proto::{
    base::{self, base_plugin_client::BasePluginClient},
    drivers::{self, driver_client::DriverClient},
    goplugin::{Empty, grpc_controller_client::GrpcControllerClient},
};
use tempfile::TempDir;

const COOKIE: (&str, &str) =
    ("NOMAD_PLUGIN_MAGIC_COOKIE", "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255");
const LIMIT: Duration = Duration::from_secs(30);

/// A launched plugin and the directory in which it may make its own. Dropping it kills the process.
struct Plugin {
    child: Child,
    stdout: BufReader<ChildStdout>,
    line: String,
    dir: TempDir,
}

fn binary(env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nomad-driver-strongbox"));
    command.env_clear().envs(env.iter().copied()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Plugin {
    fn launch(env: &[(&str, &str)]) -> Self {
        Self::launch_in(tempfile::tempdir().expect("a directory"), env)
    }

    fn launch_in(dir: TempDir, env: &[(&str, &str)]) -> Self {
        let mut command = binary(&[COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", "2")]);
        command.env("PLUGIN_UNIX_SOCKET_DIR", dir.path()).envs(env.iter().copied());
        let mut child = command.spawn().expect("launched");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        Self { child, stdout, line, dir }
    }

    fn socket(&self) -> PathBuf {
        let fields: Vec<_> = self.line.trim_end().split('|').collect();
        PathBuf::from(fields.get(3).unwrap_or_else(|| panic!("no handshake: {:?}", self.line)))
    }

    async fn base(&self) -> BasePluginClient<tonic::transport::Channel> {
        BasePluginClient::new(channel(&self.socket()).await)
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it lives");
    }

    /// Waits for the process to end by itself.
    async fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("ours") {
                return status;
            }
            assert!(begin.elapsed() < LIMIT, "the plugin does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks the process to end, as an agent does, and checks what is left.
    async fn shut_down(mut self) {
        GrpcControllerClient::new(channel(&self.socket()).await).shutdown(Empty {}).await.expect("answered");
        assert!(self.ended().await.success());
        let mut more = String::new();
        self.stdout.read_to_string(&mut more).expect("closed");
        assert_eq!(more, "", "stdout carries the handshake line and nothing else");
        assert_eq!(names(self.dir.path()), [""; 0], "the socket's directory is gone");
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // It has mostly ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("readable");
    entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
}

/// A config whose directories lie in `dir`, where nothing may appear before the plugin is the long-lived one.
fn config(dir: &Path) -> base::SetConfigRequest {
    let value = serde_json::json!({
        "state_dir": dir.join("state"), "runtime_dir": dir.join("run"), "engine": { "socket": dir.join("no-engine") },
    });
    let msgpack_config = rmp_serde::to_vec_named(&value).expect("encoded");
    base::SetConfigRequest { msgpack_config, ..Default::default() }
}

/// Runs the binary to its end.
fn run(env: &[(&str, &str)], arguments: &[&str]) -> Output {
    binary(env).args(arguments).output().expect("run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn three_launches_leave_nothing_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    for launch in 0..3 {
        let plugin = Plugin::launch(&[]);
        let socket = plugin.socket();
        assert_eq!(plugin.line, format!("1|2|unix|{}|grpc|\n", socket.display()));
        assert!(socket.starts_with(plugin.dir.path()) && socket.as_os_str().len() <= 107);
        let mut base = plugin.base().await;
        let info = base.plugin_info(base::PluginInfoRequest {}).await.expect("answered").into_inner();
        assert_eq!((info.r#type(), info.name.as_str()), (base::PluginType::Driver, "strongbox"));
        assert_eq!(info.plugin_api_versions, ["v0.1.0"]);
        let schema = base.config_schema(base::ConfigSchemaRequest {}).await.expect("answered").into_inner();
        assert!(schema.spec.is_some());
        for _ in 0..launch {
            base.set_config(config(dir.path())).await.expect("taken, and once more");
        }
        plugin.shut_down().await;
    }
    assert_eq!(names(dir.path()), [""; 0]);
}

#[tokio::test]
async fn the_next_launch_removes_the_socket_that_a_killed_one_left() {
    let parent = tempfile::tempdir().expect("a directory");
    let sockets = tempfile::tempdir_in(parent.path()).expect("a directory");
    let at = sockets.path().to_owned();
    let mut killed = Plugin::launch_in(sockets, &[]);
    let left = killed.socket().parent().expect("its directory").to_owned();
    killed.send(Signal::KILL);
    killed.ended().await;
    assert!(left.exists(), "who is killed removes nothing");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(&left).and_then(|dir| dir.set_modified(long_ago)).expect("aged");

    let next = Plugin::launch(&[("PLUGIN_UNIX_SOCKET_DIR", at.to_str().expect("a path"))]);
    let begin = Instant::now();
    while left.exists() {
        assert!(begin.elapsed() < LIMIT, "it is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(next.socket().exists(), "and nothing else");
    next.shut_down().await;
}

#[test]
fn run_by_hand_it_says_so_and_nothing_on_stdout() {
    for cookie in [None, Some("wrong"), Some("")] {
        let env: Vec<_> = cookie.map(|cookie| (COOKIE.0, cookie)).into_iter().collect();
        let output = run(&env, &[]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
        assert!(text(&output.stderr).contains("Nomad"), "{}", text(&output.stderr));
    }
}

#[test]
fn an_operators_words_work_without_an_agent() {
    let version = run(&[], &["--version"]);
    assert!(version.status.success() && text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    let schema = run(&[], &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("JSON");
    assert!(schema["plugin"]["vault"].is_object() && schema["task"]["image"].is_object(), "{schema}");
    assert!(!run(&[], &["nonsense"]).status.success());
}

#[test]
fn a_launch_that_cannot_be_served_says_why() {
    let missing = ("PLUGIN_UNIX_SOCKET_DIR", "/no/such/directory");
    for (wish, named) in [
        (("PLUGIN_CLIENT_CERT", "garbage"), "PLUGIN_CLIENT_CERT"),
        (("PLUGIN_CLIENT_CERT", ""), "PLUGIN_CLIENT_CERT"),
        (missing, "/no/such/directory"),
    ] {
        let output = run(&[COOKIE, wish], &[]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{wish:?}");
        assert!(text(&output.stderr).contains(named), "{wish:?}: {}", text(&output.stderr));
    }
}

#[tokio::test]
async fn an_interrupt_is_for_the_agent_alone() {
    let plugin = Plugin::launch(&[]);
    plugin.send(Signal::INT);
    plugin.base().await.plugin_info(base::PluginInfoRequest {}).await.expect("it still serves");
    plugin.send(Signal::INT);
    plugin.shut_down().await;
}

#[tokio::test]
async fn a_termination_ends_it_with_open_streams() {
    let mut plugin = Plugin::launch(&[]);
    let dir = tempfile::tempdir().expect("a directory");
    plugin.base().await.set_config(config(dir.path())).await.expect("taken");
    let mut client = DriverClient::new(channel(&plugin.socket()).await);
    let mut prints = client.fingerprint(drivers::FingerprintRequest {}).await.expect("opened").into_inner();
    let first = prints.message().await.expect("fine").expect("the first at once");
    assert_ne!(first.health(), drivers::fingerprint_response::HealthState::Healthy, "there is no engine");
    plugin.send(Signal::TERM);
    assert!(plugin.ended().await.success());
    assert_eq!(names(plugin.dir.path()), [""; 0]);
}

#[tokio::test]
async fn a_closed_stderr_does_not_end_it() {
    let mut plugin = Plugin::launch(&[("STRONGBOX_LOG", "trace")]);
    drop(plugin.child.stderr.take());
    for _ in 0..20 {
        plugin.base().await.plugin_info(base::PluginInfoRequest {}).await.expect("it serves");
    }
    plugin.shut_down().await;
}

#[tokio::test]
async fn a_stalled_reader_of_stderr_does_not_stop_it() {
    // Nobody reads the pipe; at this level the calls log many times what it holds.
    let plugin = Plugin::launch(&[("STRONGBOX_LOG", "trace")]);
    let mut base = plugin.base().await;
    for _ in 0..500 {
        base.plugin_info(base::PluginInfoRequest {}).await.expect("it serves");
    }
    plugin.shut_down().await;
}

#[tokio::test]
async fn log_lines_have_the_form_that_an_agent_reads() {
    let mut plugin = Plugin::launch(&[("STRONGBOX_LOG", "strongbox=debug")]);
    let stderr = plugin.child.stderr.take().expect("a pipe");
    let reader =
        std::thread::spawn(move || text(&BufReader::new(stderr).bytes().map_while(Result::ok).collect::<Vec<_>>()));
    plugin.shut_down().await;
    let lines = reader.join().expect("read");
    assert!(lines.lines().count() > 1, "{lines}");
    for line in lines.lines() {
        let fields: serde_json::Value = serde_json::from_str(line).expect("one JSON object a line");
        assert!(["@level", "@message", "@timestamp"].iter().all(|key| fields[key].is_string()), "{line}");
        let stamp = fields["@timestamp"].as_str().expect("text");
        assert_eq!(stamp.split_once('.').map(|(_, digits)| digits.len()), Some("123456Z".len()), "{stamp}");
    }
}

#[tokio::test]
async fn the_socket_is_closed_to_others_and_memory_to_dumps() {
    use std::os::unix::fs::PermissionsExt;

    let plugin = Plugin::launch(&[]);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let socket = plugin.socket();
    assert_eq!((mode(&socket), mode(socket.parent().expect("a directory"))), (0o600, 0o700));
    let limits = fs::read_to_string(format!("/proc/{}/limits", plugin.child.id())).expect("readable as root");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    plugin.shut_down().await;
}
