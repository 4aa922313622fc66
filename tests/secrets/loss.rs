//! What becomes of files whose secret is denied or deleted.

use std::time::Duration;

use serde_json::json;

use crate::{
    bed::{Bed, until},
    bed_with,
    jobs::{SLEEP, shell},
    path_of, put, shown,
};

/// Takes the grant for `kv/data/timeline` away, or gives it back.
async fn allow(bed: &Bed, granted: bool) {
    let capability = if granted { "read" } else { "deny" };
    let text = format!("path \"kv/data/timeline\" {{ capabilities = [\"{capability}\"] }}");
    bed.bao.ok("PUT", "sys/policies/acl/timeline", Some(json!({ "policy": text }))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_withdrawn_removes_the_files_and_access_given_back_returns_them() {
    let bed = bed_with("", "").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({"data": {"word": "one"}}))).await;
    let config = r#"
        secret "gone" { path = "kv/data/timeline" }
        secret "kept" {
          path      = "kv/data/timeline"
          on_denied = "keep"
        }
        template {
          destination = "made"
          data        = "{{ with secret \"kv/data/timeline\" }}{{ .Data.data.word }}{{ end }}"
          change_mode = "noop"
        }
        template {
          destination = "other"
          data        = "fixed"
        }"#;
    let task = bed.task(&shell(SLEEP, config));
    bed.run(&task).await.expect("it starts");
    assert!(shown(&bed, "gone/word").is_some() && shown(&bed, "made").is_some());
    let is_shown = |name: &'static str, wanted: bool| {
        let bed = &bed;
        move || async move { shown(bed, name).is_some() == wanted }
    };
    allow(&bed, false).await;
    until("the denied file goes", is_shown("gone/word", false)).await;
    assert!(shown(&bed, "made").is_none(), "what is made of it goes in the same moment");
    assert!(shown(&bed, "kept/word").is_some() && shown(&bed, "other").is_some());
    let told = bed.event(&task, "is lost", Duration::from_secs(60)).await;
    assert!(told.contains("Secret kv/data/timeline") && told.contains("removed"), "{told}");
    // One login more was needed to be sure, and none of it is left.
    until("one login is left", || async { bed.tokens().await.len() == 1 }).await;
    allow(&bed, true).await;
    until("the file comes back", is_shown("gone/word", true)).await;
    assert!(shown(&bed, "made").is_some());
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_got_another_policy_is_asked_for_a_new_login_before_access_counts_as_withdrawn() {
    let bed = bed_with("", "").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({"data": {"word": "one"}}))).await;
    let task = bed.task(&shell(SLEEP, "secret \"app\" { path = \"kv/data/timeline\" }"));
    bed.run(&task).await.expect("it starts");
    let before = bed.tokens().await;
    let text = "path \"kv/data/timeline\" { capabilities = [\"read\"] }";
    bed.bao.ok("PUT", "sys/policies/acl/other", Some(json!({ "policy": text }))).await;
    let role = bed.bao.ok("GET", "auth/jwt-strongbox/role/timeline", None).await;
    let mut changed = role.clone();
    changed["token_policies"] = json!(["strongbox-task", "other"]);
    bed.bao.ok("POST", "auth/jwt-strongbox/role/timeline", Some(changed)).await;
    bed.bao
        .ok("PUT", "sys/policies/acl/timeline", Some(json!({"policy": "path \"x\" { capabilities = [\"read\"] }"})))
        .await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({"data": {"word": "two"}}))).await;
    until("the new login reads", || async { shown(&bed, "app/word").is_some_and(|word| word == b"two") }).await;
    until("the old one is gone", || async { bed.tokens().await.iter().all(|token| !before.contains(token)) }).await;
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_role_that_is_deleted_ends_what_was_leased_as_on_outage_says_and_all_is_fresh_when_it_is_back() {
    let bed = Bed::with_lives("", "6s", "1h").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({"data": {"word": "one"}}))).await;
    let config = r#"
        secret "app" { path = "kv/data/timeline" }
        secret "db" {
          path      = "database/creds/timeline"
          on_outage = "degrade"
        }"#;
    let task = bed.task(&shell(SLEEP, config));
    bed.run(&task).await.expect("it starts");
    let role = bed.bao.ok("GET", "auth/jwt-strongbox/role/timeline", None).await;
    bed.bao.ok("DELETE", "auth/jwt-strongbox/role/timeline", None).await;
    let told = bed.event(&task, "could not be refreshed", Duration::from_secs(60)).await;
    assert!(told.contains("The login with role timeline") && told.contains("what is held stays"), "{told}");
    until("the token has ended by its time", || async { bed.tokens().await.is_empty() }).await;
    until("what ended with it is removed", || async { shown(&bed, "db/username").is_none() }).await;
    assert!(shown(&bed, "app/word").is_some(), "what is only read has no end");

    bed.bao.ok("POST", "auth/jwt-strongbox/role/timeline", Some(role)).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({"data": {"word": "two"}}))).await;
    until("it is leased anew", || async { shown(&bed, "db/username").is_some() }).await;
    until("it is read again", || async { shown(&bed, "app/word").is_some_and(|word| word == b"two") }).await;
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_goes_stays_or_ends_the_task_as_the_job_says() {
    let bed = bed_with("", "").await;
    for name in ["kept", "gone", "anew"] {
        put(&bed, name, json!({"word": "one"})).await;
    }
    let block =
        |name: &str, policy: &str| format!("secret \"{name}\" {{\n path = \"{}\"\n {policy}\n }}\n", path_of(name));
    let config =
        block("kept", "") + &block("gone", "on_delete = \"remove\"") + &block("anew", "on_delete = \"restart\"");
    let task = bed.task(&shell(SLEEP, &config));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    let started = || String::from_utf8(crate::run("docker", &["inspect", "-f", "{{.State.StartedAt}}", &container]));
    let before = started();
    for name in ["kept", "gone", "anew"] {
        bed.bao.ok("DELETE", &format!("kv/data/default/timeline/{name}"), None).await;
    }
    until("the files go", || async { shown(&bed, "gone/word").is_none() && shown(&bed, "anew/word").is_none() }).await;
    until("the container is restarted", || async { started() != before }).await;
    assert!(shown(&bed, "kept/word").is_some());
    bed.end(&task).await;

    put(&bed, "last", json!({"word": "one"})).await;
    let task = bed.task(&shell(SLEEP, &block("last", "on_delete = \"stop\"")));
    bed.run(&task).await.expect("it starts");
    bed.bao.ok("DELETE", "kv/data/default/timeline/last", None).await;
    let ended = tokio::time::timeout(Duration::from_secs(90), task.wait(&bed.agent)).await.expect("it ends");
    let (_, why) = ended.expect("an end");
    assert!(why.contains("the job says stop"), "{why}");
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}
