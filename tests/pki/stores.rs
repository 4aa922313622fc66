//! Key stores, as Java's and OpenSSL's own programs read them.

use strongbox::{
    domain::CertificateFormat::{self, Jks, Pem, Pkcs12},
    pki::Trust,
};

use super::{
    java::{self, keytool},
    *,
};

const ALL: [CertificateFormat; 3] = [Pem, Pkcs12, Jks];
const KINDS: [KeyType; 6] =
    [KeyType::EcP256, KeyType::EcP384, KeyType::Ed25519, KeyType::Rsa2048, KeyType::Rsa3072, KeyType::Rsa4096];

#[tokio::test(flavor = "multi_thread")]
async fn keytool_lists_key_and_trust_of_each_kind_in_both_stores() {
    let (bao, client) = server();
    open_role(&bao).await;
    for key_type in KINDS {
        let issued = issue(&bao, &client, &CertificateSpec { key_type, ..spec() }, "open").await;
        let fingerprint = issued.fingerprint_sha256.clone();
        let files = Files::in_formats(&issued, &ALL, &Trust::default().pem(&issued));
        for suffix in ["p12", "jks"] {
            let listed = keytool(files.0.path(), &format!("keystore.{suffix}"), &["-v", "-alias", "server"]);
            assert!(listed.contains("Entry type: PrivateKeyEntry"), "{key_type:?} {suffix}: {listed}");
            assert!(listed.contains("Certificate chain length: 2"), "{key_type:?} {suffix}: {listed}");
            let plain = listed.replace(':', "").to_lowercase();
            assert!(plain.contains(&fingerprint), "{key_type:?} {suffix}: {listed}");
            let trusted = keytool(files.0.path(), &format!("truststore.{suffix}"), &[]);
            assert!(trusted.contains("1 entry") && trusted.contains("trustedCertEntry"), "{suffix}: {trusted}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_opens_pkcs12_with_the_password_beside_it() {
    let (bao, client) = server();
    open_role(&bao).await;
    for key_type in KINDS {
        let issued = issue(&bao, &client, &CertificateSpec { key_type, ..spec() }, "open").await;
        let files = Files::in_formats(&issued, &ALL, &issued.ca_pem);
        let password = format!("file:{}", files.path("store.password"));
        let store = files.path("keystore.p12");
        let opened = openssl(&["pkcs12", "-in", &store, "-passin", &password, "-nodes"]);
        assert!(opened.contains("friendlyName: server") && opened.contains("localKeyID"), "{key_type:?}: {opened}");
        assert_eq!(opened.matches("BEGIN CERTIFICATE").count(), 2, "{key_type:?}");
        let key = files.path("opened.pem");
        fs::write(&key, &opened).expect("written");
        let public = openssl(&["pkey", "-in", &key, "-pubout"]);
        assert_eq!(public, openssl(&["x509", "-in", &files.path("cert.pem"), "-noout", "-pubkey"]), "{key_type:?}");
        let trusted = openssl(&["pkcs12", "-in", &files.path("truststore.p12"), "-passin", &password, "-nokeys"]);
        assert!(trusted.contains(issued.ca_pem.trim()), "{trusted}");
        let facts = Command::new(part("STRONGBOX_OPENSSL"))
            .args(["pkcs12", "-in", &store, "-passin", &password, "-info", "-noout"])
            .output()
            .expect("openssl runs");
        let facts = String::from_utf8_lossy(&facts.stderr).into_owned();
        assert!(facts.contains("sha256, Iteration 10000") && facts.contains("PBES2, PBKDF2, AES-256-CBC"), "{facts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn java_serves_and_asks_with_the_stores_before_and_after_a_rotation() {
    let (bao, client) = server();
    let (old, second) = (authority(&bao, "pki_old").await, authority(&bao, "pki_new").await);
    let leaf = async |mount: &str| issue_from(&bao, &client, mount).await;
    let (here, there) = (leaf("pki_old").await, leaf("pki_old").await);
    // What a task trusts while both authorities live, and what one trusts that has only ever seen the old one.
    let both = format!("{old}{second}");
    let before = Files::in_formats(&here, &ALL, &old);
    let held = Files::in_formats(&there, &ALL, &both);
    let rotated = Files::in_formats(&leaf("pki_new").await, &ALL, &both);

    let server = java::Server::start(before.0.path(), "p12");
    assert!(asks(&held, "jks", server.port).expect("trusted").contains(&format!("server CN={NAME}")));
    assert!(server.ask_openssl(held.0.path(), NAME).expect("trusted").contains(&format!("welcome CN={NAME}")));
    assert!(asks(&rotated, "p12", server.port).is_err(), "a server that knows the old root alone lets a new one in");

    let server = java::Server::start(rotated.0.path(), "jks");
    assert!(asks(&held, "p12", server.port).expect("trusted").contains("welcome"));
    assert!(asks(&rotated, "jks", server.port).expect("trusted").contains("welcome"));
    assert!(server.ask_openssl(held.0.path(), NAME).expect("trusted").contains("welcome"));
    assert!(asks(&before, "jks", server.port).is_err(), "a root that it never saw is trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_server_made_is_checked_and_delivered() {
    let (bao, client) = server();
    authority(&bao, "pki_issue").await;
    let wanted = pki::wanted(&spec(), None).expect("names");
    let path: ServerPath = "pki_issue/issue/any".parse().expect("a path");
    let reply = client.write(&SecretString::new(bao.root_token()), &path, &wanted.body()).await.expect("issued");
    let issued = wanted.accept(&reply.data).expect("what was asked");
    let files = Files::in_formats(&issued, &ALL, &issued.ca_pem);
    let text = openssl(&["x509", "-in", &files.path("cert.pem"), "-noout", "-ext", "subjectAltName"]);
    assert!(text.contains(NAME) && text.matches("URI:").count() == 1, "{text}");
    assert!(keytool(files.0.path(), "keystore.p12", &[]).contains("PrivateKeyEntry"));
}

/// Mounts an engine with a root of its own and a role `any`; returns the root.
async fn authority(bao: &Bao, mount: &str) -> String {
    bao.ok("POST", &format!("sys/mounts/{mount}"), Some(json!({"type": "pki"}))).await;
    let root = json!({"common_name": format!("Root of {mount}"), "key_type": "ec", "ttl": "48h"});
    let made = bao.ok("POST", &format!("{mount}/root/generate/internal"), Some(root)).await;
    let role = json!({
        "allow_any_name": true, "allowed_uri_sans": "*", "enforce_hostnames": false, "require_cn": false,
        "key_type": "ec", "key_bits": 256, "max_ttl": "24h",
    });
    bao.ok("POST", &format!("{mount}/roles/any"), Some(role)).await;
    let root = made["certificate"].as_str().expect("a root").trim();
    format!("{root}\n")
}

fn asks(files: &Files, suffix: &str, port: u16) -> Result<String, String> {
    java::asks(files.0.path(), suffix, port, NAME)
}

async fn issue_from(bao: &Bao, client: &Client, mount: &str) -> IssuedCertificate {
    let pending = pki::request(&spec()).expect("a request");
    let path: ServerPath = format!("{mount}/sign/any").parse().expect("a path");
    let body = json!({"csr": pending.csr_pem(), "ttl": "1h"});
    let reply = client.write(&SecretString::new(bao.root_token()), &path, &body).await.expect("signed");
    pending.accept(&reply.data).expect("what was asked")
}
