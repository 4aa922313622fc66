//! A task's life as a user of Nomad sees it.

use crate::{
    agent::Agent,
    bao::psql,
    bed::{Bed, NAME, Running, read, sh, until},
    canary::Canaries,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn a_job_runs_with_its_secrets_and_stop_revokes_them() {
    let bed = Bed::new().await;
    let task = bed.run("timeline", &[]).await;
    bed.output(&task.alloc, "up").await;

    let (user, password) = (read(&task.container, "db/username"), read(&task.container, "db/password"));
    assert_eq!(psql(&user, &password, "select 1").as_deref(), Ok("1"));
    assert_eq!(read(&task.container, "app.env").trim(), "API_KEY=first-api-key");
    assert!(read(&task.container, "server/cert.pem").contains("BEGIN CERTIFICATE"));
    assert!(sh(&task.container, "grep ' /run/secrets ' /proc/mounts").starts_with("tmpfs /run/secrets tmpfs ro"));
    let secrets = secrets_of(&task);

    has_usage(&bed.agent, &task).await;
    has_both_streams(&bed.agent, &task).await;
    bed.agent.cli(["alloc", "signal", "-s", "SIGHUP", &task.alloc, NAME]).await;
    bed.output(&task.alloc, "hung up").await;
    runs_a_users_commands(&bed.agent, &task).await;

    bed.change_arrives(&task, "second-api-key").await;
    bed.event(&task.alloc, "Driver: app.env renewed").await;
    bed.is_unharmed(&task).await;

    bed.agent.cli(["job", "stop", "-detach", NAME]).await;
    bed.event(&task.alloc, "Terminated: Exit Code: 0").await;
    bed.output(&task.alloc, "asked to end").await;
    bed.is_clean().await;
    assert!(psql(&user, &password, "select 1").is_err(), "the account is gone");
    assert_eq!(secrets.scan_tree(bed.agent.root()), [], "secrets on the agent's disk");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn an_end_with_a_status_is_reported_with_it() {
    let bed = Bed::new().await;
    let task = bed.run("timeline", &[]).await;
    bed.output(&task.alloc, "up").await;
    bed.agent.cli(["alloc", "signal", "-s", "SIGUSR1", &task.alloc, NAME]).await;
    bed.event(&task.alloc, "Terminated: Exit Code: 7").await;
    bed.is_clean().await;
    until("the allocation has failed", async || {
        (bed.about(&task.alloc).await["ClientStatus"] == "failed").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Nomad agent: make test-nomad NOMAD=/path/to/nomad"]
async fn a_script_that_the_agent_runs_on_a_change_runs_in_the_container() {
    let bed = Bed::new().await;
    bed.agent.cli(["var", "put", "nomad/jobs/timeline", "word=first"]).await;
    let task = bed.run("script", &[]).await;
    bed.output(&task.alloc, "up").await;
    assert_eq!(sh(&task.container, "cat /local/word"), "first");
    bed.agent.cli(["var", "put", "-force", "nomad/jobs/timeline", "word=second"]).await;
    until("the script has run", async || (sh(&task.container, "cat /tmp/seen") == "second").then_some(())).await;
    bed.stop().await;
    bed.is_clean().await;
}

/// The agent has figures of the task, by its own interface and in its command line.
async fn has_usage(agent: &Agent, task: &Running) {
    let path = format!("/v1/client/allocation/{}/stats", task.alloc);
    let memory = until("figures of the task's memory", async || {
        let stats = agent.api(&path).await;
        let memory = stats["Tasks"][NAME]["ResourceUsage"]["MemoryStats"].clone();
        memory["Usage"].as_u64().is_some_and(|usage| usage > 0).then_some(memory)
    })
    .await;
    assert!(memory["Measured"].as_array().is_some_and(|names| names.iter().any(|name| name == "Usage")), "{memory}");
    let text = agent.cli(["alloc", "status", "-stats", &task.alloc]).await;
    assert!(text.contains("CPU Stats") && text.contains("Memory Stats"), "{text}");
}

async fn has_both_streams(agent: &Agent, task: &Running) {
    let other = until("the second stream's line", async || {
        let output = agent.try_cli(["alloc", "logs", "-stderr", &task.alloc, NAME]).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("other").then_some(text)
    })
    .await;
    assert_eq!(other, "seen on the other stream\n");
}

async fn runs_a_users_commands(agent: &Agent, task: &Running) {
    let exec = ["alloc", "exec", "-i=false", "-t=false", "-task", NAME, &task.alloc, "sh", "-c"];
    let output = agent.try_cli(exec.iter().chain(&["echo out; echo err >&2; exit 43"])).await;
    assert_eq!(output.status.code(), Some(43), "{output:?}");
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
    let output = agent.try_cli(exec.iter().chain(&["head -c 20000000 /dev/zero"])).await;
    assert_eq!((output.stdout.len(), output.status.code()), (20_000_000, Some(0)));
}

/// What must be nowhere but in the task's tmpfs.
fn secrets_of(task: &Running) -> Canaries {
    let mut secrets = Canaries::default();
    secrets.add("api key", "first-api-key");
    secrets.add("api key", "second-api-key");
    secrets.add("database password", &read(&task.container, "db/password"));
    secrets.add_pem("private key", &read(&task.container, "server/key.pem"));
    secrets
}
