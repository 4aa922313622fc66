//! Pairs of keys in OpenSSH's own form.

use aws_lc_rs::{
    encoding::{AsBigEndian, AsDer, EcPrivateKeyBin},
    rsa,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    PendingSsh,
    wire::{put, put_number},
};
use crate::domain::{SecretString, SshKeyType};

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// What an unencrypted key is filled up to.
const BLOCK: usize = 8;
/// As OpenSSH breaks its lines.
const LINE: usize = 70;

/// A key's two halves as the wire has them, each without the type's name.
struct Halves {
    name: &'static str,
    public: Vec<u8>,
    private: Zeroizing<Vec<u8>>,
}

/// Makes a pair; `None` when the machine's cryptography fails.
pub(super) fn make(kind: SshKeyType, comment: &str) -> Option<PendingSsh> {
    let halves = match kind {
        SshKeyType::Ecdsa => ecdsa(),
        SshKeyType::Ed25519 => ed25519(),
        SshKeyType::Rsa => rsa(),
    }?;
    let mut blob = Vec::new();
    put(&mut blob, halves.name.as_bytes());
    blob.extend_from_slice(&halves.public);
    let line = format!("{} {} {comment}", halves.name, STANDARD.encode(&blob));
    let private = armoured(&private_file(&halves, &blob, comment));
    Some(PendingSsh { private, public: halves.public, line })
}

fn ed25519() -> Option<Halves> {
    let pair = Ed25519KeyPair::generate().ok()?;
    let public_key = pair.public_key().as_ref().to_vec();
    let seed = pair.seed().ok()?.as_be_bytes().ok()?;
    let mut both = Zeroizing::new(Vec::with_capacity(64));
    both.extend_from_slice(seed.as_ref());
    both.extend_from_slice(&public_key);
    let mut public = Vec::new();
    put(&mut public, &public_key);
    let mut private = Zeroizing::new(public.clone());
    put(&mut private, &both);
    Some(Halves { name: "ssh-ed25519", public, private })
}

fn ecdsa() -> Option<Halves> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok()?;
    let secret: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
    let mut public = Vec::new();
    put(&mut public, b"nistp256");
    put(&mut public, pair.public_key().as_ref());
    let mut private = Zeroizing::new(public.clone());
    put_number(&mut private, secret.as_ref());
    Some(Halves { name: "ecdsa-sha2-nistp256", public, private })
}

fn rsa() -> Option<Halves> {
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa3072).ok()?;
    let der = pair.as_der().ok()?;
    let numbers = rsa_numbers(der.as_ref())?;
    let [n, e, d, p, q, inverse] = [1, 2, 3, 4, 5, 8].map(|at| numbers.get(at).copied().unwrap_or_default());
    let mut public = Vec::new();
    put_number(&mut public, e);
    put_number(&mut public, n);
    let mut private = Zeroizing::new(Vec::with_capacity(2048));
    for number in [n, e, d, inverse, p, q] {
        put_number(&mut private, number);
    }
    Some(Halves { name: "ssh-rsa", public, private })
}

/// Takes the numbers out of a PKCS#8 key: version, n, e, d, p, q, and three that help to compute, the inverse of q last.
fn rsa_numbers(der: &[u8]) -> Option<Vec<&[u8]>> {
    let (whole, _) = element(der, 0x30)?;
    let (_, rest) = element(whole, 0x02)?;
    let (_, rest) = element(rest, 0x30)?;
    let (inner, _) = element(rest, 0x04)?;
    let (mut rest, _) = element(inner, 0x30)?;
    let mut numbers = Vec::new();
    while !rest.is_empty() {
        let (number, after) = element(rest, 0x02)?;
        numbers.push(number);
        rest = after;
    }
    (numbers.len() == 9).then_some(numbers)
}

/// Splits an ASN.1 element of the wanted kind off the front: its content, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (short, mut rest) = rest.split_first()?;
    let mut length = usize::from(*short);
    if short & 0x80 != 0 {
        let (long, after) = rest.split_at_checked(usize::from(short & 0x7f))?;
        length = long.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?;
        rest = after;
    }
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// Returns the bytes of a private key's file: who can read the file needs no password.
fn private_file(halves: &Halves, public: &[u8], comment: &str) -> Zeroizing<Vec<u8>> {
    let mut inner = Zeroizing::new(Vec::with_capacity(4096));
    // A reader who decrypts compares the two; without a password any will do.
    let check = rand::random::<[u8; 4]>();
    inner.extend_from_slice(&check);
    inner.extend_from_slice(&check);
    put(&mut inner, halves.name.as_bytes());
    inner.extend_from_slice(&halves.private);
    put(&mut inner, comment.as_bytes());
    for filler in 1_u8.. {
        if inner.len().is_multiple_of(BLOCK) {
            break;
        }
        inner.push(filler);
    }
    let mut file = Zeroizing::new(Vec::with_capacity(8192));
    file.extend_from_slice(MAGIC);
    put(&mut file, b"none");
    put(&mut file, b"none");
    put(&mut file, b"");
    file.extend_from_slice(&1_u32.to_be_bytes());
    put(&mut file, public);
    put(&mut file, &inner);
    file
}

fn armoured(file: &[u8]) -> SecretString {
    let body = Zeroizing::new(STANDARD.encode(file));
    let mut text = String::with_capacity(body.len() + body.len() / LINE + 80);
    text.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for start in (0..body.len()).step_by(LINE) {
        text.push_str(&body[start..body.len().min(start + LINE)]);
        text.push('\n');
    }
    text.push_str("-----END OPENSSH PRIVATE KEY-----\n");
    SecretString::new(text)
}
