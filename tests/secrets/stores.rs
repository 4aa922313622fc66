//! Key stores of a running task, as Java and OpenSSL take them while the authority changes.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    bao::openssl,
    bed::{Bed, until},
    bed_with, file, java,
    jobs::{SLEEP, shell},
};

const NAME: &str = "timeline.web.timeline.default.strongbox.internal";

/// Copies a directory of files out of the one set that is shown.
fn copy(bed: &Bed) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let set = fs::canonicalize(bed.ram().join("data/..data")).expect("a set").join("server");
    for entry in fs::read_dir(set).expect("readable") {
        let entry = entry.expect("a file");
        fs::write(dir.path().join(entry.file_name()), fs::read(entry.path()).expect("readable")).expect("written");
    }
    dir
}

/// Says how many roots a directory's `ca.pem` has.
fn roots(dir: &Path) -> usize {
    fs::read_to_string(dir.join("ca.pem")).unwrap_or_default().matches("BEGIN CERTIFICATE").count()
}

/// Has `keytool` and OpenSSL read every store, which must hold the key and certificate of the PEM files.
fn all_agree(dir: &Path) {
    let at = |name: &str| dir.join(name).display().to_string();
    let told = openssl(&["x509", "-in", &at("cert.pem"), "-noout", "-fingerprint", "-sha256"]);
    let fingerprint = told.trim().rsplit('=').next().expect("a fingerprint").to_owned();
    for suffix in ["p12", "jks"] {
        let listed = java::keytool(dir, &format!("keystore.{suffix}"), &["-v", "-alias", "server"]);
        assert!(listed.contains("PrivateKeyEntry") && listed.contains(&fingerprint), "{suffix}: {listed}");
        let trusted = java::keytool(dir, &format!("truststore.{suffix}"), &[]);
        assert_eq!(trusted.matches("trustedCertEntry").count(), roots(dir), "{suffix}: {trusted}");
    }
    let password = format!("file:{}", at("store.password"));
    let opened = openssl(&["pkcs12", "-in", &at("keystore.p12"), "-passin", &password, "-nodes"]);
    let scratch = tempfile::NamedTempFile::new().expect("a file");
    fs::write(scratch.path(), &opened).expect("written");
    let public = openssl(&["pkey", "-in", &scratch.path().display().to_string(), "-pubout"]);
    assert_eq!(public, openssl(&["x509", "-in", &at("cert.pem"), "-noout", "-pubkey"]));
    assert_eq!(public, openssl(&["pkey", "-in", &at("key.pem"), "-pubout"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn java_and_openssl_take_the_stores_of_a_task_before_and_after_its_authority_changes() {
    let bed = bed_with("", "").await;
    let listed = bed.bao.ok("LIST", "pki_int/issuers", None).await;
    let config = "certificate \"server\" {\n formats = [\"pem\", \"pkcs12\", \"jks\"]\n change_mode = \"noop\"\n }";
    let task = bed.task(&shell(SLEEP, config));
    bed.run(&task).await.expect("it starts");
    let live = file(&bed, "server");
    let first = copy(&bed);
    all_agree(first.path());
    let server = java::Server::start(first.path(), "p12");
    assert!(java::asks(first.path(), "jks", server.port, NAME).expect("trusted").contains("welcome"));
    assert!(server.ask_openssl(first.path(), NAME).expect("trusted").contains("welcome"));

    let root = json!({"common_name": "The next root", "issuer_name": "next", "key_type": "ec", "ttl": "48h"});
    bed.bao.ok("POST", "pki_int/root/generate/internal", Some(root)).await;
    until("the next root is trusted too", || async { roots(&live) == 2 }).await;
    let between = copy(&bed);
    all_agree(between.path());
    let bytes = |dir: &Path, name: &str| fs::read(dir.join(name)).expect("a file");
    assert_eq!(bytes(between.path(), "keystore.p12"), bytes(first.path(), "keystore.p12"), "no new certificate yet");

    bed.bao.ok("POST", "pki_int/config/issuers", Some(json!({"default": "next"}))).await;
    for id in listed["keys"].as_array().expect("issuers") {
        bed.bao.ok("DELETE", &format!("pki_int/issuer/{}", id.as_str().expect("an id")), None).await;
    }
    let shown = || fs::read(live.join("cert.pem")).ok();
    until("a certificate of the next root is shown", || async {
        shown().is_some_and(|cert| cert != bytes(first.path(), "cert.pem"))
    })
    .await;
    let last = copy(&bed);
    all_agree(last.path());
    assert_eq!(bytes(last.path(), "store.password"), bytes(first.path(), "store.password"));

    let server = java::Server::start(last.path(), "jks");
    assert!(java::asks(between.path(), "p12", server.port, NAME).expect("trusted").contains("welcome"));
    assert!(java::asks(last.path(), "jks", server.port, NAME).expect("trusted").contains("welcome"));
    assert!(server.ask_openssl(between.path(), NAME).expect("trusted").contains("welcome"));
    assert!(java::asks(first.path(), "jks", server.port, NAME).is_err(), "a root that it never saw is trusted");
    bed.end(&task).await;
    bed.is_clean().await;
}
