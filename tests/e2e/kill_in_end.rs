//! The plugin is killed while a task ends, and while nothing happens.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::{
    bao::{Bao, psql},
    bed::{Bed, LIMIT, docker, until},
    jobs::{self, ONE_OF_EACH, SLEEP},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_an_end_loses_neither_the_exit_code_nor_a_revocation() {
    let bed = Bed::with_lives("", "1h", "1h").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    let script = "trap 'exit 7' TERM; touch /local/ready; while :; do sleep 1 & wait $!; done";
    for step in ["stopped", "ended", "before-revoke", "after-revoke", "wiped", "removed"] {
        let task = bed.task(&jobs::shell(script, ONE_OF_EACH));
        bed.run(&task).await.expect("it starts");
        until("the script is ready", || async { task.dir.local.join("ready").exists() }).await;
        let user = bed.sh(&task, "cat /run/secrets/db/username").await;
        let password = bed.sh(&task, "cat /run/secrets/db/password").await;

        bed.anew(Some(step), &[&task]).await;
        let stopped = task.stop(&bed.agent).await;
        let told = task.wait(&bed.agent).await.ok();
        if stopped.is_ok() && told.is_some() {
            task.destroy(&bed.agent, true).await.ok();
        }
        bed.is_dead(step).await;

        bed.anew(None, &[&task]).await;
        let exit = match told {
            Some(told) => told,
            None => task.wait(&bed.agent).await.expect("an end"),
        };
        assert_eq!(exit.0.exit_code, 7, "after {step}");
        task.destroy(&bed.agent, true).await.unwrap_or_else(|status| panic!("after {step}: {}", status.message()));
        until("the database account is gone", || async { psql(&user, &password, "select 1").is_err() }).await;
    }
    bed.is_clean().await;
}

/// What the engine and the server know of a task.
#[derive(Debug, PartialEq)]
struct Seen {
    container: String,
    tokens: Vec<String>,
    leases: Vec<String>,
    certificate: String,
}

async fn look(bed: &Bed, container: &str) -> Seen {
    Seen {
        container: docker(&[
            "inspect",
            "-f",
            "{{.Id}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}",
            container,
        ]),
        tokens: bed.tokens().await,
        leases: bed.leases().await,
        certificate: crate::bed::inside(container, "cat /run/secrets/server/cert.pem"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_an_idle_plugin_changes_nothing_and_renewals_go_on() {
    let bed = Bed::with_lives("", "10s", "10s").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    let task = bed.task(&jobs::shell(&format!("trap 'echo told >>/local/noted' HUP; {SLEEP}"), ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    let before = look(&bed, &container).await;
    assert_eq!((before.tokens.len(), before.leases.len()), (1, 1));

    let killed = SystemTime::now();
    bed.anew(None, &[&task]).await;
    assert_eq!(look(&bed, &container).await, before);

    let lease = format!("database/creds/timeline/{}", before.leases[0]);
    let body = json!({ "accessor": before.tokens[0] });
    until("the token is renewed", || renewed(&bed.bao, "auth/token/lookup-accessor", &body, killed)).await;
    let body = json!({ "lease_id": lease });
    until("the lease is renewed", || renewed(&bed.bao, "sys/leases/lookup", &body, killed)).await;

    assert_eq!(look(&bed, &container).await, before);
    assert!(!task.dir.local.join("noted").exists(), "nobody was told anything");
    let user = bed.sh(&task, "cat /run/secrets/db/username").await;
    let password = bed.sh(&task, "cat /run/secrets/db/password").await;
    assert_eq!(psql(&user, &password, "select 1").as_deref(), Ok("1"));
    bed.end(&task).await;
    bed.is_clean().await;
}

/// Says whether the server prolonged something after `since`.
async fn renewed(bao: &Bao, path: &str, body: &Value, since: SystemTime) -> bool {
    let (_, answer) = bao.api("POST", path, Some(body.clone())).await;
    let seconds = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let last = &answer["data"]["last_renewal_time"];
    let last = last.as_u64().or_else(|| {
        let text = answer["data"]["last_renewal"].as_str()?;
        let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
        u64::try_from(at.unix_timestamp()).ok()
    });
    last.is_some_and(|last| last > seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_nobody_watched_is_told_after_the_recovery() {
    let bed = Bed::new("").await;
    let script = "while [ ! -e /local/go ]; do sleep 0.1; done; echo last words; exit 7";
    let config = "secret \"db\" { path = \"database/creds/timeline\" }";
    let task = bed.task(&jobs::shell(script, config));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    bed.kill_9().await;
    std::fs::write(task.dir.local.join("go"), "").expect("written");
    assert_eq!(docker(&["wait", &container]), "7");

    bed.anew(None, &[&task]).await;
    let (exit, _) = tokio::time::timeout(LIMIT, task.wait(&bed.agent)).await.expect("in time").expect("an end");
    assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (7, 0, false));
    task.destroy(&bed.agent, false).await.expect("destroyed");
    assert_eq!(bed.agent.feed.lines("timeline"), ["last words"]);
    bed.is_clean().await;
}
