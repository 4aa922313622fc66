//! A node that logs in itself and makes a token for each task, with the policies of `examples/vault` as they are.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use serde_json::{Value, json};

use crate::{
    bao::{Bao, Setup, psql},
    bed::{Bed, Options},
    jobs::{ONE_OF_EACH, SLEEP, shell},
};

const LOGIN: &str = include_str!("../../examples/vault/node-login.hcl");
const TASK: &str = include_str!("../../examples/vault/node-task.hcl");
const TOKEN_ROLE: &str = include_str!("../../examples/vault/node-token-role.json");
const ALLOW: &str = r#"
  allow {
    job      = "timeline"
    clusters = ["approle", "file"]
    roles    = ["timeline"]
    paths    = ["kv/data/timeline", "database/creds/timeline"]
    pki      = ["pki_int/timeline"]
  }"#;
/// Where the tasks' tokens are made.
const MADE_AT: &str = "auth/token/create/timeline";

/// Lets the node log in by secret id and by token file. Returns a cluster for either; their files lie in the server's folder.
async fn node_logins(bao: &Bao) -> String {
    bao.ok("POST", "sys/auth/approle", Some(json!({ "type": "approle" }))).await;
    for (name, policy) in [("strongbox-node-login", LOGIN), ("strongbox-node-task", TASK)] {
        bao.ok("PUT", &format!("sys/policies/acl/{name}"), Some(json!({ "policy": policy }))).await;
    }
    let role: Value = serde_json::from_str(TOKEN_ROLE).expect("JSON");
    bao.ok("POST", "auth/token/roles/timeline", Some(role)).await;
    let node = json!({
        "token_policies": ["strongbox-node-login"], "token_no_default_policy": true, "token_type": "service", "token_ttl": "1h",
    });
    bao.ok("POST", "auth/approle/role/node", Some(node)).await;
    let role_id = bao.ok("GET", "auth/approle/role/node/role-id", None).await;
    let secret_id = bao.ok("POST", "auth/approle/role/node/secret-id", None).await;
    let own = json!({ "policies": ["strongbox-node-login"], "no_default_policy": true, "period": "1h" });
    let (_, own) = bao.api("POST", "auth/token/create-orphan", Some(own)).await;
    let secret_id = keep(bao, "secret-id", &secret_id["secret_id"]);
    let token = keep(bao, "token", &own["auth"]["client_token"]);
    let approle = format!("method = \"approle\"\n role_id = {}\n secret_id_file = \"{secret_id}\"", role_id["role_id"]);
    let clusters = [("approle", approle), ("file", format!("method = \"token\"\n token_file = \"{token}\""))];
    let cluster = |(name, auth)| {
        let address = bao.address();
        format!(
            "cluster \"{name}\" {{\n address = \"{address}\"\n allow_plain_http = true\n auth {{\n {auth}\n }}\n }}\n"
        )
    };
    clusters.map(cluster).concat() + ALLOW
}

/// Writes a text for root's eyes alone, and returns where.
fn keep(bao: &Bao, name: &str, text: &Value) -> String {
    let file = bao.dir().join(name);
    fs::write(&file, text.as_str().expect("a text")).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    file.display().to_string()
}

/// Returns what the server says of the living tokens that came about at `path`.
async fn tokens_of(bao: &Bao, path: &str) -> Vec<Value> {
    let (_, all) = bao.api("LIST", "auth/token/accessors", None).await;
    let mut found = Vec::new();
    for accessor in all["data"]["keys"].as_array().into_iter().flatten() {
        let (_, about) = bao.api("POST", "auth/token/lookup-accessor", Some(json!({ "accessor": accessor }))).await;
        found.extend((about["data"]["path"] == path).then(|| about["data"].clone()));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_login_makes_tokens_for_the_named_job_and_can_do_nothing_else() {
    let bao = Arc::new(Bao::configured_with(&Setup::default()));
    let more = node_logins(&bao).await;
    let bed = Bed::on(bao, &Options { more: &more, ..Options::default() }).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    for (cluster, came_from) in [("approle", "auth/approle/login"), ("file", "auth/token/create-orphan")] {
        let task = bed.task(&shell(SLEEP, &format!("vault_cluster = \"{cluster}\"\n{ONE_OF_EACH}")));
        bed.run(&task).await.unwrap_or_else(|status| panic!("{cluster}: {}", status.message()));
        let user = bed.sh(&task, "cat /run/secrets/db/username").await;
        let password = bed.sh(&task, "cat /run/secrets/db/password").await;
        assert_eq!(psql(&user, &password, "select 1").as_deref(), Ok("1"));
        assert_eq!(bed.sh(&task, "cat /run/secrets/app.env").await, "API_KEY=a-key");

        let made = tokens_of(&bed.bao, MADE_AT).await;
        assert_eq!(made.len(), 1, "{made:?}");
        assert_eq!(made[0]["policies"], json!(["strongbox-node-task", "timeline"]));
        assert_eq!(made[0]["orphan"], json!(true));
        may_make_tokens_only(&bed.bao, came_from).await;

        bed.end(&task).await;
        bed.is_clean().await;
        assert_eq!(tokens_of(&bed.bao, MADE_AT).await, Vec::<Value>::new());
    }
}

/// Asks the server what the node's one login may do.
async fn may_make_tokens_only(bao: &Bao, came_from: &str) {
    let node = tokens_of(bao, came_from).await;
    assert_eq!(node.len(), 1, "one login for the node: {node:?}");
    let others = ["kv/data/timeline", "database/creds/timeline", "auth/token/create", "auth/token/create/other"];
    let paths: Vec<&str> = others.into_iter().chain([MADE_AT]).collect();
    let asked = json!({ "accessor": node[0]["accessor"], "paths": paths });
    let may = bao.ok("POST", "sys/capabilities-accessor", Some(asked)).await;
    for path in others {
        assert_eq!(may[path], json!(["deny"]), "{path}");
    }
    assert_eq!(may[MADE_AT], json!(["update"]));
}
