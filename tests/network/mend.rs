//! A network whose container is killed or removed while tasks live in it.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use strongbox::{
    domain::TaskSpec,
    driver::{Class, Driver, Settings, TaskDriver},
};

use crate::bench::{Bench, SLEEP, docker, inode, inspect, until};

/// What tasks are told.
type Told = Arc<Mutex<Vec<String>>>;

fn hasty(settings: &mut Settings) {
    settings.refresh.reap_after = std::time::Duration::from_secs(1);
    settings.vault = None;
}

async fn listen(driver: &Driver) -> Told {
    let (told, mut events) = (Told::default(), driver.events());
    let keep = Arc::clone(&told);
    // The first poll subscribes.
    assert!(futures_util::poll!(events.next()).is_pending());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            keep.lock().expect("no test panics with it").push(format!("{}: {}", event.task_name, event.message));
        }
    });
    told
}

fn count(told: &Told, parts: &[&str]) -> usize {
    let told = told.lock().expect("no test panics with it");
    told.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

async fn namespace(bench: &Bench, task: &TaskSpec) -> String {
    bench.sh(task, "readlink /proc/self/ns/net; ls /sys/class/net; hostname").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_joins_the_tasks_that_live_in_it_and_the_agent_finds_it_whole() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let told = listen(&bench.driver).await;
    let (web, _) = bench.sleeper("web", &network).await;
    docker(&["kill", &network.container]);
    let (later, _) = bench.sleeper("later", &network).await;
    let seen = namespace(&bench, &later).await;
    assert_eq!(seen, namespace(&bench, &web).await);
    assert!(seen.contains("eth0") && seen.contains("shop"), "{seen}");
    until("web is told", || count(&told, &["web: ", &network.container[..12], "nothing was lost"]) == 1).await;
    // It lives on in what holds it now.
    for task in [&web, &later] {
        bench.driver.destroy(&task.meta.id, true).await.expect("destroyed");
    }
    let (third, _) = bench.sleeper("third", &network).await;
    assert_eq!(namespace(&bench, &third).await, seen);
    let found = bench.network().await;
    assert!(!found.created && found.container != network.container, "it is plumbed already");
    assert!(seen.contains(&inode(&found.path).to_string()), "{seen} {:?}", found.path);
    bench.driver.destroy(&third.meta.id, true).await.expect("destroyed");
    bench.driver.destroy_network(&bench.alloc).await.expect("removed");
    assert_eq!(bench.containers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_noticed_and_mended_though_nobody_starts() {
    let bench = Bench::with(hasty).await;
    let network = bench.network().await;
    bench.plumb(&network);
    let told = listen(&bench.driver).await;
    let (web, _) = bench.sleeper("web", &network).await;
    let seen = namespace(&bench, &web).await;
    bench.driver.fingerprints().next().await.expect("a fingerprint");
    docker(&["kill", &network.container]);
    until("web is told", || count(&told, &["web: ", "nothing was lost"]) == 1).await;
    let first = bench.network().await;
    // What holds it now may be killed as well.
    docker(&["kill", &first.container]);
    until("web is told again", || count(&told, &["web: ", "nothing was lost"]) == 2).await;
    let second = bench.network().await;
    assert!(!first.created && !second.created && first.container != second.container);
    assert_eq!(inspect(&second.container)["State"]["Running"], true);
    let (later, _) = bench.sleeper("later", &network).await;
    assert_eq!(namespace(&bench, &later).await, seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_container_is_told_once_and_nothing_more_is_started_in_its_network() {
    let bench = Bench::with(hasty).await;
    let network = bench.network().await;
    bench.plumb(&network);
    let told = listen(&bench.driver).await;
    let (web, _) = bench.sleeper("web", &network).await;
    bench.driver.fingerprints().next().await.expect("a fingerprint");
    docker(&["rm", "-f", &network.container]);
    until("web is told", || count(&told, &["web: ", "was removed", "nomad alloc stop"]) == 1).await;
    assert!(namespace(&bench, &web).await.contains("eth0"), "what runs keeps its network");
    let error = bench.refused(bench.task("later", SLEEP, &network)).await;
    assert_eq!(error.class(), Class::NetworkGone, "{error}");
    // Rounds go on; the next two make no words.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(count(&told, &["lost for new starts"]), 1);
}
