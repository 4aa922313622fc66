//! Certificates whose key the server makes: a block with `issue`, and `pkiCert` in templates.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::json;

use crate::{
    bao::openssl,
    bed::{Bed, until},
    bed_with,
    jobs::{SLEEP, shell},
};

const ALLOW: &str = r#"
  allow {
    job   = "timeline"
    paths = ["pki_int/issue/timeline"]
  }"#;
const POLICY: &str = "path \"pki_int/issue/timeline\" { capabilities = [\"update\"] }";
const NAME: &str = "timeline.web.timeline.default.strongbox.internal";
/// Certificates that are looked at.
const SEEN: usize = 4;

/// A bed whose PKI role gives certificates of seconds.
async fn bed() -> Bed {
    let bed = bed_with(ALLOW, POLICY).await;
    let mut role = bed.bao.ok("GET", "pki_int/roles/timeline", None).await;
    for (name, value) in [("ttl", "6s"), ("max_ttl", "6s"), ("key_type", "ec"), ("key_bits", "256")] {
        role[name] = json!(value);
    }
    bed.bao.ok("POST", "pki_int/roles/timeline", Some(role)).await;
    bed
}

/// Looks at sets until several certificates were seen, each with the key that belongs to it.
async fn key_and_certificate_match_through_rotations(bed: &Bed) {
    let mut seen = BTreeSet::new();
    while seen.len() < SEEN {
        let before = seen.clone();
        until("another certificate is shown", || async { serial(bed).is_some_and(|serial| !before.contains(&serial)) })
            .await;
        let set = set(bed);
        // A set is kept for some seconds after the next; a machine that sleeps longer looks again.
        let Some([cert, key, ca]) = whole(&set) else { continue };
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str, content: &str| {
            let at = dir.path().join(name).display().to_string();
            fs::write(&at, content).expect("written");
            at
        };
        let (cert, key, ca) = (at("cert", &cert), at("key", &key), at("ca", &ca));
        let public = openssl(&["x509", "-in", &cert, "-noout", "-pubkey"]);
        assert_eq!(public, openssl(&["pkey", "-in", &key, "-pubout"]));
        let verified =
            openssl(&["verify", "-no_check_time", "-partial_chain", "-CAfile", &ca, "-untrusted", &cert, &cert]);
        assert!(verified.contains("OK"), "{verified}");
        let about = openssl(&["x509", "-in", &cert, "-noout", "-serial", "-ext", "subjectAltName"]);
        assert!(about.contains(NAME), "{about}");
        seen.insert(openssl(&["x509", "-in", &cert, "-noout", "-serial"]));
    }
}

/// Returns where the set lies that is shown now.
fn set(bed: &Bed) -> PathBuf {
    fs::canonicalize(bed.ram().join("data/..data")).expect("a set").join("server")
}

fn serial(bed: &Bed) -> Option<String> {
    let cert = fs::read(set(bed).join("cert.pem")).ok()?;
    let copy = tempfile::NamedTempFile::new().expect("a file");
    fs::write(copy.path(), cert).expect("written");
    Some(openssl(&["x509", "-in", &copy.path().display().to_string(), "-noout", "-serial"]))
}

fn whole(set: &std::path::Path) -> Option<[String; 3]> {
    let read = |name: &str| fs::read_to_string(set.join(name)).ok();
    Some([read("cert.pem")?, read("key.pem")?, read("ca.pem")?])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_server_makes_matches_its_certificate_through_rotations() {
    let bed = bed().await;
    let task = bed.task(&shell(SLEEP, "certificate \"server\" {\n issue = true\n change_mode = \"noop\"\n }"));
    bed.run(&task).await.expect("it starts");
    key_and_certificate_match_through_rotations(&bed).await;
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_any_kind_makes_the_key_that_the_job_names_and_other_roles_must_agree() {
    let bed = bed().await;
    let kind = |kind: &str| shell(SLEEP, &format!("certificate \"server\" {{\n issue = true\n {kind}\n }}"));
    let task = bed.task(&kind("key_type = \"rsa-3072\""));
    let refused = bed.run(&task).await.expect_err("the role makes another");
    assert!(
        refused.message().contains("kind of key is ec-p256") && refused.message().contains("rsa-3072"),
        "{refused}"
    );

    let mut role = bed.bao.ok("GET", "pki_int/roles/timeline", None).await;
    (role["key_type"], role["key_bits"]) = (json!("any"), json!(0));
    bed.bao.ok("POST", "pki_int/roles/timeline", Some(role)).await;
    let task = bed.task(&kind(""));
    let refused = bed.run(&task).await.expect_err("no kind is named");
    assert!(refused.message().contains("key_type"), "{refused}");
    for (named, shown) in [("ec-p384", "384 bit"), ("ed25519", "ED25519"), ("rsa-2048", "2048 bit")] {
        let task = bed.task(&kind(&format!("key_type = \"{named}\"")));
        bed.run(&task).await.expect("it starts");
        let key = set(&bed).join("key.pem").display().to_string();
        let about = openssl(&["pkey", "-in", &key, "-noout", "-text"]);
        assert!(about.contains(shown), "{named}: {}", about.lines().next().unwrap_or_default());
        bed.end(&task).await;
    }
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_pki_cert_are_of_one_issue_through_rotations() {
    let bed = bed().await;
    let file = |name: &str, field: &str| {
        format!(
            r#"
        template {{
          destination = "server/{name}.pem"
          data        = "{{{{ with pkiCert \"pki_int/issue/timeline\" \"common_name={NAME}\" }}}}{{{{ .{field} }}}}{{{{ end }}}}"
          change_mode = "noop"
        }}"#
        )
    };
    let config = [file("cert", "Cert"), file("key", "Key"), file("ca", "CA")].concat();
    let task = bed.task(&shell(SLEEP, &config));
    bed.run(&task).await.expect("it starts");
    key_and_certificate_match_through_rotations(&bed).await;
    bed.end(&task).await;
    bed.is_clean().await;
}
