//! What a job asks to be ended is ended, and the audit file says so.

use std::fs;

use serde_json::Value;
use strongbox::audit;

use crate::{
    bed::{Bed, until},
    jobs::{self, SLEEP},
};

/// Says whether the engine has a certificate on its revocation list.
async fn is_revoked(bed: &Bed, serial: &str) -> bool {
    let (_, answer) = bed.bao.api("GET", &format!("pki_int/cert/{serial}"), None).await;
    answer["data"]["revocation_time"].as_u64().is_some_and(|time| time > 0)
}

/// Returns the lines of the audit file.
fn lines(bed: &Bed) -> Vec<Value> {
    let text = fs::read_to_string(bed.state_dir().join("audit.log")).expect("an audit file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Returns the serial numbers of the certificates that were delivered so far, in order.
fn serials(bed: &Bed) -> Vec<String> {
    let lines = lines(bed);
    let delivered = lines.iter().filter(|line| line["event"] == "delivered" && line["kind"] == "certificate");
    delivered.map(|line| line["serial"].as_str().expect("a serial").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_revoked_where_the_job_asks_for_it_and_nowhere_else() {
    let bed = Bed::new("").await;
    let config = r#"
        certificate "short" {
          revoke      = true
          change_mode = "noop"
        }
        certificate "plain" {
          change_mode = "noop"
        }"#;
    let task = bed.task(&jobs::shell(SLEEP, config));
    bed.run(&task).await.expect("it starts");
    let lines = lines(&bed);
    let serial = |name: &str| {
        let reason = format!("certificate {name}");
        let line = lines.iter().find(|line| line["reason"] == reason).expect("a line for each");
        line["serial"].as_str().expect("a serial").to_owned()
    };
    let (short, plain) = (serial("short"), serial("plain"));
    assert!(!is_revoked(&bed, &short).await);
    bed.end(&task).await;
    until("the one is revoked", || is_revoked(&bed, &short)).await;
    assert!(!is_revoked(&bed, &plain).await, "nobody asked for it");
    bed.is_clean().await;

    let file = bed.state_dir().join("audit.log");
    until("the end has its line", || async { fs::read_to_string(&file).is_ok_and(|text| text.contains("\"ended\"")) })
        .await;
    let report = audit::verify(&[file], &[]).expect("readable");
    assert!(report.flaws.is_empty(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_certificate_is_revoked_after_the_action() {
    let bed = Bed::new("").await;
    // The server cuts the life to this, whereupon the driver replaces the certificate every few seconds.
    let mut role = bed.bao.ok("GET", "pki_int/roles/timeline", None).await;
    (role["ttl"], role["max_ttl"]) = ("12s".into(), "12s".into());
    bed.bao.ok("POST", "pki_int/roles/timeline", Some(role)).await;
    let config = "certificate \"short\" {\n revoke = true\n change_mode = \"noop\"\n}";
    let task = bed.task(&jobs::shell(SLEEP, config));
    bed.run(&task).await.expect("it starts");
    until("another one is delivered", || async { serials(&bed).len() > 1 }).await;
    let first = serials(&bed)[0].clone();
    until("the first one is revoked", || is_revoked(&bed, &first)).await;
    bed.end(&task).await;
    for serial in serials(&bed) {
        until("every one is revoked", || is_revoked(&bed, &serial)).await;
    }
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_file_and_the_servers_names_agree() {
    let bed = Bed::new("").await;
    let task = bed.task(&jobs::shell(SLEEP, "secret \"db\" { path = \"database/creds/timeline\" }"));
    bed.run(&task).await.expect("it starts");
    let obtained = |kind: &str, name: &str| -> Vec<String> {
        let lines = lines(&bed);
        let of_kind = lines.iter().filter(|line| line["event"] == "obtained" && line["kind"] == kind);
        of_kind.map(|line| line[name].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(obtained("token", "accessor"), bed.tokens().await);
    let leases: Vec<_> =
        bed.leases().await.into_iter().map(|lease| format!("database/creds/timeline/{lease}")).collect();
    assert_eq!(obtained("secret", "lease"), leases);
    bed.end(&task).await;
    bed.is_clean().await;
}
