//! The client of the secrets server against a real OpenBao and a real PostgreSQL.

use std::{
    collections::BTreeMap,
    fs,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use strongbox::{
    domain::{SecretString, ServerPath, Session, TaskMeta},
    vault::{Client, ClientCert, Error, Kind, Reply, Settings, TokenTerms, Vault},
};

#[path = "support/bao.rs"]
mod bao;
use bao::{Bao, Shared, psql, self_signed};

static SHARED: Shared = Shared::new();

/// A configured server, shared by the tests that leave its settings alone, and a client of it.
fn server() -> (Arc<Bao>, Client) {
    let bao = SHARED.get(Bao::configured);
    let client = client_of(&bao);
    (bao, client)
}

fn settings_of(bao: &Bao) -> Settings {
    Settings { address: bao.address().to_owned(), allow_plain_http: true, ..Settings::default() }
}

fn client_of(bao: &Bao) -> Client {
    Client::new(settings_of(bao)).expect("a client")
}

fn root(bao: &Bao) -> SecretString {
    SecretString::new(bao.root_token())
}

fn path(text: &str) -> ServerPath {
    text.parse().expect("a path")
}

async fn read(client: &Client, token: &SecretString, at: &str) -> Result<Reply, Error> {
    client.read(token, &path(at), &BTreeMap::new()).await
}

/// Logs a task of job `timeline` in, with an allocation of its own.
async fn log_in(bao: &Bao, client: &Client) -> Session {
    let alloc = hex::encode(rand::random::<[u8; 16]>());
    let jwt = SecretString::new(bao.nomad().sign("timeline", "web", &alloc, json!({})));
    client.login_jwt("jwt-nomad", "timeline", &jwt).await.expect("a session")
}

/// Makes a token for `policy` and returns it.
async fn token_for(bao: &Bao, policy: &str, more: Value) -> SecretString {
    let name = format!("test-{}", hex::encode(rand::random::<[u8; 6]>()));
    bao.ok("POST", &format!("sys/policies/acl/{name}"), Some(json!({"policy": policy}))).await;
    let mut body = json!({"policies": [name], "no_default_policy": true});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    let (_, answer) = bao.api("POST", "auth/token/create", Some(body)).await;
    SecretString::new(answer["auth"]["client_token"].as_str().expect("a token"))
}

#[tokio::test]
async fn an_identity_of_nomad_logs_in() {
    let (bao, client) = server();
    let session = log_in(&bao, &client).await;
    assert!(session.policies.contains(&"timeline".to_owned()), "{:?}", session.policies);
    assert!(session.renewable && session.duration > Duration::ZERO);
    assert!(bao.knows_accessor(&session.accessor.expect("an accessor").0).await);
}

#[tokio::test]
async fn an_identity_that_the_driver_signed_logs_in() {
    let (bao, client) = server();
    let task = TaskMeta {
        id: "alloc-9/web/12345678".parse().expect("an id"),
        name: "web".to_owned(),
        group: "group".to_owned(),
        job_id: "timeline".to_owned(),
        job_name: "timeline".to_owned(),
        namespace: "default".to_owned(),
        alloc_id: "alloc-9".to_owned(),
        node_id: "node-1".to_owned(),
        node_name: "n1".to_owned(),
    };
    let subject = "spiffe://strongbox.internal/ns/default/job/timeline/group/group/task/web";
    let sign = |terms: &TokenTerms| bao.node().sign(&task, subject, terms, SystemTime::now()).expect("signed");
    let session = client.login_jwt("jwt-strongbox", "timeline", &sign(&TokenTerms::default())).await;
    let session = session.expect("a session");
    let (_, answer) = bao.api("POST", "auth/token/lookup", Some(json!({"token": session.token.expose()}))).await;
    assert_eq!(answer["data"]["meta"]["nomad_task"], "web");

    let other = TokenTerms { issuer: "somebody".to_owned(), ..TokenTerms::default() };
    let error = client.login_jwt("jwt-strongbox", "timeline", &sign(&other)).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
}

/// Returns whom the server takes a token for: entity, alias and the alias's metadata.
async fn person(bao: &Bao, token: &SecretString) -> (String, String, Value) {
    let (_, about) = bao.api("POST", "auth/token/lookup", Some(json!({"token": token.expose()}))).await;
    let entity = about["data"]["entity_id"].as_str().expect("an entity").to_owned();
    let known = bao.ok("GET", &format!("identity/entity/id/{entity}"), None).await;
    let alias = &known["aliases"][0];
    (entity, alias["name"].as_str().expect("a name").to_owned(), alias["metadata"].clone())
}

#[tokio::test]
async fn each_allocation_is_somebody_of_its_own_and_a_namesake_elsewhere_changes_nothing() {
    let (bao, client) = server();
    let mut role = bao.ok("GET", "auth/jwt-nomad/role/timeline", None).await;
    role["bound_claims"] = json!({"nomad_namespace": "elsewhere", "nomad_job_id": "timeline"});
    bao.ok("POST", "auth/jwt-nomad/role/namesake", Some(role)).await;
    for (namespace, word) in [("default", "ours"), ("elsewhere", "theirs")] {
        bao.ok("POST", &format!("kv/data/{namespace}/timeline/own"), Some(json!({"data": {"word": word}}))).await;
    }
    let ours = log_in(&bao, &client).await.token;
    let (entity, alias, metadata) = person(&bao, &ours).await;
    assert_eq!(alias.len(), 32, "the allocation's id: {alias}");
    for (name, value) in [("nomad_namespace", "default"), ("nomad_job_id", "timeline"), ("nomad_task", "web")] {
        assert_eq!(metadata[name], value, "{metadata}");
    }

    let claims = json!({"nomad_namespace": "elsewhere"});
    let jwt = SecretString::new(bao.nomad().sign("timeline", "web", "another-allocation", claims));
    let theirs = client.login_jwt("jwt-nomad", "namesake", &jwt).await.expect("a session").token;
    assert_ne!(person(&bao, &theirs).await.0, entity);
    assert_eq!(person(&bao, &ours).await, (entity, alias, metadata), "the older token is still who it was");
    for (token, own, foreign, word) in
        [(&ours, "default", "elsewhere", "ours"), (&theirs, "elsewhere", "default", "theirs")]
    {
        let reply = read(&client, token, &format!("kv/data/{own}/timeline/own")).await.expect("its own");
        assert_eq!(reply.data["data"]["word"], word);
        let error = read(&client, token, &format!("kv/data/{foreign}/timeline/own")).await.expect_err("not its own");
        assert_eq!(error.kind(), Kind::Denied, "{error}");
    }
}

#[tokio::test]
async fn paths_that_differ_in_case_are_two_secrets() {
    let (bao, client) = server();
    for name in ["Case_1", "case_1", "CASE_1"] {
        bao.ok("POST", &format!("kv/data/{name}"), Some(json!({"data": {"name": name}}))).await;
    }
    for name in ["Case_1", "case_1", "CASE_1"] {
        let reply = read(&client, &root(&bao), &format!("kv/data/{name}")).await.expect("a secret");
        assert_eq!(reply.data["data"]["name"], name);
    }
}

#[tokio::test]
async fn a_login_to_a_role_without_policies_succeeds() {
    let (bao, client) = server();
    let role = json!({
        "role_type": "jwt", "bound_audiences": ["vault.io"], "user_claim": "nomad_allocation_id",
        "token_no_default_policy": true, "token_ttl": "60s",
    });
    bao.ok("POST", "auth/jwt-nomad/role/bare", Some(role)).await;
    let jwt = SecretString::new(bao.nomad().sign("timeline", "web", "alloc-bare", json!({})));
    let session = client.login_jwt("jwt-nomad", "bare", &jwt).await.expect("a session");
    assert!(session.policies.is_empty());
    assert!(bao.knows_accessor(&session.accessor.expect("an accessor").0).await);
}

#[tokio::test]
async fn refused_logins_say_why() {
    let (bao, client) = server();
    let login = async |mount: &str, role: &str, more: Value| {
        let jwt = SecretString::new(bao.nomad().sign("timeline", "web", "alloc-refused", more));
        client.login_jwt(mount, role, &jwt).await.expect_err("refused")
    };
    let error = login("jwt-nomad", "nobody", json!({})).await;
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("nobody") && error.to_string().contains("could not be found"), "{error}");

    let error = login("jwt-nomad", "timeline", json!({"aud": ["other"]})).await;
    assert!(error.kind() == Kind::Invalid && error.to_string().contains("audience"), "{error}");

    let error = login("jwt-nomad", "timeline", json!({"nomad_job_id": "other"})).await;
    assert!(error.kind() == Kind::Invalid && error.to_string().contains("nomad_job_id"), "{error}");

    let error = login("jwt-nomad", "timeline", json!({"iat": 1, "nbf": 1, "exp": 2})).await;
    assert!(error.kind() == Kind::Invalid && !error.is_transient(), "{error}");

    let error = login("nowhere", "timeline", json!({})).await;
    assert_eq!(error.kind(), Kind::Denied, "{error}");

    let error = login("../sys", "timeline", json!({})).await;
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
}

#[tokio::test]
async fn an_identity_of_the_near_future_may_be_tried_again() {
    let (bao, client) = server();
    let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs() + 600;
    let jwt = bao.nomad().sign("timeline", "web", "alloc-soon", json!({"nbf": soon, "exp": soon + 600}));
    let error = client.login_jwt("jwt-nomad", "timeline", &SecretString::new(jwt)).await.expect_err("refused");
    assert!(error.kind() == Kind::Invalid && error.is_transient(), "{error}");
}

#[tokio::test]
async fn kv_is_read_in_both_versions() {
    let (bao, client) = server();
    bao.ok("POST", "kv/data/timeline", Some(json!({"data": {"api_key": "k1"}}))).await;
    let session = log_in(&bao, &client).await;
    let reply = read(&client, &session.token, "kv/data/timeline").await.expect("a secret");
    assert_eq!(reply.data["data"]["api_key"], "k1");
    assert!(reply.kv_version().is_some() && reply.lease.is_none() && !reply.request_id.is_empty());
    let mount = client.kv_version(&session.token, &path("kv/data/timeline")).await.expect("an answer");
    assert_eq!(mount.map(|mount| (mount.mount, mount.version)), Some(("kv".to_owned(), 2)));

    bao.api("POST", "sys/mounts/kv1", Some(json!({"type": "kv", "options": {"version": "1"}}))).await;
    bao.ok("POST", "kv1/app", Some(json!({"user": "u", "ttl": "30"}))).await;
    let reply = read(&client, &root(&bao), "kv1/app").await.expect("a secret");
    assert_eq!((&reply.data["user"], reply.kv_version()), (&json!("u"), None));
    assert_eq!(reply.lease_duration, Duration::from_secs(30));
    let mount = client.kv_version(&root(&bao), &path("kv1/app")).await.expect("an answer");
    assert_eq!(mount.map(|mount| mount.version), Some(1));
    assert_eq!(client.kv_version(&session.token, &path("kv1/app")).await.expect("an answer"), None);
}

#[tokio::test]
async fn an_older_version_is_read_by_query() {
    let (bao, client) = server();
    for value in ["one", "two"] {
        bao.ok("POST", "kv/data/versions", Some(json!({"data": {"a": value}}))).await;
    }
    let query = BTreeMap::from([("version".to_owned(), "1".to_owned())]);
    let reply = client.read(&root(&bao), &path("kv/data/versions"), &query).await.expect("a secret");
    assert_eq!((&reply.data["data"]["a"], reply.kv_version()), (&json!("one"), Some(1)));
}

#[tokio::test]
async fn a_deleted_version_is_not_an_absent_path() {
    let (bao, client) = server();
    let token = root(&bao);
    for name in ["deleted", "destroyed"] {
        bao.ok("POST", &format!("kv/data/{name}"), Some(json!({"data": {"a": 1}}))).await;
    }
    bao.ok("DELETE", "kv/data/deleted", None).await;
    bao.ok("POST", "kv/destroy/destroyed", Some(json!({"versions": [1]}))).await;
    for (name, kind) in [("deleted", Kind::Deleted), ("destroyed", Kind::Deleted), ("never", Kind::NotFound)] {
        let error = read(&client, &token, &format!("kv/data/{name}")).await.expect_err("nothing to read");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_version_that_will_be_deleted_later_is_alive() {
    let (bao, client) = server();
    bao.ok("POST", "kv/metadata/later", Some(json!({"delete_version_after": "1h"}))).await;
    bao.ok("POST", "kv/data/later", Some(json!({"data": {"a": 1}}))).await;
    let reply = read(&client, &root(&bao), "kv/data/later").await.expect("alive");
    assert_ne!(reply.data["metadata"]["deletion_time"], "");
    assert_eq!(reply.data["data"]["a"], 1);
}

#[tokio::test]
async fn kv_2_reached_in_the_form_of_kv_1_says_so() {
    let (bao, client) = server();
    let error = read(&client, &root(&bao), "kv/timeline").await.expect_err("no such form");
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!error.messages().is_empty(), "{error}");
}

#[tokio::test]
async fn a_path_without_engine_is_not_found() {
    let (bao, client) = server();
    let error = read(&client, &root(&bao), "nowhere/data/x").await.expect_err("no engine");
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("no handler"), "{error}");
}

#[tokio::test]
async fn a_database_account_lives_as_long_as_its_lease() {
    let (bao, client) = server();
    let session = log_in(&bao, &client).await;
    let reply = read(&client, &session.token, "database/creds/timeline").await.expect("an account");
    let lease = reply.lease.clone().expect("a lease");
    let (user, password) = (reply.data["username"].as_str(), reply.data["password"].as_str());
    let (user, password) = (user.expect("a user").to_owned(), password.expect("a password").to_owned());
    assert_eq!(psql(&user, &password, "select 1").as_deref(), Ok("1"));

    let info = client.lookup_lease(&session.token, &lease.id).await.expect("known");
    assert!(info.renewable && info.ttl <= lease.duration && info.issued.is_some());
    let renewed = client.renew_lease(&session.token, &lease.id).await.expect("renewed");
    assert_eq!((renewed.id, renewed.duration), (lease.id.clone(), lease.duration));

    client.revoke_lease(&root(&bao), &lease.id).await.expect("revoked");
    until_refused(&user, &password).await;
    for error in [
        client.renew_lease(&session.token, &lease.id).await.expect_err("gone"),
        client.lookup_lease(&session.token, &lease.id).await.expect_err("gone"),
    ] {
        assert_eq!(error.kind(), Kind::LeaseGone, "{error}");
    }
}

#[tokio::test]
async fn the_end_of_a_token_ends_its_leases() {
    let (bao, client) = server();
    let session = log_in(&bao, &client).await;
    let reply = read(&client, &session.token, "database/creds/timeline").await.expect("an account");
    let lease = reply.lease.clone().expect("a lease").id;
    client.revoke_self(&session.token).await.expect("revoked");
    client.revoke_self(&session.token).await.expect("a dead token is a success");
    let (user, password) = (reply.data["username"].as_str(), reply.data["password"].as_str());
    until_refused(user.expect("a user"), password.expect("a password")).await;
    assert!(!bao.knows_lease(&lease.0).await);
    let error = read(&client, &session.token, "kv/data/timeline").await.expect_err("dead");
    assert_eq!(error.kind(), Kind::TokenDead, "{error}");
}

/// Waits until PostgreSQL refuses the account: the server revokes in its own time.
async fn until_refused(user: &str, password: &str) {
    let end = SystemTime::now() + Duration::from_secs(30);
    while psql(user, password, "select 1").is_ok() {
        assert!(SystemTime::now() < end, "the account still logs in");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn renewing_a_token_never_shortens_it() {
    let (bao, client) = server();
    let token = token_for(&bao, SELF_CARE, json!({"ttl": "300s", "renewable": true})).await;
    let before = client.lookup_token(&token).await.expect("known");
    let session = client.renew_token(&token).await.expect("renewed");
    assert_eq!(session.token, token);
    assert_eq!((before.creation_ttl, session.duration), (Duration::from_secs(300), Duration::from_secs(300)));
    assert!(before.renewable && before.kind == "service");
}

/// What a token needs to look after itself.
const SELF_CARE: &str = r#"
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
"#;

#[tokio::test]
async fn what_cannot_be_renewed_says_so() {
    let (bao, client) = server();
    let error = client.renew_token(&root(&bao)).await.expect_err("root has no end");
    assert_eq!(error.kind(), Kind::NotRenewable, "{error}");
    let batch = token_for(&bao, SELF_CARE, json!({"type": "batch", "ttl": "60s"})).await;
    let error = client.renew_token(&batch).await.expect_err("batch");
    assert_eq!(error.kind(), Kind::NotRenewable, "{error}");
    assert_eq!(client.lookup_token(&batch).await.expect("known").accessor, None);
}

#[tokio::test]
async fn a_missing_grant_is_not_a_dead_token() {
    let (bao, client) = server();
    let careful = token_for(&bao, SELF_CARE, json!({})).await;
    let blind = token_for(&bao, r#"path "kv/x" { capabilities = ["read"] }"#, json!({})).await;
    for token in [&careful, &blind] {
        let error = read(&client, token, "kv/data/timeline").await.expect_err("denied");
        assert_eq!(error.kind(), Kind::Denied, "{error}");
    }
    let dead = SecretString::new("s.doesnotexist");
    assert_eq!(read(&client, &dead, "kv/data/timeline").await.expect_err("dead").kind(), Kind::TokenDead);
    assert_eq!(client.lookup_token(&dead).await.expect_err("dead").kind(), Kind::TokenDead);
    let error = client.revoke_self(&blind).await.expect_err("may not even end itself");
    assert_eq!(error.kind(), Kind::Denied, "{error}");
}

#[tokio::test]
async fn a_forbidden_revocation_is_denied() {
    let (bao, client) = server();
    let token = token_for(&bao, SELF_CARE, json!({})).await;
    let lease = strongbox::domain::LeaseId("database/creds/timeline/x".to_owned());
    assert_eq!(client.revoke_lease(&token, &lease).await.expect_err("denied").kind(), Kind::Denied);
    assert!(client.revoke_lease(&root(&bao), &lease).await.is_ok(), "what never existed is revoked");
}

#[tokio::test]
async fn a_value_over_the_limit_is_not_read() {
    let (bao, client) = server();
    let value = "x".repeat(5 * 1024 * 1024);
    bao.ok("POST", "kv/data/large", Some(json!({"data": {"a": value}}))).await;
    let error = read(&client, &root(&bao), "kv/data/large").await.expect_err("too large");
    assert_eq!(error.kind(), Kind::TooLarge, "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn values_come_byte_for_byte() {
    let (bao, client) = server();
    let value = "a\r\n\tb\u{0}\u{e9}\u{1f512}{{ x }}\"\\\n";
    bao.ok("POST", "kv/data/odd", Some(json!({"data": {"a b/\"c\"": value, "": "", "n": 9_007_199_254_740_993_u64}})))
        .await;
    let reply = read(&client, &root(&bao), "kv/data/odd").await.expect("a secret");
    assert_eq!(reply.data["data"]["a b/\"c\""], value);
    assert_eq!(reply.data["data"][""], "");
}

#[tokio::test]
async fn a_namespace_is_sent_with_each_request_but_probes() {
    let (bao, client) = server();
    bao.api("POST", "sys/namespaces/team", Some(json!({}))).await;
    bao.api("POST", "team/sys/mounts/kv", Some(json!({"type": "kv", "options": {"version": "1"}}))).await;
    bao.ok("POST", "team/kv/app", Some(json!({"a": "team's"}))).await;
    let settings = Settings { namespace: Some("team".to_owned()), ..settings_of(&bao) };
    let inside = Client::new(settings).expect("a client");
    assert_eq!(read(&inside, &root(&bao), "kv/app").await.expect("a secret").data["a"], "team's");
    assert!(inside.health().await.expect("an answer").ready());
    assert!(read(&client, &root(&bao), "kv/app").await.is_err());
}

#[tokio::test]
async fn a_sealed_server_says_so() {
    let bao = Bao::start();
    let client = client_of(&bao);
    let health = client.health().await.expect("an answer");
    assert!(health.ready() && health.version.starts_with("2.") && !health.cluster.is_empty(), "{health:?}");
    bao.ok("POST", "sys/seal", None).await;
    let health = client.health().await.expect("an answer");
    assert!(health.sealed && health.initialized && !health.ready(), "{health:?}");
    let error = read(&client, &root(&bao), "secret/data/x").await.expect_err("sealed");
    assert!(error.kind() == Kind::Sealed && error.is_transient(), "{error}");
    let error = client.login_jwt("jwt", "x", &SecretString::new("a.b.c")).await.expect_err("sealed");
    assert_eq!(error.kind(), Kind::Sealed, "{error}");
}

#[tokio::test]
async fn only_a_server_of_the_trusted_ca_and_name_is_spoken_with() {
    let bao = Bao::start_tls();
    let settings = Settings { address: bao.address().to_owned(), ..Settings::default() };
    let trusting = Settings { ca_file: Some(bao.ca_file()), ..settings.clone() };
    assert!(Client::new(trusting.clone()).expect("a client").health().await.expect("an answer").ready());

    let named = Settings { tls_server_name: Some("localhost".to_owned()), ..trusting.clone() };
    assert!(Client::new(named).expect("a client").health().await.expect("an answer").ready());
    let misnamed = Settings { tls_server_name: Some("vault.example".to_owned()), ..trusting };
    let error = Client::new(misnamed).expect("a client").health().await.expect_err("another name");
    assert!(error.kind() == Kind::Tls && error.is_transient(), "{error}");

    let plain = Settings { address: bao.address().replace("https", "http"), allow_plain_http: true, ..settings };
    assert!(Client::new(plain).expect("a client").health().await.is_err());
}

#[tokio::test]
async fn a_ca_file_that_is_mended_needs_no_restart() {
    let (bao, other) = (Bao::start_tls(), Bao::start_tls());
    let ca_file = bao.dir().join("trusted.pem");
    fs::copy(other.ca_file(), &ca_file).expect("copied");
    let settings =
        Settings { address: bao.address().to_owned(), ca_file: Some(ca_file.clone()), ..Settings::default() };
    let client = Client::new(settings).expect("a client");
    assert_eq!(client.health().await.expect_err("another CA").kind(), Kind::Tls);
    fs::copy(bao.ca_file(), &ca_file).expect("copied");
    // The failure that meets the new file reads it; the next exchange trusts it.
    let first = client.health().await;
    assert!(first.is_ok() || client.health().await.is_ok());
}

#[tokio::test]
async fn a_server_that_does_not_take_the_nodes_certificate_is_not_said_to_be_untrusted() {
    let bao = Bao::start_strict();
    self_signed(bao.dir(), "other");
    let at = |name: &str| bao.dir().join(name);
    let (address, ca_file) = (bao.strict_address().to_owned(), Some(at("strict.pem")));
    let with = |client_cert| Settings {
        address: address.clone(),
        ca_file: ca_file.clone(),
        client_cert,
        ..Settings::default()
    };
    let shown = ClientCert { cert_file: at("other.pem"), key_file: at("other.key") };
    let other = Client::new(with(Some(shown))).expect("a client");
    for client in [&other, &Client::new(with(None)).expect("a client")] {
        let error = client.health().await.expect_err("not taken");
        assert!(error.kind() == Kind::ClientRefused && error.is_transient(), "{error}");
        assert!(error.to_string().contains("client_cert_file"), "{error}");
    }
    for ending in ["pem", "key"] {
        fs::rename(at(&format!("client.{ending}")), at(&format!("other.{ending}"))).expect("replaced");
    }
    // The failure that meets the new files reads them; the next exchange shows them.
    other.health().await.ok();
    assert!(other.health().await.expect("an answer").ready());
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let client = {
        let bao = Bao::start();
        client_of(&bao)
    };
    let error = client.health().await.expect_err("nobody is there");
    assert!(error.kind() == Kind::Unavailable && error.is_transient(), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_token_roles_name_leads_nowhere_else() {
    let (bao, client) = server();
    for role in ["../../sys/seal", "a/b", "", ".."] {
        let error = client.create_token(&root(&bao), role, &json!({})).await.expect_err("no name");
        assert_eq!((error.kind(), error.status()), (Kind::Invalid, None), "{role:?}");
    }
}
