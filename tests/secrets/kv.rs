//! Versions, absences, defaults and bytes of KV.

use serde_json::json;

use crate::{
    bed::until,
    bed_with,
    jobs::{SLEEP, shell},
    path_of, put, shown,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_version_stays() {
    let bed = bed_with("", "").await;
    put(&bed, "app", json!({"word": "one"})).await;
    put(&bed, "app", json!({"word": "two"})).await;
    let path = path_of("app");
    let task = bed.task(&shell(
        SLEEP,
        &format!(
            "secret \"pinned\" {{\n path = \"{path}\"\n version = 1\n }}\n secret \"newest\" {{ path = \"{path}\" }}"
        ),
    ));
    bed.run(&task).await.expect("it starts");
    assert_eq!(shown(&bed, "pinned/word").as_deref(), Some(&b"one"[..]));
    assert_eq!(shown(&bed, "newest/word").as_deref(), Some(&b"two"[..]));
    put(&bed, "app", json!({"word": "three"})).await;
    until("the newest is followed", || async { shown(&bed, "newest/word").is_some_and(|word| word == b"three") }).await;
    assert_eq!(shown(&bed, "pinned/word").as_deref(), Some(&b"one"[..]));
    bed.end(&task).await;
    bed.is_clean().await;
}

/// Version 1 hints at a life of 32 days; version 2 may say that a version will be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn version_1_is_looked_at_like_any_other_and_a_deletion_to_come_is_noticed_when_it_has_come() {
    let policy = "path \"old/*\" { capabilities = [\"read\"] }";
    let bed = bed_with("", policy).await;
    bed.bao.api("POST", "sys/mounts/old", Some(json!({"type": "kv", "options": {"version": "1"}}))).await;
    bed.bao.ok("POST", "old/app", Some(json!({"word": "one"}))).await;
    let metadata = "kv/metadata/default/timeline/passing";
    bed.bao.ok("POST", metadata, Some(json!({"delete_version_after": "20s"}))).await;
    put(&bed, "passing", json!({"word": "here"})).await;
    let config = format!(
        "secret \"old\" {{ path = \"old/app\" }}\n secret \"passing\" {{\n path = \"{}\"\n on_delete = \"remove\"\n }}",
        path_of("passing")
    );
    let task = bed.task(&shell(SLEEP, &config));
    bed.run(&task).await.expect("it starts");
    assert_eq!(shown(&bed, "passing/word").as_deref(), Some(&b"here"[..]), "it is alive until then");
    bed.bao.ok("POST", "old/app", Some(json!({"word": "two"}))).await;
    until("the change is followed", || async { shown(&bed, "old/word").is_some_and(|word| word == b"two") }).await;
    until("the deleted one goes", || async { shown(&bed, "passing/word").is_none() }).await;
    bed.end(&task).await;
    bed.is_clean().await;
}

/// Policies name the path where the secret lies; users of consul-template leave `data` out of what they ask for.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_data_is_found_and_refused_by_the_policy_of_the_one_with_it() {
    let bed = bed_with("allow {\n job = \"timeline\"\n paths = [\"kv/**\"]\n }", "").await;
    put(&bed, "app", json!({"word": "one"})).await;
    let task = bed.task(&shell(SLEEP, "secret \"app\" { path = \"kv/default/timeline/app\" }"));
    bed.run(&task).await.expect("it starts");
    assert_eq!(shown(&bed, "app/word").as_deref(), Some(&b"one"[..]));
    put(&bed, "app", json!({"word": "two"})).await;
    until("the change is followed", || async { shown(&bed, "app/word").is_some_and(|word| word == b"two") }).await;
    bed.end(&task).await;

    let task = bed.task(&shell(SLEEP, "secret \"app\" { path = \"kv/other/app\" }"));
    let refused = bed.run(&task).await.expect_err("no policy has it").message().to_owned();
    assert!(refused.contains("has to say path \"kv/data/other/app\" { capabilities = [\"read\"] }"), "{refused}");
    task.destroy(&bed.agent, true).await.ok();
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn optional_secrets_come_and_defaults_stand_in() {
    let bed = bed_with("", "").await;
    put(&bed, "bytes", json!({"key": "AP/+Cg==", "more": "gA"})).await;
    put(&bed, "half", json!({"user": "me"})).await;
    let [maybe, half, none, bytes] = ["maybe", "half", "none", "bytes"].map(path_of);
    let task = bed.task(&shell(
        SLEEP,
        &format!(
            r#"
        secret "maybe" {{
          path     = "{maybe}"
          optional = true
        }}
        secret "half" {{
          path    = "{half}"
          default = {{ user = "nobody", level = "info" }}
        }}
        secret "none" {{
          path    = "{none}"
          default = {{ level = "debug" }}
        }}
        secret "bytes" {{
          path     = "{bytes}"
          encoding = "base64"
        }}"#
        ),
    ));
    bed.run(&task).await.expect("it starts");
    assert_eq!(shown(&bed, "maybe/word"), None);
    assert_eq!(shown(&bed, "half/user").as_deref(), Some(&b"me"[..]));
    assert_eq!(shown(&bed, "half/level").as_deref(), Some(&b"info"[..]));
    assert_eq!(shown(&bed, "none/level").as_deref(), Some(&b"debug"[..]));
    assert_eq!(shown(&bed, "bytes/key"), Some(vec![0, 0xff, 0xfe, 10]));
    assert_eq!(shown(&bed, "bytes/more"), Some(vec![0x80]));
    put(&bed, "maybe", json!({"word": "there"})).await;
    until("what was absent comes", || async { shown(&bed, "maybe/word").is_some() }).await;
    bed.end(&task).await;

    for (config, named) in [
        (format!("secret \"x\" {{\n path = \"{half}\"\n encoding = \"base64\"\n }}"), "field \"user\" is not base64"),
        (
            format!("secret \"x\" {{\n path = \"{half}\"\n format = \"raw\"\n field = \"word\"\n }}"),
            "field \"word\" is missing",
        ),
        ("secret \"x\" {\n path = \"old/plain\"\n version = 1\n }".to_owned(), "only KV version 2 has versions"),
    ] {
        bed.bao.api("POST", "sys/mounts/old", Some(json!({"type": "kv", "options": {"version": "1"}}))).await;
        bed.bao.ok("POST", "old/plain", Some(json!({"a": "b"}))).await;
        let policy = bed.bao.ok("GET", "sys/policies/acl/timeline", None).await;
        let text =
            format!("{}\npath \"old/*\" {{ capabilities = [\"read\"] }}", policy["policy"].as_str().expect("text"));
        bed.bao.ok("PUT", "sys/policies/acl/timeline", Some(json!({ "policy": text }))).await;
        let task = bed.task(&shell(SLEEP, &config));
        let refused = bed.run(&task).await.expect_err("refused");
        assert!(refused.message().contains(named), "{}", refused.message());
        task.destroy(&bed.agent, true).await.ok();
    }
    bed.is_clean().await;
}
