//! What nobody asks for any more is removed after the grace; what is not ours never is.

use std::time::Duration;

use futures_util::StreamExt;
use strongbox::driver::{Driver, Settings, TaskDriver};

use crate::bench::{Bench, docker, until};

fn hasty(settings: &mut Settings) {
    settings.refresh.reap_after = Duration::from_secs(1);
    settings.network.reap_after = Duration::from_secs(2);
    settings.vault = None;
}

/// The sweeper starts with the first fingerprint.
async fn sweeps(driver: &Driver) {
    driver.fingerprints().next().await.expect("a fingerprint");
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_of_forgotten_allocations_are_removed_and_known_ones_stay() {
    let bench = Bench::with(hasty).await;
    bench.network().await;
    let other = Bench::with(hasty).await;
    let kept = other.network().await;
    let next = bench.anew().await;
    sweeps(&next).await;
    sweeps(&other.driver).await;
    until("the forgotten one is removed", || bench.containers().is_empty()).await;
    assert_eq!(other.containers(), [kept.container], "it was asked for by the process that sweeps");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_with_a_recovered_task_stays() {
    let bench = Bench::with(hasty).await;
    let network = bench.network().await;
    let (task, started) = bench.sleeper("web", &network).await;
    let next = bench.anew().await;
    next.recover(&task.meta, None, &started.state).await.expect("taken up");
    sweeps(&next).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(bench.containers().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_in_every_state_are_removed_and_strangers_stay() {
    let bench = Bench::with(hasty).await;
    let ours = |role: &str, alloc: &str| {
        [
            format!("strongbox.instance={}", bench.instance()),
            format!("strongbox.role={role}"),
            format!("strongbox.alloc_id={alloc}"),
        ]
    };
    let made = |verb: &[&str], labels: &[String], words: &[&str]| {
        let labels: Vec<&str> = labels.iter().flat_map(|label| ["--label", label.as_str()]).collect();
        docker(&[verb, &["--network", "none"], labels.as_slice(), &["strongbox/busybox:1"], words].concat())
    };
    let task = |id: &str| {
        let id = format!("{}/web/{id}", bench.alloc).parse::<strongbox::domain::TaskId>().expect("an id");
        let marks = [format!("strongbox.task_id={}", id.as_str()), format!("strongbox.task_key={}", id.key())];
        [ours("task", &bench.alloc).to_vec(), marks.to_vec()].concat()
    };
    let strangers = [
        made(&["run", "-d"], &[], &["sleep", "600"]),
        made(&["run", "-d"], &["strongbox.instance=another".into(), "strongbox.role=pause".into()], &["sleep", "600"]),
        made(&["create"], &["strongbox.role=pause".into()], &["true"]),
    ];
    made(&["create"], &task("00000001"), &["true"]);
    made(&["run", "-d"], &task("00000002"), &["true"]);
    made(&["run", "-d"], &task("00000003"), &["sleep", "600"]);
    made(&["create"], &ours("pause", "a1"), &["true"]);
    made(&["run", "-d"], &ours("pause", "a2"), &["true"]);
    made(&["run", "-d"], &ours("pause", "a3"), &["sleep", "600"]);
    assert_eq!(bench.containers().len(), 6);
    sweeps(&bench.driver).await;
    until("all of ours are removed", || bench.containers().is_empty()).await;
    for stranger in strangers {
        docker(&["inspect", &stranger]);
        docker(&["rm", "-fv", &stranger]);
    }
}
