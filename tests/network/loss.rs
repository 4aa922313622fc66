//! A network that is not what it was: found out before a start, at a recovery, and when it is asked for again.

use strongbox::{
    domain::TaskSpec,
    driver::{Class, Started, TaskDriver},
};

use crate::bench::{Bench, SLEEP, docker, inside};

/// Whether the next process takes the task over.
async fn recovers(bench: &Bench, task: &TaskSpec, started: &Started) -> Result<(), String> {
    let next = bench.anew().await;
    let outcome = next.recover(&task.meta, None, &started.state).await.map_err(|error| error.to_string());
    next.shutdown().await;
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_network_is_recovered_in_silence() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let (task, started) = bench.sleeper("web", &network).await;
    recovers(&bench, &task, &started).await.expect("nothing is wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_a_network_whose_container_has_ended_is_refused_for_good() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let (task, _) = bench.sleeper("web", &network).await;
    // Nobody lives in it any more, and with its container it ends.
    bench.driver.destroy(&task.meta.id, true).await.expect("destroyed");
    docker(&["kill", &network.container]);
    let error = bench.refused(bench.task("later", SLEEP, &network)).await;
    assert_eq!(error.class(), Class::NetworkGone);
    assert!(!error.recoverable(), "another try here finds the same");
    let text = error.to_string();
    assert!(text.contains(&bench.alloc) && text.contains("has ended") && text.contains("nomad alloc stop"), "{text}");
    docker(&["rm", "-f", &network.container]);
    let error = bench.refused(bench.task("later", SLEEP, &network)).await;
    assert!(error.to_string().contains("was removed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_outlives_the_container_that_held_its_network() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let (task, started) = bench.sleeper("web", &network).await;
    docker(&["kill", &network.container]);
    recovers(&bench, &task, &started).await.expect("its namespace is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_whose_container_has_ended_is_made_anew_when_it_is_asked_for() {
    let bench = Bench::new().await;
    let first = bench.network().await;
    docker(&["kill", &first.container]);
    let second = bench.network_by(&bench.anew().await).await;
    assert!(second.created && second.container != first.container);
    assert_eq!(bench.containers(), [second.container]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_was_bare_is_made_anew_for_a_start() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let (task, _) = bench.sleeper("web", &network).await;
    bench.driver.destroy(&task.meta.id, true).await.expect("destroyed");
    docker(&["kill", &network.container]);
    let (task, _) = bench.sleeper("later", &network).await;
    assert_eq!(bench.sh(&task, "hostname").await, "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_interface_is_found_out_everywhere() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let (task, started) = bench.sleeper("web", &network).await;
    inside(&network, "ip link del eth0");
    let error = bench.refused(bench.task("later", SLEEP, &network)).await;
    assert!(error.class() == Class::NetworkGone && error.to_string().contains("interface eth0"), "{error}");
    let error = recovers(&bench, &task, &started).await.expect_err("it runs without its network");
    assert!(error.contains("task web runs without it") && error.contains("eth0"), "{error}");
    let again = bench.network_by(&bench.anew().await).await;
    assert!(again.created && again.container != network.container, "the agent plumbs what is created");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_was_replaced_is_found_out() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    bench.sleeper("web", &network).await;
    // What a restart policy would do: the container comes back with an empty namespace.
    docker(&["restart", "-t", "0", &network.container]);
    let error = bench.refused(bench.task("later", SLEEP, &network)).await;
    assert!(error.to_string().contains("another namespace"), "{error}");
    let again = bench.network().await;
    assert!(again.created && again.container != network.container);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ended_meanwhile_is_recovered_for_its_end() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let (task, started) = bench.sleeper("web", &network).await;
    let container = bench.driver.inspect(&task.meta.id).await.expect("known").attributes["container_id"].clone();
    bench.driver.shutdown().await;
    docker(&["kill", &container, &network.container]);
    let next = bench.anew().await;
    next.recover(&task.meta, None, &started.state).await.expect("taken up");
    assert_eq!(next.wait(&task.meta.id).await.expect("an end").exit_code, 137);
}
