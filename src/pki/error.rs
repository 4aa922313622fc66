//! Why there is no certificate.

/// Why a certificate was not asked for, or not believed.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name in the request cannot stand in a certificate.
    #[error("certificate {field} {value:?} {why}")]
    Spec {
        /// Which part of the request.
        field: &'static str,
        /// What it says, cut short.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No key could be made.
    #[error("make a key of type {0:?}")]
    Key(crate::domain::KeyType),
    /// The request could not be signed.
    #[error("sign the certificate request")]
    Csr,
    /// A key store could not be written.
    #[error("write the key store: {0}")]
    Store(&'static str),
    /// The answer is none of a PKI engine.
    #[error("issuer's answer: {0}")]
    Reply(&'static str),
    /// The answer holds another certificate than the one asked for.
    #[error("issued certificate differs from the request: {what} is {found}, asked was {wanted}")]
    Mismatch {
        /// Which part differs.
        what: &'static str,
        /// What the certificate says.
        found: String,
        /// What was asked.
        wanted: String,
    },
}

/// Longest value that is shown in an error, in characters.
const SHOWN_MAX: usize = 80;

impl PkiError {
    pub(super) fn spec(field: &'static str, value: &str, why: &'static str) -> Self {
        Self::Spec { field, value: short(value), why }
    }

    pub(super) fn mismatch(what: &'static str, found: impl AsRef<str>, wanted: impl AsRef<str>) -> Self {
        Self::Mismatch { what, found: short(found.as_ref()), wanted: short(wanted.as_ref()) }
    }

    /// Says whether the issuer answered with something else than was asked, which trying again does not mend.
    pub fn is_mismatch(&self) -> bool {
        matches!(self, Self::Mismatch { .. })
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
}
