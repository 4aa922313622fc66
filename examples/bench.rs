//! Measures starts and memory side by side with peers, in one run, with spread.
//!
//! Prints a line a figure and writes `target/bench/summary.json`. Nothing fails here on a number.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::json;

#[path = "../tests/support/bao.rs"]
mod bao;
#[path = "bench/figures.rs"]
mod figures;
#[path = "harness/mod.rs"]
mod harness;
#[path = "bench/ours.rs"]
mod ours;
#[path = "bench/peers.rs"]
mod peers;

use bao::Bao;
use figures::{Figure, Samples, save};
use harness::{process::Program, testbed::TestBed};
use peers::ServerAgent;

/// The image of every container here.
const IMAGE: &str = "strongbox/busybox:1";
/// Samples of each kind; they alternate, so that what disturbs the machine disturbs both.
const RUNS: usize = 25;
/// Starts before the first sample.
const WARM_UP: usize = 3;

#[tokio::main]
async fn main() {
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let bao = Bao::configured();
    bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "bench" } }))).await;
    allow_issuing(&bao).await;
    let folder = tempfile::tempdir_in("/var/tmp").expect("a directory on a disk");
    let program = Program { binary: plugin(), env: Vec::new() };
    let bed = TestBed::start(program, &ours::config(&bao, folder.path())).await;

    let mut figures = starts(&bed, runs).await;
    figures.extend(files(&bed, &bao, folder.path(), runs).await);
    figures.push(launch(runs).await);
    for figure in &figures {
        say(&figure.line());
    }
    say(&ours::where_the_time_goes(&bed.agent.feed));
    save(&figures).expect("target/bench/summary.json is written");
    bed.agent.shutdown().await;
}

/// The peer has its keys made by the server, which our policies do not allow; here the job's policy gets a line for that.
async fn allow_issuing(bao: &Bao) {
    let now = bao.ok("GET", "sys/policies/acl/timeline", None).await;
    let policy = now["policy"].as_str().expect("a policy").to_owned();
    let more = "\npath \"pki_int/issue/timeline\" { capabilities = [\"update\"] }\n";
    bao.ok("POST", "sys/policies/acl/timeline", Some(json!({ "policy": policy + more }))).await;
}

/// Start of a bare container through the engine's API, and of the same container through the plugin with everything.
async fn starts(bed: &TestBed, runs: usize) -> Vec<Figure> {
    let (docker, image) = peers::engine(IMAGE).await;
    let spec = ours::bare_task(bed.folder());
    let (mut plugin, mut nothing, mut engine) = (Samples::default(), Samples::default(), Samples::default());
    for run in 0..WARM_UP + runs {
        let bare = peers::bare_start(&docker, &image, &spec).await;
        let full = ours::start(bed, ours::FULL).await;
        let empty = ours::start(bed, ours::EMPTY).await;
        if run >= WARM_UP {
            engine.add(bare);
            plugin.add(full);
            nothing.add(empty);
        }
    }
    vec![
        Figure::of("start, login + certificate + KV + lease + template", "ms", &plugin, &engine, "engine API"),
        Figure::of("start, no secrets", "ms", &nothing, &engine, "engine API"),
    ]
}

/// Time from nothing to all files, and the memory it takes, beside the server's own agent.
async fn files(bed: &TestBed, bao: &Bao, folder: &Path, runs: usize) -> Vec<Figure> {
    let (mut ours, mut theirs, mut memory) = (Samples::default(), Samples::default(), Samples::default());
    for run in 0..runs.min(10) {
        let agent = ServerAgent {
            bao: &bao::program(),
            address: bao.address(),
            folder: folder.join(format!("agent-{run}")),
            jwt: bao.nomad().sign("timeline", "timeline", &format!("alloc-{run}"), json!({})),
        };
        let (took, resident) = agent.time_to_files();
        theirs.add(took);
        memory.add(resident);
    }
    ours::secrets_ms(&bed.agent.feed).into_iter().for_each(|sample| ours.add(sample));
    let mut resident = Samples::default();
    resident.add(peers::resident_mib(bed.agent.process().pid()));
    vec![
        Figure::of("files, from request to rendered set", "ms", &ours, &theirs, "bao agent"),
        Figure::of("memory of the one process for all tasks", "MiB", &resident, &memory, "bao agent, one a task"),
    ]
}

/// From exec to the handshake line; the peer is the server's own program printing its version.
async fn launch(runs: usize) -> Figure {
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..runs {
        let program = Program { binary: plugin(), env: Vec::new() };
        let process =
            harness::process::Process::launch(&program, &harness::feed::Feed::default()).await.expect("a handshake");
        ours.add(process.startup.as_secs_f64() * 1000.0);
        process.shutdown().await;
        let begin = Instant::now();
        std::process::Command::new(bao::program()).arg("version").output().expect("it runs");
        theirs.add(begin.elapsed().as_secs_f64() * 1000.0);
    }
    Figure::of("launch to handshake line", "ms", &ours, &theirs, "bao version")
}

/// The plugin's binary, built in the same profile beside this program.
fn plugin() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let target = own.parent().and_then(Path::parent).expect("target/<profile>/examples");
    target.join("nomad-driver-strongbox")
}

fn say(line: &str) {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").ok();
}
