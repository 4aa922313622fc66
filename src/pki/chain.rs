//! The certificates above ours, in order and each proven by the next.

use std::time::SystemTime;

use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{PkiError, pem};

/// Longest chain that is climbed.
const CHAIN_MAX: usize = 8;

/// Issuers from the one that signed the leaf upwards, and the root above them when the answer had it.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) intermediates: Vec<Vec<u8>>,
    pub(super) root: Option<Vec<u8>>,
}

/// Climbs from `leaf` through the certificates of the answer. Each of them must sign another one of them or the leaf.
pub(super) fn climb(leaf: &X509Certificate<'_>, texts: &[&str], now: SystemTime) -> Result<Chain, PkiError> {
    let pool = pool(texts)?;
    let parsed = pool.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    refuse_strangers(leaf, &parsed)?;
    let mut chain = Chain::default();
    let mut current = leaf;
    while let Some(issuer) = parsed.iter().position(|above| signs(above, current)) {
        let above = &parsed[issuer];
        check_issuer(above, now)?;
        if signs(above, above) {
            chain.root = Some(pool[issuer].clone());
            return Ok(chain);
        }
        if chain.intermediates.len() == CHAIN_MAX {
            return Err(PkiError::Reply("the chain is longer than 8 certificates"));
        }
        chain.intermediates.push(pool[issuer].clone());
        current = above;
    }
    match chain.intermediates.is_empty() {
        true => {
            Err(PkiError::mismatch("the signature", "of an issuer that the answer does not hold", "one of its chain"))
        }
        false => Ok(chain),
    }
}

/// Reads a certificate.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(PkiError::Reply("a certificate in it cannot be read")),
    }
}

/// Returns each certificate of the texts once.
fn pool(texts: &[&str]) -> Result<Vec<Vec<u8>>, PkiError> {
    let mut pool: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        let found = pem::decode_certificates(text).filter(|found| !found.is_empty());
        for der in found.ok_or(PkiError::Reply("an issuer in it is no PEM"))? {
            if !pool.contains(&der) {
                pool.push(der);
            }
        }
    }
    match pool.len() {
        0 => Err(PkiError::Reply("it names no issuer")),
        1..=CHAIN_MAX => Ok(pool),
        _ => Err(PkiError::Reply("it holds more than 8 issuers")),
    }
}

fn refuse_strangers(leaf: &X509Certificate<'_>, pool: &[X509Certificate<'_>]) -> Result<(), PkiError> {
    for (index, above) in pool.iter().enumerate() {
        let signs_other = pool.iter().enumerate().any(|(other, below)| other != index && signs(above, below));
        if !signs_other && !signs(above, leaf) {
            return Err(PkiError::mismatch("the chain", format!("with stranger {}", above.subject()), "issuers only"));
        }
    }
    Ok(())
}

/// Says whether `above` issued `below`, by name and by signature.
pub(super) fn signs(above: &X509Certificate<'_>, below: &X509Certificate<'_>) -> bool {
    below.issuer().as_raw() == above.subject().as_raw() && below.verify_signature(Some(above.public_key())).is_ok()
}

fn check_issuer(issuer: &X509Certificate<'_>, now: SystemTime) -> Result<(), PkiError> {
    if !issuer.is_ca() {
        return Err(PkiError::mismatch("the issuer", format!("{}, which is no CA", issuer.subject()), "a CA"));
    }
    if time::OffsetDateTime::from(now) > issuer.validity().not_after.to_datetime() {
        return Err(PkiError::mismatch(
            "the issuer",
            format!("expired on {}", issuer.validity().not_after),
            "a valid one",
        ));
    }
    Ok(())
}
