//! PKCS#12 (RFC 7292) with PBES2, AES-256 and HMAC-SHA256: what `keytool` writes since 8u301 and OpenSSL since 1.1.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    digest, hmac,
    iv::FixedLength,
    pbkdf2,
};
use zeroize::Zeroizing;

use super::{
    KeyEntry, Trusted,
    der::{bmp, explicit, integer, null, octets, oid, sequence, set, tagged, utf16},
    password::salt,
};
use crate::{
    domain::{SecretBytes, SecretString},
    pki::PkiError,
};

/// Rounds of key derivation, as `keytool` has them.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");
/// Which of the derived values is the MAC's key (RFC 7292, B.3).
const MAC_KEY: u8 = 3;
const SHA256_BLOCK: usize = 64;

const DATA: &[u32] = &[1, 2, 840, 113_549, 1, 7, 1];
const ENCRYPTED_DATA: &[u32] = &[1, 2, 840, 113_549, 1, 7, 6];
const SHROUDED_KEY_BAG: &[u32] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 2];
const CERTIFICATE_BAG: &[u32] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
const X509_CERTIFICATE: &[u32] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u32] = &[1, 2, 840, 113_549, 1, 9, 20];
const LOCAL_KEY_ID: &[u32] = &[1, 2, 840, 113_549, 1, 9, 21];
/// Java's mark of a certificate that is trusted; one without it is not listed.
const JAVA_TRUSTED: &[u32] = &[2, 16, 840, 1, 113_894, 746_875, 1, 1];
const ANY_USAGE: &[u32] = &[2, 5, 29, 37, 0];
const PBES2: &[u32] = &[1, 2, 840, 113_549, 1, 5, 13];
const PBKDF2: &[u32] = &[1, 2, 840, 113_549, 1, 5, 12];
const HMAC_SHA256: &[u32] = &[1, 2, 840, 113_549, 2, 9];
const AES256_CBC: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 1, 42];
const SHA256: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];

/// Writes a store with one key and its chain.
pub(super) fn key_store(entry: &KeyEntry<'_>, password: &SecretString) -> Result<SecretBytes, PkiError> {
    let id = digest::digest(&digest::SHA256, entry.chain.first().copied().unwrap_or_default());
    let named = vec![attribute(FRIENDLY_NAME, bmp(entry.alias)), attribute(LOCAL_KEY_ID, octets(&id.as_ref()[..20]))];
    let mut bags = Vec::new();
    for (at, certificate) in entry.chain.iter().enumerate() {
        bags.extend(certificate_bag(certificate, if at == 0 { named.clone() } else { Vec::new() }));
    }
    let key = sealed(password, "key", entry.key)?;
    let key = sequence(&[&key.algorithm, &octets(&key.contents)]);
    let key = sequence(&[&sequence(&[&oid(SHROUDED_KEY_BAG), &explicit(&key), &set(named)])]);
    store(&[encrypted(password, &sequence(&[&bags]))?, content(&key)], password)
}

/// Writes a store of certificates that are to be trusted.
pub(super) fn trust_store(trusted: &[Trusted<'_>], password: &SecretString) -> Result<SecretBytes, PkiError> {
    let mut bags = Vec::new();
    for entry in trusted {
        let named = vec![attribute(FRIENDLY_NAME, bmp(&entry.alias)), attribute(JAVA_TRUSTED, oid(ANY_USAGE))];
        bags.extend(certificate_bag(entry.certificate, named));
    }
    store(&[encrypted(password, &sequence(&[&bags]))?], password)
}

/// Puts the parts together and a MAC over them.
fn store(parts: &[Vec<u8>], password: &SecretString) -> Result<SecretBytes, PkiError> {
    let safe = sequence(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let salt: [u8; 20] = salt(password, "mac", &[&safe]);
    let key = mac_key(password, &salt);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &safe);
    let algorithm = sequence(&[&oid(SHA256), &null()]);
    let told = sequence(&[&algorithm, &octets(mac.as_ref())]);
    let mac = sequence(&[&told, &octets(&salt), &integer(ROUNDS.get())]);
    Ok(SecretBytes::new(sequence(&[&integer(3), &content(&safe), &mac])))
}

fn content(data: &[u8]) -> Vec<u8> {
    sequence(&[&oid(DATA), &explicit(&octets(data))])
}

fn encrypted(password: &SecretString, data: &[u8]) -> Result<Vec<u8>, PkiError> {
    let sealed = sealed(password, "certificates", data)?;
    let inner = sequence(&[&oid(DATA), &sealed.algorithm, &tagged(0x80, &sealed.contents)]);
    Ok(sequence(&[&oid(ENCRYPTED_DATA), &explicit(&sequence(&[&integer(0), &inner]))]))
}

fn certificate_bag(certificate: &[u8], attributes: Vec<Vec<u8>>) -> Vec<u8> {
    let value = explicit(&sequence(&[&oid(X509_CERTIFICATE), &explicit(&octets(certificate))]));
    match attributes.is_empty() {
        true => sequence(&[&oid(CERTIFICATE_BAG), &value]),
        false => sequence(&[&oid(CERTIFICATE_BAG), &value, &set(attributes)]),
    }
}

fn attribute(name: &[u32], value: Vec<u8>) -> Vec<u8> {
    sequence(&[&oid(name), &set(vec![value])])
}

/// Something encrypted, and how to decrypt it with the password.
struct Sealed {
    algorithm: Vec<u8>,
    contents: Vec<u8>,
}

/// Encrypts by PBES2 (RFC 8018).
fn sealed(password: &SecretString, purpose: &str, data: &[u8]) -> Result<Sealed, PkiError> {
    let salt_bytes: [u8; 20] = salt(password, purpose, &[data]);
    let iv: [u8; 16] = salt(password, "iv", &[purpose.as_bytes(), data]);
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt_bytes, password.expose().as_bytes(), &mut *key);
    let mut contents = data.to_vec();
    UnboundCipherKey::new(&AES_256, &*key)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .and_then(|key| key.less_safe_encrypt(&mut contents, EncryptionContext::Iv128(FixedLength::from(iv))))
        .map_err(|_| PkiError::Store("encrypt"))?;
    let function = sequence(&[&oid(HMAC_SHA256), &null()]);
    let terms = sequence(&[&octets(&salt_bytes), &integer(ROUNDS.get()), &integer(32), &function]);
    let derivation = sequence(&[&oid(PBKDF2), &terms]);
    let cipher = sequence(&[&oid(AES256_CBC), &octets(&iv)]);
    Ok(Sealed { algorithm: sequence(&[&oid(PBES2), &sequence(&[&derivation, &cipher])]), contents })
}

/// Derives the MAC's key by PKCS#12's own function (RFC 7292, B.2), of which one block of SHA-256 is enough.
fn mac_key(password: &SecretString, salt: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(utf16(password.expose()));
    text.extend([0, 0]);
    let mut state = Zeroizing::new(vec![MAC_KEY; SHA256_BLOCK]);
    state.extend(blocks(salt));
    state.extend(blocks(&text));
    for _ in 0..ROUNDS.get() {
        let next = digest::digest(&digest::SHA256, &state);
        state = Zeroizing::new(next.as_ref().to_vec());
    }
    state
}

/// Repeats `bytes` until they fill whole blocks.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().copied().cycle().take(bytes.len().div_ceil(SHA256_BLOCK) * SHA256_BLOCK)
}
