//! What is asked for, and the signing request that asks for it.

use std::{
    collections::BTreeSet,
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData, SanType, string::Ia5String};
use serde_json::Value;

use super::{IssuedCertificate, PkiError, check, key};
use crate::domain::KeyType;

/// Longest common name that X.509 allows (ub-common-name).
const COMMON_NAME_MAX: usize = 64;
/// Most names of one certificate.
const NAMES_MAX: usize = 100;

/// What a certificate is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateSpec {
    /// The subject's common name. When it is a DNS name it becomes a DNS SAN too, since clients read only those; when it
    /// is longer than the 64 characters that X.509 allows it stays out of the subject.
    pub common_name: Option<String>,
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
    /// The SPIFFE id; the certificate will have this URI and no other.
    pub uri: Option<String>,
    /// The life that is asked for; a longer one is refused, a shorter one is the issuer's right.
    pub ttl: Option<Duration>,
    /// The kind of key.
    pub key_type: KeyType,
}

/// A key that waits for its certificate.
pub struct Pending {
    key: KeyPair,
    kind: KeyType,
    names: Names,
    csr: String,
}

/// The names as they must stand in the certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) common_name: Option<String>,
    pub(super) dns: BTreeSet<String>,
    pub(super) ips: BTreeSet<IpAddr>,
    pub(super) uri: Option<String>,
    pub(super) ttl: Option<Duration>,
}

/// Makes a key and a request for it. For RSA this computes for a good part of a second.
pub fn request(spec: &CertificateSpec) -> Result<Pending, PkiError> {
    let names = Names::of(spec)?;
    let key = key::generate(spec.key_type)?;
    let csr = params(&names)?.serialize_request(&key).and_then(|csr| csr.pem()).map_err(|_| PkiError::Csr)?;
    Ok(Pending { key, kind: spec.key_type, names, csr })
}

impl Pending {
    #[cfg(test)]
    pub(super) fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Returns the signing request in PEM. It holds no secret.
    pub fn csr_pem(&self) -> &str {
        &self.csr
    }

    /// Takes the `data` of an issuer's answer, when it is the certificate that was asked for.
    pub fn accept(self, data: &Value) -> Result<IssuedCertificate, PkiError> {
        self.accept_at(data, SystemTime::now())
    }

    /// Does the same for another time than now.
    pub fn accept_at(self, data: &Value, now: SystemTime) -> Result<IssuedCertificate, PkiError> {
        let checked = check::check(data, &self.names, &self.key.subject_public_key_info(), now)?;
        Ok(IssuedCertificate::new(checked, &key::to_pem(&self.key, self.kind)?))
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("kind", &self.kind).field("names", &self.names).finish_non_exhaustive()
    }
}

impl Names {
    /// Checks the names and brings them into one form.
    pub(super) fn of(spec: &CertificateSpec) -> Result<Self, PkiError> {
        let wanted = spec.common_name.as_deref().filter(|name| !name.is_empty());
        let mut dns: BTreeSet<String> = spec.dns.iter().map(|name| dns_name(name)).collect::<Result<_, _>>()?;
        if let Some(name) = wanted.and_then(|name| dns_name(name).ok()) {
            dns.insert(name);
        }
        if dns.len() + spec.ips.len() > NAMES_MAX {
            return Err(PkiError::spec("names", &format!("{}", dns.len() + spec.ips.len()), "are more than 100"));
        }
        Ok(Self {
            common_name: wanted.filter(|name| name.len() <= COMMON_NAME_MAX).map(common_name).transpose()?,
            dns,
            ips: spec.ips.iter().copied().collect(),
            uri: spec.uri.as_deref().map(uri).transpose()?,
            ttl: spec.ttl,
        })
    }
}

fn params(names: &Names) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = &names.common_name {
        params.distinguished_name.push(DnType::CommonName, name.as_str());
    }
    for name in &names.dns {
        params.subject_alt_names.push(SanType::DnsName(ia5("DNS name", name)?));
    }
    params.subject_alt_names.extend(names.ips.iter().copied().map(SanType::IpAddress));
    if let Some(uri) = &names.uri {
        params.subject_alt_names.push(SanType::URI(ia5("URI", uri)?));
    }
    Ok(params)
}

fn ia5(field: &'static str, text: &str) -> Result<Ia5String, PkiError> {
    Ia5String::try_from(text).map_err(|_| PkiError::spec(field, text, "has a character outside ASCII"))
}

fn common_name(text: &str) -> Result<String, PkiError> {
    match text.chars().any(char::is_control) {
        true => Err(PkiError::spec("common name", text, "has a control character")),
        false => Ok(text.to_owned()),
    }
}

/// Returns the name in lower case, when it is one: labels of letters, digits and hyphens, the first may be `*`.
fn dns_name(text: &str) -> Result<String, PkiError> {
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let label = |part: &str| {
        let plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&part.len()) && plain && !part.starts_with('-') && !part.ends_with('-')
    };
    match rest.split('.').all(label) && text.len() <= 253 && text.parse::<IpAddr>().is_err() {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            Err(PkiError::spec("DNS name", text, "is none: give labels of at most 63 letters, digits and hyphens"))
        }
    }
}

fn uri(text: &str) -> Result<String, PkiError> {
    let clean = text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
    match text.split_once("://") {
        Some((scheme, rest)) if clean && !scheme.is_empty() && !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(PkiError::spec("URI", text, "is none: give one such as \"spiffe://example.org/web\"")),
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::{certification_request::X509CertificationRequest, extensions::ParsedExtension, prelude::FromDer};

    use super::*;

    fn spec() -> CertificateSpec {
        CertificateSpec {
            common_name: Some("Web.Example".to_owned()),
            dns: vec!["b.example".to_owned(), "*.c.example".to_owned()],
            ips: vec!["10.0.0.1".parse().expect("an address"), "::1".parse().expect("an address")],
            uri: Some("spiffe://example/web".to_owned()),
            ..CertificateSpec::default()
        }
    }

    /// Returns subject and extensions of the request as text.
    fn show(spec: &CertificateSpec) -> (String, Vec<String>) {
        let pending = request(spec).expect("a request");
        let (_, block) = x509_parser::pem::parse_x509_pem(pending.csr_pem().as_bytes()).expect("PEM");
        let (_, csr) = X509CertificationRequest::from_der(&block.contents).expect("a request");
        csr.verify_signature().expect("signed by its own key");
        let mut names = Vec::new();
        for extension in csr.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(san) = extension {
                names.extend(san.general_names.iter().map(ToString::to_string));
            }
        }
        (csr.certification_request_info.subject.to_string(), names)
    }

    #[test]
    fn the_request_has_the_names_and_one_uri() {
        let (subject, names) = show(&spec());
        assert_eq!(subject, "CN=Web.Example");
        assert_eq!(names.len(), 6, "{names:?}");
        assert_eq!(names.iter().filter(|name| name.contains("spiffe://")).count(), 1);
        assert!(names.iter().any(|name| name.contains("web.example")));
    }

    #[test]
    fn an_empty_or_too_long_common_name_stays_out_of_the_subject() {
        let (subject, _) = show(&CertificateSpec { common_name: Some(String::new()), ..spec() });
        assert_eq!(subject, "");
        let long = format!("{}.example", "x".repeat(60));
        let (subject, names) = show(&CertificateSpec { common_name: Some(long.clone()), ..spec() });
        assert_eq!(subject, "");
        assert!(names.iter().any(|name| name.contains(&long)));
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for bad in ["", "a..b", "a b", "-a", "a-", "*", "*.*.a", "10.0.0.1", "ä.example", "a\n"] {
            assert!(request(&CertificateSpec { dns: vec![bad.to_owned()], ..spec() }).is_err(), "{bad:?}");
        }
        for bad in ["", "web", "spiffe://", "spiffe://a b", "://x"] {
            assert!(request(&CertificateSpec { uri: Some(bad.to_owned()), ..spec() }).is_err(), "{bad:?}");
        }
        assert!(request(&CertificateSpec { common_name: Some("a\nb".to_owned()), ..spec() }).is_err());
    }
}
