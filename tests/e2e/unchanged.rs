//! A secret that is written anew with the values that it had.

use std::fs;

use serde_json::Value;

use crate::{
    bed::{Bed, until},
    jobs::{self, SLEEP},
    put_word,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_with_equal_bytes_makes_no_generation_and_no_action() {
    let bed = Bed::new("").await;
    put_word(&bed, "one").await;
    let script = format!("trap 'echo told >>/local/noted' HUP; touch /local/ready; {SLEEP}");
    let config = r#"
        template {
          destination   = "word"
          data          = "{{ with secret \"kv/data/timeline\" }}{{ .Data.data.word }}{{ end }}"
          change_mode   = "signal"
          change_signal = "SIGHUP"
          splay         = "0s"
        }"#;
    let task = bed.task(&jobs::shell(&script, config));
    bed.run(&task).await.expect("it starts");
    let local = |name: &str| task.dir.local.join(name);
    until("the script is ready", || async { local("ready").exists() }).await;
    let ram = bed.ram();
    let read = |name: &str| fs::read_to_string(ram.join(name)).expect("a file");
    let before = read("data/manifest.json");

    // A look each second, and a tenth of one until a change is acted upon: each version is a change of its own.
    for version in 2..=5 {
        put_word(&bed, "one").await;
        let seen = format!("\"version\":{version}");
        until("the version is seen", || async { read("record").contains(&seen) }).await;
    }
    assert_eq!(read("data/manifest.json"), before);

    put_word(&bed, "two").await;
    until("a real change is told", || async { local("noted").exists() }).await;
    assert_eq!(read("data/word"), "two");
    let manifest: Value = serde_json::from_str(&read("data/manifest.json")).expect("JSON");
    assert_eq!(manifest["generation"], 2, "{manifest}");
    bed.event(&task, "word renewed, generation 2: SIGHUP sent", crate::bed::LIMIT).await;
    let told = bed.agent.feed.task_events("timeline");
    assert_eq!(told.iter().filter(|event| event.contains("renewed")).count(), 1, "{told:#?}");
    assert_eq!(fs::read_to_string(local("noted")).expect("notes").lines().count(), 1);
    bed.end(&task).await;
    bed.is_clean().await;
}
