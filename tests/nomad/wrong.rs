//! Wrong jobs end in an event that says what is wrong, and leave nothing.

use serde_json::json;

use crate::bed::{Bed, NAME, events, until};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn a_wrong_job_fails_with_one_clear_event_and_leaves_nothing() {
    let bed = Bed::new().await;
    fails(&bed, "misspelt", &[], &["Failed Validation", "commmand"]).await;
    fails(&bed, "wrong", &[("role", "nobody")], &["Driver Failure", "nobody"]).await;
    fails(&bed, "wrong", &[("role", "root")], &["Driver Failure", "root", "allow"]).await;
    fails(&bed, "wrong", &[("path", "kv/data/payroll")], &["Driver Failure", "kv/data/payroll", "allow"]).await;
    fails(&bed, "wrong", &[("image", "strongbox/absent:1")], &["Driver Failure", "strongbox/absent:1"]).await;
    // The same driver serves on.
    let task = bed.run("timeline", &[]).await;
    bed.output(&task.alloc, "up").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn a_start_is_tried_again_only_when_time_can_heal_it() {
    let bed = Bed::new().await;
    fails(&bed, "wrong", &[("path", "kv/data/payroll"), ("attempts", "50")], &["Not Restarting", "unrecoverable"])
        .await;

    let path = "kv/data/default/timeline/late";
    let alloc = bed.submit("wrong", &[("path", path), ("attempts", "50")]).await;
    let why = bed.event(&alloc, "Driver Failure").await;
    assert!(why.contains(path), "{why}");
    bed.event(&alloc, "Restarting").await;
    bed.bao.ok("POST", path, Some(json!({ "data": { "word": "written-at-last" } }))).await;
    until("the task runs", async || (bed.about(&alloc).await["TaskStates"][NAME]["State"] == "running").then_some(()))
        .await;
    bed.stop().await;
    bed.is_clean().await;
}

/// The job fails before its task starts, and some event has all of `words`.
async fn fails(bed: &Bed, job: &str, vars: &[(&str, &str)], words: &[&str]) {
    let alloc = bed.submit(job, vars).await;
    let about = until("the allocation fails", async || {
        Some(bed.about(&alloc).await).filter(|about| about["TaskStates"][NAME]["State"] == "dead")
    })
    .await;
    let events = events(&about);
    let told = events.iter().any(|event| words.iter().all(|word| event.contains(word)));
    assert!(told, "{job} {vars:?}: no event says {words:?}: {events:#?}");
    assert!(!events.iter().any(|event| event.starts_with("Started")), "{events:#?}");
    bed.stop().await;
    bed.is_clean().await;
}
