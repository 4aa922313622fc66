//! The harness's program and the plugin's, as they were built, and a run of them to look at.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
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
        self.play_with(job, config, &[])
    }

    /// As [`Place::play`], with further arguments.
    pub fn play_with(&self, job: &Path, config: &Path, more: &[&str]) -> Playing {
        let mut command = harness();
        command.arg("run").arg(job).args(["--plugin", plugin(), "--plugin-config"]).arg(config).args(more);
        command.arg("--data-dir").arg(self.data()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the harness runs");
        let lines = Lines::default();
        let (pipe, into) = (child.stdout.take().expect("a pipe"), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                into.change(|printed| printed.lines.push(line));
            }
            into.change(|printed| printed.over = true);
        });
        Playing { child, lines }
    }

    /// Asks the running harness.
    pub fn ask(&self, command: &str, rest: &[&str]) -> Output {
        harness().arg(command).arg("--data-dir").arg(self.data()).args(rest).output().expect("the harness runs")
    }

    /// Asks the running harness, with something to read.
    pub fn type_into(&self, command: &str, rest: &[&str], input: &[u8]) -> Output {
        let mut harness = harness();
        harness.arg(command).arg("--data-dir").arg(self.data()).args(rest);
        harness.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = harness.spawn().expect("the harness runs");
        let (mut pipe, input) = (child.stdin.take().expect("a pipe"), input.to_vec());
        // A command that ends without reading is no failure of ours.
        let typing = std::thread::spawn(move || pipe.write_all(&input).ok());
        let output = child.wait_with_output().expect("an end");
        typing.join().expect("no panic");
        output
    }

    /// Returns ids of what containers the driver has made here.
    pub fn containers(&self) -> Vec<String> {
        // Before the first start of a plugin there is no mark, and nothing that could bear it.
        let Ok(instance) = fs::read_to_string(self.root.path().join("state/installation")) else { return Vec::new() };
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

/// What a run has printed so far.
#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    over: bool,
}

#[derive(Clone, Default)]
struct Lines(Arc<(Mutex<Printed>, Condvar)>);

impl Lines {
    fn change(&self, change: impl FnOnce(&mut Printed)) {
        change(&mut self.0.0.lock().expect("a lock"));
        self.0.1.notify_all();
    }

    /// Waits until `found` gives something; `Err` has the lines that there were.
    fn wait<T>(&self, mut found: impl FnMut(&Printed) -> Option<T>) -> Result<T, Vec<String>> {
        let (printed, changed) = &*self.0;
        let guard = printed.lock().expect("a lock");
        let waited = changed.wait_timeout_while(guard, PATIENCE, |printed| found(printed).is_none() && !printed.over);
        let (printed, _) = waited.expect("a lock");
        found(&printed).ok_or_else(|| printed.lines.clone())
    }
}

/// A run.
pub struct Playing {
    child: Child,
    lines: Lines,
}

impl Playing {
    /// Waits for a line with `text` in it.
    pub fn line(&self, text: &str) -> String {
        let has = |printed: &Printed| printed.lines.iter().find(|line| line.contains(text)).cloned();
        self.lines.wait(has).unwrap_or_else(|lines| panic!("no line with {text:?}; there were {lines:#?}"))
    }

    /// Waits until the task has said `up` and the driver has said that it runs; a task is faster with its words sometimes,
    /// and is not known before.
    pub fn is_up(&self) {
        self.line("| up");
        self.line("* started");
    }

    /// Sends a signal to the harness.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it lives");
    }

    /// Waits for the end; returns the exit code and everything that was printed.
    pub fn end(mut self) -> (Option<i32>, String) {
        let all = self.lines.wait(|printed| printed.over.then(|| printed.lines.join("\n")));
        let all = all.unwrap_or_else(|lines| panic!("the run does not end; there were {lines:#?}"));
        // It has closed its output, so that its end is a matter of moments.
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => return (status.code(), all),
                None => assert!(Instant::now() < end, "the run has closed its output and does not end:\n{all}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
