//! Much output, carried by the driver's pump and by the engine's own command.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use strongbox::{
    container::{ContainerId, ContainerSpec, Engine, Image, LogPump, Outlet},
    domain::{LogPaths, TaskSpec},
};
use tokio::{io::AsyncReadExt as _, net::unix::pipe::OpenOptions};

use super::{
    IMAGE,
    figures::{Figure, Samples},
    load::{ROUNDS, TICKS, named, ticks},
    number, ours, peers,
};

/// How much a task writes unless it is said otherwise.
const MEBIBYTES: u64 = 1024;

/// Reading a task's output while it is written: by the driver's pump into a pipe, and by the engine's own command.
pub async fn figures() -> Vec<Figure> {
    let (folder, mebibytes) = (tempfile::tempdir().expect("a directory"), number("BENCH_LOG_MIB", MEBIBYTES));
    let (docker, image) = peers::engine(IMAGE).await;
    let docker: Arc<dyn Engine> = Arc::new(docker);
    let (folder, image) = (folder.path(), &image);
    let (mut ours, mut theirs, mut got, mut seen) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    let (mut cost, mut price) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS {
        let task = talker(named(ours::bare_task(folder), 1000 + round), mebibytes);
        let carried = pumped(&docker, image, &task, folder).await;
        ours.add(carried.rate);
        got.add(carried.arrived);
        cost.add(carried.cost);
        let carried = followed(&docker, image, &task).await;
        theirs.add(carried.rate);
        seen.add(carried.arrived);
        price.add(carried.cost);
    }
    vec![
        Figure::of(&format!("output of {mebibytes} MiB"), "MiB/s", &ours, &theirs, "docker logs -f"),
        Figure::of(&format!("output of {mebibytes} MiB that arrived"), "MiB", &got, &seen, "docker logs -f"),
        Figure::of("processor for the carrying of 1 MiB of output", "ms", &cost, &price, "docker logs -f"),
    ]
}

/// A task that writes lines of a kibibyte and ends.
fn talker(mut task: TaskSpec, mebibytes: u64) -> TaskSpec {
    let script = format!("dd if=/dev/zero bs=1M count={mebibytes} 2>/dev/null | tr '\\0' x | fold -w 1023");
    task.container.command = Some("sh".into());
    task.container.args = vec!["-c".into(), script];
    task
}

async fn started(docker: &Arc<dyn Engine>, image: &Image, task: &TaskSpec) -> ContainerId {
    let spec = ContainerSpec { task, image, secrets: None, connection: None };
    let id = docker.create(&spec).await.expect("a container");
    docker.start(&id).await.expect("it starts");
    id
}

/// How output was carried.
struct Carried {
    /// MiB in a second.
    rate: f64,
    /// How many MiB.
    arrived: f64,
    /// Milliseconds of the carrier's processor for one of them; of ours with its reader's.
    cost: f64,
}

impl Carried {
    fn new(bytes: u64, seconds: f64, ticks: f64) -> Self {
        let arrived = bytes as f64 / f64::from(1 << 20);
        Self { rate: arrived / seconds, arrived, cost: ticks / TICKS * 1000.0 / arrived }
    }
}

async fn pumped(docker: &Arc<dyn Engine>, image: &Image, task: &TaskSpec, folder: &Path) -> Carried {
    let pipe = |name: &str| -> PathBuf {
        let path = folder.join(name);
        fs::remove_file(&path).ok();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        path
    };
    let paths = LogPaths { stdout: pipe("stdout.fifo"), stderr: pipe("stderr.fifo") };
    let mut reader = OpenOptions::new().read_write(true).open_receiver(&paths.stdout).expect("opens");
    let id = started(docker, image, task).await;
    let (begin, before) = (Instant::now(), ticks(std::process::id()));
    let outlet = Outlet { paths: Some(paths), ..Outlet::default() };
    let pump = LogPump::spawn(Arc::clone(docker), id.clone(), outlet);
    let (mut bytes, mut buffer) = (0_u64, vec![0_u8; 1 << 20]);
    let ended = async {
        docker.wait(&id).await.expect("an end");
        pump.drain(Duration::from_secs(120)).await;
    };
    tokio::pin!(ended);
    let mut drained = false;
    loop {
        tokio::select! {
            read = reader.read(&mut buffer) => bytes += read.expect("readable") as u64,
            () = &mut ended, if !drained => drained = true,
            () = tokio::time::sleep(Duration::from_millis(200)), if drained => break,
        }
    }
    let took = begin.elapsed().as_secs_f64() - 0.2;
    let spent = ticks(std::process::id()) - before;
    docker.remove(&id).await.expect("removed");
    Carried::new(bytes, took, spent)
}

async fn followed(docker: &Arc<dyn Engine>, image: &Image, task: &TaskSpec) -> Carried {
    let id = started(docker, image, task).await;
    let begin = Instant::now();
    let name = id.as_str().to_owned();
    let (bytes, spent) = tokio::task::spawn_blocking(move || {
        let mut child = Command::new("docker")
            .args(["logs", "-f", &name])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker runs");
        let bytes = std::io::copy(&mut child.stdout.take().expect("a pipe"), &mut std::io::sink()).expect("readable");
        // Its output has ended, and it waits to be asked for its status.
        let spent = ticks(child.id());
        child.wait().ok();
        (bytes, spent)
    })
    .await
    .expect("it ends");
    let took = begin.elapsed().as_secs_f64();
    docker.remove(&id).await.expect("removed");
    Carried::new(bytes, took, spent)
}
