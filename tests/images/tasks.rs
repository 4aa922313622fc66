//! Tasks whose image has to be got first: under the plugin's binary, with a real registry and a real secrets server.

use std::{fs, path::PathBuf};

use prost::Message;
use serde_json::json;

use crate::{
    bed::{Bed, LIMIT},
    harness::runner::Run,
    jobs::{self, ONE_OF_EACH, SLEEP},
    registry::{Kind, Lane, PASSWORD, Registry, USER, docker, make_image},
};

/// Where the server keeps the registry's credential; the job's own part of the tree.
const PATH: &str = "kv/data/default/timeline/registry";
/// Lets the job read there.
pub const ALLOWED: &str = r#"
  allow {
    job   = "timeline"
    roles = ["timeline"]
    paths = ["kv/data/default/timeline/**"]
  }"#;
const FROM_VAULT: &str = r#"auth { vault = "kv/data/default/timeline/registry" }"#;

/// Puts the registry's credential, and what [`ONE_OF_EACH`] reads, on the server.
async fn write_credential(bed: &Bed) {
    let credential = json!({ "data": { "username": USER, "password": PASSWORD } });
    bed.bao.ok("POST", PATH, Some(credential)).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
}

fn events(bed: &Bed, task: &Run) -> Vec<String> {
    bed.agent.feed.task_events(&task.name)
}

async fn refused(bed: &Bed, task: &Run) -> String {
    bed.run(task).await.expect_err("it does not start").message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_sees_a_pull_begin_go_on_and_end() {
    let bed = Bed::new(r#"pull { progress_interval = "1s" }"#).await;
    let registry = Registry::open();
    let lane = Lane::to(&registry, 100 << 10).await;
    let name = lane.through(&registry, &registry.offer(400 << 10));
    let task = bed.task(&jobs::job(&name, SLEEP, ""));
    bed.run(&task).await.expect("it starts");
    bed.event(&task, "downloaded: ", LIMIT).await;
    let told = events(&bed, &task);
    let has = |parts: &[&str]| told.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["Downloading image", &name]), "{told:?}");
    assert!(has(&["% of 4", "KiB/s"]), "{told:?}");
    assert!(has(&["downloaded: ", "MiB in", " s"]), "{told:?}");
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_from_the_server_pulls_and_is_nowhere_else() {
    let bed = Bed::new(ALLOWED).await;
    write_credential(&bed).await;
    let registry = Registry::start(Kind { password: true, tls: true });
    let task = bed.task(&jobs::job(&registry.offer(4096), SLEEP, &format!("{ONE_OF_EACH}\n{FROM_VAULT}")));
    bed.run(&task).await.expect("it starts");
    assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await, "API_KEY=a-key");
    assert_eq!(bed.tokens().await.len(), 1, "the pull has used the task's own login");
    assert_not_written(&bed, &task);
    bed.end(&task).await;
    bed.is_clean().await;
}

/// Looks for the password in what plugin and agent keep and tell.
fn assert_not_written(bed: &Bed, task: &Run) {
    let hit = |bytes: &[u8]| bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
    let handle = task.handle().expect("a handle");
    assert!(!hit(&handle.encode_to_vec()), "in the handle");
    assert!(!hit(bed.log().as_bytes()), "in the log or an event");
    for entry in fs::read_dir(bed.state_dir()).expect("readable") {
        let path = entry.expect("an entry").path();
        assert!(!hit(&fs::read(&path).unwrap_or_default()), "in {}", path.display());
    }
    for container in bed.containers() {
        assert!(!hit(docker(&["inspect", &container]).as_bytes()), "in what the engine shows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_secrets_borrows_a_login_for_the_pull_alone() {
    let bed = Bed::new(ALLOWED).await;
    write_credential(&bed).await;
    let registry = Registry::start(Kind { password: true, tls: false });
    let task = bed.task(&jobs::job(&registry.offer(4096), SLEEP, FROM_VAULT));
    bed.run(&task).await.expect("it starts");
    assert_eq!((bed.tokens().await.len(), bed.mounts().len()), (0, 0), "the login has ended with the pull");
    bed.end(&task).await;
    let again = bed.task(&jobs::job("strongbox/busybox:1", SLEEP, FROM_VAULT));
    bed.run(&again).await.expect("it starts");
    assert!(!bed.log().contains("before-login"), "an image that is here asks nobody");
    bed.end(&again).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_borrowed_login_leaves_nothing() {
    let bed = Bed::new(ALLOWED).await;
    write_credential(&bed).await;
    let registry = Registry::start(Kind { password: true, tls: false });
    let task = bed.task(&jobs::job(&registry.offer(4096), SLEEP, FROM_VAULT));
    bed.anew(Some("borrowed"), &[]).await;
    assert!(bed.run(&task).await.is_err());
    bed.is_dead("borrowed").await;
    assert_eq!(bed.tokens().await.len(), 1, "the login is there");
    bed.anew(None, &[]).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_name_a_path_for_a_registry() {
    let registry = Registry::start(Kind { password: true, tls: false });
    let host = registry.host();
    let block = format!("registry {{\n host \"{host}\" {{\n vault = \"{PATH}\"\n }}\n }}");
    let bed = Bed::new(&format!("{ALLOWED}\n{block}")).await;
    write_credential(&bed).await;
    let task = bed.task(&jobs::job(&registry.offer(4096), SLEEP, ""));
    bed.run(&task).await.expect("it starts");
    bed.end(&task).await;
    bed.is_clean().await;

    let shut = Bed::new(&block).await;
    write_credential(&shut).await;
    let task = shut.task(&jobs::job(&registry.offer(4096), SLEEP, ""));
    let error = refused(&shut, &task).await;
    assert!(error.contains("ImageRefused") && error.contains("no credential"), "a job without a rule: {error}");
    shut.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_no_rule_allows_is_refused_before_anything_is_asked() {
    let bed = Bed::new("").await;
    write_credential(&bed).await;
    let registry = Registry::start(Kind { password: true, tls: false });
    let task = bed.task(&jobs::job(&registry.offer(64), SLEEP, FROM_VAULT));
    let error = refused(&bed, &task).await;
    assert!(error.contains("PolicyRefused") && error.contains(PATH), "{error}");
    assert!(events(&bed, &task).is_empty());
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_pull_gives_the_credentials_back() {
    // A path that is not there is asked for again while the start's time lasts.
    let bed = Bed::new(&format!("{ALLOWED}\nrefresh {{\n secrets_timeout = \"2s\"\n }}")).await;
    write_credential(&bed).await;
    let registry = Registry::start(Kind { password: true, tls: false });
    let wrong = format!("{ONE_OF_EACH}\nauth {{\n username = \"{USER}\"\n password = \"wrong-password\"\n }}");
    let name = registry.offer(4096);
    let error = refused(&bed, &bed.task(&jobs::job(&name, SLEEP, &wrong))).await;
    assert!(error.contains("ImageRefused") && error.contains("the job's auth block"), "{error}");
    assert!(!bed.log().contains("wrong-password"));
    bed.is_clean().await;
    let unknown = FROM_VAULT.replace("registry\"", "nothing\"");
    let mut soft = bed.task(&jobs::job(&name, SLEEP, &unknown));
    let error = refused(&bed, &soft).await;
    assert!(error.contains("SecretMissing") || error.contains("AuthRefused"), "{error}");
    soft = bed.task(&jobs::job(&name, SLEEP, &format!("{unknown}\nauth_soft_fail = true")));
    let error = refused(&bed, &soft).await;
    assert!(error.contains("ImageRefused"), "softly it is asked for without one: {error}");
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_forbid_passwords_in_jobs() {
    let bed = Bed::new("registry { allow_inline = false }").await;
    let auth = format!("auth {{\n username = \"{USER}\"\n password = \"pass-in-a-job\"\n }}");
    let error = refused(&bed, &bed.task(&jobs::shell(SLEEP, &auth))).await;
    assert!(error.contains("PolicyRefused") && error.contains("registry.allow_inline"), "{error}");
    assert!(!error.contains("pass-in-a-job"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_image_that_can_be_had_is_taken_and_a_password_stays_with_its_registry() {
    let bed = Bed::new("").await;
    let (registry, mirror) = (Registry::start(Kind { password: true, tls: false }), Registry::open());
    let absent = format!("{}/strongbox-test/absent:1", registry.host());
    let name = mirror.offer(4096);
    let config = format!("images = [{name:?}]\nauth {{\n username = \"{USER}\"\n password = {PASSWORD:?}\n }}");
    let task = bed.task(&jobs::job(&absent, SLEEP, &config));
    bed.run(&task).await.expect("it starts");
    let told = bed.event(&task, "not to be had", LIMIT).await;
    assert!(told.contains(&absent), "{told}");
    let told = bed.event(&task, "downloaded: ", LIMIT).await;
    assert!(told.contains(&name), "{told}");
    bed.end(&task).await;
    let none = bed.task(&jobs::job(&absent, SLEEP, &format!("images = [\"{}x\"]", absent)));
    let error = refused(&bed, &none).await;
    assert!(error.contains("ImageRefused") && error.contains("none of the images"), "{error}");
    bed.is_clean().await;
}

/// Saves images into the task's `local/` directory.
fn save(task: &Run, file: &str, names: &[&str]) -> PathBuf {
    let local = PathBuf::from(task.config().alloc_dir).join("timeline/local");
    fs::create_dir_all(&local).expect("made");
    let path = local.join(file);
    docker(&[&["save", "-o", &path.to_string_lossy()], names].concat());
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_comes_out_of_the_tasks_own_file_and_brings_no_other_name() {
    let bed = Bed::new("").await;
    let unique = hex::encode(rand::random::<[u8; 6]>());
    let [mine, theirs] = ["mine", "theirs"].map(|name| format!("strongbox-test/{name}-{unique}:1"));
    [&mine, &theirs].into_iter().for_each(|name| make_image(name, 4096));
    let task = bed.task(&jobs::job(&mine, SLEEP, "load = \"image.tar\""));
    save(&task, "image.tar", &[&mine, &theirs]);
    docker(&["rmi", &mine]);
    let id = || docker(&["image", "inspect", "-f", "{{.Id}}", &theirs]);
    let old = id();
    make_image(&theirs, 4096);
    let before = id();
    bed.run(&task).await.expect("it starts");
    bed.event(&task, "loaded", LIMIT).await;
    assert_eq!(id(), before, "another job's image is what it was");
    bed.end(&task).await;
    docker(&["rmi", "-f", &mine, &theirs, &old]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_outside_the_tasks_directory_is_not_loaded() {
    let bed = Bed::new("").await;
    let name = format!("strongbox-test/load-{}:1", hex::encode(rand::random::<[u8; 6]>()));
    let error = refused(&bed, &bed.task(&jobs::job(&name, SLEEP, "load = \"../../x.tar\""))).await;
    assert!(error.contains("PathRefused"), "{error}");
    let task = bed.task(&jobs::job(&name, SLEEP, "load = \"link.tar\""));
    let local = PathBuf::from(task.config().alloc_dir).join("timeline/local");
    fs::create_dir_all(&local).expect("made");
    std::os::unix::fs::symlink("/etc/hostname", local.join("link.tar")).expect("linked");
    let error = refused(&bed, &task).await;
    assert!(error.contains("PathRefused") && error.contains("link.tar"), "{error}");
    bed.is_clean().await;
}
