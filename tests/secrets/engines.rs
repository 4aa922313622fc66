//! Engines beside KV: static roles of a database, codes, and whatever else leases.

use std::time::Duration;

use serde_json::json;

use crate::{
    bao::{parts::part, psql},
    bed::{Bed, until},
    bed_with,
    jobs::{SLEEP, shell},
    shown,
};

const POLICY: &str = r#"
path "database/static-creds/timeline-static" { capabilities = ["read"] }
path "totp/code/app" { capabilities = ["read"] }
"#;

fn word(bed: &Bed, name: &str) -> String {
    String::from_utf8(shown(bed, name).unwrap_or_default()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_server_rotates_is_followed_at_its_time() {
    // Looking once an hour: what is seen earlier is seen because the answer said when.
    let refresh = "refresh {\n kv_poll = \"1h\"\n quiet = \"100ms\"\n longest = \"2s\"\n reap_after = \"5s\"\n }";
    let bed = bed_with(refresh, POLICY).await;
    let user = format!("static_{}", hex::encode(rand::random::<[u8; 6]>()));
    let admin =
        |sql: String| psql(&part("STRONGBOX_PG_USER"), &part("STRONGBOX_PG_PASSWORD"), &sql).expect("the admin may");
    admin(format!("create role {user} login password 'first'"));
    bed.bao
        .ok("POST", "database/config/timeline", Some(json!({"allowed_roles": ["timeline", "timeline-static"]})))
        .await;
    let role = json!({"db_name": "timeline", "username": user, "rotation_period": "8s"});
    bed.bao.ok("POST", "database/static-roles/timeline-static", Some(role)).await;

    let task = bed.task(&shell(SLEEP, "secret \"db\" { path = \"database/static-creds/timeline-static\" }"));
    bed.run(&task).await.expect("it starts");
    let first = word(&bed, "db/password");
    assert_eq!(word(&bed, "db/username"), user);
    for _ in 0..2 {
        let before = word(&bed, "db/password");
        until("another password is shown", || async { word(&bed, "db/password") != before }).await;
        until("it logs in", || async { psql(&user, &word(&bed, "db/password"), "select 1").is_ok() }).await;
        assert!(psql(&user, &before, "select 1").is_err(), "the old password is over");
    }
    assert_ne!(word(&bed, "db/password"), first);
    bed.end(&task).await;
    bed.is_clean().await;
    bed.bao.ok("DELETE", "database/static-roles/timeline-static", None).await;
    admin(format!("drop role {user}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_nobody_knows_is_read_and_written_as_it_wants() {
    let bed = bed_with("", POLICY).await;
    bed.bao.ok("POST", "sys/mounts/totp", Some(json!({"type": "totp"}))).await;
    let key = json!({"url": "otpauth://totp/app:me?secret=JBSWY3DPEHPK3PXP&issuer=app&period=30"});
    bed.bao.ok("POST", "totp/keys/app", Some(key)).await;
    let task = bed.task(&shell(
        SLEEP,
        r#"
        secret "code" { path = "totp/code/app" }
        secret "lease" {
          path   = "database/creds/timeline"
          method = "read"
          format = "json"
          file   = "lease.json"
        }"#,
    ));
    bed.run(&task).await.expect("it starts");
    assert_eq!(word(&bed, "code/code").len(), 6);
    let lease: serde_json::Value = serde_json::from_str(&word(&bed, "lease.json")).expect("JSON");
    psql(lease["username"].as_str().expect("a name"), lease["password"].as_str().expect("a word"), "select 1")
        .expect("logs in");
    tokio::time::timeout(Duration::from_secs(60), bed.end(&task)).await.expect("it ends");
    bed.is_clean().await;
}
