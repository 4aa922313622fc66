//! Which images are taken away, and when.

use crate::{
    bed::{Bed, until},
    jobs::{self, SLEEP},
    registry::{Registry, docker, is_here},
};

/// Soon enough for a test.
const SOON: &str = r#"gc { image_delay = "1s" }"#;

async fn is_gone(name: &str) {
    until("the image is removed", || async { !is_here(name) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_image_goes_after_its_delay_and_one_in_use_stays() {
    let bed = Bed::new(SOON).await;
    let registry = Registry::open();
    let name = registry.offer(4096);
    let (one, two) = (bed.task(&jobs::job(&name, SLEEP, "")), bed.task(&jobs::job(&name, SLEEP, "")));
    bed.run(&one).await.expect("it starts");
    bed.run(&two).await.expect("it starts");
    bed.end(&one).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(is_here(&name), "the second task uses it");
    bed.end(&two).await;
    is_gone(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_survive_a_kill_of_the_plugin() {
    let bed = Bed::new(SOON).await;
    let registry = Registry::open();
    let name = registry.offer(4096);
    let task = bed.task(&jobs::job(&name, SLEEP, ""));
    bed.run(&task).await.expect("it starts");
    bed.anew(None, &[&task]).await;
    bed.anew(None, &[&task]).await;
    bed.end(&task).await;
    is_gone(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_start_that_failed_or_was_killed_has_pulled_goes_too() {
    let bed = Bed::new(SOON).await;
    let registry = Registry::open();
    let (one, two) = (registry.offer(4096), registry.offer(4096));
    let wrong = jobs::with_task(&format!("config {{\n image = {one:?}\n command = \"/no/such/program\"\n }}"));
    bed.run(&bed.task(&wrong)).await.expect_err("it cannot start");
    is_gone(&one).await;
    let task = bed.task(&jobs::job(&two, SLEEP, ""));
    bed.anew(Some("image-ready"), &[]).await;
    bed.run(&task).await.expect_err("the plugin dies");
    bed.is_dead("image-ready").await;
    assert!(is_here(&two));
    bed.anew(None, &[]).await;
    is_gone(&two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_driver_did_not_bring_stays_unless_all_may_go() {
    let registry = Registry::open();
    let name = registry.offer(4096);
    docker(&["pull", "-q", &name]);
    for (setting, stays) in
        [("", true), ("image = \"any\"\n image_keep = [\"*/strongbox-test/*\"]", true), ("image = \"any\"", false)]
    {
        let bed = Bed::new(&format!("gc {{\n image_delay = \"1s\"\n {setting}\n }}")).await;
        let task = bed.task(&jobs::job(&name, SLEEP, ""));
        bed.run(&task).await.expect("it starts");
        bed.end(&task).await;
        if stays {
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            assert!(is_here(&name), "with {setting:?}");
        } else {
            is_gone(&name).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_a_strangers_container_uses_stays_until_that_is_gone() {
    let bed = Bed::new(SOON).await;
    let registry = Registry::open();
    let name = registry.offer(4096);
    let task = bed.task(&jobs::job(&name, SLEEP, ""));
    bed.run(&task).await.expect("it starts");
    let other = docker(&["create", "--network", "none", &name, "true"]);
    bed.end(&task).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(is_here(&name), "somebody else's container is made of it");
    docker(&["rm", &other]);
    is_gone(&name).await;
}
