//! A driver on the real engine, without a secrets server, and an allocation directory.

// Each program uses its own part of this.
#![allow(dead_code)]

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use strongbox::{
    domain::{ContainerOptions, Dns, GroupNetwork, HostEntry, Isolation, Resources, TaskMeta, TaskSpec},
    driver::{Driver, DriverError, NetworkMade, NetworkRequest, NetworkSettings, Parts, Settings, Started, TaskDriver},
    journal, tmpfs,
};

pub const LIMIT: Duration = Duration::from_secs(40);
/// A task that lives until it is stopped.
pub const SLEEP: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

/// One allocation on a machine of its own mark.
pub struct Bench {
    pub driver: Driver,
    pub alloc: String,
    settings: Settings,
    folder: tempfile::TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// A bench whose settings differ.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::Builder::new().prefix("strongbox-network-").tempdir_in("/var/tmp").expect("a directory");
        let mut settings = Settings {
            network: NetworkSettings {
                infra_image: "strongbox/pause:1".parse().expect("a reference"),
                ..NetworkSettings::default()
            },
            tmpfs: tmpfs::Settings { runtime_dir: folder.path().join("run"), ..tmpfs::Settings::default() },
            journal: journal::Settings { state_dir: folder.path().join("state") },
            ..Settings::default()
        };
        change(&mut settings);
        fs::create_dir_all(folder.path().join("alloc/alloc/logs")).expect("a directory");
        let driver = Self::process(&settings).await;
        Self { driver, alloc: uuid(), settings, folder }
    }

    /// The driver as the next process of the same installation has it.
    pub async fn anew(&self) -> Driver {
        self.driver.shutdown().await;
        Self::process(&self.settings).await
    }

    async fn process(settings: &Settings) -> Driver {
        fs::create_dir_all(&settings.journal.state_dir).expect("a directory");
        let parts = Parts::real(settings.clone()).await.expect("parts");
        Driver::over(parts)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns this installation's mark.
    pub fn instance(&self) -> String {
        fs::read_to_string(self.settings.journal.state_dir.join("installation")).unwrap_or_default()
    }

    /// Has the allocation's network made or found.
    pub async fn network(&self) -> NetworkMade {
        self.network_by(&self.driver).await
    }

    pub async fn network_by(&self, driver: &Driver) -> NetworkMade {
        driver.create_network(self.wanted()).await.expect("a network")
    }

    /// What the agent asks for.
    pub fn wanted(&self) -> NetworkRequest {
        NetworkRequest { alloc_id: self.alloc.clone(), hostname: Some("shop".into()) }
    }

    /// A task of the group that runs a line of shell.
    pub fn task(&self, name: &str, script: &str, network: &NetworkMade) -> TaskSpec {
        for part in ["local", "secrets"] {
            fs::create_dir_all(self.path("alloc").join(name).join(part)).expect("a directory");
        }
        let id = format!("{}/{name}/{:08x}", self.alloc, rand::random::<u32>());
        let host = Some(HostEntry { name: "shop".into(), address: [172, 26, 64, 3].into() });
        TaskSpec {
            meta: TaskMeta {
                id: id.parse().expect("an id"),
                name: name.into(),
                group: "front".into(),
                job_id: "shop".into(),
                job_name: "shop".into(),
                namespace: "default".into(),
                alloc_id: self.alloc.clone(),
                node_id: "node".into(),
                node_name: "here".into(),
            },
            user: None,
            env: [].into(),
            alloc_dir: self.path("alloc"),
            logs: None,
            resources: Resources { cpu_shares: 100, memory_limit: 32 << 20, ..Resources::default() },
            ports: Vec::new(),
            mounts: Vec::new(),
            devices: Default::default(),
            isolation: Isolation::Group(GroupNetwork { container: network.container.clone(), host }),
            dns: Dns::default(),
            container: ContainerOptions {
                image: "strongbox/busybox:1".into(),
                command: Some("sh".into()),
                args: vec!["-c".into(), script.into()],
                ..ContainerOptions::default()
            },
            vault_role: None,
            server: Default::default(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            templates: Vec::new(),
        }
    }

    /// Starts a task that sleeps.
    pub async fn sleeper(&self, name: &str, network: &NetworkMade) -> (TaskSpec, Started) {
        let task = self.task(name, SLEEP, network);
        let started = self.driver.start(task.clone()).await.expect("it starts");
        (task, started)
    }

    /// Runs a line of shell in a task and returns what it printed.
    pub async fn sh(&self, task: &TaskSpec, script: &str) -> String {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let output = self.driver.exec(&task.meta.id, command, LIMIT).await.expect("it runs");
        assert_eq!(output.exit_code, 0, "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Expects the start to be refused, with nothing left of it.
    pub async fn refused(&self, task: TaskSpec) -> DriverError {
        let key = task.meta.id.key();
        let error = self.driver.start(task).await.expect_err("it is refused");
        let filter = format!("label=strongbox.task_key={key}");
        assert_eq!(docker(&["ps", "-aq", "--filter", &filter]), "", "{error}");
        assert!(!self.path("run/net").join(key.as_str()).exists(), "{error}");
        error
    }

    /// Returns the ids of this installation's containers.
    pub fn containers(&self) -> Vec<String> {
        let filter = format!("label=strongbox.instance={}", self.instance());
        docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]).lines().map(str::to_owned).collect()
    }

    /// Plumbs the network as an agent would: an interface, an address, a way out.
    pub fn plumb(&self, network: &NetworkMade) {
        inside(
            network,
            "ip link add eth0 type veth peer name gw0 && ip addr add 172.26.64.3/20 dev eth0 && \
             ip link set gw0 up && ip link set eth0 up && ip route add default via 172.26.64.1",
        );
    }
}

/// Removes every container that bears this bench's mark, also when a test fails.
impl Drop for Bench {
    fn drop(&mut self) {
        for container in self.containers() {
            Command::new("docker").args(["rm", "-fv", &container]).output().ok();
        }
    }
}

/// Runs a line of shell in the network's namespace, as root of the machine.
pub fn inside(network: &NetworkMade, script: &str) -> String {
    run(Command::new("nsenter").arg(format!("--net={}", network.path.display())).args(["sh", "-c", script]))
}

/// Returns the kernel's number for the namespace behind a path.
pub fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).ino()
}

/// Runs `docker` and returns what it printed.
pub fn docker(words: &[&str]) -> String {
    run(Command::new("docker").args(words))
}

/// Returns what the engine knows about a container.
pub fn inspect(container: &str) -> Value {
    let text = docker(&["inspect", container]);
    serde_json::from_str::<Value>(&text).expect("it is JSON")[0].take()
}

fn run(command: &mut Command) -> String {
    let done = command.output().expect("it runs; run `make setup`");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// Waits until `holds` says yes.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn uuid() -> String {
    let digits = hex::encode(rand::random::<[u8; 16]>());
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
