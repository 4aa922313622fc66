//! A job from its file to a container with its secrets, through the plugin's socket, on real parts.

use std::time::Duration;

use serde_json::json;

#[path = "support/bao.rs"]
mod bao;
#[path = "support/bed.rs"]
mod bed;
#[path = "../examples/harness/mod.rs"]
mod harness;

use bed::{Bed, JOB};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_finds_its_secrets_at_its_start_and_nothing_outlives_it() {
    let bed = Bed::new("").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "first-key" } }))).await;
    let task = bed.task(JOB);
    bed.run(&task).await.expect("it starts");

    let env = bed.sh(&task, "cat /run/secrets/app.env").await;
    assert_eq!(env.trim(), "API_KEY=first-key");
    let user = bed.sh(&task, "cat /run/secrets/db/username").await;
    let password = bed.sh(&task, "cat /run/secrets/db/password").await;
    assert_eq!(bao::psql(&user, &password, "select 1").expect("the login works").trim(), "1");
    assert!(bed.sh(&task, "cat /run/secrets/server/cert.pem").await.contains("BEGIN CERTIFICATE"));
    assert!(bed.sh(&task, "grep ' /run/secrets ' /proc/mounts").await.starts_with("tmpfs /run/secrets tmpfs ro"));

    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "second-key" } }))).await;
    bed.event(&task, "app.env renewed", Duration::from_secs(20)).await;
    assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await.trim(), "API_KEY=second-key");

    let container = task.container(&bed.agent).await.expect("a container");
    bed.kill_9_and_recover(&[&task]).await;
    assert_eq!(task.container(&bed.agent).await.expect("a container"), container);
    assert_eq!(bed.sh(&task, "cat /run/secrets/db/username").await, user);

    bed.end(&task).await;
    assert!(bao::psql(&user, &password, "select 1").is_err(), "the login is gone");
    bed.is_clean().await;
}
