//! The secret values of this run are looked for, in every form in which programs write them.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::{
    canary::{Canaries, Hit},
    eyes::docker,
    harness::{feed::Event, identity::file_name},
    stage::Stage,
    story::Told,
};

/// What this run has made, as the canaries name it.
const VALUES: [&str; 5] = ["API key", "database password", "identity", "private key", "token"];

/// The scan is able to find: each kind of value is met where the task keeps it.
pub async fn at_home(stage: &mut Stage) -> Told {
    let home = stage.tmpfs()?;
    stage.canaries.add("token", &token(&home)?);
    let identity = stage.task.dir.secrets.join(file_name("vault_default"));
    let jwt = fs::read_to_string(&identity).map_err(|error| format!("{}: {error}", identity.display()))?;
    stage.canaries.add("identity", jwt.rsplit('.').next().unwrap_or_default());
    let mut found: BTreeSet<String> = names(stage.canaries.scan_tree(&home));
    found.extend(names(stage.canaries.scan_tree(&stage.task.dir.secrets)));
    match VALUES.iter().find(|name| !found.contains(**name)) {
        Some(missing) => Err(format!("the {missing} was not met in the task's own directory")),
        None => Ok(format!("{}, in the task's directories in RAM", VALUES.join(", "))),
    }
}

/// And no value is met anywhere else.
pub async fn abroad(stage: &Stage) -> Told {
    let running = &stage.seen.running;
    let handle = stage.task.handle().ok_or("there is no handle")?;
    let mut places = vec![
        ("docker inspect", docker(&["inspect", &running.container])?.into_bytes()),
        ("docker logs", docker(&["logs", &running.container])?.into_bytes()),
        ("the task's handle", prost::Message::encode_to_vec(&handle)),
        ("plugin log, task events and output", heard(stage).into_bytes()),
    ];
    let plugin = stage.bed.agent.process().pid().to_string();
    for (name, pid) in [("the container's process", &running.pid), ("the plugin's process", &plugin)] {
        for file in ["cmdline", "environ"] {
            places.push((name, fs::read(format!("/proc/{pid}/{file}")).map_err(|error| format!("{name}: {error}"))?));
        }
    }
    if let Some((empty, _)) = places.iter().find(|(_, bytes)| bytes.is_empty()) {
        return Err(format!("{empty} is empty, so that nothing could be found there"));
    }
    let mut hits: Vec<Hit> = places.iter().flat_map(|(place, bytes)| stage.canaries.scan(place, bytes)).collect();
    let data = docker(&["info", "--format", "{{.DockerRootDir}}"])?;
    let record = format!("{data}/containers/{}/config.v2.json", running.container);
    if !Path::new(&record).is_file() {
        return Err(format!("{record} is not there, so that nothing could be found in it"));
    }
    hits.extend(stage.canaries.scan_tree(Path::new(&data)));
    hits.extend(journal(&stage.canaries, stage)?);
    if hits.is_empty() {
        let names: Vec<&str> = places.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>().into_iter().collect();
        return Ok(format!("raw, base64, hex, URL, JSON; not in {data}, the state directory,\n{}", names.join(", ")));
    }
    Err(hits.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Looks through the state directory, the journal included.
pub fn journal(canaries: &Canaries, stage: &Stage) -> Result<Vec<Hit>, String> {
    stage.notes()?;
    Ok(canaries.scan_tree(&stage.state_dir()))
}

/// The token lies in the record that only root reads.
fn token(home: &Path) -> Result<String, String> {
    let text = fs::read_to_string(home.join("record")).map_err(|error| format!("the record: {error}"))?;
    let record: Value = serde_json::from_str(&text).map_err(|_| "the record is no JSON")?;
    let token = record["holdings"]["session"]["value"]["token"].as_str();
    token.map(str::to_owned).ok_or_else(|| "the record names no token".to_owned())
}

/// Everything that the plugin and the task have said, as they wrote it.
fn heard(stage: &Stage) -> String {
    let entries = stage.bed.agent.feed.since(0);
    let lines = entries.into_iter().map(|entry| match entry.what {
        Event::PluginLog(line) => line.raw,
        other => format!("{other:?}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn names(hits: Vec<Hit>) -> BTreeSet<String> {
    hits.into_iter().map(|hit| hit.name).collect()
}
