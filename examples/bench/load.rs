//! Many tasks, long idling.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use strongbox::{
    container::{ContainerId, ContainerSpec, Docker, Engine, Image},
    domain::TaskSpec,
};

use super::{
    IMAGE,
    figures::{Figure, Samples},
    ground::Ground,
    harness::{runner::Run, testbed::TestBed},
    number, ours, peers,
};

/// How many containers start together in a round, and how many of them at a time.
const MANY: usize = 50;
const AT_A_TIME: usize = 8;
/// Rounds of each of the two.
pub const ROUNDS: usize = 3;
/// How many tasks idle, and for how many seconds they are watched in a round.
const IDLE: usize = 200;
const WATCHED: u64 = 30;
/// Clock ticks of the kernel in a second, the same on all of Linux.
pub const TICKS: f64 = 100.0;

/// Starts of many containers at a time, through the plugin and through the engine's API alone.
pub async fn many(ground: &Ground) -> Vec<Figure> {
    let (count, bed) = (number("BENCH_MANY", MANY), &ground.bed);
    let (docker, image) = peers::engine(IMAGE).await;
    let (mut plugin, mut engine) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        engine.add(many_bare(bed, &docker, &image, count).await);
        let (took, tasks) = many_tasks(bed, count).await;
        plugin.add(took);
        end(bed, &tasks).await;
    }
    let name = format!("start of {count} containers, {AT_A_TIME} at a time");
    vec![Figure::of(&name, "s", &plugin, &engine, "engine API")]
}

async fn many_bare(bed: &TestBed, docker: &Docker, image: &Image, count: usize) -> f64 {
    let specs: Vec<TaskSpec> = (0..count).map(|n| named(ours::bare_task(bed.folder()), n)).collect();
    let begin = Instant::now();
    let starts = specs.iter().map(|task| async move {
        let spec = ContainerSpec { task, image, secrets: None, connection: None };
        let id = docker.create(&spec).await.expect("a container");
        docker.start(&id).await.expect("it starts");
        id
    });
    let ids: Vec<ContainerId> = stream::iter(starts).buffer_unordered(AT_A_TIME).collect().await;
    let took = begin.elapsed().as_secs_f64();
    stream::iter(&ids)
        .for_each_concurrent(AT_A_TIME, |id| async move { docker.remove(id).await.expect("removed") })
        .await;
    took
}

/// Gives a task an id of its own.
pub fn named(mut task: TaskSpec, n: usize) -> TaskSpec {
    task.meta.id = format!("bare/timeline/{n}").parse().expect("an id");
    task
}

async fn many_tasks(bed: &TestBed, count: usize) -> (f64, Vec<Run>) {
    start_all(bed, (0..count).map(|_| bed.task(ours::EMPTY)).collect()).await
}

/// Starts tasks, some at a time, and returns the seconds until the last one runs.
pub async fn start_all(bed: &TestBed, tasks: Vec<Run>) -> (f64, Vec<Run>) {
    let begin = Instant::now();
    let starts = tasks.iter().map(|task| async move {
        bed.run(task).await.unwrap_or_else(|status| panic!("no start: {}", status.message()));
    });
    stream::iter(starts).buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    (begin.elapsed().as_secs_f64(), tasks)
}

/// Destroys tasks.
pub async fn end(bed: &TestBed, tasks: &[Run]) {
    stream::iter(tasks)
        .for_each_concurrent(AT_A_TIME, |task| async move { task.destroy(&bed.agent, true).await.expect("destroyed") })
        .await;
}

/// Processor and memory of the plugin while tasks idle and are sampled each second; the peer is the engine's own command
/// that samples all containers.
pub async fn idle(ground: &Ground) -> Vec<Figure> {
    let (count, bed) = (number("BENCH_IDLE", IDLE), &ground.bed);
    let watched = Duration::from_secs(number("BENCH_SECONDS", WATCHED));
    let (_, tasks) = many_tasks(bed, count).await;
    let samplers: Vec<_> = tasks.iter().map(|task| sampled(bed, task)).collect();
    let plugin = bed.agent.process().pid();
    let mut command = Command::new("docker").args(["stats"]).stdout(Stdio::null()).spawn().expect("docker runs");
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let before = (ticks(plugin), ticks(command.id()));
        tokio::time::sleep(watched).await;
        let percent = |now: f64, before: f64| (now - before) / TICKS / watched.as_secs_f64() * 100.0;
        ours.add(percent(ticks(plugin), before.0));
        theirs.add(percent(ticks(command.id()), before.1));
    }
    let (mut memory, mut peer) = (Samples::default(), Samples::default());
    memory.add(peers::resident_mib(plugin));
    peer.add(peers::resident_mib(command.id()));
    command.kill().ok();
    command.wait().ok();
    samplers.iter().for_each(tokio::task::JoinHandle::abort);
    end(bed, &tasks).await;
    let name = |what: &str| format!("{what} with {count} idle tasks sampled at 1 s");
    vec![
        Figure::of(&name("processor"), "% of one", &ours, &theirs, "docker stats"),
        Figure::of(&name("memory"), "MiB", &memory, &peer, "docker stats"),
    ]
}

fn sampled(bed: &TestBed, task: &Run) -> tokio::task::JoinHandle<()> {
    let stream = task.sampling(&bed.agent);
    tokio::spawn(async move {
        let mut stream = stream.await.expect("samples");
        while let Ok(Some(_)) = stream.message().await {}
    })
}

/// Returns the processor time of a process in ticks: the 14th and 15th field, after a name that may hold anything.
pub fn ticks(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum()
}
