//! Key stores and trust stores, for programs that read no PEM: PKCS#12 and JKS.
//!
//! They are written here and never read; the programs that read them are the tests' judges. The same certificate under the same
//! password gives the same bytes, since a change of bytes is what a task is told about.

mod der;
mod jks;
mod password;
mod pkcs12;

use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::{PkiError, chain, pem};
use crate::domain::{SecretBytes, SecretString};

pub use password::store_password;

/// The kind of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jks,
    Pkcs12,
}

/// A key with its chain, by the name that programs find it under.
pub(super) struct KeyEntry<'a> {
    pub(super) alias: &'a str,
    /// PKCS#8 in DER.
    pub(super) key: &'a [u8],
    /// The certificate, then its issuers upwards.
    pub(super) chain: &'a [&'a [u8]],
    pub(super) since: SystemTime,
}

/// A certificate to be trusted.
struct Trusted<'a> {
    alias: String,
    certificate: &'a [u8],
    since: SystemTime,
}

/// Writes a store with one key and its chain.
pub(super) fn key_store(kind: Kind, entry: &KeyEntry<'_>, password: &SecretString) -> Result<SecretBytes, PkiError> {
    match kind {
        Kind::Jks => Ok(jks::key_store(entry, password)),
        Kind::Pkcs12 => pkcs12::key_store(entry, password),
    }
}

/// Writes a store of the certificates in `text`, which is PEM.
pub(super) fn trust_store(kind: Kind, text: &str, password: &SecretString) -> Result<SecretBytes, PkiError> {
    let ders = pem::decode_certificates(text).unwrap_or_default();
    let trusted = ders.iter().map(|der| trusted(der)).collect::<Result<Vec<_>, _>>()?;
    match kind {
        Kind::Jks => Ok(jks::trust_store(&trusted, password)),
        Kind::Pkcs12 => pkcs12::trust_store(&trusted, password),
    }
}

/// Names a certificate after itself: a number would pass to another one when the set changes.
fn trusted(der: &[u8]) -> Result<Trusted<'_>, PkiError> {
    let since = chain::parse(der)?.validity().not_before.to_datetime().into();
    let alias = format!("ca-{}", hex::encode(&Sha256::digest(der)[..8]));
    Ok(Trusted { alias, certificate: der, since })
}
