//! A certificate that was issued and checked, with the files that programs want of it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{check::Checked, pem};
use crate::domain::SecretBytes;

/// A certificate with its key and chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// The certificate and those between it and the root, as servers want them.
    pub cert_pem: String,
    /// The key as PKCS#8.
    pub key_pem: SecretBytes,
    /// What to trust: the root, or where the issuer did not tell it the issuers that it did.
    pub ca_pem: String,
    /// Key, certificate and intermediates in one text.
    pub bundle_pem: SecretBytes,
    /// The serial number as the issuer writes it, for revocation.
    pub serial: String,
    /// Begin of its life; issuers set it somewhat into the past.
    pub not_before: SystemTime,
    /// End of its life.
    pub not_after: SystemTime,
    /// SHA-256 of the certificate in DER, as hexadecimal digits.
    pub fingerprint_sha256: String,
}

impl IssuedCertificate {
    pub(super) fn new(checked: Checked, key_pem: &str) -> Self {
        let issuers: Vec<&[u8]> = checked.chain.intermediates.iter().map(Vec::as_slice).collect();
        let cert_pem = pem::certificates(std::iter::once(checked.leaf.as_slice()).chain(issuers.iter().copied()));
        let ca_pem = match &checked.chain.root {
            Some(root) => pem::certificates([root.as_slice()]),
            None => pem::certificates(issuers),
        };
        let mut bundle = Vec::with_capacity(key_pem.len() + cert_pem.len());
        bundle.extend_from_slice(key_pem.as_bytes());
        bundle.extend_from_slice(cert_pem.as_bytes());
        Self {
            cert_pem,
            key_pem: SecretBytes::new(key_pem.as_bytes()),
            ca_pem,
            bundle_pem: SecretBytes::new(bundle),
            serial: checked.serial,
            not_before: checked.not_before,
            not_after: checked.not_after,
            fingerprint_sha256: hex::encode(Sha256::digest(&checked.leaf)),
        }
    }
}
