//! Secret values are in the task's RAM and nowhere else.

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use prost::Message;
use serde_json::{Value, json};

use crate::{
    bed::{Bed, LIMIT, docker, until},
    canary::Canaries,
    harness::{feed::Event, runner::Run},
    jobs::{self, ONE_OF_EACH},
};

/// A task that has its secrets in hand and prints a little.
const SCRIPT: &str = "trap 'exit 0' TERM; echo up; cat /run/secrets/app.env >/dev/null; \
    while :; do sleep 0.2; echo on; done";

/// Adds what the task holds now; `at` tells the times apart.
fn learn(canaries: &mut Canaries, bed: &Bed, at: &str) {
    let ram = bed.ram();
    let read = |path: &str| fs::read_to_string(ram.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    canaries.add(&format!("{at} key of the interface"), read("data/app.env").trim_start_matches("API_KEY="));
    canaries.add(&format!("{at} password"), &read("data/db/password"));
    canaries.add_pem(&format!("{at} private key"), &read("data/server/key.pem"));
    let record: Value = serde_json::from_str(&read("record")).expect("the record");
    let token = find(&record, "token").expect("a token in the record");
    canaries.add(&format!("{at} token"), &token);
}

/// Returns the first text under a name, however deep.
fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(map) => {
            let here = map.get(name).and_then(Value::as_str).map(str::to_owned);
            here.or_else(|| map.values().find_map(|value| find(value, name)))
        }
        Value::Array(list) => list.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

/// Looks at everything that the engine, the plugin and the agent wrote or tell.
fn scan(canaries: &Canaries, bed: &Bed, task: &Run, container: &str, begin: SystemTime) {
    let mut hits = Vec::new();
    hits.extend(canaries.scan("docker inspect", docker(&["inspect", container]).as_bytes()));
    hits.extend(canaries.scan("docker logs", docker(&["logs", container]).as_bytes()));
    hits.extend(canaries.scan("docker events", docker(&["events", "--since", "10m", "--until", "0s"]).as_bytes()));
    hits.extend(canaries.scan("docker diff", docker(&["diff", container]).as_bytes()));
    let data_root = docker(&["info", "-f", "{{.DockerRootDir}}"]);
    hits.extend(canaries.scan_changed(Path::new(&data_root), begin));
    let pid = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    for part in ["environ", "cmdline"] {
        hits.extend(canaries.scan(part, &fs::read(format!("/proc/{pid}/{part}")).expect("readable")));
    }
    hits.extend(canaries.scan_tree(&bed.state_dir()));
    // The allocation, with what an agent keeps in RAM for it, but without what is ours.
    hits.extend(canaries.scan_tree(bed.folder()));
    let handle = task.handle().expect("a handle");
    hits.extend(canaries.scan("handle", &handle.encode_to_vec()));
    for (place, text) in said(bed) {
        hits.extend(canaries.scan(place, text.as_bytes()));
    }
    let hits: Vec<String> = hits.iter().map(ToString::to_string).collect();
    assert!(hits.is_empty(), "{}", hits.join("\n"));
}

/// Returns all that came from the plugin, by where it came from.
fn said(bed: &Bed) -> BTreeMap<&'static str, String> {
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    for entry in bed.agent.feed.since(0) {
        let (place, text) = match entry.what {
            Event::PluginLog(line) => ("plugin's stderr", line.raw),
            Event::TaskEvent { message, annotations, .. } => ("task events", format!("{message} {annotations:?}")),
            Event::Fingerprint { description, attributes, .. } => {
                ("fingerprints", format!("{description} {attributes:?}"))
            }
            Event::TaskLog { line, .. } => ("task's output", line),
            Event::Note { message, .. } | Event::Fault(message) => ("harness", message),
        };
        let place = all.entry(place).or_default();
        place.push_str(&text);
        place.push('\n');
    }
    all
}

async fn write_key(bed: &Bed) -> String {
    let key = format!("canary-{}", hex::encode(rand::random::<[u8; 24]>()));
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": key } }))).await;
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_anywhere_but_in_the_tasks_ram() {
    let begin = SystemTime::now();
    let bed = Bed::with("", &[("STRONGBOX_LOG", "trace")]).await;
    write_key(&bed).await;
    let task = bed.task(&jobs::shell(SCRIPT, ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    let mut canaries = Canaries::default();
    learn(&mut canaries, &bed, "first");
    assert!(!canaries.scan_tree(&bed.runtime_dir()).is_empty(), "the scan finds what is there");
    scan(&canaries, &bed, &task, &container, begin);

    let key = write_key(&bed).await;
    bed.event(&task, "app.env renewed", LIMIT).await;
    let shown = bed.ram().join("data/app.env");
    until("the new key is shown", || async { fs::read_to_string(&shown).is_ok_and(|text| text.contains(&key)) }).await;
    bed.anew(None, &[&task]).await;
    learn(&mut canaries, &bed, "second");
    scan(&canaries, &bed, &task, &container, begin);

    task.stop(&bed.agent).await.expect("stopped");
    let (exit, _) = task.wait(&bed.agent).await.expect("an end");
    assert_eq!(exit.exit_code, 0);
    until("the directory is gone", || async { bed.mounts().is_empty() }).await;
    assert!(canaries.scan_tree(&bed.runtime_dir()).is_empty());
    let inspected = docker(&["inspect", &container]);
    assert!(canaries.scan("docker inspect", inspected.as_bytes()).is_empty());
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}
