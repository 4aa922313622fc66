//! Runs the main job on real parts and tells what happens. The exit code says whether all of it did.
//!
//! `demo/scenes/` has the story, one file an act; `demo/stage.rs` sets up what it plays on and clears it away.

use std::{io::Write, process::ExitCode};

#[path = "../tests/support/bao.rs"]
mod bao;
// The scanner has forms of its own for tests.
#[allow(dead_code)]
#[path = "../tests/support/canary.rs"]
mod canary;
#[path = "demo/eyes.rs"]
mod eyes;
#[path = "harness/mod.rs"]
mod harness;
#[path = "demo/scenes/mod.rs"]
mod scenes;
#[path = "demo/stage.rs"]
mod stage;
#[path = "demo/story.rs"]
mod story;

use scenes::{change, crash, end, identity, leaks, parts};
use stage::Stage;
use story::Story;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    // A panic in a check is told as its outcome; one line beside it is enough, with no trace of the demo's own calls.
    std::panic::set_hook(Box::new(|panic| _ = writeln!(std::io::stderr(), "{panic}")));
    let mut story = Story::begin();
    let stage = tokio::select! {
        stage = parts::set(&mut story) => stage,
        why = interrupted() => Err(why),
    };
    if let Ok(mut stage) = stage {
        let played = tokio::select! {
            played = play(&mut story, &mut stage) => played,
            why = interrupted() => Err(why),
        };
        story.check("the story is told to its end", async { played.map(|()| "no step was left out".into()) }).await;
        story.check("nothing is left on this machine", end::cleared(stage)).await;
    } else if let Err(why) = stage {
        story.check("the stage is set", async { Err(why) }).await;
    }
    if story.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The whole story, on a stage that is set.
async fn play(story: &mut Story, stage: &mut Stage) -> Result<(), String> {
    story.act("A task starts");
    if !story.check("the container starts with its secrets in place", identity::start(stage)).await {
        return Err("the task did not start".into());
    }
    story.check("it logged in as itself", identity::login(stage)).await;
    story.check("its certificate names it", identity::certificate(stage)).await;
    story.check("its files are in RAM, read-only, its user's own", identity::directory(stage)).await;
    story.check("its database login works", identity::database(stage)).await;

    story.act("Secrets change while it runs");
    story.check("a new KV value arrives without a restart", change::arrives(stage)).await;

    story.act("The plugin is killed with -9");
    story.check("another process takes the task up, nothing is issued anew", crash::recovery(stage)).await;
    story.check("changes still arrive", change::arrives(stage)).await;
    story.check("the certificate is replaced before its end, SIGHUP says so", change::rotation(stage)).await;

    story.act("Nothing secret is anywhere else");
    story.check("the scan finds each value where it belongs", leaks::at_home(stage)).await;
    story.check("and nowhere else", leaks::abroad(stage)).await;

    story.act("The task is stopped");
    story.check("its end is reported", end::stop(stage)).await;
    story.check("its token is dead", end::token(stage)).await;
    story.check("its database login is dead", end::database(stage)).await;
    story.check("its directory and its container are gone", end::remains(stage)).await;
    story.check("its books are closed, without a secret in them", end::journal(stage)).await;
    story.check("the plugin ends when it is asked to", end::plugin(stage)).await;
    Ok(())
}

/// Waits for whatever asks a program in a terminal to end.
async fn interrupted() -> String {
    let caught = |kind: SignalKind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = caught(SignalKind::interrupt()) => {}
        () = caught(SignalKind::terminate()) => {}
        () = caught(SignalKind::hangup()) => {}
    }
    "interrupted".to_owned()
}
