//! Nomad's built-in docker driver is loaded on every node and removes what it takes for its own leftovers.
//!
//! Its rule, as its documentation and behaviour tell: a running container that it does not track is removed when it bears the
//! label of an allocation, or when it has mounts at `/alloc`, `/local` and `/secrets` and a name with a hyphen before a UUID.

use serde_json::Value;
use strongbox::driver::TaskDriver;

use crate::bench::{Bench, docker, inspect};

fn would_be_removed(known: &Value) -> bool {
    let running = known["State"]["Running"] == true;
    let labelled = !known["Config"]["Labels"]["com.hashicorp.nomad.alloc_id"].is_null();
    let mounts: Vec<&str> =
        known["Mounts"].as_array().into_iter().flatten().filter_map(|mount| mount["Destination"].as_str()).collect();
    let mounted = ["/alloc", "/local", "/secrets"].iter().all(|place| mounts.contains(place));
    running && (labelled || (mounted && has_hyphen_before_uuid(known["Name"].as_str().unwrap_or_default())))
}

fn has_hyphen_before_uuid(name: &str) -> bool {
    let is_uuid = |text: &str| {
        let groups: Vec<&str> = text.split('-').take(5).collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name.match_indices('-').any(|(at, _)| name.get(at + 1..at + 37).is_some_and(is_uuid))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_container_of_ours_is_taken_for_a_leftover_of_the_peer() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    // The worst names: what a job's author would call a task to look like the peer's.
    for name in ["web", "web-550e8400-e29b-41d4-a716-446655440000", "x-", "550e8400-e29b-41d4-a716-446655440000"] {
        let (task, _) = bench.sleeper(name, &network).await;
        let container = bench.driver.inspect(&task.meta.id).await.expect("known").attributes["container_id"].clone();
        let known = inspect(&container);
        assert_eq!(known["State"]["Running"], true);
        assert!(known["Mounts"].to_string().contains("/secrets"), "all three mounts are there: {}", known["Mounts"]);
        assert!(!would_be_removed(&known), "{}", known["Name"]);
    }
    assert!(!would_be_removed(&inspect(&network.container)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_finds_what_the_peer_would_have_made() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let (task, _) = bench.sleeper("web", &network).await;
    let container = bench.driver.inspect(&task.meta.id).await.expect("known").attributes["container_id"].clone();
    docker(&["rename", &container, &format!("web-{}", bench.alloc)]);
    assert!(would_be_removed(&inspect(&container)), "our own, under the peer's name");
    let words = ["run", "-d", "--network", "none", "--label", "com.hashicorp.nomad.alloc_id=x", "strongbox/pause:1"];
    let labelled = docker(&words);
    let known = inspect(&labelled);
    docker(&["rm", "-fv", &labelled]);
    assert!(would_be_removed(&known));
}
