//! Certificates over their whole life, with authorities that change.

use std::sync::Mutex;

use serde_json::Value;

use super::*;
use crate::{
    domain::{CertificateFormat, CertificateRequest, KeyType, RelPath},
    pki::Authority,
};

/// Short, so that several follow one another within a test; the issuer backdates them besides.
const LIFE: Duration = Duration::from_secs(8);

/// A mount whose issuers a test sets.
struct Mount<'b> {
    bench: &'b Bench,
    signing: Arc<Mutex<Arc<Authority>>>,
}

impl<'b> Mount<'b> {
    fn new(bench: &'b Bench, first: &Arc<Authority>) -> Self {
        let signing = Arc::new(Mutex::new(Arc::clone(first)));
        let signer = Arc::clone(&signing);
        bench.vault.answer_writes("pki_int/sign/shop", move |body| {
            let authority = signer.lock().expect("no panic").clone();
            authority.sign(body["csr"].as_str().unwrap_or_default(), LIFE).map_err(|_| Kind::Invalid)
        });
        Self { bench, signing }
    }

    fn has(&self, issuers: &[(&str, &Authority)]) {
        for (id, authority) in issuers {
            let issuer = json!({"certificate": authority.root_pem(), "ca_chain": [authority.root_pem()]});
            self.bench.vault.tell(&format!("pki_int/issuer/{id}/json"), issuer);
        }
        let ids: Vec<&str> = issuers.iter().map(|(id, _)| *id).collect();
        self.bench.vault.tell("pki_int/issuers", json!({"keys": ids}));
    }

    fn signs_with(&self, authority: &Arc<Authority>) {
        *self.signing.lock().expect("no panic") = Arc::clone(authority);
    }
}

fn authority() -> Arc<Authority> {
    Arc::new(Authority::new().expect("an authority"))
}

fn wants_certificate(bench: &Bench, formats: &[CertificateFormat]) -> TaskSpec {
    let name: RelPath = "web".parse().expect("a name");
    let request = CertificateRequest {
        name,
        mount: None,
        role: None,
        common_name: None,
        dns_sans: Vec::new(),
        ip_sans: Vec::new(),
        ttl: Some(Duration::from_secs(60)),
        key_type: KeyType::EcP256,
        names_key_type: false,
        issue: false,
        revoke: false,
        formats: formats.to_vec(),
        access: Default::default(),
        upkeep: at_once(ChangeAction::Signal(Signal::HUP)),
    };
    TaskSpec { certificates: vec![request], secrets: Vec::new(), templates: Vec::new(), ..bench.spec("1") }
}

fn allowing(bench: &Bench) -> Settings {
    let mut settings = bench.settings();
    settings.rules = rules(Rule { pki: vec!["pki_int/shop".into()], ..Rule::default() });
    settings
}

#[tokio::test]
async fn a_new_root_is_trusted_before_its_first_certificate_and_the_old_one_until_its_last_has_ended() {
    let (bench, old, new) = (Bench::new(), authority(), authority());
    let mount = Mount::new(&bench, &old);
    mount.has(&[("a", &old)]);
    let driver = bench.driver_with(allowing(&bench));
    let spec = wants_certificate(&bench, &[CertificateFormat::Pem]);
    driver.start(spec.clone()).await.expect("it starts");
    let trusts = |authority: &Authority| bench.file(&spec, "web/ca.pem").contains(authority.root_pem().trim());
    let first = bench.file(&spec, "web/cert.pem");
    assert!(trusts(&old) && !trusts(&new));

    mount.has(&[("a", &old), ("b", &new)]);
    until("the new root is trusted", || trusts(&new)).await;
    assert!(trusts(&old));
    let container = bench.engine.running()[0].clone();
    until("the task is told", || !bench.engine.signals(&container).is_empty()).await;

    mount.signs_with(&new);
    mount.has(&[("b", &new)]);
    until("the certificate is replaced", || bench.file(&spec, "web/cert.pem") != first).await;
    assert!(trusts(&new) && trusts(&old), "certificates of the old root are still good");
    until("the old root goes with its last certificate", || !trusts(&old)).await;
    assert!(trusts(&new));
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

/// What the first certificate of a root proves is worth nothing to tasks that do not trust the root yet.
#[tokio::test]
async fn a_rotated_certificate_waits_until_its_new_root_is_shown() {
    let (bench, old, new) = (Bench::new(), authority(), authority());
    let mount = Mount::new(&bench, &old);
    mount.has(&[("a", &old)]);
    let mut spec = wants_certificate(&bench, &[CertificateFormat::Pem]);
    // It is never due by itself, and outlives any wait.
    let life = Duration::from_secs(3600);
    spec.certificates[0].ttl = Some(life);
    let shown_when_asked: Arc<Mutex<Vec<bool>>> = Arc::default();
    let trusted = bench.path("run/tasks").join(spec.meta.id.key().as_str()).join("data/web/ca.pem");
    bench.vault.answer_writes("pki_int/sign/shop", {
        let (signing, shown, root) =
            (Arc::clone(&mount.signing), Arc::clone(&shown_when_asked), new.root_pem().to_owned());
        move |body: &Value| {
            let text = fs::read_to_string(&trusted).unwrap_or_default();
            shown.lock().expect("no panic").push(text.contains(root.trim()));
            let authority = signing.lock().expect("no panic").clone();
            authority.sign(body["csr"].as_str().unwrap_or_default(), life).map_err(|_| Kind::Invalid)
        }
    });
    let mut settings = allowing(&bench);
    // A set gathers for longer than two looks take.
    settings.refresh =
        RefreshSettings { quiet: Duration::from_millis(600), longest: Duration::from_millis(1200), ..settings.refresh };
    let driver = bench.driver_with(settings);
    driver.start(spec.clone()).await.expect("it starts");
    let first = bench.file(&spec, "web/cert.pem");
    mount.signs_with(&new);
    // The old root has left, so that the certificate is wanted at once.
    mount.has(&[("b", &new)]);
    until("it is replaced", || bench.file(&spec, "web/cert.pem") != first).await;
    assert_eq!(*shown_when_asked.lock().expect("no panic"), [false, true]);
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_certificate_of_a_root_that_left_the_mount_is_replaced_before_its_time() {
    let (bench, old, new) = (Bench::new(), authority(), authority());
    let mount = Mount::new(&bench, &old);
    mount.has(&[("a", &old)]);
    // Its own time would come after more than a minute, later than `until` waits.
    bench.vault.answer_writes("pki_int/sign/shop", {
        let signing = Arc::clone(&mount.signing);
        move |body: &Value| {
            let authority = signing.lock().expect("no panic").clone();
            let life = Duration::from_secs(150);
            authority.sign(body["csr"].as_str().unwrap_or_default(), life).map_err(|_| Kind::Invalid)
        }
    });
    let driver = bench.driver_with(allowing(&bench));
    let spec = wants_certificate(&bench, &[CertificateFormat::Pem]);
    driver.start(spec.clone()).await.expect("it starts");
    let first = bench.file(&spec, "web/cert.pem");
    mount.signs_with(&new);
    mount.has(&[("b", &new)]);
    until("it is replaced", || bench.file(&spec, "web/cert.pem") != first).await;
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

/// No list of issuers, and no revocation by key: what both servers had a few years ago.
#[tokio::test]
async fn a_server_of_old_is_asked_in_the_ways_that_it_knows() {
    let (bench, only, next) = (Bench::new(), authority(), authority());
    Mount::new(&bench, &only);
    let chain =
        |authority: &Authority| json!({"certificate": authority.root_pem(), "ca_chain": [authority.root_pem()]});
    bench.vault.tell("pki_int/cert/ca_chain", chain(&only));
    let driver = bench.driver_with(allowing(&bench));
    let mut spec = wants_certificate(&bench, &[CertificateFormat::Pem]);
    spec.certificates[0].revoke = true;
    driver.start(spec.clone()).await.expect("it starts");
    let trusts = |authority: &Authority| bench.file(&spec, "web/ca.pem").contains(authority.root_pem().trim());
    assert!(trusts(&only) && !trusts(&next));
    bench.vault.tell("pki_int/cert/ca_chain", chain(&next));
    until("the chain's new root is trusted", || trusts(&next)).await;

    assert!(bench.vault.revoked_certificates().is_empty());
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    until("it is revoked by its serial number", || !bench.vault.revoked_certificates().is_empty()).await;
    bench.is_clean().await;
}

#[tokio::test]
async fn the_password_of_the_stores_stays_while_certificates_change() {
    let (bench, only) = (Bench::new(), authority());
    Mount::new(&bench, &only).has(&[("a", &only)]);
    let driver = bench.driver_with(allowing(&bench));
    let spec = wants_certificate(&bench, &[CertificateFormat::Pkcs12, CertificateFormat::Jks]);
    driver.start(spec.clone()).await.expect("it starts");
    let data = bench.path("run/tasks").join(spec.meta.id.key().as_str()).join("data/web");
    let read = |name: &str| fs::read(data.join(name)).expect("a file");
    let (password, store, trust) = (read("store.password"), read("keystore.p12"), read("truststore.jks"));
    assert!(!data.join("key.pem").exists(), "only what was asked for");
    until("the certificate is replaced", || read("keystore.p12") != store).await;
    assert_eq!(read("store.password"), password);
    assert_eq!(read("truststore.jks"), trust, "what did not change is the same to the byte");
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}
