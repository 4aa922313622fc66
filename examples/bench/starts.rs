//! Starts of a task with one of everything, and of the bare container beside it.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    IMAGE,
    bao::Bao,
    figures::{Figure, Samples},
    ground::Ground,
    number, ours, peers, say,
};

/// Samples of each kind; they alternate, so that what disturbs the machine disturbs both.
pub const RUNS: usize = 25;
/// Starts before the first sample.
const WARM_UP: usize = 3;

/// Starts, and of those with secrets the time to the files and the memory.
pub async fn figures(ground: &Ground) -> Vec<Figure> {
    allow_issuing(&ground.bao).await;
    let (mut figures, full) = starts(ground, number("BENCH_RUNS", RUNS)).await;
    figures.extend(files(ground, &full));
    say(&ours::where_the_time_goes(&ground.bed.agent.feed, &full));
    figures
}

/// The peer has its keys made by the server, which our policies do not allow; here the job's policy gets a line for that.
async fn allow_issuing(bao: &Bao) {
    let now = bao.ok("GET", "sys/policies/acl/timeline", None).await;
    let policy = now["policy"].as_str().expect("a policy").to_owned();
    let more = "\npath \"pki_int/issue/timeline\" { capabilities = [\"update\"] }\n";
    bao.ok("POST", "sys/policies/acl/timeline", Some(json!({ "policy": policy + more }))).await;
}

/// Start of a bare container through the engine's API, and of the same container through the plugin with everything.
/// Says with the figures which tasks had everything.
async fn starts(ground: &Ground, runs: usize) -> (Vec<Figure>, BTreeSet<String>) {
    let bed = &ground.bed;
    let (docker, image) = peers::engine(IMAGE).await;
    let spec = ours::bare_task(bed.folder());
    let (mut plugin, mut nothing, mut engine) = (Samples::default(), Samples::default(), Samples::default());
    let mut ids = BTreeSet::new();
    for run in 0..WARM_UP + runs {
        let bare = peers::bare_start(&docker, &image, &spec).await;
        let full = ours::start(bed, ours::FULL).await;
        let empty = ours::start(bed, ours::EMPTY).await;
        if run >= WARM_UP {
            engine.add(bare);
            plugin.add(full.took);
            ids.insert(full.task_id);
            nothing.add(empty.took);
        }
    }
    let figures = vec![
        Figure::of("start, login + certificate + KV + lease + template", "ms", &plugin, &engine, "engine API"),
        Figure::of("start, no secrets", "ms", &nothing, &engine, "engine API"),
    ];
    (figures, ids)
}

/// Time from nothing to all files, and the memory it takes, beside the server's own agent.
fn files(ground: &Ground, full: &BTreeSet<String>) -> Vec<Figure> {
    let (mut theirs, mut memory) = (Samples::default(), Samples::default());
    for run in 0..full.len() {
        let agent = peers::agent(&ground.bao, ground.folder(), &format!("agent-{run}"));
        let (took, resident) = agent.time_to_files(&peers::full_set());
        theirs.add(took);
        memory.add(resident);
    }
    let bed = &ground.bed;
    let ours = ours::secrets_ms(&bed.agent.feed, full);
    let mut resident = Samples::default();
    resident.add(peers::resident_mib(bed.agent.process().pid()));
    vec![
        Figure::of("files, from request to rendered set", "ms", &ours, &theirs, "bao agent"),
        Figure::of("memory of the one process for all tasks", "MiB", &resident, &memory, "bao agent, one a task"),
    ]
}
