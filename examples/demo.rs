//! Runs the main job on real parts and tells what happens. The exit code says whether all of it did.

use std::process::ExitCode;

#[path = "../tests/support/bao.rs"]
mod bao;
// The scanner has forms of its own for tests.
#[allow(dead_code)]
#[path = "../tests/support/canary.rs"]
mod canary;
#[path = "harness/mod.rs"]
mod harness;
#[path = "demo/scenes.rs"]
mod scenes;
#[path = "demo/stage.rs"]
mod stage;
#[path = "demo/story.rs"]
mod story;

use stage::{Stage, docker};
use story::Story;

#[tokio::main]
async fn main() -> ExitCode {
    let mut story = Story::begin();
    let played = tokio::select! {
        played = play(&mut story) => played,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    if let Err(why) = played {
        let told = async { Err(why) };
        story.scene("the demo ends early", told).await;
    }
    if story.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The whole story. What was set up goes when it returns.
async fn play(story: &mut Story) -> Result<(), String> {
    story.say("examples/timeline.nomad.hcl through the plugin, with no Nomad: the harness plays the agent");
    let mut stage = Stage::set().await?;
    let engine = docker(&["version", "--format", "{{.Server.Version}}"])?;
    story.say(&format!(
        "Docker Engine {engine}, OpenBao at {}, PostgreSQL; KV is read each second here, once a minute by default",
        stage.bao.address()
    ));
    stage.write_key().await;

    story.scene("the container starts with its secrets", scenes::start(&stage)).await;
    story.scene("who it is", scenes::identity(&stage)).await;
    story.scene("its files", scenes::directory(&stage)).await;
    let mut login = (String::new(), String::new());
    let logs_in = async {
        login = scenes::database(&mut stage).await?;
        Ok(format!("PostgreSQL accepts user {}", login.0))
    };
    story.scene("its database login works", logs_in).await;
    story.scene("a changed secret arrives without a restart", scenes::change(&mut stage)).await;
    story.scene("the plugin is killed and another takes over", scenes::crash(&mut stage)).await;
    story.scene("changes still arrive", scenes::change(&mut stage)).await;
    story.scene("the certificate is replaced and SIGHUP delivered", scenes::rotation(&stage)).await;
    story.scene("no secret is anywhere else", scenes::leaks(&stage)).await;
    story.scene("the task is stopped", scenes::stop(&stage, &login)).await;
    story.scene("the books are closed", scenes::journal(&stage)).await;
    stage.bed.agent.shutdown().await;
    Ok(())
}
