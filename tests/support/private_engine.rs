//! An engine of a test's own: its own data, socket and network namespace, so that it can be killed and frozen.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::{
    fs::{self, File},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::{
    mount::{UnmountFlags, unmount},
    process::{Pid, Signal, kill_process},
};

const LIMIT: Duration = Duration::from_secs(60);
const IMAGES: &str = "strongbox/busybox:1 strongbox/pause:1";

/// Whether the engine sees what is mounted beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mounts {
    /// Not what is mounted after its start, as when agent and engine live in different mount namespaces.
    Apart,
    /// As on an ordinary machine.
    Shared,
}

/// What may differ from engine to engine.
#[derive(Clone, Copy)]
pub struct Options {
    /// Its view of the mounts.
    pub mounts: Mounts,
    /// Whether containers outlive it.
    pub live_restore: bool,
}

/// An engine for as long as it is held; its containers end with it.
pub struct PrivateEngine {
    dir: tempfile::TempDir,
    options: Options,
    process: Option<Child>,
}

impl PrivateEngine {
    /// Starts an engine that holds the images of busybox and of a pause.
    pub fn start(options: Options) -> Self {
        let mut engine = Self::absent(options);
        engine.launch();
        let copy = format!("docker save {IMAGES} | docker --host {} load", engine.host());
        run(Command::new("sh").args(["-c", &copy]));
        engine
    }

    /// Prepares an engine that does not run yet.
    pub fn absent(options: Options) -> Self {
        let dir = tempfile::Builder::new().prefix("strongbox-engine-").tempdir_in("/var/tmp").expect("a directory");
        Self { dir, options, process: None }
    }

    /// Starts the engine, or starts it again, and waits until it answers.
    pub fn launch(&mut self) {
        // A killed engine leaves these, and takes any process with the old number for its own.
        for left in ["pid", "docker.sock", "exec/containerd/containerd.pid"] {
            fs::remove_file(self.path(left)).ok();
        }
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a log");
        let mut command = Command::new("unshare");
        if self.options.mounts == Mounts::Apart {
            command.args(["--mount", "--propagation", "private"]);
        }
        command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", "dockerd"]);
        command.args(["--host", &self.host(), "--pidfile"]).arg(self.path("pid"));
        command.arg("--data-root").arg(self.path("data")).arg("--exec-root").arg(self.path("exec"));
        command.args(self.options.live_restore.then_some("--live-restore"));
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.process = Some(command.spawn().expect("`unshare` runs"));
        self.await_that("the engine answers", |engine| engine.answers());
    }

    /// Returns where it listens.
    pub fn socket(&self) -> PathBuf {
        self.path("docker.sock")
    }

    /// Runs `docker` against it and returns what it printed.
    pub fn docker(&self, words: &[&str]) -> String {
        run(Command::new("docker").args(["--host", &self.host()]).args(words))
    }

    /// Runs a command in its mount and network namespaces and returns what it printed.
    pub fn inside(&self, words: &[&str]) -> String {
        let pid = self.process.as_ref().expect("it runs").id().to_string();
        run(Command::new("nsenter").args(["--mount", "--net", "--target", &pid, "--"]).args(words))
    }

    /// Ends it as the kernel would.
    pub fn kill_9(&mut self) {
        let helper = fs::read_to_string(self.path("exec/containerd/containerd.pid")).unwrap_or_default();
        self.signal(Signal::KILL);
        self.reap();
        // The kernel kills it after its parent.
        self.await_that("containerd is gone", |_| !lives(helper.trim()));
    }

    /// Ends it as a machine's service manager would.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.reap();
    }

    /// Sends a signal to the engine's own process.
    pub fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("it runs");
        let pid = Pid::from_raw(process.id().try_into().expect("a process id")).expect("not 0");
        kill_process(pid, signal).expect("it is ours");
    }

    fn reap(&mut self) {
        self.process.take().expect("it runs").wait().expect("it is our child");
    }

    fn answers(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
            && Command::new("docker")
                .args(["--host", &self.host(), "version"])
                .output()
                .is_ok_and(|done| done.status.success())
    }

    fn await_that(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds(self) {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < end, "{what}: not within {LIMIT:?}; its log:\n{}", log());
            sleep(Duration::from_millis(50));
        }
    }

    fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Removes the containers, ends the engine and takes away what it mounted.
impl Drop for PrivateEngine {
    fn drop(&mut self) {
        if self.process.is_none() && self.path("data").exists() {
            self.launch();
        }
        if self.process.is_some() {
            let sweep = "docker --host \"$0\" ps -aq | xargs -r docker --host \"$0\" rm -fv";
            Command::new("sh").args(["-c", sweep, &self.host()]).output().ok();
            self.stop();
        }
        kill_all_of(self.dir.path());
        mounts_below(self.dir.path()).iter().rev().for_each(|mount| {
            unmount(mount, UnmountFlags::DETACH).ok();
        });
    }
}

/// Kills the minders of containers that name `dir`, with what they mind: an engine that would not start again left them.
fn kill_all_of(dir: &Path) {
    let dir = dir.display().to_string();
    let pids = fs::read_dir("/proc").expect("readable").flatten().filter_map(|entry| {
        let pid = entry.file_name().into_string().ok().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
        fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.contains(&dir)).then_some(pid)
    });
    for minder in pids {
        let minded = fs::read_to_string(format!("/proc/{minder}/task/{minder}/children")).unwrap_or_default();
        for pid in minded.split_whitespace().chain([minder.as_str()]) {
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("readable");
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    places.filter(|place| place.starts_with(dir)).collect()
}

fn run(command: &mut Command) -> String {
    let done = command.output().expect("it runs; run `make setup`");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}
