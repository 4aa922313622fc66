//! Java's own key store of old (JKS, version 2), for programs that are set up for it.
//!
//! Its protection is that of 1996: a stream of SHA-1 over the key, a SHA-1 over the whole. The file lies in RAM and is readable
//! by its task alone, so that a reader who must break the password has got past everything else already.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use zeroize::Zeroizing;

use super::{
    KeyEntry, Trusted,
    der::{null, octets, oid, sequence, utf16},
    password::salt,
};
use crate::domain::{SecretBytes, SecretString};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const KEY: u32 = 1;
const TRUSTED: u32 = 2;
/// How a key is protected, by the number that Sun gave it.
const PROTECTION: &[u32] = &[1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1];
/// What the digest over a store begins with.
const PHRASE: &[u8] = b"Mighty Aphrodite";
const SHA1_LEN: usize = 20;

/// Writes a store with one key and its chain.
pub(super) fn key_store(entry: &KeyEntry<'_>, password: &SecretString) -> SecretBytes {
    let mut out = head(1);
    number(&mut out, KEY);
    named(&mut out, entry.alias, entry.since);
    let key = sequence(&[&sequence(&[&oid(PROTECTION), &null()]), &octets(&protect(entry.key, password))]);
    number(&mut out, key.len() as u32);
    out.extend(key);
    number(&mut out, entry.chain.len() as u32);
    entry.chain.iter().for_each(|der| certificate(&mut out, der));
    seal(out, password)
}

/// Writes a store of certificates that are to be trusted.
pub(super) fn trust_store(trusted: &[Trusted<'_>], password: &SecretString) -> SecretBytes {
    let mut out = head(trusted.len() as u32);
    for entry in trusted {
        number(&mut out, TRUSTED);
        named(&mut out, &entry.alias, entry.since);
        certificate(&mut out, entry.certificate);
    }
    seal(out, password)
}

fn head(entries: u32) -> Vec<u8> {
    [MAGIC, VERSION, entries].into_iter().flat_map(u32::to_be_bytes).collect()
}

fn number(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

fn text(out: &mut Vec<u8>, value: &str) {
    out.extend((value.len() as u16).to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}

/// Aliases are told apart without regard to case, and stored in lower case.
fn named(out: &mut Vec<u8>, alias: &str, since: SystemTime) {
    text(out, &alias.to_lowercase());
    let millis = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    out.extend(u64::try_from(millis).unwrap_or_default().to_be_bytes());
}

fn certificate(out: &mut Vec<u8>, der: &[u8]) {
    text(out, "X.509");
    number(out, der.len() as u32);
    out.extend_from_slice(der);
}

fn seal(mut out: Vec<u8>, password: &SecretString) -> SecretBytes {
    let digest = sha1(&[&utf16(password.expose()), PHRASE, &out]);
    out.extend(digest);
    SecretBytes::new(out)
}

/// Returns salt, the key under a stream of digests, and a digest of the key.
fn protect(key: &[u8], password: &SecretString) -> Vec<u8> {
    let password_bytes = Zeroizing::new(utf16(password.expose()));
    let salt: [u8; SHA1_LEN] = salt(password, "jks", &[key]);
    let mut out = salt.to_vec();
    let mut block = salt;
    for part in key.chunks(SHA1_LEN) {
        block = sha1(&[&password_bytes, &block]);
        out.extend(part.iter().zip(block).map(|(plain, mask)| plain ^ mask));
    }
    out.extend(sha1(&[&password_bytes, key]));
    out
}

fn sha1(parts: &[&[u8]]) -> [u8; SHA1_LEN] {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; SHA1_LEN];
    out.copy_from_slice(context.finish().as_ref());
    out
}
