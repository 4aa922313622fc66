//! What a running task notices when the plugin or the agent goes: nothing.

use serde_json::Value;

use crate::{
    bed::{Bed, NAME, Running, read, until},
    leftovers,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn a_task_lives_through_the_death_of_the_plugin_and_of_the_agent() {
    let mut bed = Bed::new().await;
    let task = bed.run("timeline", &[]).await;
    bed.output(&task.alloc, "up").await;
    let user = read(&task.container, "db/username");

    let killed = bed.agent.kill_9_plugin();
    let next =
        until("the agent has launched the plugin anew", async || bed.agent.plugin().filter(|pid| *pid != killed)).await;
    bed.change_arrives(&task, "after-the-plugin").await;
    is_the_same(&bed, &task, &user).await;
    // The agent's reader of the output ends with the plugin's pipes, and only an agent's start begins a new one. What is
    // written meanwhile comes then.
    hang_up(&bed, &task).await;

    bed.agent.kill_9();
    bed.change_arrives(&task, "without-an-agent").await;
    bed.agent.launch();
    bed.agent.ready().await;
    assert_eq!(bed.agent.plugin(), Some(next), "the plugin is attached to again");
    bed.change_arrives(&task, "after-the-agent").await;
    is_the_same(&bed, &task, &user).await;
    hang_up(&bed, &task).await;
    bed.output_times(&task.alloc, "hung up", 2).await;

    bed.agent.stop().await;
    assert_eq!(bed.agent.plugin(), None, "the plugin has ended with the agent");
    bed.agent.launch();
    bed.agent.ready().await;
    bed.change_arrives(&task, "after-the-restart").await;
    is_the_same(&bed, &task, &user).await;
    hang_up(&bed, &task).await;
    bed.output_times(&task.alloc, "hung up", 3).await;

    bed.stop().await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn an_end_that_nobody_watched_is_reported_as_it_was() {
    let mut bed = Bed::new().await;
    let task = bed.run("timeline", &[]).await;
    bed.output(&task.alloc, "up").await;
    bed.agent.kill_9();
    leftovers::kill_all(bed.agent.root());
    let user = read(&task.container, "db/username");
    assert!(!user.is_empty(), "the container does not notice");
    end_by_itself(&task).await;
    bed.agent.launch();
    bed.agent.ready().await;
    bed.event(&task.alloc, "Terminated: Exit Code: 7").await;
    bed.is_clean().await;
}

/// Same container, same credentials, and the agent has figures of it.
async fn is_the_same(bed: &Bed, task: &Running, user: &str) {
    bed.is_unharmed(task).await;
    assert_eq!(read(&task.container, "db/username"), user, "nothing was issued again");
    let path = format!("/v1/client/allocation/{}/stats", task.alloc);
    until("the agent has figures of the task", async || {
        let output = bed.agent.try_cli(["operator", "api", &path]).await;
        let stats: Value = serde_json::from_slice(&output.stdout).ok()?;
        stats["Tasks"][NAME]["ResourceUsage"]["MemoryStats"]["Usage"].as_u64().filter(|usage| *usage > 0)
    })
    .await;
}

/// The agent reaches the task, whose program then writes a line.
async fn hang_up(bed: &Bed, task: &Running) {
    bed.agent.cli(["alloc", "signal", "-s", "SIGHUP", &task.alloc, NAME]).await;
}

/// Lets the container's program end with its own status, and waits until it has.
async fn end_by_itself(task: &Running) {
    let docker = |args: &[&str]| {
        let output = std::process::Command::new("docker").args(args).arg(&task.container).output();
        String::from_utf8_lossy(&output.expect("docker runs").stdout).trim().to_owned()
    };
    docker(&["kill", "--signal=USR1"]);
    until("the container has ended", async || {
        (docker(&["inspect", "--format={{.State.Status}}"]) == "exited").then_some(())
    })
    .await;
}
