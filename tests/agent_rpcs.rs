//! Every rpc of the plugin, driven by the agent's own libraries: `tests/agent/rpcs` is built against the oldest go-plugin that an agent
//! uses and against the newest, and each of the two launches the plugin's program, runs tasks, and goes through both kinds of crash.

use std::{fs, path::Path, process::Command};

#[path = "support/bao.rs"]
mod bao;
#[path = "support/judge.rs"]
mod judge;

use bao::{Bao, parts::part};

/// Finds its secrets or says nothing; the judge waits for the word.
const TASK: &str = r#"config {
  image   = "strongbox/busybox:1"
  command = "sh"
  args    = ["-c", "cd /run/secrets && test -s server/cert.pem -a -s server/key.pem -a -s db/password -a -s app.env && echo ready; exec sleep 600"]
  certificate "server" {}
  secret "db" {
    path = "database/creds/timeline"
  }
  template {
    destination = "app.env"
    data        = "API_KEY={{ with secret \"kv/data/timeline\" }}{{ .Data.data.api_key }}{{ end }}"
  }
}
"#;

#[tokio::test]
async fn the_newest_libraries_of_an_agent_find_all_rpcs_as_they_should_be() {
    judged("go.mod").await;
}

#[tokio::test]
async fn the_oldest_libraries_of_an_agent_find_all_rpcs_as_they_should_be() {
    judged("go-old.mod").await;
}

async fn judged(modfile: &str) {
    let judge = judge::built(&part("STRONGBOX_GO"), modfile);
    let bao = Bao::configured();
    bao.ok("POST", "kv/data/timeline", Some(serde_json::json!({ "data": { "api_key": "judged" } }))).await;
    let root = tempfile::Builder::new().prefix("strongbox-judge-").tempdir_in("/var/tmp").expect("a directory");
    let task = root.path().join("timeline.hcl");
    fs::write(&task, TASK).expect("written");
    let operator = root.path().join("plugin.hcl");
    fs::write(&operator, bao.operator_config(root.path(), None, "")).expect("written");
    let output = Command::new(judge)
        .args(["conformance", "--plugin", env!("CARGO_BIN_EXE_nomad-driver-strongbox"), "--protos"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("proto"))
        .arg("--plugin-config")
        .arg(&operator)
        .arg("--task")
        .arg(&task)
        .arg("--dir")
        .arg(root.path())
        .output()
        .expect("the judge runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ok   it finds what it was promised"), "{said}");
    assert_eq!(bao.logins().await, Vec::<String>::new(), "tokens outlive their task");
    assert_eq!(bao.leases().await, Vec::<String>::new(), "leases outlive their task");
    let mounts = fs::read_to_string("/proc/self/mounts").expect("readable");
    assert!(!mounts.contains(&root.path().display().to_string()), "a mount outlives its task:\n{mounts}");
}
