//! Wrong input of each kind gets one clear sentence, leaves nothing behind, and the process serves on.

use serde_json::json;
use tonic::Code;

use crate::{
    bed::Bed,
    harness::runner::Run,
    jobs::{self, ONE_OF_EACH, SLEEP},
};

/// A short wait for the server, so that what stays missing is told soon.
const HASTY: &str = r#"refresh {
    kv_poll         = "1s"
    quiet           = "100ms"
    longest         = "2s"
    reap_after      = "5s"
    secrets_timeout = "1s"
  }
  delivery {
    size_mb = 1
  }"#;

async fn bed() -> Bed {
    bed_with(HASTY).await
}

async fn bed_with(more: &str) -> Bed {
    let bed = Bed::new(more).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    bed
}

/// Has a start refused with a text that holds each of `words`, in one line.
async fn refused(bed: &Bed, task: &Run, words: &[&str]) {
    let status = bed.run(task).await.expect_err("it is refused");
    let text = status.message();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
    assert!(!text.contains('\n') && text.len() < 1500, "one sentence: {text}");
    assert!(!matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status}");
    assert!(!text.contains("a-key"), "{text}");
    assert_eq!(bed.containers(), [""; 0], "after {text}");
    assert_eq!(bed.mounts(), [""; 0], "after {text}");
    // The server ends a token's leases a moment after the token.
    bed.is_clean().await;
}

/// The same process starts a good task.
async fn serves_on(bed: &Bed) {
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.run(&task).await.expect("a good task starts");
    assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await, "API_KEY=a-key");
    bed.end(&task).await;
    bed.is_clean().await;
    assert_eq!(bed.agent.feed.faults(), [""; 0]);
}

fn template(data: &str) -> String {
    format!("template {{\n destination = \"app.env\"\n data = {data:?}\n }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_job_is_refused_in_one_sentence_and_the_next_good_one_starts() {
    let bed = bed().await;
    let pid = bed.agent.process().pid();
    let db = "secret \"db\" { path = \"database/creds/timeline\" }";
    let cases: &[(String, &[&str])] = &[
        // Templates.
        (template("{{ with secret \"kv/data/timeline\" }}x"), &["TemplateInvalid", "app.env", "line 1"]),
        (template("{{ nosuch }}"), &["TemplateInvalid", "app.env", "nosuch"]),
        (
            format!("{db}\n{}", template("{{ with secret \"kv/data/timeline\" }}{{ .Data.data.nosuch }}{{ end }}")),
            &["SecretMissing", "app.env", "nosuch"],
        ),
        // The operator's rules and the server's.
        ("vault_role = \"admin\"\n secret \"db\" { path = \"database/creds/timeline\" }".to_owned(), &["PolicyRefused", "role", "admin"]),
        ("secret \"other\" { path = \"kv/data/other\" }".to_owned(), &["PolicyRefused", "kv/data/other"]),
        ("secret \"raw\" { path = \"sys/raw/x\" }".to_owned(), &["PathRefused", "sys/raw/x"]),
        ("secret \"up\" { path = \"kv/data/timeline/../other\" }".to_owned(), &["PathRefused", ".."]),
        ("secret \"gone\" { path = \"kv/data/timeline/gone\" }".to_owned(), &["kv/data/timeline/gone"]),
        ("certificate \"c\" { role = \"other\" }".to_owned(), &["PolicyRefused", "pki_int", "other"]),
        ("certificate \"c\" { dns_sans = [\"www.example.com\"] }".to_owned(), &["PolicyRefused", "www.example.com"]),
        // Names and values.
        ("secret \"../x\" { path = \"database/creds/timeline\" }".to_owned(), &["PathRefused", "../x"]),
        (format!("{db}\n{}", template("x").replace("app.env", "db/password")), &["TaskConfigInvalid", "db", "password"]),
        ("secret \"db\" {\n path = \"database/creds/timeline\"\n change_mode = \"signal\"\n change_signal = \"SIGNOPE\"\n }".to_owned(), &["TaskConfigInvalid", "change_signal", "SIGNOPE"]),
        ("certificate \"c\" { ttl = \"soon\" }".to_owned(), &["TaskConfigInvalid", "ttl", "soon"]),
        (format!("{db}\n cap_add = [\"SYS_ADMIN\"]"), &["PolicyRefused", "SYS_ADMIN"]),
        (format!("{db}\n network_mode = \"host\""), &["PolicyRefused", "network_mode"]),
    ];
    for (config, words) in cases {
        refused(&bed, &bed.task(&jobs::shell(SLEEP, config)), words).await;
    }
    for (image, words) in [
        ("strongbox/absent:1", &["strongbox/absent:1"][..]),
        ("Strongbox/Busybox:1", &["TaskConfigInvalid", "image", "Strongbox"]),
        ("http://strongbox/busybox:1", &["TaskConfigInvalid", "image", "http"]),
    ] {
        refused(&bed, &bed.task(&jobs::job(image, SLEEP, db)), words).await;
    }
    assert_eq!(bed.agent.process().pid(), pid, "one process served all");
    serves_on(&bed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_the_engine_refuses_leaves_nothing() {
    let bed = bed().await;
    let config = |body: &str| {
        jobs::with_task(&format!("{body}\n config {{\n image = \"strongbox/busybox:1\"\n {ONE_OF_EACH}\n COMMAND\n }}"))
    };
    let no_program = config("").replace("COMMAND", "command = \"/nosuch\"");
    refused(&bed, &bed.task(&no_program), &["EngineRefused", "/nosuch"]).await;
    let no_user = config("user = \"nosuch\"").replace("COMMAND", "command = \"true\"");
    refused(&bed, &bed.task(&no_user), &["nosuch"]).await;
    let too_much = ONE_OF_EACH.replace("API_KEY=", &"x".repeat(200_000));
    let full = bed.task(&jobs::shell(SLEEP, &[too_much, more_files(6, 200_000)].join("\n")));
    refused(&bed, &full, &["NoSpace"]).await;
    serves_on(&bed).await;
}

/// Templates that together are more than a directory of one mebibyte takes.
fn more_files(count: usize, size: usize) -> String {
    let one = |n| format!("template {{\n destination = \"big-{n}\"\n data = {:?}\n }}\n", "y".repeat(size));
    (0..count).map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_that_no_agent_sends_are_refused_and_the_process_serves_on() {
    use rmpv::Value;
    use strongbox::plugin::proto::base::SetConfigRequest;

    let bed = bed().await;
    let pack = |value: Value| {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value).expect("written");
        bytes
    };
    let map = |pairs: &[(&str, Value)]| Value::Map(pairs.iter().map(|(k, v)| (Value::from(*k), v.clone())).collect());
    let image = ("image", Value::from("strongbox/busybox:1"));

    for (bytes, words) in [
        (pack(map(&[image.clone(), ("imagf", Value::from("x"))])), &["TaskConfigInvalid", "imagf", "image"][..]),
        (pack(map(&[image.clone(), ("args", Value::from("x"))])), &["TaskConfigInvalid", "args", "list"]),
        (pack(map(&[("image", Value::from(7))])), &["TaskConfigInvalid", "image"]),
        (vec![0xdf, 0x7f, 0xff, 0xff, 0xff], &["TaskConfigInvalid"]),
    ] {
        let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
        task.change(|config| config.msgpack_driver_config = bytes.clone());
        refused(&bed, &task, words).await;
    }

    for (bytes, words) in [
        (pack(map(&[("vualt", map(&[]))])), &["vualt", "vault"][..]),
        (pack(map(&[("vault", map(&[("address", Value::from("ftp://x"))]))])), &["vault address", "ftp"]),
        (pack(map(&[("refresh", map(&[("kv_poll", Value::from("soon"))]))])), &["refresh.kv_poll", "soon"]),
        (pack(map(&[("delivery", map(&[("size_mb", Value::from("big"))]))])), &["delivery.size_mb"]),
    ] {
        let request =
            SetConfigRequest { msgpack_config: bytes, nomad_config: None, plugin_api_version: "v0.1.0".to_owned() };
        let status = bed.agent.process().base().set_config(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(words.iter().all(|word| status.message().contains(word)), "{words:?}: {}", status.message());
    }
    serves_on(&bed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_or_sealed_is_told_as_such() {
    // The server that did not answer is left alone for up to some seconds more, and a start has to bear that.
    let patient = HASTY.replace(r#"secrets_timeout = "1s""#, r#"secrets_timeout = "6s""#);
    let bed = bed_with(&patient).await;
    let task = || bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.bao.ok("PUT", "sys/seal", None).await;
    let status = bed.run(&task()).await.expect_err("sealed");
    assert!(status.message().contains("BackendUnavailable") && status.message().contains("sealed"), "{status}");
    assert_eq!((bed.containers().len(), bed.mounts().len()), (0, 0));
    let log = std::fs::read_to_string(bed.bao.dir().join("server.log")).expect("the log");
    let key = log.lines().find_map(|line| line.strip_prefix("Unseal Key: ")).expect("the key in the log").trim();
    bed.bao.api("PUT", "sys/unseal", Some(json!({ "key": key }))).await;
    crate::bed::until("unsealed", || async { bed.bao.api("GET", "sys/health", None).await.0 == 200 }).await;
    serves_on(&bed).await;

    let gate = crate::gate::Gate::before(bed.bao.address()).await;
    let options = crate::bed::Options { more: &patient, address: Some(gate.address()), ..Default::default() };
    let bed = Bed::on(bed.bao.clone(), &options).await;
    gate.shut().await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    let address = gate.address();
    refused(&bed, &task, &["BackendUnavailable", &address]).await;
    gate.open().await;
    serves_on(&bed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_does_not_share_the_engines_mounts_refuses_before_the_container_starts() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let apart = folder.path().join("apart");
    let plugin = env!("CARGO_BIN_EXE_nomad-driver-strongbox");
    std::fs::write(&apart, format!("#!/bin/sh\nexec unshare --mount --propagation private {plugin} \"$@\"\n"))
        .expect("written");
    std::fs::set_permissions(&apart, PermissionsExt::from_mode(0o755)).expect("ours");
    let bao = std::sync::Arc::new(crate::bao::Bao::configured());
    bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    let options = crate::bed::Options { program: Some(apart), ..Default::default() };
    let bed = Bed::on(bao, &options).await;
    let task = bed.task(&jobs::shell("touch /local/ran; sleep 60", ONE_OF_EACH));
    refused(&bed, &task, &["EngineRefused", "do not share mounts", "mount namespace", "propagation"]).await;
    assert!(!task.dir.local.join("ran").exists(), "the container was not started");
}
