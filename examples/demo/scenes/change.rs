//! Secrets change while the task runs.

use std::{fs, time::Instant};

use super::{identity, parts::shown};
use crate::{
    eyes::{same, until},
    stage::{Stage, fingerprint},
    story::Told,
};

/// A new value arrives in the running container.
pub async fn arrives(stage: &mut Stage) -> Told {
    let from = stage.bed.agent.feed.len();
    let key = stage.write_key().await;
    let written = Instant::now();
    // The file as the container's own first process would open it.
    let file = format!("/proc/{}/root/run/secrets/app.env", stage.seen.running.pid);
    let there = async || fs::read_to_string(&file).ok().filter(|text| text.contains(&key)).map(drop);
    until("the new value is in the container", there).await?;
    let visible = written.elapsed();
    let print = fingerprint(&key);
    stage.line(from, &format!("api key {print}")).await?;
    let told = written.elapsed();
    same("the container", &stage.seen.running, &stage.running().await?)?;
    Ok(format!(
        "visible after {}, told by the same process {} as fingerprint {print} after {}",
        shown(visible),
        stage.seen.running.pid,
        shown(told)
    ))
}

/// The certificate is replaced and the process told.
pub async fn rotation(stage: &mut Stage) -> Told {
    let line = stage.line(0, "timeline: SIGHUP, serial ").await?;
    let age = stage.seen.begin.map(|begin| begin.elapsed()).unwrap_or_default();
    let said = line.rsplit(' ').next().unwrap_or_default().to_owned();
    if said == stage.seen.serial || said.len() < 16 {
        return Err(format!("the process was told of no new certificate: {line:?}"));
    }
    let now = stage.sh("openssl x509 -in /run/secrets/server/cert.pem -noout -serial").await?;
    same("the serial", &format!("serial={said}"), &now)?;
    identity::verified(stage).await?;
    same("the container", &stage.seen.running, &stage.running().await?)?;
    Ok(format!("serial {said} {} after the start, with a key of its own; chain and key fit, same process", shown(age)))
}
