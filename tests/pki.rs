//! Certificates from a real OpenBao, read by the real OpenSSL.

use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use strongbox::{
    domain::{CertificateFormat, KeyType, SecretString, ServerPath},
    pki::{self, CertificateSpec, IssuedCertificate, Pending, PkiError, Terms},
    vault::{Client, Kind, Settings, Vault},
};
use tempfile::TempDir;

#[path = "support/bao.rs"]
mod bao;
#[path = "pki/issuers.rs"]
mod issuers;
#[path = "support/java.rs"]
mod java;
#[path = "pki/ssh.rs"]
mod ssh;
#[path = "pki/stores.rs"]
mod stores;
use bao::{Bao, Setup, Shared, openssl, parts::part};

static SHARED: Shared = Shared::new();

const NAME: &str = "web.front.timeline.default.strongbox.internal";
const SPIFFE_ID: &str = "spiffe://strongbox.internal/ns/default/job/timeline/group/front/task/web";

fn server() -> (Arc<Bao>, Client) {
    let bao = SHARED.get(|| Bao::configured_with(&Setup { database: false, ..Setup::default() }));
    let settings = Settings { address: bao.address().to_owned(), allow_plain_http: true, ..Settings::default() };
    let client = Client::new(settings).expect("a client");
    (bao, client)
}

fn spec() -> CertificateSpec {
    CertificateSpec {
        common_name: Some(NAME.to_owned()),
        uri: Some(SPIFFE_ID.to_owned()),
        ttl: Some(Duration::from_secs(3600)),
        ..CertificateSpec::default()
    }
}

/// Has the request signed and returns the answer's data.
async fn sign(bao: &Bao, client: &Client, pending: &Pending, role: &str) -> Value {
    let path: ServerPath = format!("pki_int/sign/{role}").parse().expect("a path");
    let body = json!({"csr": pending.csr_pem(), "ttl": "1h"});
    let reply = client.write(&SecretString::new(bao.root_token()), &path, &body).await.expect("signed");
    (*reply.data).clone()
}

async fn issue(bao: &Bao, client: &Client, spec: &CertificateSpec, role: &str) -> IssuedCertificate {
    let pending = pki::request(spec).expect("a request");
    let data = sign(bao, client, &pending, role).await;
    pending.accept(&data).expect("what was asked")
}

/// Makes a role that signs everything.
async fn open_role(bao: &Bao) {
    let role = json!({
        "allow_any_name": true, "allow_ip_sans": true, "allowed_uri_sans": "*", "enforce_hostnames": false,
        "require_cn": false, "key_type": "any", "max_ttl": "24h",
    });
    bao.ok("POST", "pki_int/roles/open", Some(role)).await;
}

/// A certificate's files in a directory.
struct Files(TempDir);

impl Files {
    fn of(issued: IssuedCertificate) -> Self {
        Self::in_formats(&issued, &[CertificateFormat::Pem], &issued.ca_pem)
    }

    fn in_formats(issued: &IssuedCertificate, formats: &[CertificateFormat], trusted: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let password = pki::store_password();
        let terms = Terms { alias: "server", formats, password: &password, trusted };
        for (name, contents) in issued.files(&terms).expect("files") {
            fs::write(dir.path().join(name), contents.expose()).expect("written");
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    /// Returns a file's path together with the directory that keeps it.
    fn path_kept(self, name: &str) -> (Self, String) {
        let path = self.path(name);
        (self, path)
    }
}

#[tokio::test]
async fn openssl_accepts_key_certificate_and_chain_of_each_kind() {
    let (bao, client) = server();
    for key_type in [KeyType::EcP256, KeyType::EcP384, KeyType::Ed25519, KeyType::Rsa2048] {
        let issued = issue(&bao, &client, &CertificateSpec { key_type, ..spec() }, "timeline").await;
        let files = Files::of(issued);
        let [cert, key, ca, bundle] = ["cert.pem", "key.pem", "ca.pem", "bundle.pem"].map(|name| files.path(name));
        let verified = openssl(&["verify", "-x509_strict", "-CAfile", &ca, "-untrusted", &cert, &cert]);
        assert!(verified.contains("OK"), "{key_type:?}: {verified}");
        for file in [&key, &bundle] {
            let public = openssl(&["pkey", "-in", file, "-pubout"]);
            assert_eq!(public, openssl(&["x509", "-in", &cert, "-noout", "-pubkey"]), "{key_type:?}");
        }
        let text = openssl(&["x509", "-in", &cert, "-noout", "-subject", "-ext", "subjectAltName"]);
        assert!(text.contains(NAME) && text.contains(&format!("URI:{SPIFFE_ID}")), "{key_type:?}: {text}");
        assert_eq!(text.matches("URI:").count(), 1);
        assert!(fs::read_to_string(&bundle).expect("the bundle").starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(fs::read_to_string(&cert).expect("the chain").matches("BEGIN CERTIFICATE").count(), 2);
    }
}

#[tokio::test]
async fn facts_of_the_certificate_are_told() {
    let (bao, client) = server();
    let issued = issue(&bao, &client, &spec(), "timeline").await;
    let again: IssuedCertificate =
        serde_json::from_str(&serde_json::to_string(&issued).expect("written")).expect("read back");
    assert_eq!(again, issued);
    let life = issued.not_after.duration_since(issued.not_before).expect("a life");
    assert!(life >= Duration::from_secs(3600) && life < Duration::from_secs(3700), "{life:?}");
    let (fingerprint, serial) = (issued.fingerprint_sha256.clone(), issued.serial.clone());
    let cert = Files::of(issued).path_kept("cert.pem");
    let told = openssl(&["x509", "-in", &cert.1, "-noout", "-fingerprint", "-sha256", "-serial"]);
    let plain = told.replace(':', "").to_lowercase();
    assert!(plain.contains(&fingerprint) && plain.contains(&serial.replace(':', "")), "{told}");
}

#[tokio::test]
async fn all_names_of_a_request_are_certified() {
    let (bao, client) = server();
    open_role(&bao).await;
    let spec = CertificateSpec {
        common_name: None,
        dns: vec!["b.example".to_owned(), "*.c.example".to_owned()],
        ips: vec!["10.1.2.3".parse().expect("an address"), "fd00::1".parse().expect("an address")],
        ..spec()
    };
    let (_files, cert) = Files::of(issue(&bao, &client, &spec, "open").await).path_kept("cert.pem");
    let text = openssl(&["x509", "-in", &cert, "-noout", "-subject", "-ext", "subjectAltName"]);
    for name in ["DNS:b.example", "DNS:*.c.example", "IP Address:10.1.2.3", "IP Address:FD00:0:0:0:0:0:0:1"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(text.contains("critical"), "without a subject the names are critical: {text}");
}

#[tokio::test]
async fn a_name_longer_than_a_subject_may_be_is_certified() {
    let (bao, client) = server();
    let name = format!("{}.front.timeline.default.strongbox.internal", "web-".repeat(15) + "web");
    // The role of the example names one label below the group.
    open_role(&bao).await;
    let spec = CertificateSpec { common_name: Some(name.clone()), ..spec() };
    let (_files, cert) = Files::of(issue(&bao, &client, &spec, "open").await).path_kept("cert.pem");
    assert!(openssl(&["x509", "-in", &cert, "-noout", "-ext", "subjectAltName"]).contains(&name));
}

#[tokio::test]
async fn a_name_outside_the_role_is_refused_with_the_reason() {
    let (bao, client) = server();
    let spec = CertificateSpec { common_name: Some("admin.example".to_owned()), ..spec() };
    let pending = pki::request(&spec).expect("a request");
    let path = "pki_int/sign/timeline".parse().expect("a path");
    let body = json!({"csr": pending.csr_pem()});
    let error = client.write(&SecretString::new(bao.root_token()), &path, &body).await.expect_err("refused");
    assert!(error.kind() == Kind::Invalid && error.to_string().contains("admin.example"), "{error}");
}

#[tokio::test]
async fn a_real_certificate_that_differs_from_the_request_is_refused() {
    let (bao, client) = server();
    open_role(&bao).await;
    let mismatch = |pending: Pending, data: &Value| match pending.accept(data).expect_err("refused") {
        PkiError::Mismatch { what, .. } => what,
        other => panic!("{other}"),
    };
    let request = |spec: &CertificateSpec| pki::request(spec).expect("a request");

    let (mine, other) = (request(&spec()), request(&spec()));
    let data = sign(&bao, &client, &other, "timeline").await;
    assert_eq!(mismatch(mine, &data), "the key");

    let mine = request(&spec());
    let mut data = sign(&bao, &client, &mine, "timeline").await;
    data["serial_number"] = json!("00:11:22");
    assert_eq!(mismatch(mine, &data), "the serial number");

    let mine = request(&CertificateSpec { ttl: Some(Duration::from_secs(60)), ..spec() });
    let data = sign(&bao, &client, &mine, "timeline").await;
    assert_eq!(mismatch(mine, &data), "the end of its validity");

    // An issuer that adds a name of its own accord, and one that drops one.
    let role = json!({
        "allow_any_name": true, "enforce_hostnames": false, "allowed_uri_sans": "*", "key_type": "any",
        "require_cn": false, "use_csr_sans": false, "use_csr_common_name": true,
    });
    bao.ok("POST", "pki_int/roles/forgetful", Some(role)).await;
    let mine = request(&spec());
    let data = sign(&bao, &client, &mine, "forgetful").await;
    assert_eq!(mismatch(mine, &data), "the URIs");

    let mine = request(&spec());
    let mut data = sign(&bao, &client, &mine, "timeline").await;
    let (_, answer) = bao.api("GET", "pki/cert/ca", None).await;
    data["issuing_ca"] = answer["data"]["certificate"].clone();
    data["ca_chain"] = json!([data["issuing_ca"]]);
    assert_eq!(mismatch(mine, &data), "the chain");
}

#[tokio::test]
async fn a_certificate_is_revoked_by_its_serial_number() {
    let (bao, client) = server();
    let issued = issue(&bao, &client, &spec(), "timeline").await;
    let mount = "pki_int".parse().expect("a path");
    client.revoke_certificate(&SecretString::new(bao.root_token()), &mount, &issued.serial).await.expect("revoked");
    let found = bao.ok("GET", &format!("pki_int/cert/{}", issued.serial), None).await;
    assert_ne!(found["revocation_time"], 0);
}

#[tokio::test]
async fn a_task_revokes_its_certificate_by_its_key() {
    let (bao, client) = server();
    let jwt = bao.nomad().sign("timeline", "web", "alloc-revokes", json!({}));
    let session = client.login_jwt("jwt-nomad", "timeline", &SecretString::new(jwt)).await.expect("a session");
    let pending = pki::request(&spec()).expect("a request");
    let path: ServerPath = "pki_int/sign/timeline".parse().expect("a path");
    let reply = client.write(&session.token, &path, &json!({"csr": pending.csr_pem()})).await.expect("signed");
    let issued = pending.accept(&reply.data).expect("what was asked");
    let key = String::from_utf8(issued.key_pem.expose().to_vec()).expect("PEM");
    let leaf = issued.cert_pem.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a certificate");
    let path: ServerPath = "pki_int/revoke-with-key".parse().expect("a path");
    let body = json!({"certificate": leaf, "private_key": key});
    client.write(&session.token, &path, &body).await.expect("revoked");
    let mount = "pki_int".parse().expect("a path");
    let error = client.revoke_certificate(&session.token, &mount, &issued.serial).await.expect_err("not granted");
    assert_eq!(error.kind(), Kind::Denied);
    let read = client.read(&session.token, &"pki_int/cert/ca".parse().expect("a path"), &BTreeMap::new()).await;
    assert!(read.expect("public").data["certificate"].is_string());
}

#[tokio::test]
async fn two_holders_of_certificates_trust_each_other_and_nobody_else() {
    let (bao, client) = server();
    let here = Files::of(issue(&bao, &client, &spec(), "timeline").await);
    let there = Files::of(issue(&bao, &client, &spec(), "timeline").await);
    let server = TlsServer::start(&there);
    let answer = server.ask(&there.path("ca.pem"), Some(&here)).expect("trusted");
    assert!(answer.contains("Verify return code: 0 (ok)"), "{answer}");
    assert!(server.ask(&there.path("ca.pem"), None).is_err(), "a client without certificate is let in");
    assert!(server.ask(&there.path("cert.pem"), Some(&here)).is_err(), "a server of another CA is trusted");
}

/// `openssl s_server` that demands a certificate; ends with the value.
struct TlsServer {
    child: Child,
    port: u16,
}

impl TlsServer {
    fn start(files: &Files) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let child = Command::new(part("STRONGBOX_OPENSSL"))
            .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www", "-Verify", "1", "-verify_return_error"])
            .args(["-cert", &files.path("cert.pem"), "-cert_chain", &files.path("cert.pem")])
            .args(["-key", &files.path("key.pem"), "-CAfile", &files.path("ca.pem")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs; run `make setup`");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "openssl s_server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }

    /// Shakes hands by TLS 1.2, in which a client learns of its refusal within the handshake.
    fn ask(&self, ca_file: &str, client: Option<&Files>) -> Result<String, String> {
        let mut command = Command::new(part("STRONGBOX_OPENSSL"));
        command.args(["s_client", "-tls1_2", "-connect", &format!("127.0.0.1:{}", self.port), "-CAfile", ca_file]);
        command.args(["-servername", NAME, "-verify_hostname", NAME, "-verify_return_error"]);
        if let Some(files) = client {
            command.args(["-cert", &files.path("cert.pem"), "-cert_chain", &files.path("cert.pem")]);
            command.args(["-key", &files.path("key.pem")]);
        }
        let output = command.stdin(Stdio::null()).output().expect("openssl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(text) } else { Err(text) }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
