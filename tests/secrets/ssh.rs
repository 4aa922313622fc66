//! SSH certificates, as OpenSSH's own program reads and believes them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    bao::parts::part,
    bed::{Bed, until},
    bed_with, file,
    jobs::{SLEEP, shell},
    run,
};

const POLICY: &str = "path \"ssh/sign/app\" { capabilities = [\"update\"] }";
/// What is signed for a proof; OpenSSH calls the use a namespace.
const USE: &str = "file";

/// Mounts the engine with a CA of `kind`, and returns that CA's public line.
async fn engine(bed: &Bed, kind: &str, role: Value) -> String {
    bed.bao.ok("POST", "sys/mounts/ssh", Some(json!({"type": "ssh"}))).await;
    let ca = json!({"generate_signing_key": true, "key_type": kind});
    let made = bed.bao.ok("POST", "ssh/config/ca", Some(ca)).await;
    bed.bao.ok("POST", "ssh/roles/app", Some(role)).await;
    made["public_key"].as_str().expect("a public key").trim().to_owned()
}

fn role(ttl: &str, signer: &str) -> Value {
    json!({
        "key_type": "ca", "allow_user_certificates": true, "allow_host_certificates": true, "allowed_users": "*",
        "allowed_domains": "example", "allow_subdomains": true, "allow_bare_domains": true, "ttl": ttl,
        "allowed_extensions": "permit-pty", "algorithm_signer": signer, "not_before_duration": "30s",
    })
}

fn block(name: &str, more: &str) -> String {
    format!("ssh_certificate \"{name}\" {{\n mount = \"ssh\"\n role = \"app\"\n {more}\n }}\n")
}

fn keygen(args: &[&str]) -> String {
    String::from_utf8(run(&part("STRONGBOX_SSH_KEYGEN"), args)).expect("text")
}

/// A key and its certificate, copied out of one set where the program takes them for root's own.
struct Held {
    dir: tempfile::TempDir,
}

impl Held {
    fn copy(bed: &Bed, name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // The set that is shown now, so that no switch comes between the files.
        let set = fs::canonicalize(bed.ram().join("data/..data")).expect("a set").join(name);
        for part in ["key", "key.pub", "key-cert.pub"] {
            let at = dir.path().join(part);
            fs::write(&at, fs::read(set.join(part)).expect("a file")).expect("written");
            fs::set_permissions(&at, fs::Permissions::from_mode(0o600)).expect("ours");
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn about(&self) -> String {
        keygen(&["-L", "-f", &self.path("key-cert.pub")])
    }

    /// Signs something with key and certificate, and says whether OpenSSH takes that for `principal`'s, by a CA with this public
    /// line: it checks the CA's signature, whom the certificate is for, and its time.
    fn is_believed(&self, ca: &str, principal: &str) -> bool {
        let (message, signature) = (self.dir.path().join("message"), self.dir.path().join("message.sig"));
        fs::write(&message, "a message").expect("written");
        fs::remove_file(&signature).ok();
        keygen(&["-q", "-Y", "sign", "-n", USE, "-f", &self.path("key-cert.pub"), &message.display().to_string()]);
        let signers = self.dir.path().join("signers");
        fs::write(&signers, format!("* cert-authority {ca}\n")).expect("written");
        verifies(&signers, principal, &signature, &message)
    }
}

fn verifies(signers: &Path, principal: &str, signature: &Path, message: &Path) -> bool {
    let mut command = Command::new(part("STRONGBOX_SSH_KEYGEN"));
    command.args(["-Y", "verify", "-n", USE, "-I", principal, "-f"]).arg(signers).arg("-s").arg(signature);
    let input = fs::File::open(message).expect("the message");
    command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("ssh-keygen runs").success()
}

/// Makes another CA and returns its public line.
fn stranger(dir: &Path) -> String {
    let at = dir.join("stranger").display().to_string();
    keygen(&["-q", "-N", "", "-t", "ed25519", "-f", &at]);
    fs::read_to_string(PathBuf::from(at).with_extension("pub")).expect("a key").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_certificates_are_read_and_believed_by_the_real_program_and_signed_anew_in_time() {
    let bed = bed_with("", POLICY).await;
    let ca = engine(&bed, "ssh-rsa", role("60s", "rsa-sha2-256")).await;
    let config = [
        block("id", "valid_principals = [\"app\", \"ops\"]\n extensions = { permit-pty = \"\" }"),
        block("id-ecdsa", "valid_principals = [\"app\"]\n key_type = \"ecdsa\""),
        block("id-rsa", "valid_principals = [\"app\"]\n key_type = \"rsa\"\n perms = \"0440\""),
        block("host", "valid_principals = [\"host.example\"]\n cert_type = \"host\""),
    ];
    let task = bed.task(&shell(SLEEP, &config.concat()));
    bed.run(&task).await.expect("it starts");
    let other = stranger(bed.bao.dir());
    for (name, kind) in
        [("id", "ED25519-CERT"), ("id-ecdsa", "ECDSA-CERT"), ("id-rsa", "RSA-CERT"), ("host", "ED25519-CERT")]
    {
        let held = Held::copy(&bed, name);
        let about = held.about();
        let user = if name == "host" { "host certificate" } else { "user certificate" };
        assert!(about.contains(kind) && about.contains(user), "{name}: {about}");
        assert_eq!(about.contains("permit-pty"), name == "id", "{about}");
        assert!(about.contains("(using rsa-sha2-256)"), "{about}");
        // The program reads the private key and finds the public one in it.
        let public = fs::read_to_string(held.path("key.pub")).expect("a file");
        let body = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
        assert_eq!(body(&keygen(&["-y", "-f", &held.path("key")])), body(&public), "{name}");
        let is_user = name != "host";
        assert_eq!(held.is_believed(&ca, "app"), is_user, "{name}");
        assert!(!held.is_believed(&ca, "root"), "{name} is for nobody else");
        assert!(!held.is_believed(&other, "app"), "{name} is of no other CA");
    }
    // Two thirds of a minute and a half, less what has passed.
    let key = || fs::read(file(&bed, "id/key")).ok();
    let before = key();
    until("a new key is signed", || async { key().is_some() && key() != before }).await;
    let anew = Held::copy(&bed, "id");
    assert!(anew.about().contains("user certificate") && anew.about().contains("permit-pty"), "{}", anew.about());
    assert!(anew.is_believed(&ca, "ops"), "what was signed anew is believed as well");
    bed.end(&task).await;

    for (more, named) in [
        ("valid_principals = [\"root\"]", "covers SSH principal \"root\""),
        ("valid_principals = [\"app\"]\n cert_type = \"host\"", "ssh/sign/app"),
    ] {
        let task = bed.task(&shell(SLEEP, &block("id", more)));
        let refused = bed.run(&task).await.expect_err("refused");
        assert!(refused.message().contains(named), "{}", refused.message());
        task.destroy(&bed.agent, true).await.ok();
    }
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_of_another_kind_is_believed_and_a_signature_that_openssh_refuses_is_not_delivered() {
    for kind in ["ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"] {
        let bed = bed_with("", POLICY).await;
        let ca = engine(&bed, kind, role("1h", "default")).await;
        let task = bed.task(&shell(SLEEP, &block("id", "valid_principals = [\"app\"]")));
        bed.run(&task).await.unwrap_or_else(|status| panic!("{kind}: {}", status.message()));
        assert!(Held::copy(&bed, "id").is_believed(&ca, "app"), "{kind}");
        bed.end(&task).await;
        bed.is_clean().await;
    }
    let bed = bed_with("", POLICY).await;
    engine(&bed, "ssh-rsa", role("1h", "ssh-rsa")).await;
    let task = bed.task(&shell(SLEEP, &block("id", "valid_principals = [\"app\"]")));
    let refused = bed.run(&task).await.expect_err("refused");
    assert!(refused.message().contains("signed with SHA-1, which OpenSSH refuses"), "{}", refused.message());
    task.destroy(&bed.agent, true).await.ok();
    bed.is_clean().await;
}
