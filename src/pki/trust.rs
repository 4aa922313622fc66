//! Which roots a task trusts while the authority above it changes.
//!
//! A root is published as soon as its issuer is there, so before the first certificate of it, and stays until the last
//! certificate that the task held under it has ended. Plain data and arithmetic: it does not ask, and it is told the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{IssuedCertificate, PkiError, chain, pem};

/// Most issuers of one mount that are followed.
pub const ISSUERS_MAX: usize = 32;

/// What is trusted of one mount's issuers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    issuers: BTreeMap<String, Known>,
    kept: Vec<Kept>,
}

/// The roots above an issuer, and since when they are known; the epoch for those that were there from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    roots: BTreeSet<String>,
    since: SystemTime,
}

/// A root whose certificates are not all over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    root: String,
    until: SystemTime,
}

/// Returns the roots that the description of an issuer names (`certificate`, `ca_chain`), each in PEM: those signed by
/// themselves, and where there is none all that it names. One that has ended is left out.
///
/// # Errors
/// A certificate in it cannot be read.
pub fn roots_of(issuer: &Value, now: SystemTime) -> Result<BTreeSet<String>, PkiError> {
    let own = issuer.get("certificate").and_then(Value::as_str);
    let above = match issuer.get("ca_chain") {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for text in own.into_iter().chain(above).filter(|text| !text.trim().is_empty()) {
        all.extend(pem::decode_certificates(text).ok_or(PkiError::Reply("an issuer in it is no PEM"))?);
    }
    let (mut roots, mut others) = (BTreeSet::new(), BTreeSet::new());
    for der in &all {
        let certificate = chain::parse(der)?;
        let ended = time::OffsetDateTime::from(now) > certificate.validity().not_after.to_datetime();
        if !certificate.is_ca() || ended {
            continue;
        }
        let list = if chain::signs(&certificate, &certificate) { &mut roots } else { &mut others };
        list.insert(pem::certificates([der.as_slice()]));
    }
    Ok(if roots.is_empty() { others } else { roots })
}

impl Trust {
    /// Says whether the issuer `id` is known already, so that it need not be asked for.
    pub fn knows(&self, id: &str) -> bool {
        self.issuers.contains_key(id)
    }

    /// Takes the mount's issuers as they are now: those of `ids` that are known stay, `new` are added, others go. Returns whether
    /// anything changed.
    pub fn update(&mut self, ids: &BTreeSet<String>, new: BTreeMap<String, BTreeSet<String>>, now: SystemTime) -> bool {
        let before = self.issuers.len();
        let since = if before == 0 { SystemTime::UNIX_EPOCH } else { now };
        self.issuers.retain(|id, _| ids.contains(id));
        let gone = self.issuers.len() != before;
        let added = !new.is_empty();
        self.issuers.extend(new.into_iter().map(|(id, roots)| (id, Known { roots, since })));
        gone || added
    }

    /// Keeps the roots of a certificate that is being replaced until it has ended.
    pub fn keep(&mut self, replaced: &IssuedCertificate) {
        for root in split(&replaced.ca_pem) {
            match self.kept.iter_mut().find(|kept| kept.root == root) {
                Some(kept) => kept.until = kept.until.max(replaced.not_after),
                None => self.kept.push(Kept { root, until: replaced.not_after }),
            }
        }
    }

    /// Drops the roots whose last certificate has ended. Returns whether there was one.
    pub fn drop_ended(&mut self, now: SystemTime) -> bool {
        let before = self.kept.len();
        self.kept.retain(|kept| kept.until > now);
        self.kept.len() != before
    }

    /// Returns what to trust beside the roots of `held`, as PEM in an order of its own.
    pub fn pem(&self, held: &IssuedCertificate) -> String {
        let mut all: BTreeSet<String> = self.issuers.values().flat_map(|known| known.roots.iter().cloned()).collect();
        all.extend(self.kept.iter().map(|kept| kept.root.clone()));
        // Its own root comes first: some programs read no more than one.
        let own = split(&held.ca_pem);
        own.iter().for_each(|root| _ = all.remove(root));
        own.into_iter().chain(all).collect()
    }

    /// Returns when every known root has been published for `settle`: the first certificate of a new one waits for that.
    pub fn settled_at(&self, settle: Duration) -> SystemTime {
        let newest = self.issuers.values().map(|known| known.since).max().unwrap_or(SystemTime::UNIX_EPOCH);
        if newest == SystemTime::UNIX_EPOCH { newest } else { newest + settle }
    }

    /// Says whether the mount has issuers, but none any more above `held`.
    pub fn has_left(&self, held: &IssuedCertificate) -> bool {
        let own = split(&held.ca_pem);
        !self.issuers.is_empty()
            && !self.issuers.values().any(|known| own.iter().any(|root| known.roots.contains(root)))
    }
}

/// Returns the certificates of a text apart.
fn split(text: &str) -> Vec<String> {
    let ders = pem::decode_certificates(text).unwrap_or_default();
    ders.iter().map(|der| pem::certificates([der.as_slice()])).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pki::{Authority, CertificateSpec, request};

    fn issued(authority: &Authority, life: u64) -> IssuedCertificate {
        let pending = request(&CertificateSpec { common_name: Some("web".to_owned()), ..CertificateSpec::default() });
        let pending = pending.expect("a request");
        let data = authority.sign(pending.csr_pem(), Duration::from_secs(life)).expect("signed");
        pending.accept(&data).expect("what was asked")
    }

    fn roots(authority: &Authority) -> BTreeSet<String> {
        let data = json!({"certificate": authority.root_pem(), "ca_chain": [authority.root_pem()]});
        roots_of(&data, SystemTime::now()).expect("roots")
    }

    fn ids(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn count(text: &str) -> usize {
        text.matches("BEGIN CERTIFICATE").count()
    }

    #[test]
    fn a_root_comes_with_its_issuer_and_goes_when_its_last_certificate_has_ended() {
        let (old, new) = (Authority::new().expect("one"), Authority::new().expect("another"));
        let (first, now) = (issued(&old, 600), SystemTime::now());
        let mut trust = Trust::default();
        assert_eq!(trust.pem(&first), old.root_pem());
        assert!(trust.update(&ids(&["a"]), [("a".to_owned(), roots(&old))].into(), now));
        assert_eq!(count(&trust.pem(&first)), 1, "the same root is not named twice");

        assert!(trust.update(&ids(&["a", "b"]), [("b".to_owned(), roots(&new))].into(), now));
        assert!(trust.pem(&first).starts_with(old.root_pem()) && trust.pem(&first).contains(new.root_pem()));
        assert_eq!(trust.settled_at(Duration::from_secs(60)), now + Duration::from_secs(60));

        let second = issued(&new, 600);
        trust.keep(&first);
        assert!(trust.update(&ids(&["b"]), BTreeMap::new(), now));
        assert!(trust.has_left(&first) && !trust.has_left(&second));
        assert!(trust.pem(&second).contains(old.root_pem()), "its certificate has not ended");
        assert!(!trust.drop_ended(now));
        assert!(trust.drop_ended(first.not_after));
        assert_eq!(trust.pem(&second), new.root_pem());
    }

    #[test]
    fn issuers_that_were_there_from_the_start_need_not_settle() {
        let authority = Authority::new().expect("an authority");
        let mut trust = Trust::default();
        trust.update(&ids(&["a"]), [("a".to_owned(), roots(&authority))].into(), SystemTime::now());
        assert_eq!(trust.settled_at(Duration::from_secs(60)), SystemTime::UNIX_EPOCH);
        assert!(!trust.update(&ids(&["a"]), BTreeMap::new(), SystemTime::now()));
    }

    #[test]
    fn what_is_no_authority_or_has_ended_is_not_trusted() {
        let authority = Authority::new().expect("an authority");
        let leaf = issued(&authority, 600);
        let data = json!({"certificate": leaf.cert_pem.as_str()});
        let found = roots_of(&data, SystemTime::now()).expect("readable");
        assert!(!found.iter().any(|pem| leaf.cert_pem.starts_with(pem.as_str())), "a leaf is no authority");
        let later = SystemTime::now() + Duration::from_secs(20 * 365 * 86_400);
        assert!(roots_of(&json!({"certificate": authority.root_pem()}), later).expect("readable").is_empty());
        assert!(roots_of(&json!({"certificate": "-----BEGIN CERTIFICATE-----\n!"}), later).is_err());
    }
}
