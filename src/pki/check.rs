//! Compares an issuer's answer with the request, before anybody sees the certificate.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::{
    PkiError,
    chain::{self, Chain},
    csr::Names,
    pem,
};

/// How far the issuer's clock and ours may be apart.
const SKEW: Duration = Duration::from_secs(120);

/// A certificate that is the one asked for.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) leaf: Vec<u8>,
    pub(super) chain: Chain,
    pub(super) serial: String,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

/// Takes the answer apart and compares each part.
pub(super) fn check(data: &Value, names: &Names, public_key: &[u8], now: SystemTime) -> Result<Checked, PkiError> {
    let leaf_der = leaf(data)?;
    let leaf = chain::parse(&leaf_der)?;
    if leaf.public_key().raw != public_key {
        return Err(PkiError::mismatch("the key", "another one", "the one made here"));
    }
    if leaf.is_ca() {
        return Err(PkiError::mismatch("the certificate", "a CA's", "a leaf"));
    }
    check_subject(&leaf, names)?;
    check_names(&leaf, names)?;
    let (not_before, not_after) = check_validity(&leaf, names, now)?;
    let serial = check_serial(&leaf, data)?;
    let chain = chain::climb(&leaf, &issuers(data), now)?;
    Ok(Checked { chain, serial, not_before, not_after, leaf: leaf_der })
}

/// Returns the leaf: the first certificate of the field, since a server set so adds the chain behind it.
fn leaf(data: &Value) -> Result<Vec<u8>, PkiError> {
    let text = data.get("certificate").and_then(Value::as_str).ok_or(PkiError::Reply("it has no certificate"))?;
    let found = pem::decode_certificates(text).unwrap_or_default();
    found.into_iter().next().ok_or(PkiError::Reply("its certificate is no PEM"))
}

fn issuers(data: &Value) -> Vec<&str> {
    let issuing = data.get("issuing_ca").and_then(Value::as_str);
    let chain = data.get("ca_chain").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    issuing.into_iter().chain(chain).filter(|text| !text.trim().is_empty()).collect()
}

fn check_subject(leaf: &X509Certificate<'_>, names: &Names) -> Result<(), PkiError> {
    let found: Vec<&str> = leaf.subject().iter_common_name().filter_map(|name| name.as_str().ok()).collect();
    let wanted: Vec<&str> = names.common_name.iter().map(String::as_str).collect();
    match found == wanted {
        true => Ok(()),
        false => Err(PkiError::mismatch("the common name", found.join(", "), wanted.join(", "))),
    }
}

fn check_names(leaf: &X509Certificate<'_>, names: &Names) -> Result<(), PkiError> {
    let (mut dns, mut ips, mut uris) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let extension = leaf.subject_alternative_name().map_err(|_| PkiError::Reply("its names cannot be read"))?;
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => dns.insert(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => ips.insert(address(bytes)?),
            GeneralName::URI(uri) => uris.insert((*uri).to_owned()),
            other => return Err(PkiError::mismatch("a name", other.to_string(), "DNS, IP and URI only")),
        };
    }
    same("the DNS names", &dns, &names.dns)?;
    same("the IP addresses", &ips, &names.ips)?;
    same("the URIs", &uris, &names.uri.iter().cloned().collect())
}

fn same<T: Ord + ToString>(what: &'static str, found: &BTreeSet<T>, wanted: &BTreeSet<T>) -> Result<(), PkiError> {
    if found == wanted {
        return Ok(());
    }
    let list = |set: &BTreeSet<T>| match set.is_empty() {
        true => "none".to_owned(),
        false => set.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    Err(PkiError::mismatch(what, list(found), list(wanted)))
}

fn address(bytes: &[u8]) -> Result<IpAddr, PkiError> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let sixteen = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    four.or(sixteen).map_err(|_| PkiError::Reply("an address in its names cannot be read"))
}

fn check_validity(
    leaf: &X509Certificate<'_>,
    names: &Names,
    now: SystemTime,
) -> Result<(SystemTime, SystemTime), PkiError> {
    let validity = leaf.validity();
    let not_before = SystemTime::from(validity.not_before.to_datetime());
    let not_after = SystemTime::from(validity.not_after.to_datetime());
    if not_before > now + SKEW {
        return Err(PkiError::mismatch("the begin of its validity", validity.not_before.to_string(), "now"));
    }
    if not_after <= now || not_after <= not_before {
        return Err(PkiError::mismatch("the end of its validity", validity.not_after.to_string(), "in the future"));
    }
    if let Some(ttl) = names.ttl.filter(|ttl| not_after > now + *ttl + SKEW) {
        let wanted = format!("{} s from now", ttl.as_secs());
        return Err(PkiError::mismatch("the end of its validity", validity.not_after.to_string(), wanted));
    }
    Ok((not_before, not_after))
}

/// Returns the serial number as the server writes it, when answer and certificate agree on it.
fn check_serial(leaf: &X509Certificate<'_>, data: &Value) -> Result<String, PkiError> {
    let told = data.get("serial_number").and_then(Value::as_str);
    let told = told.ok_or(PkiError::Reply("it has no serial_number"))?;
    let plain = |text: &str| {
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        digits.trim_start_matches('0').to_ascii_lowercase()
    };
    let found = leaf.raw_serial_as_string();
    match plain(&found) == plain(told) {
        true => Ok(told.to_owned()),
        false => Err(PkiError::mismatch("the serial number", found, told)),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, PublicKeyData, SanType,
        SerialNumber,
    };
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;

    /// A root, an intermediate below it, and what is needed to issue from the intermediate.
    struct Authority {
        root: String,
        intermediate: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = OffsetDateTime::now_utc() - Duration::from_secs(60);
        params.not_after = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        params
    }

    fn authority(edit: impl FnOnce(&mut CertificateParams)) -> Authority {
        let (root_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let mut root = named("root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut intermediate = named("intermediate");
        intermediate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        edit(&mut intermediate);
        let root_cert = root.self_signed(&root_key).expect("a root");
        let intermediate_cert = intermediate.signed_by(&key, &Issuer::new(root, root_key)).expect("an intermediate");
        Authority {
            root: root_cert.pem(),
            intermediate: intermediate_cert.pem(),
            issuer: Issuer::new(intermediate, key),
        }
    }

    fn names() -> Names {
        Names {
            common_name: Some("web".to_owned()),
            dns: ["web".to_owned()].into(),
            ips: [IpAddr::from([10, 0, 0, 1])].into(),
            uri: Some("spiffe://example/web".to_owned()),
            ttl: Some(Duration::from_secs(3600)),
        }
    }

    fn leaf_params() -> CertificateParams {
        let mut params = named("web");
        params.serial_number = Some(SerialNumber::from(0x0a0b_u64));
        params.subject_alt_names = vec![
            SanType::DnsName("web".try_into().expect("ASCII")),
            SanType::IpAddress(IpAddr::from([10, 0, 0, 1])),
            SanType::URI("spiffe://example/web".try_into().expect("ASCII")),
        ];
        params
    }

    fn answer(authority: &Authority, key: &KeyPair, edit: impl FnOnce(&mut CertificateParams)) -> Value {
        let mut params = leaf_params();
        edit(&mut params);
        let leaf = params.signed_by(key, &authority.issuer).expect("a leaf");
        json!({
            "certificate": leaf.pem(),
            "issuing_ca": authority.intermediate,
            "ca_chain": [authority.intermediate, authority.root],
            "serial_number": "0a:0b",
        })
    }

    fn checked(data: &Value, key: &KeyPair) -> Result<Checked, PkiError> {
        check(data, &names(), &key.subject_public_key_info(), SystemTime::now())
    }

    #[test]
    fn what_was_asked_is_taken_with_its_chain() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let checked = checked(&answer(&authority, &key, |_| {}), &key).expect("taken");
        assert_eq!((checked.serial.as_str(), checked.chain.intermediates.len()), ("0a:0b", 1));
        assert!(checked.chain.root.is_some());
    }

    #[test]
    fn a_chain_without_its_root_is_taken() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let mut data = answer(&authority, &key, |_| {});
        data["ca_chain"] = Value::Null;
        let checked = checked(&data, &key).expect("taken");
        assert!(checked.chain.root.is_none() && checked.chain.intermediates.len() == 1);
    }

    #[test]
    fn another_key_is_refused() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let data = answer(&authority, &KeyPair::generate().expect("a key"), |_| {});
        assert!(checked(&data, &key).expect_err("refused").to_string().contains("the key"));
    }

    #[test]
    fn every_other_name_is_refused() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let add = |san: SanType| checked(&answer(&authority, &key, |leaf| leaf.subject_alt_names.push(san)), &key);
        let text = |text: &str| text.try_into().expect("ASCII");
        assert!(add(SanType::DnsName(text("admin"))).expect_err("refused").is_mismatch());
        assert!(add(SanType::URI(text("spiffe://example/admin"))).expect_err("refused").is_mismatch());
        assert!(add(SanType::IpAddress(IpAddr::from([10, 0, 0, 2]))).expect_err("refused").is_mismatch());
        assert!(add(SanType::Rfc822Name(text("a@b"))).expect_err("refused").is_mismatch());
        let fewer = checked(&answer(&authority, &key, |leaf| leaf.subject_alt_names.truncate(1)), &key);
        assert!(fewer.expect_err("refused").is_mismatch());
        let renamed = answer(&authority, &key, |leaf| leaf.distinguished_name.push(DnType::CommonName, "admin"));
        assert!(checked(&renamed, &key).expect_err("refused").is_mismatch());
    }

    #[test]
    fn a_life_that_is_over_not_begun_or_too_long_is_refused() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let now = OffsetDateTime::now_utc();
        let with = |from: OffsetDateTime, to: OffsetDateTime| {
            let data = answer(&authority, &key, |leaf| (leaf.not_before, leaf.not_after) = (from, to));
            checked(&data, &key)
        };
        let hours = |n: u64| Duration::from_secs(3600 * n);
        assert!(with(now - hours(2), now - hours(1)).expect_err("refused").is_mismatch());
        assert!(with(now + hours(1), now + hours(1)).expect_err("refused").is_mismatch());
        assert!(with(now, now + hours(48)).expect_err("refused").is_mismatch());
        assert!(with(now, now + hours(1)).is_ok());
    }

    #[test]
    fn a_ca_certificate_is_refused_as_a_leaf() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let data = answer(&authority, &key, |leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert!(checked(&data, &key).expect_err("refused").is_mismatch());
    }

    #[test]
    fn another_serial_number_is_refused() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let mut data = answer(&authority, &key, |_| {});
        data["serial_number"] = json!("0a:0c");
        assert!(checked(&data, &key).expect_err("refused").is_mismatch());
    }

    #[test]
    fn a_chain_that_does_not_sign_is_refused() {
        let (authority_, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let other = authority(|_| {});
        for (field, value) in [
            ("issuing_ca", json!(other.intermediate)),
            ("ca_chain", json!([authority_.intermediate, other.root])),
            ("ca_chain", json!([authority_.intermediate, authority_.root, other.root])),
        ] {
            let mut data = answer(&authority_, &key, |_| {});
            data[field] = value;
            assert!(checked(&data, &key).expect_err("refused").is_mismatch(), "{field}");
        }
    }

    #[test]
    fn an_issuer_that_is_no_ca_or_is_over_is_refused() {
        let key = KeyPair::generate().expect("a key");
        let no_ca = authority(|params| params.is_ca = IsCa::NoCa);
        assert!(checked(&answer(&no_ca, &key, |_| {}), &key).expect_err("refused").is_mismatch());
        let over = authority(|params| params.not_after = OffsetDateTime::now_utc() - Duration::from_secs(10));
        assert!(checked(&answer(&over, &key, |_| {}), &key).expect_err("refused").is_mismatch());
    }

    #[test]
    fn an_answer_that_is_none_is_refused() {
        let (authority, key) = (authority(|_| {}), KeyPair::generate().expect("a key"));
        let good = answer(&authority, &key, |_| {});
        for field in ["certificate", "serial_number"] {
            let mut data = good.clone();
            data[field] = Value::Null;
            assert!(matches!(checked(&data, &key), Err(PkiError::Reply(_))), "{field}");
            data[field] = json!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
            assert!(checked(&data, &key).is_err(), "{field}");
        }
        let mut data = good;
        (data["issuing_ca"], data["ca_chain"]) = (Value::Null, json!([]));
        assert!(matches!(checked(&data, &key), Err(PkiError::Reply(_))));
    }
}
