//! A task starts: who it is, and what it was given before its first instruction.

use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::parts::shown;
use crate::{
    bao,
    eyes::same,
    stage::{Running, Stage},
    story::Told,
};

const SPIFFE_ID: &str = "spiffe://strongbox.internal/ns/default/job/timeline/group/web/task/timeline";
const DNS_NAME: &str = "timeline.web.timeline.default.strongbox.internal";
/// The user of the image.
const USER: &str = "10001";
/// What a task is given, in the order of the listing.
const FILES: [&str; 8] = [
    "app.env",
    "db/password",
    "db/username",
    "manifest.json",
    "server/bundle.pem",
    "server/ca.pem",
    "server/cert.pem",
    "server/key.pem",
];

/// The task starts; what it holds is noted for the later acts.
pub async fn start(stage: &mut Stage) -> Told {
    let (asked, begin) = (SystemTime::now(), Instant::now());
    stage.bed.run(&stage.task).await.map_err(|status| status.message().to_owned())?;
    let answered = begin.elapsed();
    stage.seen.begin = Some(begin);
    stage.seen.running = stage.running().await?;
    same("the containers that bear our mark", &vec![stage.seen.running.container.clone()], &stage.containers()?)?;
    let notes = stage.notes()?;
    stage.seen.accessor = notes.only("logged_in", "accessor")?;
    stage.seen.lease = notes.only("leased", "lease_id")?;
    let line = stage.line(0, "timeline: start").await?;
    let Running { container, since, .. } = &stage.seen.running;
    let started = OffsetDateTime::parse(since, &Rfc3339).map_err(|error| format!("{since:?}: {error}"))?;
    let after = SystemTime::from(started).duration_since(asked).map_err(|_| "it ran before it was asked for")?;
    Ok(format!(
        "container {} ran after {} and StartTask was answered after {};\nits first words were {line:?}",
        &container[..12],
        shown(after),
        shown(answered)
    ))
}

/// The server's own words on the task's token.
pub async fn login(stage: &Stage) -> Told {
    let accessor = &stage.seen.accessor;
    let token = stage.bao.ok("POST", "auth/token/lookup-accessor", Some(json!({ "accessor": accessor }))).await;
    same("the login's path", &json!("auth/jwt-nomad/login"), &token["path"])?;
    same("the login's role", &json!("timeline"), &token["meta"]["role"])?;
    let policies: Vec<&str> = token["policies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(format!(
        "role timeline at jwt-nomad with the identity that the agent signed; policies {}, life {} s,\ntoken accessor {accessor}",
        policies.join(" and "),
        token["creation_ttl"]
    ))
}

/// The certificate's names are the task's, chain and key fit.
pub async fn certificate(stage: &mut Stage) -> Told {
    let words = "cd /run/secrets/server && openssl x509 -in cert.pem -noout -serial -enddate -ext subjectAltName";
    let text = stage.sh(words).await?;
    for name in [SPIFFE_ID, DNS_NAME] {
        if !text.contains(name) {
            return Err(format!("{name} is not in it: {text}"));
        }
    }
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    stage.seen.serial = of("serial=");
    verified(stage).await?;
    Ok(format!(
        "{SPIFFE_ID}\n{DNS_NAME}\nserial {}, valid until {}; openssl accepts chain and key",
        stage.seen.serial,
        of("notAfter=")
    ))
}

/// Has openssl judge chain and key, in the container.
pub async fn verified(stage: &mut Stage) -> Result<(), String> {
    let script = "cd /run/secrets/..data/server && openssl verify -CAfile ca.pem -untrusted cert.pem cert.pem >/dev/null \
        && openssl x509 -in cert.pem -noout -pubkey && echo and && openssl pkey -in key.pem -pubout";
    let text = stage.sh(script).await?;
    let (named, held) = text.split_once("and\n").filter(|(named, _)| named.len() > 40).ok_or("no public key")?;
    same("the public key", &named.trim(), &held.trim())?;
    let key = stage.sh("cat /run/secrets/server/key.pem").await?;
    stage.canaries.add_pem("private key", &key);
    Ok(())
}

/// The directory as the task sees it.
pub async fn directory(stage: &Stage) -> Told {
    let mount = stage.sh("grep ' /run/secrets ' /proc/mounts && stat -f -c %T /run/secrets").await?;
    if !(mount.starts_with("tmpfs /run/secrets tmpfs ro,") && mount.ends_with("\ntmpfs")) {
        return Err(format!("mounted as {mount:?}"));
    }
    let refused = stage.sh("! touch /run/secrets/own 2>&1").await?;
    if !refused.contains("Read-only file system") {
        return Err(format!("writing there was answered by {refused:?}"));
    }
    let list = "cd /run/secrets && find -L . -type f ! -path './..*' | sort | while read f; do stat -L -c '%A %u %s %n' $f; done";
    let listing = stage.sh(list).await?;
    let files: Vec<Vec<&str>> = listing.lines().map(|line| line.split(' ').collect()).collect();
    let names: Vec<&str> = files.iter().filter_map(|file| file.last()?.strip_prefix("./")).collect();
    same("the list of files", &FILES.to_vec(), &names)?;
    if let Some(foreign) = files.iter().find(|file| file[..2] != ["-r--------", USER]) {
        return Err(format!("a file is not {USER}'s alone: {foreign:?}"));
    }
    let lines: Vec<String> = files.iter().map(|f| format!("{} {} {:>5} {}", f[0], f[1], f[2], &f[3][2..])).collect();
    Ok(format!("tmpfs, a write is refused\n{}", lines.join("\n")))
}

/// The delivered login is taken by the real database.
pub async fn database(stage: &mut Stage) -> Told {
    let user = stage.sh("cat /run/secrets/db/username").await?;
    let password = stage.sh("cat /run/secrets/db/password").await?;
    stage.canaries.add("database password", &password);
    let who = bao::psql(&user, &password, "select current_user")?;
    same("the user", &user, &who)?;
    (stage.seen.user, stage.seen.password) = (user, password);
    Ok(format!("PostgreSQL greets {who}"))
}
