//! The scenes, in order.

use std::path::Path;

use super::{
    bao,
    canary::Hit,
    stage::{Stage, docker, until},
    story::Told,
};

/// The task starts with everything in place.
pub async fn start(stage: &Stage) -> Told {
    stage.bed.run(&stage.task).await.map_err(|status| status.message().to_owned())?;
    let container = stage.container().await?;
    let line = stage.line(0, "timeline: start").await?;
    Ok(format!("container {} says {line:?}", &container[..12]))
}

/// Who the task is, by the certificate it was given.
pub async fn identity(stage: &Stage) -> Told {
    let text =
        stage.sh("openssl x509 -in /run/secrets/server/cert.pem -noout -ext subjectAltName -serial -enddate").await?;
    let words: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.starts_with("X509v3")).collect();
    if !text.contains("spiffe://strongbox.internal/ns/default/job/timeline/group/web/task/timeline") {
        return Err(format!("the certificate has other names: {text}"));
    }
    let role = stage.accessor().ok_or("the journal names no token")?;
    Ok(format!("role timeline, token accessor {role}, certificate {}", words.join(", ")))
}

/// The directory is in RAM, read-only, and its files belong to the container's user.
pub async fn directory(stage: &Stage) -> Told {
    let mount = stage.sh("grep ' /run/secrets ' /proc/mounts").await?;
    if !mount.starts_with("tmpfs /run/secrets tmpfs ro") {
        return Err(format!("mounted as {mount:?}"));
    }
    let listing = stage
        .sh("cd /run/secrets/..data && for f in app.env manifest.json db/* server/*; do stat -c '%n %a %u' $f; done")
        .await?;
    let foreign: Vec<&str> = listing.lines().filter(|line| !line.ends_with(" 400 10001")).collect();
    if !foreign.is_empty() {
        return Err(format!("other modes or owners: {foreign:?}"));
    }
    Ok(format!("tmpfs, read-only, {} files, mode 0400, uid 10001", listing.lines().count()))
}

/// The delivered login works; returns user and password for later.
pub async fn database(stage: &mut Stage) -> Result<(String, String), String> {
    let user = stage.sh("cat /run/secrets/db/username").await?;
    let password = stage.sh("cat /run/secrets/db/password").await?;
    let key = stage.sh("cat /run/secrets/server/key.pem").await?;
    stage.canaries.add("database password", &password);
    stage.canaries.add_pem("private key", &key);
    bao::psql(&user, &password, "select current_user").map(|_| (user, password))
}

/// A new value arrives in the running container.
pub async fn change(stage: &mut Stage) -> Told {
    let container = stage.container().await?;
    let pid = pid(&container)?;
    let from = stage.bed.agent.feed.len();
    let print = stage.write_key().await;
    stage.line(from, &format!("api key {print}")).await?;
    if (stage.container().await?, self::pid(&container)?) != (container, pid.clone()) {
        return Err("the container was restarted".into());
    }
    Ok(format!("fingerprint {print} seen by the same process {pid}"))
}

/// The certificate is replaced and the process told.
pub async fn rotation(stage: &Stage) -> Told {
    let from = stage.bed.agent.feed.len();
    let before = stage.sh("openssl x509 -in /run/secrets/server/cert.pem -noout -serial").await?;
    let line = stage.line(from, "timeline: SIGHUP").await?;
    let after = stage.sh("openssl x509 -in /run/secrets/server/cert.pem -noout -serial").await?;
    if before == after {
        return Err(format!("still {before}"));
    }
    let verify = "openssl verify -CAfile /run/secrets/server/ca.pem -untrusted /run/secrets/server/cert.pem /run/secrets/server/cert.pem";
    let verdict = stage.sh(verify).await?;
    Ok(format!("{line:?}, {verdict}"))
}

/// No secret value is anywhere but in the task's own directory.
pub async fn leaks(stage: &Stage) -> Told {
    let container = stage.container().await?;
    let feed: Vec<String> = stage.bed.agent.feed.since(0).iter().map(|entry| format!("{:?}", entry.what)).collect();
    let handle = stage.task.handle().ok_or("no handle")?;
    let mut hits: Vec<Hit> = Vec::new();
    let places = [
        ("docker inspect", docker(&["inspect", &container])?),
        ("docker logs", docker(&["logs", &container])?),
        ("plugin log, task events and output", feed.join("\n")),
        ("task handle", String::from_utf8_lossy(&prost::Message::encode_to_vec(&handle)).into_owned()),
        ("journal", stage.journal()),
    ];
    for (place, text) in &places {
        hits.extend(stage.canaries.scan(place, text.as_bytes()));
    }
    let data = docker(&["info", "--format", "{{.DockerRootDir}}"])?;
    hits.extend(stage.canaries.scan_tree(Path::new(&data)));
    hits.extend(stage.canaries.scan_tree(&stage.root().join("state")));
    match hits.is_empty() {
        true => Ok(format!(
            "none of the values in docker inspect, docker logs, {data}, handle, journal, plugin log, events"
        )),
        false => Err(hits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

/// The plugin is killed; the next process goes on.
pub async fn crash(stage: &mut Stage) -> Told {
    let (container, accessor) = (stage.container().await?, stage.accessor());
    let user = stage.sh("cat /run/secrets/db/username").await?;
    let old = stage.bed.agent.process().pid();
    stage.bed.kill_9_and_recover(&[&stage.task]).await;
    let now = (stage.container().await?, stage.accessor(), stage.sh("cat /run/secrets/db/username").await?);
    if now != (container.clone(), accessor, user) {
        return Err("container, token or database login are others".into());
    }
    Ok(format!(
        "process {old} killed, {} took over: same container, same token, same login",
        stage.bed.agent.process().pid()
    ))
}

/// The task is stopped; everything it held is dead.
pub async fn stop(stage: &Stage, login: &(String, String)) -> Told {
    let container = stage.container().await?;
    let accessor = stage.accessor().ok_or("no accessor")?;
    let exit = stage.bed.end(&stage.task).await;
    until("the token is dead", async || (!stage.bao.knows_accessor(&accessor).await).then_some(())).await?;
    until("the database login is refused", async || bao::psql(&login.0, &login.1, "select 1").err()).await?;
    until("the tmpfs is gone", async || stage.mounts().is_empty().then_some(())).await?;
    if docker(&["inspect", &container]).is_ok() {
        return Err("the container is still there".into());
    }
    Ok(format!("exit code {}, token and database login dead, tmpfs unmounted, container removed", exit.exit_code))
}

/// Says whether a file of the record is left in the journal.
pub async fn journal(stage: &Stage) -> Told {
    let closed = |text: &str| text.lines().filter(|line| line.contains("\"closed\"")).count();
    let opened = |text: &str| text.lines().filter(|line| line.contains("\"intent\"")).count();
    until("every attempt in the journal is closed", async || {
        let text = stage.journal();
        (opened(&text) <= closed(&text)).then_some(())
    })
    .await?;
    Ok("no open entry: nothing is owed to the server".into())
}

fn pid(container: &str) -> Result<String, String> {
    docker(&["inspect", "--format", "{{.State.Pid}}", container])
}
