//! SSH certificates that OpenSSH's own program signs, with each kind of key that it takes for a CA.

use std::{path::Path, time::SystemTime};

use strongbox::{
    domain::SshKeyType,
    pki::ssh::{self, SshCertificate, SshError, SshSpec},
};

use super::*;

/// Makes a CA whose key `ssh-keygen -t` knows by the words of `kind`.
fn authority(dir: &Path, kind: &[&str]) -> String {
    let at = dir.join("ca").display().to_string();
    keygen(&[&["-q", "-N", "", "-C", "ca", "-f", &at, "-t"], kind].concat());
    at
}

fn keygen(args: &[&str]) -> String {
    let output = Command::new(part("STRONGBOX_SSH_KEYGEN")).args(args).output().expect("ssh-keygen runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "ssh-keygen {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Has a new key of `kind` signed by the CA at `ca`; `how` are words about its signature.
fn signed(dir: &Path, kind: SshKeyType, ca: &str, how: &[&str]) -> Result<SshCertificate, SshError> {
    let pending = ssh::request(kind, "task").expect("a key");
    let public = dir.join("key.pub").display().to_string();
    fs::write(&public, format!("{}\n", pending.public_line())).expect("written");
    keygen(&[&["-q", "-s", ca, "-I", "task", "-n", "app,ops", "-V", "-1m:+1h"], how, &[&public]].concat());
    let line = fs::read_to_string(dir.join("key-cert.pub")).expect("a certificate");
    let spec = SshSpec { principals: vec!["ops".into(), "app".into()], host: false };
    pending.accept(&line, &spec, SystemTime::now())
}

#[test]
fn a_certificate_of_each_kind_of_ca_is_believed() {
    let kinds: [(&[&str], &[&str]); 6] = [
        (&["ed25519"], &[]),
        (&["ecdsa", "-b", "256"], &[]),
        (&["ecdsa", "-b", "384"], &[]),
        (&["ecdsa", "-b", "521"], &[]),
        (&["rsa", "-b", "2048"], &["-t", "rsa-sha2-256"]),
        (&["rsa", "-b", "3072"], &["-t", "rsa-sha2-512"]),
    ];
    for (kind, how) in kinds {
        let dir = tempfile::tempdir().expect("a directory");
        let ca = authority(dir.path(), kind);
        // Several, because a number may be shorter than its curve.
        for key in [SshKeyType::Ed25519, SshKeyType::Ecdsa, SshKeyType::Rsa, SshKeyType::Ecdsa, SshKeyType::Ed25519] {
            let held = signed(dir.path(), key, &ca, how);
            assert!(held.is_ok(), "{kind:?} {key:?}: {held:?}");
        }
    }
}

#[test]
fn a_signature_that_openssh_would_refuse_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = authority(dir.path(), &["rsa", "-b", "2048"]);
    let refused = signed(dir.path(), SshKeyType::Ed25519, &ca, &["-t", "ssh-rsa"]).expect_err("refused");
    assert_eq!(refused, SshError::Sha1);
    assert!(refused.to_string().contains("algorithm_signer = \"rsa-sha2-256\" in the role"), "{refused}");
}
