//! Private keys, in the form that other programs read.

use aws_lc_rs::{encoding::AsBigEndian, signature::Ed25519KeyPair};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_SIG_ED25519},
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};
use zeroize::Zeroizing;

use super::{PkiError, pem};
use crate::domain::KeyType;

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 version 1.
const ED25519_V1: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Makes a key. For RSA this computes for a good part of a second.
pub(super) fn generate(kind: KeyType) -> Result<KeyPair, PkiError> {
    let made = match kind {
        KeyType::EcP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyType::EcP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyType::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        KeyType::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyType::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
        KeyType::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    made.map_err(|_| PkiError::Key(kind))
}

/// Returns the key as PKCS#8 in PEM.
pub(super) fn to_pem(key: &KeyPair, kind: KeyType) -> Result<Zeroizing<String>, PkiError> {
    match kind {
        KeyType::Ed25519 => ed25519_v1(key.serialized_der()).map(|der| pem::encode("PRIVATE KEY", &der)),
        KeyType::EcP256 | KeyType::EcP384 | KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
            Ok(pem::encode("PRIVATE KEY", key.serialized_der()))
        }
    }
}

/// Returns what an issuer calls a kind of key, and how many bits it has.
pub(super) fn in_request(kind: KeyType) -> (&'static str, u32) {
    match kind {
        KeyType::EcP256 => ("ec", 256),
        KeyType::EcP384 => ("ec", 384),
        KeyType::Ed25519 => ("ed25519", 0),
        KeyType::Rsa2048 => ("rsa", 2048),
        KeyType::Rsa3072 => ("rsa", 3072),
        KeyType::Rsa4096 => ("rsa", 4096),
    }
}

/// Words which kind of key a certificate has, as a job would name it.
pub(super) fn describe(key: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = &key.algorithm;
    let curve = algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    match (key.parsed(), curve) {
        (Ok(PublicKey::RSA(rsa)), _) => format!("rsa-{}", rsa.key_size()),
        (_, Some(curve)) if curve == OID_EC_P256 => KeyType::EcP256.name().to_owned(),
        (_, Some(curve)) if curve == OID_NIST_EC_P384 => KeyType::EcP384.name().to_owned(),
        (_, Some(curve)) => format!("a curve of its own ({curve})"),
        _ if algorithm.algorithm == OID_SIG_ED25519 => KeyType::Ed25519.name().to_owned(),
        _ => format!("another ({})", algorithm.algorithm),
    }
}

/// Returns the key in version 1 of the format: version 2, which has the public key inside, is refused by OpenSSL 3.0.
fn ed25519_v1(der: &[u8]) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let failed = |_| PkiError::Key(KeyType::Ed25519);
    let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| PkiError::Key(KeyType::Ed25519))?;
    let seed = pair.seed().map_err(failed)?.as_be_bytes().map_err(failed)?;
    let mut v1 = Zeroizing::new(Vec::with_capacity(ED25519_V1.len() + 32));
    v1.extend_from_slice(&ED25519_V1);
    v1.extend_from_slice(seed.as_ref());
    Ok(v1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_made_and_read_back() {
        for kind in
            [KeyType::EcP256, KeyType::EcP384, KeyType::Ed25519, KeyType::Rsa2048, KeyType::Rsa3072, KeyType::Rsa4096]
        {
            let key = generate(kind).expect("a key");
            let text = to_pem(&key, kind).expect("PEM");
            let again = KeyPair::from_pem(&text).expect("the same key");
            assert_eq!(again.public_key_raw(), key.public_key_raw(), "{kind:?}");
        }
    }

    #[test]
    fn ed25519_is_written_in_version_1() {
        let key = generate(KeyType::Ed25519).expect("a key");
        assert_eq!(ed25519_v1(key.serialized_der()).expect("DER").len(), 48);
    }
}
