//! Secrets of a special make: Transit's values, the task's own token.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    bed::{Bed, until},
    bed_with,
    jobs::{SLEEP, shell},
    run, shown,
};

const POLICY: &str = r#"
path "transit/decrypt/app"  { capabilities = ["update"] }
path "auth/token/create"    { capabilities = ["update"] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn values_are_encrypted_in_the_job_and_plain_in_ram_only() {
    let bed = bed_with("", POLICY).await;
    bed.bao.ok("POST", "sys/mounts/transit", Some(json!({"type": "transit"}))).await;
    bed.bao.ok("POST", "transit/keys/app", Some(json!({}))).await;
    let mut sealed = Vec::new();
    for plain in [&b"hunter2"[..], &[0, 0xff, 10]] {
        let body = json!({"plaintext": STANDARD.encode(plain)});
        let answer = bed.bao.ok("POST", "transit/encrypt/app", Some(body)).await;
        sealed.push(answer["ciphertext"].as_str().expect("a text").to_owned());
    }
    let task = bed.task(&shell(
        SLEEP,
        &format!(
            r#"
        decrypt "word" {{
          key        = "transit/app"
          ciphertext = "{}"
        }}
        decrypt "more" {{
          key    = "transit/app"
          fields = {{ bytes = "{}", word = "{}" }}
        }}"#,
            sealed[0], sealed[1], sealed[0]
        ),
    ));
    bed.run(&task).await.expect("it starts");
    assert_eq!(shown(&bed, "word").as_deref(), Some(&b"hunter2"[..]));
    assert_eq!(shown(&bed, "more/word").as_deref(), Some(&b"hunter2"[..]));
    assert_eq!(shown(&bed, "more/bytes"), Some(vec![0, 0xff, 10]));
    let container = task.container(&bed.agent).await.expect("a container");
    let inspected = String::from_utf8(run("docker", &["inspect", &container])).expect("text");
    assert!(!inspected.contains("hunter2"));
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tasks_own_token_is_a_child_that_ends_with_it() {
    let bed = bed_with("", POLICY).await;
    let task = bed.task(&shell(
        SLEEP,
        "vault_token {}\n vault_token {\n file = \"wrapped\"\n wrap_ttl = \"5m\"\n policies = [\"timeline\"]\n }",
    ));
    bed.run(&task).await.expect("it starts");
    let text = |name: &str| String::from_utf8(shown(&bed, name).expect("delivered")).expect("text");
    let (token, wrapped) = (text("vault_token"), text("wrapped"));
    let about = |token: &str| {
        let token = token.to_owned();
        let bed = &bed;
        async move { bed.bao.api("POST", "auth/token/lookup", Some(json!({ "token": token }))).await }
    };
    let (status, answer) = about(&token).await;
    assert_eq!((status, answer["data"]["orphan"].as_bool()), (200, Some(false)), "{answer}");
    let unwrapped = unwrap(&bed, &wrapped).await;
    assert_eq!(unwrapped["auth"]["policies"], json!(["timeline"]), "{unwrapped}");
    let inner = unwrapped["auth"]["client_token"].as_str().expect("a token").to_owned();
    // Once only.
    assert!(unwrap(&bed, &wrapped).await["auth"].is_null());
    // A token that the task has ended itself is replaced.
    bed.bao.api("POST", "auth/token/revoke", Some(json!({ "token": token }))).await;
    bed.end(&task).await;
    bed.is_clean().await;
    for dead in [&token, &inner] {
        until("the child is dead", || async { about(dead).await.0 == 403 || about(dead).await.0 == 404 }).await;
    }

    let other = bed_with("", "").await;
    let task = other.task(&shell(SLEEP, "vault_token {}"));
    let refused = other.run(&task).await.expect_err("refused");
    assert!(refused.message().contains("must grant update on auth/token/create"), "{}", refused.message());
    task.destroy(&other.agent, true).await.ok();
    other.is_clean().await;
}

async fn unwrap(bed: &Bed, token: &str) -> serde_json::Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.post(format!("{}/v1/sys/wrapping/unwrap", bed.bao.address())).header("X-Vault-Token", token);
    request.send().await.expect("an answer").json().await.unwrap_or_default()
}
