//! What is running where.

use std::time::Duration;

use crate::{
    bao::{self, Bao, parts::part},
    eyes::docker,
    harness::feed::Event,
    stage::{self, JOB, Stage},
    story::{Story, Told, last_words},
};

/// Sets the stage and tells what stands on it.
pub async fn set(story: &mut Story) -> Result<Stage, String> {
    story.say(&format!("{JOB} through the plugin's own socket; the harness plays the agent, no Nomad is needed"));
    story.act("The parts");
    story.check("a container engine", engine()).await;
    story.check("a database", database()).await;
    let mut bao = None;
    story.check("a secrets server, configured by examples/vault/setup.sh", server(&mut bao)).await;
    let mut stage = None;
    let bao = bao.ok_or("there is no secrets server")?;
    story.check("the plugin, launched three times as by an agent", plugin(bao, &mut stage)).await;
    let mut stage = stage.ok_or("the plugin was not loaded")?;
    stage.write_key().await;
    story.say(
        "so that there is something to see, KV is read each second (default: each minute), changes are taken up after",
    );
    story.say("200 ms of quiet (5 s), and the job asks for a certificate of 60 s (24 h)");
    Ok(stage)
}

async fn engine() -> Told {
    let words = docker(&["info", "--format", "{{.ServerVersion}}, storage {{.Driver}} in {{.DockerRootDir}}"])?;
    Ok(format!("Docker Engine {words}, at {}", part("STRONGBOX_DOCKER_SOCKET")))
}

async fn database() -> Told {
    let (user, password) = (part("STRONGBOX_PG_USER"), part("STRONGBOX_PG_PASSWORD"));
    let version = bao::psql(&user, &password, "show server_version")?;
    Ok(format!("PostgreSQL {version}, at {}:{}", part("STRONGBOX_PG_HOST"), part("STRONGBOX_PG_PORT")))
}

/// Starts the server on a thread where it may block.
async fn server(place: &mut Option<Bao>) -> Told {
    let started = tokio::task::spawn_blocking(stage::server).await;
    let bao = started.map_err(|error| match error.try_into_panic() {
        Ok(panic) => last_words(&*panic),
        Err(error) => error.to_string(),
    })?;
    let (_, health) = bao.api("GET", "sys/health", None).await;
    let version = health["version"].as_str().unwrap_or("of unknown version").to_owned();
    let told = format!("OpenBao {version}, at {}, process {}", bao.address(), bao.pid());
    *place = Some(bao);
    Ok(told)
}

async fn plugin(bao: Bao, place: &mut Option<Stage>) -> Told {
    let stage = Stage::set(bao).await?;
    let launches = stage.bed.agent.feed.since(0).into_iter().filter_map(|entry| match entry.what {
        Event::Note { message, .. } => message.split_once("handshake after ").map(|(_, took)| took.to_owned()),
        _ => None,
    });
    let info = &stage.bed.agent.info;
    let told = format!(
        "{} {}, process {}, healthy; handshakes after {}",
        info.name,
        info.plugin_version,
        stage.bed.agent.process().pid(),
        launches.collect::<Vec<_>>().join(", ")
    );
    *place = Some(stage);
    Ok(told)
}

/// Returns a time as people read it.
pub fn shown(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
