//! The image of the containers that hold networks is taken away like any other: when nobody has used it for a while.

use std::time::Duration;

use futures_util::StreamExt;
use strongbox::driver::{Driver, Settings, TaskDriver};

use crate::{
    bench::{Bench, docker, until},
    registry::{Registry, is_here},
};

/// Longer than the delay after which an unused image goes.
const A_WHILE: Duration = Duration::from_secs(3);

fn hasty(settings: &mut Settings, image: &str) {
    settings.images.collect.delay = Duration::from_secs(1);
    settings.refresh.reap_after = Duration::from_secs(1);
    settings.network.infra_image = image.parse().expect("a reference");
    settings.vault = None;
}

/// Sweeper and collector start with the first fingerprint.
async fn sweeps(driver: &Driver) {
    driver.fingerprints().next().await.expect("a fingerprint");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_counts_as_used_while_a_network_lives_and_goes_afterwards() {
    let registry = Registry::open();
    let image = registry.offer_like("strongbox/pause:1");
    // What the registry has is brought; another name keeps the engine from telling by the container that it is used.
    let bench = Bench::with(|settings| hasty(settings, &image)).await;
    sweeps(&bench.driver).await;
    let network = bench.network().await;
    docker(&["tag", &image, &format!("{image}-too")]);
    registry.expect_name(&format!("{image}-too"));
    tokio::time::sleep(A_WHILE).await;
    assert!(is_here(&image), "a network uses it");
    // The next process has been asked for nothing, and knows it from the list and the container.
    let next = bench.anew().await;
    sweeps(&next).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(is_here(&image), "a network that was made by the process before uses it");
    assert!(!bench.network_by(&next).await.created);
    next.destroy_network(&bench.alloc).await.expect("removed");
    until("the image is removed", || !is_here(&image)).await;
    assert!(!bench.containers().contains(&network.container));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_too_when_no_network_came_of_it() {
    let registry = Registry::open();
    // Its command ends at once.
    let image = registry.offer(64);
    let bench = Bench::with(|settings| hasty(settings, &image)).await;
    sweeps(&bench.driver).await;
    let error = bench.driver.create_network(bench.wanted()).await.expect_err("it does not wait");
    assert!(error.to_string().contains("infra_image"), "{error}");
    until("the image is removed", || !is_here(&image)).await;
}
