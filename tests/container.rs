//! The container room against a real engine, with the images that the set-up makes.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[path = "support/engine.rs"]
mod engine_proxy;

use engine_proxy::Proxy;
use strongbox::{
    container::{
        Anonymous, Connection, ContainerId, ContainerSpec, ContainerState, Docker, Engine, Error, Image, ImageWish,
        LogCursor, LogPump, Outlet, Policy, Pull, Restart, RunState, Traffic, container_name, review,
    },
    domain::{
        ContainerOptions, Device, ExecOutput, ExitResult, Isolation, LogPaths, Logging, NetworkOptions, Owner, Port,
        Resources, SecretString, Signal, TaskMeta, TaskSpec,
    },
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe::{OpenOptions, Receiver},
};

const LIMIT: Duration = Duration::from_secs(60);

/// An allocation's directories, an engine that marks what it makes, and a broom.
struct Bench {
    engine: Arc<Docker>,
    instance: String,
    dir: tempfile::TempDir,
    image: Image,
}

impl Bench {
    async fn new() -> Self {
        Self::with_image("strongbox/busybox:1").await
    }

    async fn with_image(reference: &str) -> Self {
        Self::behind(Policy::default().socket, reference).await
    }

    /// Reaches the engine through another socket.
    async fn behind(socket: PathBuf, reference: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let instance = format!("test-{:016x}", rand::random::<u64>());
        let engine = Arc::new(Docker::new(Policy { socket, ..Policy::default() }, instance.clone()));
        for part in ["alloc/logs", "web/local", "web/secrets", "box"] {
            std::fs::create_dir_all(dir.path().join(part)).expect("a directory");
        }
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("ours");
        let reference = reference.parse().expect("a reference");
        let image = engine
            .ensure_image(&ImageWish::new(reference, Pull::Never), &Anonymous, &|_| ())
            .await
            .unwrap_or_else(|error| panic!("run `make setup` first: {error}"));
        Self { engine, instance, dir, image }
    }

    /// A task that runs a line of shell.
    fn shell(&self, line: &str) -> TaskSpec {
        self.task(&["sh", "-c", line])
    }

    fn task(&self, words: &[&str]) -> TaskSpec {
        let id = format!("alloc/web/{:08x}", rand::random::<u32>());
        TaskSpec {
            meta: TaskMeta {
                id: id.parse().expect("a task id"),
                name: "web".into(),
                group: "front".into(),
                job_id: "shop".into(),
                job_name: "shop".into(),
                namespace: "default".into(),
                alloc_id: "550e8400-e29b-41d4-a716-446655440000".into(),
                node_id: "node".into(),
                node_name: "here".into(),
            },
            user: None,
            env: [("COLOUR".to_owned(), SecretString::new("blue")), ("VAULT_TOKEN".to_owned(), SecretString::new("x"))]
                .into(),
            alloc_dir: self.dir.path().to_owned(),
            logs: None,
            resources: Resources { cpu_shares: 100, memory_limit: 32 << 20, ..Resources::default() },
            ports: Vec::new(),
            mounts: Vec::new(),
            devices: Default::default(),
            isolation: Isolation::None,
            dns: Default::default(),
            container: ContainerOptions {
                image: "strongbox/busybox:1".into(),
                command: Some(words[0].into()),
                args: words[1..].iter().map(|word| (*word).to_owned()).collect(),
                network: NetworkOptions { mode: Some("none".into()), ..NetworkOptions::default() },
                ..ContainerOptions::default()
            },
            vault_role: None,
            server: Default::default(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            templates: Vec::new(),
        }
    }

    fn secrets(&self) -> PathBuf {
        self.dir.path().join("box")
    }

    async fn create(&self, task: &TaskSpec) -> ContainerId {
        let secrets = self.secrets();
        let spec = ContainerSpec { task, image: &self.image, secrets: Some(&secrets), connection: None };
        self.engine.create(&spec).await.expect("created")
    }

    async fn start(&self, task: &TaskSpec) -> ContainerId {
        let id = self.create(task).await;
        self.engine.start(&id).await.expect("started");
        id
    }

    async fn wait(&self, id: &ContainerId) -> ExitResult {
        within(self.engine.wait(id)).await.expect("an end")
    }

    /// Runs a line of shell to its end and returns what it printed.
    async fn output(&self, task: &TaskSpec) -> (String, ExitResult) {
        let (paths, mut out, _err) = self.pipes();
        let id = self.start(task).await;
        let pump = self.pump(&id, &paths, LogCursor::default());
        let exit = self.wait(&id).await;
        assert!(within(pump.drain(LIMIT)).await.complete);
        (rest(&mut out), exit)
    }

    async fn state(&self, id: &ContainerId) -> ContainerState {
        self.engine.inspect(id).await.expect("asked").expect("there")
    }

    async fn exec(&self, id: &ContainerId, line: &str) -> ExecOutput {
        let words = ["sh", "-c", line].map(str::to_owned);
        self.engine.exec(id, &words, LIMIT).await.expect("ran")
    }

    /// Makes a file that the task waits for in `/local`.
    fn say(&self, name: &str) {
        std::fs::write(self.dir.path().join("web/local").join(name), "").expect("written");
    }

    /// Waits until a file that the task writes to `/local` is there, so that what it set up before is too.
    async fn ready(&self) {
        let path = self.dir.path().join("web/local/ready");
        within(async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Makes pipes where the orchestrator does, with readers on them.
    fn pipes(&self) -> (LogPaths, Receiver, Receiver) {
        let logs = self.dir.path().join("alloc/logs");
        let paths = LogPaths { stdout: logs.join(".web.stdout.fifo"), stderr: logs.join(".web.stderr.fifo") };
        for path in [&paths.stdout, &paths.stderr] {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        }
        let (out, err) = (reader(&paths.stdout), reader(&paths.stderr));
        (paths, out, err)
    }

    fn pump(&self, id: &ContainerId, paths: &LogPaths, cursor: LogCursor) -> LogPump {
        let outlet = Outlet { paths: Some(paths.clone()), cursor, ..Outlet::default() };
        LogPump::spawn(self.engine.clone(), id.clone(), outlet)
    }
}

/// Removes every container that bears this bench's mark, also when a test fails.
impl Drop for Bench {
    fn drop(&mut self) {
        // A client of its own, straight to the engine: a proxy would need the runtime that is blocked here.
        let engine = Docker::new(Policy::default(), self.instance.clone());
        let sweep = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for left in engine.list_ours().await.unwrap_or_default() {
                    engine.remove(&left.id).await.ok();
                }
            });
        };
        std::thread::spawn(sweep).join().ok();
    }
}

/// Opens the other end for both directions: opening never blocks, and reading never ends.
fn reader(path: &Path) -> Receiver {
    OpenOptions::new().read_write(true).open_receiver(path).expect("opens")
}

/// Takes what is in the pipe.
fn rest(reader: &mut Receiver) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 64 << 10];
    while let Ok(read @ 1..) = reader.try_read(&mut piece) {
        all.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(all).expect("text")
}

async fn expect(reader: &mut Receiver, text: &str) {
    let mut bytes = vec![0; text.len()];
    within(reader.read_exact(&mut bytes)).await.expect("readable");
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

#[tokio::test]
async fn exit_codes_are_told_as_they_are() {
    let bench = Bench::new().await;
    for code in [0, 3, 255] {
        let id = bench.start(&bench.shell(&format!("exit {code}"))).await;
        let exit = bench.wait(&id).await;
        assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (code, 0, false));
        assert_eq!(bench.wait(&id).await, exit, "asked once more");
    }
}

#[tokio::test]
async fn the_container_is_shut_as_the_policy_says() {
    let bench = Bench::new().await;
    std::fs::write(bench.secrets().join("key"), "secret").expect("written");
    let line = "cat /run/secrets/key; echo; touch /run/secrets/x 2>/dev/null; echo secrets=$?; \
                touch /x 2>/dev/null; echo root=$?; touch /tmp/x /alloc/x /local/x /secrets/x; echo own=$?; \
                touch /alloc/logs/x 2>/dev/null; echo logs=$?; echo env=$COLOUR$VAULT_TOKEN; \
                grep NoNewPrivs /proc/self/status; grep CapBnd /proc/self/status";
    let (output, exit) = bench.output(&bench.shell(line)).await;
    assert_eq!(exit.exit_code, 0, "{output}");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..6], ["secret", "secrets=1", "root=1", "own=0", "logs=1", "env=blue"]);
    assert_eq!(lines[6], "NoNewPrivs:\t1");
    // The engine's default set less NET_RAW, bit 13.
    assert_eq!(lines[7], "CapBnd:\t00000000a80405fb", "{output}");
}

#[tokio::test]
async fn the_output_of_a_short_task_is_complete() {
    let bench = Bench::new().await;
    let (paths, mut out, mut err) = bench.pipes();
    let id = bench.start(&bench.shell("echo one; echo bad >&2; printf two")).await;
    let pump = bench.pump(&id, &paths, LogCursor::default());
    bench.wait(&id).await;
    let drained = within(pump.drain(LIMIT)).await;
    assert!(drained.complete, "{drained:?}");
    assert_eq!((rest(&mut out), rest(&mut err)), ("one\ntwo".into(), "bad\n".into()));
}

#[tokio::test]
async fn long_lines_and_much_output_come_through_whole() {
    let bench = Bench::new().await;
    let (paths, mut out, _err) = bench.pipes();
    let line = "head -c 100000 /dev/zero | tr '\\0' x; echo; seq 1 20000";
    let id = bench.start(&bench.shell(line)).await;
    let pump = bench.pump(&id, &paths, LogCursor::default());
    let mut expected = format!("{}\n", "x".repeat(100_000));
    expected.extend((1..=20_000).map(|n| format!("{n}\n")));
    expect(&mut out, &expected).await;
    assert_eq!(bench.wait(&id).await.exit_code, 0);
    assert!(within(pump.drain(LIMIT)).await.complete);
    assert_eq!(rest(&mut out), "");
}

#[tokio::test]
async fn a_reader_that_goes_and_a_pump_that_begins_anew_lose_and_repeat_nothing() {
    let bench = Bench::new().await;
    let (paths, mut out, _err) = bench.pipes();
    let line = "echo one; until [ -e /local/a ]; do usleep 5000; done; echo two; \
                until [ -e /local/b ]; do usleep 5000; done; echo six";
    let id = bench.start(&bench.shell(line)).await;
    let go = |name: &str| std::fs::write(bench.dir.path().join("web/local").join(name), "").expect("written");

    let first = bench.pump(&id, &paths, LogCursor::default());
    expect(&mut out, "one\n").await;
    let one = settled(&first, LogCursor::default()).await;
    drop(out);
    go("a");
    let mut out = reader(&paths.stdout);
    expect(&mut out, "two\n").await;
    let cursor = settled(&first, one).await;
    drop(first);
    let second = bench.pump(&id, &paths, cursor);
    go("b");
    bench.wait(&id).await;
    assert!(within(second.drain(LIMIT)).await.complete);
    assert_eq!(rest(&mut out), "six\n");
}

#[tokio::test]
async fn a_flood_through_many_files_that_is_read_late_is_neither_lost_nor_repeated() {
    const LINES: usize = 20_000;
    let bench = Bench::new().await;
    let (paths, mut out, _err) = bench.pipes();
    let line = "x=$(head -c 1000 /dev/zero | tr '\\0' x); \
                awk -v x=$x 'BEGIN { for (i = 0; i < 20000; i++) printf \"%06d %s\\n\", i, x }'";
    let mut task = bench.shell(line);
    let options = [("max-size", "1m"), ("max-file", "60")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    task.container.logging = Some(Logging { driver: Some("json-file".into()), options: options.into() });
    let id = bench.start(&task).await;
    let pump = bench.pump(&id, &paths, LogCursor::default());
    // The engine is many files ahead by then.
    bench.wait(&id).await;
    let drained = pump.drain(LIMIT);
    let read = async {
        let mut bytes = vec![0; 1008];
        for number in 0..LINES {
            out.read_exact(&mut bytes).await.expect("readable");
            assert_eq!(String::from_utf8_lossy(&bytes[..7]), format!("{number:06} "));
        }
    };
    let (drained, ()) = within(async { tokio::join!(drained, read) }).await;
    assert!(drained.complete && rest(&mut out).is_empty(), "{drained:?}");
}

#[tokio::test]
async fn the_file_that_the_engine_writes_is_found() {
    for driver in ["json-file", "local", "none"] {
        let bench = Bench::new().await;
        let mut task = bench.shell("echo here; exec sleep 1000");
        task.container.logging = Some(Logging { driver: Some(driver.into()), options: [].into() });
        let id = bench.start(&task).await;
        let file = bench.engine.log_file(&id).await;
        let Some(file) = file else {
            assert_eq!(driver, "none");
            continue;
        };
        within(async {
            while !std::fs::read(&file).expect("readable").windows(4).any(|bytes| bytes == b"here") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

/// Returns the cursor once it speaks of two pieces: what was read from a pipe is noted a moment later.
async fn settled(pump: &LogPump, since: LogCursor) -> LogCursor {
    let mut status = pump.watch();
    within(status.wait_for(|status| status.cursor.stdout.at_ns > since.stdout.at_ns)).await.expect("moved").cursor
}

#[tokio::test]
async fn a_stop_gives_the_signal_a_chance_and_then_kills() {
    let bench = Bench::new().await;
    let obeys = "trap 'exit 7' TERM; touch /local/ready; while :; do usleep 5000; done";
    let id = bench.start(&bench.shell(obeys)).await;
    bench.ready().await;
    bench.engine.stop(&id, None, Duration::from_secs(30)).await.expect("stopped");
    assert_eq!(bench.wait(&id).await.exit_code, 7);

    let ignores = "trap '' TERM INT; echo > /local/ready2; while :; do usleep 5000; done";
    let id = bench.start(&bench.shell(ignores)).await;
    bench.engine.stop(&id, Some("SIGINT".parse().expect("known")), Duration::from_millis(200)).await.expect("stopped");
    let exit = bench.wait(&id).await;
    assert_eq!((exit.exit_code, exit.signal), (137, 9));

    bench.engine.stop(&id, None, Duration::from_secs(1)).await.expect("stopping what has ended is fine");
    bench.engine.stop(&id, Some(Signal::TERM), Duration::from_secs(1)).await.expect("so it is with a signal");
    bench.engine.remove(&id).await.expect("removed");
    bench.engine.stop(&id, None, Duration::from_secs(1)).await.expect("and what is gone");
}

#[tokio::test]
async fn a_paused_container_is_stopped_in_time() {
    let bench = Bench::new().await;
    let id = bench.start(&bench.task(&["sleep", "600"])).await;
    docker(&["pause", id.as_str()]);
    assert_eq!(bench.state(&id).await.state, RunState::Paused);
    within(bench.engine.stop(&id, Some(Signal::TERM), Duration::from_millis(300))).await.expect("stopped");
    assert_eq!(bench.wait(&id).await.exit_code, 137);
    let id = bench.start(&bench.task(&["sleep", "600"])).await;
    docker(&["pause", id.as_str()]);
    within(bench.engine.stop(&id, None, Duration::from_secs(1))).await.expect("stopped");
    assert_eq!(bench.wait(&id).await.exit_code, 137);
}

#[tokio::test]
async fn a_signal_reaches_the_first_process_and_none_that_has_ended() {
    let bench = Bench::new().await;
    let line = "trap 'exit 9' HUP; touch /local/ready; while :; do usleep 5000; done";
    let id = bench.start(&bench.shell(line)).await;
    bench.ready().await;
    bench.engine.signal(&id, Signal::HUP).await.expect("sent");
    assert_eq!(bench.wait(&id).await.exit_code, 9);
    assert!(matches!(bench.engine.signal(&id, Signal::HUP).await, Err(Error::NotRunning(_))));
    bench.engine.remove(&id).await.expect("removed");
    assert!(matches!(bench.engine.signal(&id, Signal::HUP).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_restart_is_in_place_and_hides_no_end() {
    let bench = Bench::new().await;
    let id = bench.start(&bench.task(&["sleep", "600"])).await;
    let before = bench.state(&id).await;
    let done = bench.engine.restart(&id, Some(Signal::KILL), Duration::from_secs(5)).await.expect("restarted");
    let after = bench.state(&id).await;
    assert_eq!((done, after.state), (Restart::Restarted, RunState::Running));
    assert!(before.started_at < after.started_at && before.pid != after.pid);
    bench.engine.signal(&id, Signal::KILL).await.expect("sent");
    let exit = bench.wait(&id).await;
    let done = bench.engine.restart(&id, None, Duration::from_secs(5)).await.expect("looked at");
    assert_eq!((done, exit.exit_code), (Restart::Ended(exit.clone()), 137));
}

#[tokio::test]
async fn a_command_answers_with_all_its_output() {
    let bench = Bench::new().await;
    let id = bench.start(&bench.task(&["sleep", "600"])).await;
    let output = bench.exec(&id, "echo out; echo err >&2; exit 4").await;
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
    assert_eq!(output.exit_code, 4);
    let much = bench.exec(&id, "head -c 3000000 /dev/zero").await;
    assert_eq!((much.stdout.len(), much.exit_code), (1 << 20, 0));
    bench.engine.signal(&id, Signal::KILL).await.expect("sent");
    bench.wait(&id).await;
    let late = bench.engine.exec(&id, &["true".to_owned()], LIMIT).await;
    assert!(matches!(late, Err(Error::NotRunning(_))), "{late:?}");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended() {
    let bench = Bench::new().await;
    let id = bench.start(&bench.task(&["sleep", "600"])).await;
    let words = ["sleep", "500"].map(str::to_owned);
    let error = bench.engine.exec(&id, &words, Duration::from_millis(500)).await.expect_err("too long");
    assert!(error.to_string().contains("was killed"), "{error}");
    within(async {
        while !bench.exec(&id, "pgrep -f 'sleep 500' || true").await.stdout.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(bench.state(&id).await.alive());
}

#[tokio::test]
async fn samples_show_what_a_container_uses() {
    let bench = Bench::new().await;
    let id = bench.start(&bench.shell("while :; do :; done")).await;
    let first = bench.engine.stats(&id).await.expect("a sample");
    let mut second = first.clone();
    within(async {
        while second.cpu.total_ns == first.cpu.total_ns {
            second = bench.engine.stats(&id).await.expect("a sample");
        }
    })
    .await;
    assert!(second.percent_since(&first).total > 0.0);
    assert!(second.memory.usage > 0 && second.pids >= Some(1), "{second:?}");
    bench.engine.signal(&id, Signal::KILL).await.expect("sent");
    bench.wait(&id).await;
    assert!(matches!(bench.engine.stats(&id).await, Err(Error::NotRunning(_))));
}

#[tokio::test]
async fn what_a_container_moves_is_counted() {
    let bench = Bench::new().await;
    // The gateway serves nothing there; what goes out is counted all the same.
    let line = "while :; do dd if=/dev/zero of=/alloc/file bs=1M count=4 conv=fsync 2>/dev/null; \
                nc -w 1 \"$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p')\" 9; sleep 1; done";
    let mut task = bench.shell(line);
    task.container.network.mode = Some("bridge".into());
    let id = bench.start(&task).await;
    have_writes_counted(&bench.state(&id).await, bench.dir.path());
    let mut traffic = Traffic::default();
    within(async {
        while traffic.network.is_none_or(|network| network.sent.bytes == 0)
            || traffic.disk.is_none_or(|disk| disk.written_bytes < 4 << 20)
        {
            traffic = bench.engine.traffic(&id).await.expect("counted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (network, disk) = (traffic.network.expect("counted"), traffic.disk.expect("counted"));
    assert!(network.sent.packets > 0 && disk.writes > 0, "{traffic:?}");
}

/// Sets a limit that nothing reaches, where cgroups of the first kind count only then.
fn have_writes_counted(state: &ContainerState, folder: &Path) {
    let table = std::fs::read_to_string(format!("/proc/{}/cgroup", state.pid.expect("it runs"))).expect("readable");
    let Some(path) = table.lines().find_map(|line| line.split_once(":blkio:")).map(|(_, path)| path) else { return };
    let device = std::fs::metadata(folder).expect("ours").dev();
    let limit = format!("{}:{} {}", rustix::fs::major(device), rustix::fs::minor(device), 10_u64 << 30);
    std::fs::write(format!("/sys/fs/cgroup/blkio{path}/blkio.throttle.write_bps_device"), limit).expect("a limit");
}

#[tokio::test]
async fn the_hosts_network_is_not_taken_for_a_containers() {
    let bench = Bench::new().await;
    let mut task = bench.shell("exec sleep 1000");
    task.container.network.mode = Some("host".into());
    let id = bench.start(&task).await;
    assert_eq!(bench.engine.traffic(&id).await.expect("counted").network, None);
}

#[tokio::test]
async fn want_of_memory_is_told() {
    let bench = Bench::new().await;
    let mut task = bench.shell("until [ -e /local/go ]; do usleep 5000; done; x=x; while :; do x=$x$x; done");
    task.resources.memory_limit = 8 << 20;
    let id = bench.start(&task).await;
    bench.state(&id).await; // which begins the watch
    bench.say("go");
    let exit = bench.wait(&id).await;
    assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (137, 9, true));
}

#[tokio::test]
async fn a_kill_is_not_taken_for_want_of_memory() {
    let bench = Bench::new().await;
    let id = bench.start(&bench.task(&["sleep", "1000"])).await;
    bench.state(&id).await; // which begins the watch, over the removal of what is watched too
    bench.engine.signal(&id, Signal::KILL).await.expect("sent");
    for _ in 0..2 {
        let exit = bench.wait(&id).await;
        assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (137, 9, false));
    }
}

#[tokio::test]
async fn users_are_found_by_number_and_by_name() {
    let bench = Bench::with_image("strongbox/app:1").await;
    let id = bench.create(&bench.task(&["true"])).await;
    let owner = async |user: Option<&str>| bench.engine.resolve_user(&id, &bench.image, user).await;
    assert_eq!(owner(None).await.expect("the image's own"), Owner { uid: 10001, gid: 10001 });
    assert_eq!(owner(Some("1234:7")).await.expect("numbers"), Owner { uid: 1234, gid: 7 });
    assert_eq!(owner(Some("root")).await.expect("root"), Owner { uid: 0, gid: 0 });
    assert_eq!(owner(Some("app")).await.expect("a name"), Owner { uid: 10001, gid: 10001 });
    let error = owner(Some("nosuch")).await.expect_err("nobody");
    assert!(matches!(error, Error::ConfigInvalid { .. }) && error.to_string().contains("nosuch"), "{error}");
}

#[tokio::test]
async fn a_bound_file_is_seen_before_the_start() {
    let bench = Bench::new().await;
    std::fs::write(bench.secrets().join("probe"), "").expect("written");
    let id = bench.create(&bench.task(&["true"])).await;
    assert!(bench.engine.sees_file(&id, "/run/secrets/probe").await.expect("asked"));
    assert!(!bench.engine.sees_file(&id, "/run/secrets/other").await.expect("asked"));
}

#[tokio::test]
async fn containers_are_listed_by_our_marks_and_removed_twice() {
    let (bench, other) = (Bench::new().await, Bench::new().await);
    let task = bench.task(&["sleep", "600"]);
    let id = bench.start(&task).await;
    other.create(&other.task(&["true"])).await;
    let listed = bench.engine.list_ours().await.expect("listed");
    let [ours] = listed.as_slice() else { panic!("one: {listed:?}") };
    assert_eq!((&ours.id, &ours.name, ours.state), (&id, &container_name(&task.meta), RunState::Running));
    assert_eq!((ours.task_id.as_ref(), ours.task_key.clone()), (Some(&task.meta.id), Some(task.meta.id.key())));
    let pending = tokio::spawn({
        let (engine, id) = (bench.engine.clone(), id.clone());
        async move { engine.wait(&id).await }
    });
    bench.engine.remove(&id).await.expect("removed");
    bench.engine.remove(&id).await.expect("removed again");
    assert!(bench.engine.inspect(&id).await.expect("asked").is_none());
    assert_eq!(within(pending).await.expect("joined").expect("an end").exit_code, 137);
    let late = bench.wait(&id).await;
    assert_eq!((late.exit_code, late.message.as_deref()), (137, Some("container was removed outside")));
}

#[tokio::test]
async fn a_leftover_of_the_same_task_is_replaced_and_a_strangers_container_is_not() {
    let (bench, other) = (Bench::new().await, Bench::new().await);
    let task = bench.task(&["sleep", "600"]);
    let first = bench.start(&task).await;
    let second = bench.create(&task).await;
    assert_ne!(first, second);
    assert!(bench.engine.inspect(&first).await.expect("asked").is_none());
    let image = other.image.clone();
    let spec = ContainerSpec { task: &task, image: &image, secrets: None, connection: None };
    let error = other.engine.create(&spec).await.expect_err("the name is another's");
    assert!(matches!(error, Error::EngineRefused { passing: true, .. }), "{error}");
    assert!(bench.engine.inspect(&second).await.expect("asked").is_some());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_refused_for_good() {
    let bench = Bench::new().await;
    let id = bench.create(&bench.task(&["/nosuch"])).await;
    let error = bench.engine.start(&id).await.expect_err("nothing to run");
    assert!(!error.recoverable() && error.to_string().contains("nosuch"), "{error}");
}

#[tokio::test]
async fn a_given_device_is_inside_with_its_rights_and_no_others() {
    let bench = Bench::new().await;
    // Nothing answers behind it, which is another refusal than that of the rights.
    let node = bench.dir.path().join("node");
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    let number = rustix::fs::makedev(240, 7);
    rustix::fs::mknodat(rustix::fs::CWD, &node, rustix::fs::FileType::CharacterDevice, mode, number).expect("a node");
    let mut task = bench.shell("stat -c %t:%T /dev/given; head -c 1 /dev/given 2>&1; sh -c 'echo x >/dev/given' 2>&1");
    let (host_path, container_path) = (node.display().to_string(), "/dev/given".to_owned());
    task.devices.nodes = vec![Device { host_path, container_path, permissions: "r".into() }];
    let (output, _) = bench.output(&task).await;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "f0:7"), "{output}");
    assert!(!lines[1].contains("not permitted") && lines[2].contains("not permitted"), "{output}");
}

#[tokio::test]
async fn a_gpu_on_an_engine_without_its_runtime_is_refused_by_name() {
    let bench = Bench::new().await;
    let mut task = bench.shell("true");
    task.devices.nvidia = true;
    let spec = ContainerSpec { task: &task, image: &bench.image, secrets: None, connection: None };
    let made = async {
        let id = bench.engine.create(&spec).await?;
        bench.engine.start(&id).await
    };
    let error = made.await.expect_err("there is no such runtime here");
    assert!(error.to_string().contains("nvidia") && !error.recoverable(), "{error:?}");
}

#[tokio::test]
async fn images_that_cannot_be_had_are_told_apart() {
    let bench = Bench::new().await;
    let absent = "strongbox/absent:1".parse().expect("a reference");
    let wish = ImageWish::new(absent, Pull::Never);
    let error = bench.engine.ensure_image(&wish, &Anonymous, &|_| ()).await.expect_err("absent");
    assert!(matches!(error, Error::ImageRefused { .. }), "{error}");
    // Port 9 of the loopback refuses; the engine takes loopback registries without TLS.
    let away = ImageWish::new("127.0.0.1:9/absent:1".parse().expect("a reference"), Pull::Missing);
    let nothing = |_| ();
    let (one, two) = tokio::join!(
        bench.engine.ensure_image(&away, &Anonymous, &nothing),
        bench.engine.ensure_image(&away, &Anonymous, &nothing),
    );
    for error in [one.expect_err("away"), two.expect_err("away")] {
        assert!(
            matches!(error, Error::ImageUnavailable { .. }) && error.to_string().contains("127.0.0.1:9"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn labels_of_the_driver_are_refused_before_anything_is_made() {
    let bench = Bench::new().await;
    let mut task = bench.task(&["true"]);
    task.container.labels = [("strongbox.instance".to_owned(), "mine".to_owned())].into();
    assert!(matches!(review(&task, bench.engine.policy()), Err(Error::ConfigInvalid { .. })));
}

#[tokio::test]
async fn the_engine_describes_itself() {
    let bench = Bench::new().await;
    let info = bench.engine.info().await.expect("described");
    assert!(!info.version.is_empty() && !info.id.is_empty() && info.cpus > 0 && info.memory > 0, "{info:?}");
    assert!(info.runtimes.contains(&"runc".to_owned()), "{info:?}");
}

#[tokio::test]
async fn an_engine_that_is_away_is_told_as_such() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = Policy { socket: dir.path().join("docker.sock"), ..Policy::default() };
    let engine = Docker::new(policy, "test");
    let id: ContainerId = "abc".parse().expect("an id");
    assert!(matches!(engine.inspect(&id).await, Err(Error::EngineUnavailable { .. })));
    let waiting = tokio::time::timeout(Duration::from_millis(300), engine.wait(&id)).await;
    assert!(waiting.is_err(), "an engine that is away says nothing about a container");
}

#[tokio::test]
async fn the_agreed_dialect_is_in_every_request() {
    let proxy = Proxy::new();
    let bench = Bench::behind(proxy.socket(), "strongbox/busybox:1").await;
    let id = bench.start(&bench.shell("exit 3")).await;
    bench.wait(&id).await;
    let mut requests = proxy.requests();
    assert!(requests.remove(0).contains(" /version"), "the dialect is asked for first");
    assert!(requests.len() >= 4, "{requests:?}");
    for request in requests {
        let path = request.split(' ').nth(1).expect("a path");
        assert!(path.starts_with("/v1.") && path[4..].contains('/'), "{request}");
    }
}

#[tokio::test]
async fn a_wait_lives_through_an_engine_that_goes_and_comes_back() {
    let proxy = Proxy::new();
    let bench = Bench::behind(proxy.socket(), "strongbox/busybox:1").await;
    let id = bench.start(&bench.shell("until [ -e /local/end ]; do usleep 5000; done; exit 5")).await;
    let pending = tokio::spawn({
        let (engine, id) = (bench.engine.clone(), id.clone());
        async move { engine.wait(&id).await }
    });
    within(proxy.asked("/wait")).await;
    proxy.down();
    std::fs::write(bench.dir.path().join("web/local/end"), "").expect("written");
    let direct = Docker::new(Policy::default(), "test");
    assert_eq!(within(direct.wait(&id)).await.expect("an end").exit_code, 5);
    assert!(!pending.is_finished(), "an engine that is away says nothing about a container");
    proxy.up();
    assert_eq!(within(pending).await.expect("joined").expect("an end").exit_code, 5);
}

#[tokio::test]
async fn output_written_while_the_engine_is_away_is_neither_lost_nor_repeated() {
    let proxy = Proxy::new();
    let bench = Bench::behind(proxy.socket(), "strongbox/busybox:1").await;
    let (paths, mut out, _err) = bench.pipes();
    let line = "echo one; until [ -e /local/go ]; do usleep 5000; done; echo two; touch /local/ready; \
                until [ -e /local/end ]; do usleep 5000; done; echo six";
    let id = bench.start(&bench.shell(line)).await;
    let pump = bench.pump(&id, &paths, LogCursor::default());
    expect(&mut out, "one\n").await;
    proxy.down();
    std::fs::write(bench.dir.path().join("web/local/go"), "").expect("written");
    bench.ready().await;
    proxy.up();
    std::fs::write(bench.dir.path().join("web/local/end"), "").expect("written");
    bench.wait(&id).await;
    assert!(within(pump.drain(LIMIT)).await.complete);
    assert_eq!(rest(&mut out), "two\nsix\n");
}

#[tokio::test]
async fn a_lost_reply_to_a_create_leaves_one_container() {
    let proxy = Proxy::new();
    let bench = Bench::behind(proxy.socket(), "strongbox/busybox:1").await;
    proxy.swallow_reply("/containers/create");
    let id = bench.create(&bench.task(&["true"])).await;
    let listed = bench.engine.list_ours().await.expect("listed");
    assert_eq!(listed.iter().map(|ours| &ours.id).collect::<Vec<_>>(), [&id]);
    assert_eq!(proxy.requests().iter().filter(|request| request.contains("/containers/create")).count(), 3);
}

#[tokio::test]
async fn a_create_waits_for_one_of_the_same_task_that_is_under_way() {
    let bench = Bench::new().await;
    let task = bench.task(&["true"]);
    let made = tokio::join!(bench.create(&task), bench.create(&task));
    let listed = bench.engine.list_ours().await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert!([made.0, made.1].contains(&listed[0].id));
}

#[tokio::test]
async fn a_port_is_published_on_the_address_it_was_given() {
    let bench = Bench::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = listener.local_addr().expect("bound").port();
    drop(listener);
    let mut task = bench.shell("while :; do echo hello | nc -l -p 8080; done");
    task.ports = vec![Port { label: "web".into(), host, to: 8080, host_ip: Some([127, 0, 0, 1].into()) }];
    task.container.network.ports = vec!["web".parse().expect("a port")];
    task.container.network.mode = None;
    let id = bench.start(&task).await;
    let answer = within(async {
        loop {
            let mut text = String::new();
            let Ok(mut talk) = tokio::net::TcpStream::connect(("127.0.0.1", host)).await else { continue };
            if talk.read_to_string(&mut text).await.is_ok() && !text.is_empty() {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(answer, "hello\n");
    let state = bench.state(&id).await;
    assert_eq!(state.network.as_deref(), Some("bridge"));
    assert!(state.ip.is_some());
}

#[tokio::test]
async fn a_task_joins_its_groups_network() {
    let bench = Bench::new().await;
    let pause = bench.start(&bench.task(&["sleep", "600"])).await;
    let mut task = bench.task(&["sleep", "600"]);
    task.container.network.mode = None;
    let connection = Connection { join: Some(pause.clone()), files: Vec::new() };
    let spec = ContainerSpec { task: &task, image: &bench.image, secrets: None, connection: Some(&connection) };
    let id = bench.engine.create(&spec).await.expect("created");
    bench.engine.start(&id).await.expect("started");
    let network = async |id: &ContainerId| {
        let pid = bench.state(id).await.pid.expect("it runs");
        std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("readable")
    };
    assert_eq!(network(&pause).await, network(&id).await);
}

#[tokio::test]
async fn want_of_memory_of_a_child_is_told_though_the_task_ends_well() {
    let bench = Bench::new().await;
    let line = "(x=x; while :; do x=$x$x; done); touch /local/ready; until [ -e /local/go ]; do usleep 5000; done";
    let mut task = bench.shell(line);
    task.resources.memory_limit = 8 << 20;
    let id = bench.start(&task).await;
    bench.ready().await;
    // Whether the engine's own watch was there in time is chance; the kernel's count is seen by any sample.
    bench.engine.stats(&id).await.expect("a sample");
    bench.say("go");
    let exit = bench.wait(&id).await;
    assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (0, 0, true));
}

#[tokio::test]
async fn a_container_is_not_started_again_around_a_mount_that_was_moved() {
    let bench = Bench::new().await;
    let mut task = bench.task(&["true"]);
    task.container.files.volumes = vec!["local/data:/data".into()];
    let id = bench.start(&task).await;
    bench.wait(&id).await;
    bench.engine.start_again(&id).await.expect("nothing was moved");
    bench.wait(&id).await;
    let data = task.task_dir().join("local/data");
    std::fs::remove_dir(&data).expect("the task may do that");
    std::os::unix::fs::symlink("/etc", &data).expect("and that");
    let error = bench.engine.start_again(&id).await.expect_err("it leads out");
    assert!(matches!(error, Error::PathRefused { .. }), "{error}");
    assert!(!bench.state(&id).await.alive());
}

/// Does by hand what a person would.
fn docker(words: &[&str]) {
    let done = std::process::Command::new("docker").args(words).output().expect("run `make setup` first");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
