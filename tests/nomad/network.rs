//! Networks that an agent has the driver make for its groups.

use crate::{
    bed::{Bed, NAME},
    cni::ADDRESS,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn the_tasks_of_a_group_share_a_network_that_goes_with_them() {
    let bed = Bed::new().await;
    let alloc = bed.submit("group", &[]).await;
    bed.in_state(&alloc, "running").await;
    // An agent does not tell a driver that is a program of its own the group's host name; the engine's is the container's id.
    bed.output(&alloc, ADDRESS).await;
    bed.output(&alloc, "hello").await;
    assert_eq!(bed.containers().len(), 3, "two tasks and what holds their network");
    bed.agent.cli(["job", "stop", "-purge", "-detach", NAME]).await;
    bed.is_clean().await;
}
