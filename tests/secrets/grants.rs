//! What the author of a job is told when a policy does not grant what it asks for.

use serde_json::json;
use tonic::Code;

use crate::{
    bed::Bed,
    bed_with,
    jobs::{SLEEP, shell},
};

async fn policy(bed: &Bed, text: &str) {
    bed.bao.ok("PUT", "sys/policies/acl/timeline", Some(json!({ "policy": text }))).await;
}

/// Has a start refused for good and returns why.
async fn refusal(bed: &Bed, config: &str) -> String {
    let task = bed.task(&shell(SLEEP, config));
    let status = bed.run(&task).await.expect_err("refused");
    assert!(!matches!(status.code(), Code::Unavailable | Code::Cancelled), "it does not pass: {status}");
    task.destroy(&bed.agent, true).await.ok();
    assert!(status.message().contains("permission denied"), "{}", status.message());
    status.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_start_says_what_the_token_may_do_and_which_line_its_policy_lacks() {
    let bed = bed_with("", "").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({"data": {"word": "one"}}))).await;
    let secret = "secret \"app\" { path = \"kv/data/timeline\" }";
    let line = |path: &str, word: &str| format!("has to say path \"{path}\" {{ capabilities = [\"{word}\"] }}");

    policy(&bed, "path \"elsewhere\" { capabilities = [\"read\"] }").await;
    let text = refusal(&bed, secret).await;
    assert!(text.contains("may do nothing at kv/data/timeline"), "{text}");
    assert!(text.contains(&line("kv/data/timeline", "read")) && text.contains("\"timeline\""), "{text}");

    let text = refusal(&bed, "certificate \"server\" {}").await;
    assert!(text.contains(&line("pki_int/sign/timeline", "update")), "{text}");

    policy(&bed, "path \"kv/data/timeline\" { capabilities = [\"create\", \"update\"] }").await;
    let text = refusal(&bed, secret).await;
    assert!(text.contains("may only create, update at kv/data/timeline"), "{text}");
    assert!(text.contains(&line("kv/data/timeline", "read")), "{text}");

    // A server that does not tell, since a denial of it beats the grant that every task has.
    policy(&bed, "path \"sys/capabilities-self\" { capabilities = [\"deny\"] }").await;
    let text = refusal(&bed, secret).await;
    assert!(text.contains("read kv/data/timeline") && !text.contains("has to say"), "{text}");
    bed.is_clean().await;
}
