//! An engine that is killed under running tasks of a group.

use std::time::Duration;

use rustix::process::Signal;
use strongbox::{
    domain::ExitResult,
    driver::{Class, NetworkMade, TaskDriver},
};

use crate::{
    bench::{Bench, LIMIT, SLEEP},
    private_engine::{Mounts, Options, PrivateEngine},
};

async fn bench(engine: &PrivateEngine) -> (Bench, NetworkMade) {
    let bench = Bench::with(|settings| settings.container.socket = engine.socket()).await;
    let network = bench.network().await;
    bench.plumb(&network);
    (bench, network)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_live_restore_tasks_and_their_network_outlive_the_engine() {
    let mut engine = PrivateEngine::start(Options { mounts: Mounts::Shared, live_restore: true });
    let (bench, network) = bench(&engine).await;
    let (task, started) = bench.sleeper("web", &network).await;
    let end = tokio::spawn({
        let (driver, id) = (bench.driver.clone(), task.meta.id.clone());
        async move { driver.wait(&id).await }
    });
    engine.kill_9();
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.launch();
    assert!(!end.is_finished(), "an engine that is away says nothing about a task");
    let (later, _) = bench.sleeper("later", &network).await;
    assert!(bench.sh(&later, "ip addr show eth0").await.contains("172.26.64.3"));
    let next = bench.anew().await;
    next.recover(&task.meta, None, &started.state).await.expect("its network is whole");
    let found = bench.network_by(&next).await;
    assert_eq!((found.created, found.container), (false, network.container));
    next.stop(&task.meta.id, Duration::from_secs(5), None).await.expect("stopped");
    assert_eq!(next.wait(&task.meta.id).await.expect("an end").exit_code, 0);
    end.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_the_end_is_told_once_and_the_network_is_made_anew_when_asked_for() {
    let mut engine = PrivateEngine::start(Options { mounts: Mounts::Shared, live_restore: false });
    let (bench, network) = bench(&engine).await;
    let (task, started) = bench.sleeper("web", &network).await;
    engine.kill_9();
    engine.launch();
    let end = tokio::time::timeout(LIMIT, bench.driver.wait(&task.meta.id)).await.expect("in time").expect("an end");
    assert!(end.exit_code != 0 || end.message.is_some(), "{end:?}");
    is_told(&end);

    // The agent lives: it starts the task anew, in a network that it does not plumb again.
    let error = bench.driver.start(bench.task("web", SLEEP, &network)).await.expect_err("the network is gone");
    assert_eq!((error.class(), error.recoverable()), (Class::NetworkGone, false), "{error}");
    assert!(error.to_string().contains("restarts"), "{error}");

    // The agent restarts, as after a reboot: it recovers, asks for the network, plumbs, starts.
    let next = bench.anew().await;
    next.recover(&task.meta, None, &started.state).await.expect("taken up for its end");
    let again = next.wait(&task.meta.id).await.expect("an end");
    assert_eq!(again.exit_code, end.exit_code);
    next.destroy(&task.meta.id, true).await.expect("destroyed");
    let made = bench.network_by(&next).await;
    assert!(made.created && made.container != network.container);
    bench.plumb(&made);
    next.start(bench.task("web", SLEEP, &made)).await.expect("it starts");
    assert_eq!(engine.docker(&["ps", "-aq"]).lines().count(), 2, "the pause and the task");
}

fn is_told(end: &ExitResult) {
    let text = end.message.as_deref().unwrap_or_default();
    assert!(text.contains("engine") && text.contains("restarted"), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_group_is_recovered_while_its_engine_is_away() {
    let mut engine = PrivateEngine::start(Options { mounts: Mounts::Shared, live_restore: true });
    let (bench, network) = bench(&engine).await;
    let (task, started) = bench.sleeper("web", &network).await;
    let next = bench.anew().await;
    engine.kill_9();
    next.recover(&task.meta, None, &started.state).await.expect("an engine that is away says nothing");
    let error = next.create_network(bench.wanted()).await.expect_err("it cannot be told");
    assert!(error.recoverable() && error.class() == Class::EngineUnavailable, "{error}");
    engine.launch();
    let found = bench.network_by(&next).await;
    assert_eq!((found.created, &found.container), (false, &network.container));
    next.stop(&task.meta.id, Duration::from_secs(5), None).await.expect("stopped");
    assert_eq!(next.wait(&task.meta.id).await.expect("an end").exit_code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_an_engine_is_too_slow_to_make_is_there_once_in_the_end() {
    let engine = PrivateEngine::start(Options { mounts: Mounts::Shared, live_restore: false });
    let bench = Bench::with(|settings| settings.container.socket = engine.socket()).await;
    engine.signal(Signal::STOP);
    let hung = tokio::time::timeout(Duration::from_secs(1), bench.driver.create_network(bench.wanted())).await;
    assert!(hung.is_err(), "the engine hangs");
    engine.signal(Signal::CONT);
    let made = bench.network().await;
    let again = bench.network().await;
    assert_eq!((again.created, &again.container), (false, &made.container));
    assert_eq!(engine.docker(&["ps", "-aq", "--no-trunc"]), made.container);
}
