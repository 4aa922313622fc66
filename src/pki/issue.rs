//! The other way to a certificate: the server makes the key too and sends both.

use std::{fmt, time::SystemTime};

use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{CertificateSpec, IssuedCertificate, PkiError, chain, check, csr::Names, key, pem};
use crate::domain::KeyType;

/// What an issuer is asked for when it makes the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    names: Names,
    kind: Option<KeyType>,
}

/// Checks the names that a certificate with the server's key shall have. Without a `kind` its key is the role's affair.
///
/// # Errors
/// A name cannot stand in a certificate.
pub fn wanted(spec: &CertificateSpec, kind: Option<KeyType>) -> Result<Wanted, PkiError> {
    Ok(Wanted { names: Names::of(spec)?, kind })
}

/// Checks that key and certificate of an answer belong together and that the certificate lives, for an answer that a template
/// asked for by itself. One without both, or in a form that is no PEM, is not looked at.
///
/// # Errors
/// The key is another certificate's, or the certificate has ended.
pub fn check_pair(data: &Value, now: SystemTime) -> Result<(), PkiError> {
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let (Some(certificate), Some(key)) = (text("certificate"), text("private_key")) else { return Ok(()) };
    let leaf = pem::decode_certificates(certificate).and_then(|found| found.into_iter().next());
    let (Some(leaf), Ok(key)) = (leaf, KeyPair::from_pem(key)) else { return Ok(()) };
    let leaf = chain::parse(&leaf)?;
    if leaf.public_key().raw != key.subject_public_key_info() {
        return Err(PkiError::mismatch("the key", "another one", "the certificate's"));
    }
    let end = leaf.validity().not_after;
    match SystemTime::from(end.to_datetime()) > now {
        true => Ok(()),
        false => Err(PkiError::mismatch("the end of its validity", end.to_string(), "in the future")),
    }
}

impl Wanted {
    /// Returns the request's body. None of the names has a comma, so that lists of text are safe.
    pub fn body(&self) -> Value {
        let Names { common_name, dns, ips, uri, ttl } = &self.names;
        let mut body = json!({
            "common_name": common_name,
            "alt_names": dns.iter().map(String::as_str).collect::<Vec<_>>().join(","),
            "ip_sans": ips.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "uri_sans": uri.iter().collect::<Vec<_>>(),
            "exclude_cn_from_sans": true,
            "ttl": ttl.map(|ttl| format!("{}s", ttl.as_secs())),
            "format": "pem",
            "private_key_format": "pkcs8",
        });
        // A server that lets its roles alone decide does not know these two and leaves them aside.
        if let Some(kind) = self.kind {
            let (kind, bits) = key::in_request(kind);
            (body["key_type"], body["key_bits"]) = (json!(kind), json!(bits));
        }
        body
    }

    /// Takes the `data` of an issuer's answer, when it is the certificate that was asked for and the key belongs to it.
    ///
    /// # Errors
    /// Names what differs from the request.
    pub fn accept(self, data: &Value) -> Result<IssuedCertificate, PkiError> {
        self.accept_at(data, SystemTime::now())
    }

    /// Does the same for another time than now.
    ///
    /// # Errors
    /// Names what differs from the request.
    pub fn accept_at(self, data: &Value, now: SystemTime) -> Result<IssuedCertificate, PkiError> {
        let text = data.get("private_key").and_then(Value::as_str).ok_or(PkiError::Reply("it has no private_key"))?;
        let unreadable = PkiError::Reply("its private_key is no PKCS#8 in PEM");
        let Some(der) = pem::decode(text.as_bytes()) else { return Err(unreadable) };
        let clean: Zeroizing<String> = pem::encode("PRIVATE KEY", &der);
        let Ok(key) = KeyPair::from_pem(&clean) else { return Err(unreadable) };
        let checked = check::check(data, &self.names, &key.subject_public_key_info(), now)?;
        let made = key::describe(chain::parse(&checked.leaf)?.public_key());
        if let Some(kind) = self.kind.filter(|kind| kind.name() != made) {
            let wanted = format!("{}; a role whose key_type is not \"any\" makes its own kind", kind.name());
            return Err(PkiError::mismatch("the kind of key", made, wanted));
        }
        Ok(IssuedCertificate::new(checked, &clean))
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("names", &self.names).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pki::{Authority, request};

    /// Answers as `issue` does, with the key of a request made here.
    fn answer(spec: &CertificateSpec) -> Value {
        let pending = request(spec).expect("a request");
        let mut data =
            Authority::new().and_then(|authority| authority.sign(pending.csr_pem(), Duration::from_secs(60)));
        let data = data.as_mut().expect("signed");
        data["private_key"] = json!(key::to_pem(pending.key(), spec.key_type).expect("PEM").as_str());
        data.take()
    }

    fn spec() -> CertificateSpec {
        CertificateSpec {
            common_name: Some("web.example".to_owned()),
            uri: Some("spiffe://example/web".to_owned()),
            ..CertificateSpec::default()
        }
    }

    #[test]
    fn a_key_that_belongs_to_its_certificate_is_taken() {
        for key_type in [KeyType::EcP256, KeyType::EcP384, KeyType::Ed25519, KeyType::Rsa2048] {
            let spec = CertificateSpec { key_type, ..spec() };
            let issued = wanted(&spec, None).expect("names").accept(&answer(&spec)).expect("what was asked");
            assert!(issued.key_pem.expose().starts_with(b"-----BEGIN PRIVATE KEY-----\n"), "{key_type:?}");
        }
    }

    #[test]
    fn a_key_of_another_kind_than_the_job_names_is_refused() {
        for made in KeyType::ALL {
            let answer = answer(&CertificateSpec { key_type: made, ..spec() });
            for kind in KeyType::ALL {
                let outcome = wanted(&spec(), Some(kind)).expect("names").accept(&answer);
                assert_eq!(outcome.is_ok(), kind == made, "{made:?} for {kind:?}");
                if let Err(error) = outcome {
                    assert!(error.to_string().contains(made.name()) && error.to_string().contains(kind.name()));
                }
            }
        }
    }

    #[test]
    fn the_kind_is_asked_for_only_when_the_job_names_one() {
        let body = |kind| wanted(&spec(), kind).expect("names").body();
        assert_eq!((body(None).get("key_type"), body(None).get("key_bits")), (None, None));
        let asked = |kind| (body(Some(kind))["key_type"].clone(), body(Some(kind))["key_bits"].clone());
        assert_eq!(asked(KeyType::EcP384), (json!("ec"), json!(384)));
        assert_eq!(asked(KeyType::Ed25519), (json!("ed25519"), json!(0)));
        assert_eq!(asked(KeyType::Rsa3072), (json!("rsa"), json!(3072)));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let mut data = answer(&spec());
        data["private_key"] = answer(&spec())["private_key"].take();
        assert!(wanted(&spec(), None).expect("names").accept(&data).expect_err("another key").is_mismatch());
        data["private_key"] = json!("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n");
        assert!(wanted(&spec(), None).expect("names").accept(&data).is_err());
    }

    #[test]
    fn a_pair_that_a_template_asked_for_is_checked_too() {
        let now = SystemTime::now();
        let mut data = answer(&spec());
        check_pair(&data, now).expect("a pair");
        assert!(check_pair(&data, now + Duration::from_secs(120)).is_err(), "it has ended");
        data["private_key"] = answer(&spec())["private_key"].take();
        assert!(check_pair(&data, now).expect_err("another key").is_mismatch());
        check_pair(&json!({"certificate": "MIIB", "private_key": "MIIC"}), now).expect("not looked at");
        check_pair(&json!({"username": "v-1"}), now).expect("not looked at");
    }

    #[test]
    fn the_request_names_everything_and_nothing_twice() {
        let body = wanted(&spec(), None).expect("names").body();
        assert_eq!(body["alt_names"], "web.example");
        assert_eq!(body["uri_sans"], json!(["spiffe://example/web"]));
        assert_eq!(body["exclude_cn_from_sans"], true);
    }
}
