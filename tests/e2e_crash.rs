//! The plugin dies at each step of a start, of a change and of an end; afterwards everything is whole or gone.

use std::time::{Duration, Instant};

use serde_json::json;

#[path = "support/bao.rs"]
mod bao;
#[allow(dead_code)]
#[path = "support/bed.rs"]
mod bed;
#[path = "../examples/harness/mod.rs"]
mod harness;

use bed::{Bed, JOB};

/// The steps of a start at which the process is killed.
const START: [&str; 17] = [
    "mounted",
    "intent",
    "image-ready",
    "created",
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

/// The steps of an end.
const END: [&str; 6] = ["ended", "before-revoke", "after-revoke", "wiped", "removed", "stopped"];

/// Starts a task whose plugin dies at `point`, and has the plugin start anew without that point.
async fn die_at(point: &str) -> (Bed, harness::runner::Run) {
    let bed = Bed::with("", &[("STRONGBOX_FAIL_POINT", point)]).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "some-key" } }))).await;
    let task = bed.task(JOB);
    (bed, task)
}

/// Starts the plugin anew, with a fail point that is never passed.
async fn relaunch(bed: &mut Bed) {
    bed.calm();
    bed.relaunch().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_died_anywhere_is_undone_when_nobody_repeats_it() {
    for points in START.chunks(3) {
        futures_util::future::join_all(points.iter().map(|point| async move {
            let (mut bed, task) = die_at(point).await;
            bed.run(&task).await.expect_err(point);
            relaunch(&mut bed).await;
            bed.is_clean().await;
        }))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_died_anywhere_succeeds_when_the_agent_repeats_it() {
    for points in ["created", "logged-in", "published", "before-reply"].chunks(2) {
        futures_util::future::join_all(points.iter().map(|point| async move {
            let (mut bed, task) = die_at(point).await;
            bed.run(&task).await.expect_err(point);
            relaunch(&mut bed).await;
            bed.run(&task).await.unwrap_or_else(|status| panic!("{point}: {}\n{}", status.message(), bed.log()));
            assert_eq!(bed.containers().len(), 1, "{point}");
            assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await.trim(), "API_KEY=some-key");
            bed.end(&task).await;
            bed.is_clean().await;
        }))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_nobody_could_write_down_dies_by_its_own_time() {
    let (mut bed, task) = die_at("after-login").await;
    // As an operator would who wants lost logins to be short-lived.
    bed.shorten_tokens("8s").await;
    bed.run(&task).await.expect_err("it dies");
    relaunch(&mut bed).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_died_anywhere_is_brought_to_its_end() {
    for points in END.chunks(3) {
        futures_util::future::join_all(points.iter().map(|point| async move {
            let (mut bed, task) = die_at(point).await;
            bed.run(&task).await.unwrap_or_else(|status| panic!("{point}: {}", status.message()));
            let killed = async {
                task.stop(&bed.agent).await?;
                task.destroy(&bed.agent, true).await
            };
            killed.await.expect_err(point);
            relaunch(&mut bed).await;
            // The agent asks for the task, and when that fails or has ended destroys it.
            task.recover(&bed.agent).await.ok();
            task.destroy(&bed.agent, true).await.expect("destroyed");
            bed.is_clean().await;
        }))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_died_anywhere_shows_a_whole_set_and_is_acted_upon() {
    for points in [["before-flip", "tmpfs-filled:2"], ["after-flip", "before-act"]] {
        futures_util::future::join_all(points.iter().map(|point| async move {
            let (mut bed, task) = die_at(point).await;
            let task = {
                drop(task);
                bed.task(
                    &JOB.replace("change_mode = \"noop\"", "change_mode = \"signal\"\n change_signal = \"SIGUSR1\"")
                        .replace("trap 'exit 0' TERM;", "trap 'exit 0' TERM; trap 'echo told' USR1;"),
                )
            };
            bed.run(&task).await.unwrap_or_else(|status| panic!("{point}: {}", status.message()));
            let dead = bed.agent.process();
            bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "other-key" } }))).await;
            tokio::time::timeout(Duration::from_secs(30), dead.dead()).await.expect(point);
            relaunch(&mut bed).await;
            task.recover(&bed.agent).await.expect("recovered");
            let end = Instant::now() + Duration::from_secs(20);
            while !bed.agent.feed.lines("timeline").iter().any(|line| line == "told") {
                assert!(Instant::now() < end, "{point}: nobody told the process");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await.trim(), "API_KEY=other-key", "{point}");
            let told = bed.agent.feed.lines("timeline").iter().filter(|line| *line == "told").count();
            assert!((1..=2).contains(&told), "{point}: told {told} times");
            bed.end(&task).await;
            bed.is_clean().await;
        }))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_plugin_that_dies_costs_nothing() {
    let (mut bed, task) = die_at("nowhere").await;
    bed.run(&task).await.expect("it starts");
    let before = (
        task.container(&bed.agent).await.expect("a container"),
        bed.tokens().await,
        bed.leases().await,
        bed.sh(&task, "cat /run/secrets/server/cert.pem").await,
    );
    let started = bed.sh(&task, "stat -c %Y /proc/1").await;
    bed.calm();
    bed.kill_9_and_recover(&[&task]).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "later-key" } }))).await;
    bed.event(&task, "app.env renewed", Duration::from_secs(20)).await;
    let after = (
        task.container(&bed.agent).await.expect("a container"),
        bed.tokens().await,
        bed.leases().await,
        bed.sh(&task, "cat /run/secrets/server/cert.pem").await,
    );
    assert!(before == after, "container, tokens, leases or certificate are others");
    assert_eq!(bed.sh(&task, "stat -c %Y /proc/1").await, started);
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_nobody_watched_is_told_truly() {
    let (mut bed, _) = die_at("nowhere").await;
    let task = bed.task(&JOB.replace("trap 'exit 0' TERM; echo up; while :; do sleep 1; done", "sleep 2; exit 7"));
    bed.run(&task).await.expect("it starts");
    bed.calm();
    bed.kill_9().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    bed.relaunch().await;
    task.recover(&bed.agent).await.expect("recovered");
    let (exit, _) = task.wait(&bed.agent).await.expect("an end");
    assert_eq!(exit.exit_code, 7);
    task.destroy(&bed.agent, true).await.expect("destroyed");
    bed.is_clean().await;
}
