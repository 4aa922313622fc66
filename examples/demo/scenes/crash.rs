//! The plugin is killed with -9.

use std::{collections::BTreeSet, time::Instant};

use super::parts::shown;
use crate::{
    eyes::same,
    harness::feed::Event,
    stage::{Running, Stage},
    story::Told,
};

/// What must be the same before and after.
#[derive(Debug, PartialEq)]
struct Held {
    running: Running,
    /// All tokens that the server knows.
    tokens: BTreeSet<String>,
    leases: BTreeSet<String>,
    certificates: BTreeSet<String>,
    user: String,
    signals: usize,
}

/// Another process takes the task up.
pub async fn recovery(stage: &Stage) -> Told {
    let before = held(stage).await?;
    let old = stage.bed.agent.process();
    stage.bed.kill_9().await;
    let begin = Instant::now();
    stage.bed.relaunch().await;
    stage.task.recover(&stage.bed.agent).await.map_err(|status| status.message().to_owned())?;
    let took = begin.elapsed();
    same("what the task holds", &before, &held(stage).await?)?;
    Ok(format!(
        "process {} is dead, {} took over within {};\nsame container, process, token, lease, certificate; no login, no signal",
        old.pid(),
        stage.bed.agent.process().pid(),
        shown(took)
    ))
}

async fn held(stage: &Stage) -> Result<Held, String> {
    let notes = stage.notes()?;
    same("the token's accessor", &stage.seen.accessor, &notes.only("logged_in", "accessor")?)?;
    let tokens = stage.bao.ok("LIST", "auth/token/accessors", None).await;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    Ok(Held {
        running: stage.running().await?,
        tokens: tokens["keys"].as_array().into_iter().flatten().filter_map(text).collect(),
        leases: notes.all("leased", "lease_id"),
        certificates: notes.all("issued", "serial"),
        user: stage.sh("cat /run/secrets/db/username").await?,
        signals: signals(stage),
    })
}

fn signals(stage: &Stage) -> usize {
    let feed = stage.bed.agent.feed.since(0);
    feed.iter().filter(|entry| matches!(&entry.what, Event::TaskLog { line, .. } if line.contains("SIGHUP"))).count()
}
