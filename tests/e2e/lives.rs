//! A credential works for as long as its task lives, and no longer.

use std::{fs, time::Duration};

use serde_json::json;

use crate::{
    bao::psql,
    bed::{Bed, docker, inside, until},
    harness::runner::Run,
    jobs::{self, ONE_OF_EACH, SLEEP},
};

const DB: &str = "secret \"db\" { path = \"database/creds/timeline\" }";

async fn login_of(bed: &Bed, task: &Run) -> (String, String) {
    let user = bed.sh(task, "cat /run/secrets/db/username").await;
    let password = bed.sh(task, "cat /run/secrets/db/password").await;
    works(&user, &password);
    (user, password)
}

fn works(user: &str, password: &str) {
    assert_eq!(psql(user, password, "select 1").as_deref(), Ok("1"), "{user} logs in");
}

async fn dies(user: &str, password: &str) {
    until("the account is gone", || async { psql(user, password, "select 1").is_err() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_login_works_while_its_task_lives_and_no_longer() {
    let bed = Bed::new("").await;
    let stopped = bed.task(&jobs::shell(SLEEP, DB));
    bed.run(&stopped).await.expect("it starts");
    let (user, password) = login_of(&bed, &stopped).await;
    bed.end(&stopped).await;
    dies(&user, &password).await;

    let script = "while [ ! -e /local/go ]; do sleep 0.1; done; exit 3";
    let ended = bed.task(&jobs::shell(script, DB));
    bed.run(&ended).await.expect("it starts");
    let (user, password) = login_of(&bed, &ended).await;
    fs::write(ended.dir.local.join("go"), "").expect("written");
    assert_eq!(ended.wait(&bed.agent).await.expect("an end").0.exit_code, 3);
    // Before the agent destroys it.
    dies(&user, &password).await;
    ended.destroy(&bed.agent, false).await.expect("destroyed");

    // A start that dies when all is fetched: root can still read what the container would have been given.
    bed.anew(Some("published"), &[]).await;
    let failed = bed.task(&jobs::shell(SLEEP, DB));
    assert!(bed.run(&failed).await.is_err());
    bed.is_dead("published").await;
    let read = |name: &str| fs::read_to_string(bed.ram().join("data/db").join(name)).expect("delivered");
    let (user, password) = (read("username"), read("password"));
    works(&user, &password);
    bed.anew(None, &[]).await;
    dies(&user, &password).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_near_its_longest_life_is_replaced_while_it_still_works() {
    let refresh = "refresh {\n kv_poll = \"1s\"\n quiet = \"100ms\"\n longest = \"2s\"\n revoke_after = \"1h\"\n }";
    let bed = Bed::new(refresh).await;
    // The first renewal brings less than half of the first life, and eleven seconds are left then.
    let mut role = bed.bao.ok("GET", "database/roles/timeline", None).await;
    (role["default_ttl"], role["max_ttl"]) = ("30s".into(), "32s".into());
    bed.bao.ok("POST", "database/roles/timeline", Some(role)).await;
    let task =
        bed.task(&jobs::shell(SLEEP, "secret \"db\" {\n path = \"database/creds/timeline\"\n splay = \"0s\"\n }"));
    bed.run(&task).await.expect("it starts");
    let (user, password) = login_of(&bed, &task).await;
    let shown = bed.ram().join("data/db/username");
    until("another account is shown", || async { fs::read_to_string(&shown).is_ok_and(|other| other != user) }).await;
    works(&user, &password);
    let (other, _) = login_of(&bed, &task).await;
    assert_ne!(other, user);
    dies(&user, &password).await;
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_ended_from_outside_ends_truly_and_its_credentials_with_it() {
    let bed = Bed::new("").await;
    let by: [(&[&str], i32); 3] = [(&["rm", "-f"], 137), (&["kill"], 137), (&["stop", "-t", "5"], 0)];
    for (words, code) in by {
        let task = bed.task(&jobs::shell(SLEEP, DB));
        bed.run(&task).await.expect("it starts");
        let (user, password) = login_of(&bed, &task).await;
        let container = task.container(&bed.agent).await.expect("a container");
        docker(&[words, &[&container]].concat());
        let (exit, _) = task.wait(&bed.agent).await.expect("an end");
        assert_eq!((exit.exit_code, exit.oom_killed), (code, false), "{words:?}");
        dies(&user, &password).await;
        task.destroy(&bed.agent, false).await.unwrap_or_else(|status| panic!("{words:?}: {}", status.message()));
    }
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_gets_its_files_and_is_stopped_in_time() {
    let bed = Bed::new("").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "first" } }))).await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    docker(&["pause", &container]);
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "second" } }))).await;
    let shown = bed.ram().join("data/app.env");
    until("the new key is shown", || async { fs::read_to_string(&shown).is_ok_and(|text| text.contains("second")) })
        .await;
    task.stop_within(&bed.agent, Duration::from_secs(2)).await.expect("stopped");
    task.wait(&bed.agent).await.expect("an end");
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_cannot_change_what_it_is_given() {
    let bed = Bed::new("").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    for attack in [
        "echo x >/run/secrets/app.env",
        "echo x >/run/secrets/new",
        "rm -f /run/secrets/app.env",
        "chmod 0777 /run/secrets/app.env",
        "ln -s /etc/passwd /run/secrets/link",
        "mount -o remount,rw /run/secrets",
        "mknod /run/secrets/pipe p",
        "mv /run/secrets/..data /run/secrets/..other",
    ] {
        let said = inside(&container, &format!("({attack}) 2>&1 && echo it worked || true"));
        assert!(!said.contains("it worked"), "{attack}: {said}");
    }
    assert_eq!(inside(&container, "cat /run/secrets/app.env"), "API_KEY=a-key");
    assert!(inside(&container, "grep ' /run/secrets ' /proc/mounts").starts_with("tmpfs /run/secrets tmpfs ro,"));
    bed.end(&task).await;
    bed.is_clean().await;
}
