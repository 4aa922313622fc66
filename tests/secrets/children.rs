//! A child of a dispatched job, whose name has a slash, logs in with what the node signs and what `examples/vault` ships.

use serde_json::{Value, json};

use crate::{bed_with, jobs::SLEEP, shown};

const ROLE: &str = include_str!("../../examples/vault/jwt-role-strongbox.json");
const POLICY: &str = include_str!("../../examples/vault/node-task.hcl");

const ALLOW: &str = r#"allow {
    job   = "timeline/dispatch-*"
    roles = ["timeline-children"]
    paths = ["database/creds/timeline"]
  }"#;

const CHILD: &str = r#"
job "timeline/dispatch-1795898684-1da4c423" {
  type = "batch"
  group "web" {
    task "timeline" {
      driver = "strongbox"
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "SCRIPT"]
        ROLE
        secret "db" {
          path = "database/creds/timeline"
        }
      }
    }
  }
}"#;

/// As the shipped files' README says.
fn role() -> Value {
    let mut role: Value = serde_json::from_str(ROLE).expect("JSON");
    role["bound_claims"]["sub"] = json!("spiffe://strongbox.internal/ns/default/job/timeline--2fdispatch-*");
    role["bound_claims"]["nomad_job_id"] = json!("timeline/dispatch-*");
    role["token_policies"] = json!(["strongbox-node-task", "timeline"]);
    role
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_a_dispatched_job_has_its_parents_secrets_where_job_operator_and_server_say_so() {
    let bed = bed_with(ALLOW, "").await;
    bed.bao.ok("PUT", "sys/policies/acl/strongbox-node-task", Some(json!({ "policy": POLICY }))).await;
    bed.bao.ok("POST", "auth/jwt-strongbox/role/timeline-children", Some(role())).await;
    let job = |role: &str| CHILD.replace("SCRIPT", SLEEP).replace("ROLE", role);

    let refused = bed.run(&bed.task(&job(""))).await.expect_err("no role is named");
    let text = refused.message();
    assert!(text.contains("timeline--2fdispatch") && text.contains("is for this task"), "{text}");

    let task = bed.task(&job("vault_role = \"timeline-children\""));
    bed.run(&task).await.expect("it starts");
    assert!(shown(&bed, "db/username").is_some_and(|name| !name.is_empty()));
    bed.end(&task).await;
    bed.is_clean().await;
}
