//! The harness's program and the plugin's, as they were built, and a run of them to look at.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the harness's program.
pub fn harness() -> Command {
    let own = std::env::current_exe().expect("this program's path");
    let program = own.parent().and_then(Path::parent).expect("a target directory").join("examples/harness");
    assert!(program.exists(), "{} is missing; run `cargo build --example harness`", program.display());
    Command::new(program)
}

/// Returns the plugin's binary.
pub fn plugin() -> &'static str {
    env!("CARGO_BIN_EXE_nomad-driver-strongbox")
}

/// Returns a file of the examples.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Returns what a program printed, both streams.
pub fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// A place for one installation of the driver; what it leaves behind is cleared away.
pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("strongbox-harness-").tempdir_in("/var/tmp");
        Self { root: root.expect("a directory on a disk") }
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// Writes the operator's config, with `more` in it.
    pub fn config(&self, more: &str) -> PathBuf {
        let root = self.root.path().display();
        self.file(
            "plugin.hcl",
            &format!("config {{\nstate_dir = \"{root}/state\"\nruntime_dir = \"{root}/run\"\n{more}\n}}"),
        )
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Begins to run a job.
    pub fn play(&self, job: &Path, config: &Path) -> Playing {
        let mut command = harness();
        command.arg("run").arg(job).args(["--plugin", plugin(), "--plugin-config"]).arg(config);
        command.arg("--data-dir").arg(self.data()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the harness runs");
        let lines = Lines::default();
        let (pipe, into) = (child.stdout.take().expect("a pipe"), lines.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                into.0.0.lock().expect("a lock").push(line);
                into.0.1.notify_all();
            }
        });
        Playing { child, lines, reader: Some(reader) }
    }

    /// Asks the running harness.
    pub fn ask(&self, command: &str, rest: &[&str]) -> Output {
        harness().arg(command).arg("--data-dir").arg(self.data()).args(rest).output().expect("the harness runs")
    }

    /// Returns ids of what containers the driver has made here.
    pub fn containers(&self) -> Vec<String> {
        let instance = fs::read_to_string(self.root.path().join("state/instance")).unwrap_or_default();
        let filter = format!("label=strongbox.instance={instance}");
        let out =
            Command::new("docker").args(["ps", "-aq", "--filter", &filter]).output().expect("docker; run `make setup`");
        String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
    }

    /// Returns what is mounted here.
    pub fn mounts(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("readable");
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned);
        points.filter(|point| Path::new(point).starts_with(self.root.path())).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for container in self.containers() {
            Command::new("docker").args(["rm", "-f", "-v", &container]).output().ok();
        }
        for mount in self.mounts() {
            rustix::mount::unmount(mount, rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<(Mutex<Vec<String>>, Condvar)>);

/// A run.
pub struct Playing {
    child: Child,
    lines: Lines,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Playing {
    /// Waits for a line with `text` in it.
    pub fn line(&self, text: &str) -> String {
        let (lines, changed) = &*self.lines.0;
        let has = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let guard = lines.lock().expect("a lock");
        let (lines, _) = changed.wait_timeout_while(guard, PATIENCE, |lines| has(lines).is_none()).expect("a lock");
        has(&lines).unwrap_or_else(|| panic!("no line with {text:?}; there were {lines:#?}"))
    }

    /// Sends a signal to the harness.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it lives");
    }

    /// Waits for the end; returns the exit code and everything that was printed.
    pub fn end(mut self) -> (Option<i32>, String) {
        self.reader.take().expect("read once").join().expect("a reader");
        let status = self.child.wait().expect("an end");
        (status.code(), self.lines.0.0.lock().expect("a lock").join("\n"))
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
