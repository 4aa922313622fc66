//! An engine that does not share our mounts would give a task an empty directory, or one on a disk.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use strongbox::domain::TaskId;

use crate::{
    bed::Bed,
    harness::runner::Run,
    jobs::{self, ONE_OF_EACH, SLEEP},
    private_engine::{Mounts, Options, PrivateEngine},
};

async fn bed(engine: &PrivateEngine) -> Bed {
    let bed = Bed::new(&format!("engine {{\n socket = \"{}\"\n }}", engine.socket().display())).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    bed
}

fn apart() -> PrivateEngine {
    PrivateEngine::start(Options { mounts: Mounts::Apart, live_restore: false })
}

async fn is_refused(bed: &Bed, engine: &PrivateEngine, task: &Run) {
    let status = bed.run(task).await.expect_err("it is refused");
    let text = status.message();
    let mend = ["EngineRefused", "share mounts", "run both in one mount namespace", "propagation \"shared\""];
    assert!(mend.iter().all(|words| text.contains(words)), "{text}");
    assert!(text.contains(&*bed.runtime_dir().to_string_lossy()), "the directory is named: {text}");
    assert_eq!(engine.docker(&["ps", "-aq"]), "");
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_does_not_see_our_mounts_is_refused_with_what_mends_it() {
    let engine = apart();
    let bed = bed(&engine).await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    is_refused(&bed, &engine, &task).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_directory_on_a_disk_is_not_taken_for_ours() {
    let engine = apart();
    let bed = bed(&engine).await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    let key = task.id().parse::<TaskId>().expect("an id").key();
    let (other, tasks) = (bed.folder().join("other"), bed.runtime_dir().join("tasks"));
    std::fs::create_dir_all(other.join(key.as_str()).join("data")).expect("a directory");
    std::fs::create_dir_all(&tasks).expect("a directory");
    for dir in [&bed.runtime_dir(), &tasks] {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).expect("ours");
    }
    engine.inside(&["mount", "--bind", &other.to_string_lossy(), &tasks.to_string_lossy()]);
    is_refused(&bed, &engine, &task).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_of_its_own_serves_where_mounts_are_shared() {
    let engine = PrivateEngine::start(Options { mounts: Mounts::Shared, live_restore: false });
    let bed = bed(&engine).await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    assert!(bed.sh(&task, "cat /run/secrets/app.env").await == "API_KEY=a-key");
    bed.end(&task).await;
    assert_eq!(engine.docker(&["ps", "-aq"]), "");
    bed.is_clean().await;
}
