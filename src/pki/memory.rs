//! An issuer in memory, for the tests of those who ask for certificates.
//!
//! It has a root and an intermediate and answers like the engine's `sign`: every name of the request is certified.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    oid_registry::{OID_EC_P256, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519},
    prelude::FromDer,
    x509::SubjectPublicKeyInfo,
};

use super::PkiError;

/// An issuer in memory.
pub struct Authority {
    root: String,
    intermediate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// The key of a request.
struct RequestedKey {
    bytes: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl Authority {
    /// Makes a root and an intermediate that are good for a year.
    pub fn new() -> Result<Self, PkiError> {
        Self::make().map_err(|_| PkiError::Csr)
    }

    fn make() -> Result<Self, rcgen::Error> {
        let (root_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let (root, intermediate) = (authority_params("Memory Root CA"), authority_params("Memory Intermediate CA"));
        let root_pem = root.self_signed(&root_key)?.pem();
        let intermediate_pem = intermediate.signed_by(&key, &Issuer::new(root, root_key))?.pem();
        Ok(Self { root: root_pem, intermediate: intermediate_pem, issuer: Issuer::new(intermediate, key) })
    }

    /// Returns the root in PEM.
    pub fn root_pem(&self) -> &str {
        &self.root
    }

    /// Signs a request in PEM for `life` from now on and returns the `data` of the answer.
    pub fn sign(&self, csr_pem: &str, life: Duration) -> Result<Value, PkiError> {
        let (_, block) = x509_parser::pem::parse_x509_pem(csr_pem.as_bytes()).map_err(|_| PkiError::Csr)?;
        let (_, csr) = X509CertificationRequest::from_der(&block.contents).map_err(|_| PkiError::Csr)?;
        csr.verify_signature().map_err(|_| PkiError::Csr)?;
        let serial: [u8; 8] = rand::random();
        // The first bit would be a sign, and a leading zero would be dropped.
        let serial = u64::from_be_bytes(serial) >> 1 | 1 << 62;
        let end = SystemTime::now() + life;
        let mut params = leaf_params(&csr)?;
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = OffsetDateTime::now_utc() - Duration::from_secs(30);
        params.not_after = end.into();
        let key = RequestedKey::of(&csr.certification_request_info.subject_pki);
        let leaf = params.signed_by(&key, &self.issuer).map_err(|_| PkiError::Csr)?;
        Ok(json!({
            "certificate": leaf.pem(),
            "issuing_ca": self.intermediate,
            "ca_chain": [self.intermediate, self.root],
            "serial_number": serial.to_be_bytes().map(|byte| format!("{byte:02x}")).join(":"),
            "expiration": end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        }))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = OffsetDateTime::now_utc() - Duration::from_secs(60);
    params.not_after = OffsetDateTime::now_utc() + Duration::from_secs(365 * 86_400);
    params
}

/// Returns a certificate with the names of the request.
fn leaf_params(csr: &X509CertificationRequest<'_>) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let subject = &csr.certification_request_info.subject;
    for name in subject.iter_common_name().filter_map(|name| name.as_str().ok()) {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    for extension in csr.requested_extensions().into_iter().flatten() {
        let ParsedExtension::SubjectAlternativeName(names) = extension else { continue };
        params.subject_alt_names = names.general_names.iter().map(san).collect::<Option<_>>().ok_or(PkiError::Csr)?;
    }
    Ok(params)
}

fn san(name: &GeneralName<'_>) -> Option<SanType> {
    match name {
        GeneralName::DNSName(name) => (*name).try_into().ok().map(SanType::DnsName),
        GeneralName::URI(uri) => (*uri).try_into().ok().map(SanType::URI),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from)).ok().map(SanType::IpAddress)
        }
        _ => None,
    }
}

impl RequestedKey {
    fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let algorithm = match &key.algorithm.algorithm {
            oid if *oid == OID_SIG_ED25519 => &PKCS_ED25519,
            oid if *oid == OID_PKCS1_RSAENCRYPTION => &PKCS_RSA_SHA256,
            _ if curve == Some(OID_EC_P256) => &PKCS_ECDSA_P256_SHA256,
            _ => &PKCS_ECDSA_P384_SHA384,
        };
        Self { bytes: key.subject_public_key.data.to_vec(), algorithm }
    }
}

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::KeyType,
        pki::{CertificateSpec, request},
    };

    #[test]
    fn what_it_signs_is_accepted() {
        let authority = Authority::new().expect("an authority");
        for key_type in [KeyType::EcP256, KeyType::EcP384, KeyType::Ed25519, KeyType::Rsa2048] {
            let spec = CertificateSpec {
                common_name: Some("web.example".to_owned()),
                ips: vec!["10.0.0.1".parse().expect("an address"), "fd00::1".parse().expect("an address")],
                uri: Some("spiffe://example/web".to_owned()),
                ttl: Some(Duration::from_secs(60)),
                key_type,
                ..CertificateSpec::default()
            };
            let pending = request(&spec).expect("a request");
            let data = authority.sign(pending.csr_pem(), Duration::from_secs(60)).expect("signed");
            let issued = pending.accept(&data).expect("what was asked");
            assert_eq!(issued.ca_pem, authority.root_pem(), "{key_type:?}");
        }
    }
}
