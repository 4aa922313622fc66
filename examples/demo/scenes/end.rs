//! The task is stopped; everything it held ends with it.

use std::time::Instant;

use serde_json::json;

use super::{leaks, parts::shown};
use crate::{
    bao::{self, parts::part},
    eyes::{mounts_below, same, until},
    stage::Stage,
    story::Told,
};

/// The end is asked for, waited for, reported, and what is left removed.
pub async fn stop(stage: &Stage) -> Told {
    let said = |status: tonic::Status| status.message().to_owned();
    let (agent, task, begin) = (&stage.bed.agent, &stage.task, Instant::now());
    task.stop(agent).await.map_err(said)?;
    let stopped = begin.elapsed();
    let (exit, word) = task.wait(agent).await.map_err(said)?;
    same("the exit code, signal, out of memory", &(0, 0, false), &(exit.exit_code, exit.signal, exit.oom_killed))?;
    stage.line(0, "timeline: end").await?;
    task.destroy(agent, true).await.map_err(said)?;
    let word = if word.is_empty() { "" } else { "; the driver adds: " }.to_owned() + &word;
    Ok(format!("exit code 0 after {}, its last words were heard{word}", shown(stopped)))
}

/// The server knows neither token nor lease any more.
pub async fn token(stage: &Stage) -> Told {
    let (accessor, lease) = (&stage.seen.accessor, &stage.seen.lease);
    // The server knew both until now, see the start; an answer of another kind is no death.
    let asked = Some(json!({ "accessor": accessor }));
    until("the token is dead", async || {
        let (status, answer) = stage.bao.api("POST", "auth/token/lookup-accessor", asked.clone()).await;
        (status >= 400 && answer.to_string().contains("invalid accessor")).then_some(())
    })
    .await?;
    let asked = Some(json!({ "lease_id": lease }));
    until("the lease is dead", async || {
        let (status, answer) = stage.bao.api("PUT", "sys/leases/lookup", asked.clone()).await;
        (status == 400 && answer.to_string().contains("invalid lease")).then_some(())
    })
    .await?;
    Ok(format!("the server knows neither accessor {accessor}\nnor lease {lease}"))
}

/// The database knows the user no more.
pub async fn database(stage: &Stage) -> Told {
    let (user, password) = (&stage.seen.user, &stage.seen.password);
    let refused = until("the login is refused", async || bao::psql(user, password, "select 1").err()).await?;
    if !refused.contains("authentication failed") && !refused.contains("does not exist") {
        return Err(format!("refused for another reason: {refused}"));
    }
    let count = format!("select count(*) from pg_roles where rolname = '{}'", user.replace('\'', "''"));
    let left = bao::psql(&part("STRONGBOX_PG_USER"), &part("STRONGBOX_PG_PASSWORD"), &count)?;
    same("the number of such users", &"0".to_owned(), &left)?;
    Ok(format!("PostgreSQL refuses {user} and has dropped it"))
}

/// Neither mount nor container is left.
pub async fn remains(stage: &Stage) -> Told {
    let run = stage.runtime_dir();
    until("the tmpfs is gone", async || mounts_below(&run).is_empty().then_some(())).await?;
    until("the container is gone", async || stage.containers().ok().filter(Vec::is_empty)).await?;
    Ok("tmpfs wiped and unmounted, container removed".into())
}

/// Nothing is owed to anybody.
pub async fn journal(stage: &Stage) -> Told {
    let closed = async || stage.notes().ok().map(|notes| notes.tasks()).filter(|(_, open)| open.is_empty());
    let (begun, _) = until("every task in the journal is closed", closed).await?;
    if begun.is_empty() {
        return Err("the journal never named the task".into());
    }
    let hits = leaks::journal(&stage.canaries, stage)?;
    same("the number of secrets in the state directory", &0, &hits.len())?;
    Ok(format!("{} task begun, none open", begun.len()))
}

/// The plugin leaves as an agent asks it to, and the agent has nothing to complain of.
pub async fn plugin(stage: &Stage) -> Told {
    if !stage.bed.agent.shutdown().await {
        return Err("it had to be killed".into());
    }
    same("what an agent would complain of", &Vec::new(), &stage.bed.agent.feed.faults())?;
    Ok("at once, and never did what an agent would complain of".into())
}

/// The stage is cleared; nothing of it is left.
pub async fn cleared(stage: Stage) -> Told {
    let traces = stage.traces();
    drop(stage);
    traces.gone().await?;
    Ok("no process, no container, no mount, no folder".into())
}
