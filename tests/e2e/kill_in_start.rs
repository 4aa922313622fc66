//! The plugin is killed at each step of a start.

use serde_json::json;

use crate::{
    bao::psql,
    bed::Bed,
    harness::runner::Run,
    jobs::{self, ONE_OF_EACH, SLEEP},
};

/// Steps at which every credential that exists is in the record or in the hands of nobody.
const STEPS: [&str; 17] = [
    "journal-appended",
    "intent",
    "mounted",
    "tmpfs-mounted",
    "before-login",
    "logged-in",
    "before-read",
    "after-read",
    "before-issue",
    "after-issue",
    "fetched",
    "joined",
    "tmpfs-filled",
    "tmpfs-switched",
    "published",
    "started",
    "before-reply",
];

/// Steps at which the server may have given a token of which the process had not heard, or had no time to write it down.
/// The container's branch runs beside the login, and on a busy machine may overtake it.
const STEPS_WITH_UNHEARD_TOKENS: [&str; 3] = ["after-login", "image-ready", "created"];

/// Short intervals, and a grace that a test can wait for.
const IMPATIENT: &str = r#"refresh {
    kv_poll    = "1s"
    quiet      = "100ms"
    longest    = "2s"
    reap_after = "2s"
  }"#;

async fn write_key(bed: &Bed) {
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
}

/// Starts a task under a plugin that dies at `step`.
async fn die_at(bed: &Bed, step: &str) -> Run {
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.anew(Some(step), &[]).await;
    assert!(bed.run(&task).await.is_err(), "the start ended well in spite of {step}");
    bed.is_dead(step).await;
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_repeated_after_a_kill_at_any_step_gives_one_container() {
    let bed = Bed::with_lives("", "10s", "15s").await;
    write_key(&bed).await;
    for step in STEPS.iter().chain(&STEPS_WITH_UNHEARD_TOKENS) {
        let task = die_at(&bed, step).await;
        bed.anew(None, &[]).await;
        bed.run(&task).await.unwrap_or_else(|status| panic!("after {step}: {}", status.message()));

        assert_eq!(bed.containers().len(), 1, "containers after {step}");
        assert_eq!(bed.mounts().len(), 1, "directories after {step}");
        assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await, "API_KEY=a-key", "after {step}");
        let user = bed.sh(&task, "cat /run/secrets/db/username").await;
        let password = bed.sh(&task, "cat /run/secrets/db/password").await;
        assert_eq!(psql(&user, &password, "select 1").as_deref(), Ok("1"), "after {step}");
        assert_eq!(bed.end(&task).await.exit_code, 0, "after {step}");
    }
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_not_repeated_after_a_kill_at_any_step_leaves_nothing() {
    let bed = Bed::with_lives(IMPATIENT, "1h", "1h").await;
    write_key(&bed).await;
    for step in STEPS {
        die_at(&bed, step).await;
    }
    bed.anew(None, &[]).await;
    bed.is_clean().await;
    nothing_is_open(&bed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_no_process_heard_of_dies_by_its_own_time() {
    let bed = Bed::with_lives(IMPATIENT, "8s", "10s").await;
    write_key(&bed).await;
    die_at(&bed, "after-login").await;
    assert_eq!(bed.tokens().await.len(), 1, "the server has answered");
    die_at(&bed, "image-ready").await;
    die_at(&bed, "created").await;
    bed.anew(None, &[]).await;
    bed.is_clean().await;
    nothing_is_open(&bed).await;
}

/// Kills the plugin and reads its journal.
async fn nothing_is_open(bed: &Bed) {
    bed.kill_9().await;
    let settings = strongbox::journal::Settings { state_dir: bed.state_dir() };
    let journal = strongbox::journal::Journal::open(&settings).expect("the journal");
    assert_eq!(journal.open_tasks(), []);
}
