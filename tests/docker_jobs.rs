//! Job files for the built-in `docker` driver, run with this one: nothing is changed but the driver's name.
//!
//! Each file says in its head what has to be seen, mostly by the task's own words; `docker_jobs/script.rs` has the language.
//! Files that want the same of the operator share a plugin, and some of them run side by side.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use futures_util::{StreamExt as _, stream};

#[path = "../examples/harness/mod.rs"]
mod harness;
#[path = "docker_jobs/installation.rs"]
mod installation;
#[path = "docker_jobs/library.rs"]
mod library;
#[path = "support/parts.rs"]
mod parts;
#[path = "docker_jobs/play.rs"]
mod play;
#[path = "support/registry.rs"]
mod registry;
#[path = "docker_jobs/script.rs"]
mod script;
#[path = "docker_jobs/shelf.rs"]
mod shelf;

use installation::Installation;
use library::{File, files};

/// How many jobs of an installation run at a time.
const SIDE_BY_SIDE: usize = 4;
/// With this set, only files with it in their path are run.
const ONLY: &str = "DOCKER_JOBS_ONLY";

#[tokio::test(flavor = "multi_thread")]
async fn every_docker_job_does_the_same_with_this_driver() {
    let only = std::env::var(ONLY).unwrap_or_default();
    let mut by_operator: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files().into_iter().filter(|file| file.name.contains(&only)) {
        by_operator.entry(file.script.operator.clone()).or_default().push(file);
    }
    let (mut played, mut failures) = (0, Vec::new());
    for (operator, files) in by_operator {
        played += files.len();
        failures.extend(run(&operator, files).await);
    }
    assert!(failures.is_empty(), "{} of {played} jobs failed:\n\n{}", failures.len(), failures.join("\n"));
}

/// Plays files that want the same of the operator; returns what is told of those that failed.
async fn run(operator: &str, files: Vec<File>) -> Vec<String> {
    let installation = Arc::new(Installation::start(operator).await);
    let plays = files.into_iter().map(|file| {
        let installation = Arc::clone(&installation);
        async move { play::play(&installation, &file).await.err().map(|why| format!("{}: {why}", file.name)) }
    });
    let mut failures: Vec<String> =
        stream::iter(plays).buffer_unordered(SIDE_BY_SIDE).filter_map(std::future::ready).collect().await;
    failures.extend(installation.leftovers());
    failures
}

#[test]
fn there_are_enough_jobs_and_each_looks_from_inside() {
    let files = files();
    assert!(files.len() >= 60, "{} files", files.len());
    let blind: Vec<&str> = files.iter().filter(|file| !file.script.looks()).map(|file| &*file.name).collect();
    assert!(blind.is_empty(), "these do not say what is to be seen: {blind:?}");
}

#[test]
fn no_two_jobs_have_a_task_of_the_same_name() {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for file in files() {
        for (_, task) in file.job("registry.example").expect("a job").tasks() {
            let other = names.insert(task.name.clone(), file.name.clone());
            assert_eq!(other, None, "{}: task {:?}; what is printed is told apart by its task", file.name, task.name);
        }
    }
    assert!(!names.is_empty(), "{}", Path::new(library::FOLDER).display());
}
