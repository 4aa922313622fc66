//! A node that logs in itself, by whatever method, and makes a token for each task, with the policies of `examples/vault` as they are.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use serde_json::{Value, json};

use crate::{
    bao::{Bao, Setup, openssl, psql},
    bed::{Bed, Options, until},
    jobs::{ONE_OF_EACH, SLEEP, shell},
};

const LOGIN: &str = include_str!("../../examples/vault/node-login.hcl");
const TASK: &str = include_str!("../../examples/vault/node-task.hcl");
const TOKEN_ROLE: &str = include_str!("../../examples/vault/node-token-role.json");
const ALLOW: &str = r#"
  allow {
    job      = "timeline"
    clusters = ["approle", "file", "cert"]
    roles    = ["timeline"]
    paths    = ["kv/data/timeline", "database/creds/timeline"]
    pki      = ["pki_int/timeline"]
  }"#;
/// Where the tasks' tokens are made.
const MADE_AT: &str = "auth/token/create/timeline";

/// Writes the policies and the token role of the examples.
async fn policies(bao: &Bao) {
    for (name, policy) in [("strongbox-node-login", LOGIN), ("strongbox-node-task", TASK)] {
        bao.ok("PUT", &format!("sys/policies/acl/{name}"), Some(json!({ "policy": policy }))).await;
    }
    let role: Value = serde_json::from_str(TOKEN_ROLE).expect("JSON");
    bao.ok("POST", "auth/token/roles/timeline", Some(role)).await;
}

/// Lets the node log in by secret id and by token file. Returns a cluster for either; their files lie in the server's folder.
async fn node_logins(bao: &Bao) -> String {
    bao.ok("POST", "sys/auth/approle", Some(json!({ "type": "approle" }))).await;
    policies(bao).await;
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
        a_task_runs_and_ends(&bed, cluster).await;
        may_make_tokens_only(&bed.bao, came_from).await;
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

/// A CA that is no server's, and the file with its certificate.
struct Authority {
    name: String,
}

impl Authority {
    fn new(bao: &Bao, name: &str) -> Self {
        let at = bao.dir().join(name).display().to_string();
        let (key, cert, subject) = (format!("{at}.key"), format!("{at}.pem"), format!("/CN={name}"));
        let words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", &subject];
        openssl(&[&["req", "-x509", "-keyout", &key, "-out", &cert], &words[..]].concat());
        Self { name: at }
    }

    fn pem(&self) -> String {
        fs::read_to_string(format!("{}.pem", self.name)).expect("the CA")
    }

    /// Puts a new certificate for a node where the node looks for its own, and the key beside it.
    fn issue(&self, bao: &Bao) {
        let at = |name: &str| bao.dir().join(name).display().to_string();
        let (key, csr, fresh, usage) = (at("fresh.key"), at("fresh.csr"), at("fresh.pem"), at("usage"));
        fs::write(&usage, "extendedKeyUsage=clientAuth\n").expect("written");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=node.example"];
        openssl(&[&["req", "-keyout", &key, "-out", &csr], &curve[..]].concat());
        let (ca, ca_key) = (format!("{}.pem", self.name), format!("{}.key", self.name));
        let words = ["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "2", "-extfile", &usage];
        openssl(&[&["x509", "-req", "-in", &csr, "-out", &fresh], &words[..]].concat());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("set");
        fs::rename(key, at("client.key")).expect("moved");
        fs::rename(fresh, at("client.pem")).expect("moved");
    }
}

/// Returns the serial number of the certificate that the node shows, in the server's way of writing it.
fn serial_on_disk(bao: &Bao) -> u128 {
    let file = bao.dir().join("client.pem").display().to_string();
    let hex = openssl(&["x509", "-noout", "-serial", "-in", &file]);
    let hex = hex.trim().trim_start_matches("serial=");
    // The last 128 bits are more than enough to tell certificates apart.
    u128::from_str_radix(&hex[hex.len().saturating_sub(32)..], 16).expect("a number")
}

/// Lets the node log in by certificates of `authority`, and returns the cluster for it.
async fn cert_login(bao: &Bao, authority: &Authority) -> String {
    policies(bao).await;
    bao.ok("POST", "sys/auth/cert", Some(json!({ "type": "cert" }))).await;
    let role = json!({
        "certificate": authority.pem(), "allowed_common_names": ["node.example"], "token_policies": ["strongbox-node-login"],
        "token_no_default_policy": true, "token_type": "service", "token_ttl": "1h",
    });
    bao.ok("POST", "auth/cert/certs/node", Some(role)).await;
    let (address, trust, dir) = (bao.address(), bao.trust(), bao.dir().display());
    let auth = format!(
        "method = \"cert\"\n role = \"node\"\n client_cert_file = \"{dir}/client.pem\"\n client_key_file = \"{dir}/client.key\""
    );
    format!("cluster \"cert\" {{\n address = \"{address}\"\n {trust}\n auth {{\n {auth}\n }}\n }}\n{ALLOW}")
}

/// Starts a task whose token is made by the node's login at the cluster, and looks at all of it.
async fn a_task_runs_and_ends(bed: &Bed, cluster: &str) {
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
    bed.end(&task).await;
    bed.is_clean().await;
    assert_eq!(tokens_of(&bed.bao, MADE_AT).await, Vec::<Value>::new());
}

/// Returns why a task at the cluster with the login by certificate does not start.
async fn refusal(bed: &Bed) -> String {
    let task = bed.task(&shell(SLEEP, &format!("vault_cluster = \"cert\"\n{ONE_OF_EACH}")));
    bed.run(&task).await.expect_err("no login").message().to_owned()
}

/// Says whether a login was made with the certificate on disk.
async fn is_logged_in_with_what_is_on_disk(bao: &Bao) -> bool {
    let node = tokens_of(bao, "auth/cert/login").await;
    let serial = serial_on_disk(bao);
    let of = |token: &Value| token["meta"]["serial_number"].as_str().map(low_bits);
    node.iter().filter_map(of).any(|of| of == serial)
}

/// Returns the last 128 bits of a long decimal number.
fn low_bits(decimal: &str) -> u128 {
    decimal.bytes().fold(0, |sum: u128, digit| sum.wrapping_mul(10).wrapping_add(u128::from(digit - b'0')))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_logs_in_with_its_certificate_and_with_the_next_one_that_is_put_there() {
    let bao = Arc::new(Bao::configured_with(&Setup { tls: true, ..Setup::default() }));
    let (good, foreign) = (Authority::new(&bao, "nodes-ca"), Authority::new(&bao, "other-ca"));
    let more = cert_login(&bao, &good).await;
    // The plugin takes its settings before anybody has brought the node's certificate.
    let bed = Bed::on(bao, &Options { more: &more, ..Options::default() }).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;

    let file = bed.bao.dir().join("client.pem").display().to_string();
    let refused = refusal(&bed).await;
    assert!(refused.contains(&format!("client_cert_file: file {file} does not exist")), "{refused}");

    foreign.issue(&bed.bao);
    until("the certificate is looked at", || async { !refusal(&bed).await.contains("does not exist") }).await;
    let refused = refusal(&bed).await;
    assert!(refused.contains(&format!("client_cert_file {file}")), "{refused}");
    assert!(refused.contains("role \"node\"") && refused.contains("invalid certificate"), "{refused}");
    assert!(!refused.contains('\n') && refused.matches("log in").count() == 1, "one sentence: {refused}");

    good.issue(&bed.bao);
    until("the certificate that was put there", || is_logged_in_with_what_is_on_disk(&bed.bao)).await;
    a_task_runs_and_ends(&bed, "cert").await;
    may_make_tokens_only(&bed.bao, "auth/cert/login").await;

    // The first login lives for an hour; the next task is not asked to wait for its end.
    good.issue(&bed.bao);
    a_task_runs_and_ends(&bed, "cert").await;
    assert!(is_logged_in_with_what_is_on_disk(&bed.bao).await);
}
