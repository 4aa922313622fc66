//! SSH keys that are made here, and the certificates that a CA gives for them.
//!
//! The order is that of the other certificates: [`request`] makes a pair of keys, the caller has [`PendingSsh::public_line`]
//! signed, [`PendingSsh::accept`] compares the answer with what was asked. The private half leaves the process in the finished
//! file only.
//!
//! The CA's signature is checked with the key that the certificate names. It does not know whether that is the right CA: whom a
//! server trusts is the server's matter, and the answer came from where the request went.

mod certificate;
mod key;
mod signature;
mod wire;

use std::time::SystemTime;

use certificate::Facts;

use crate::domain::{SecretString, SshKeyType};

/// Why there is no key, or a certificate is not the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshError {
    /// It is signed in a way that is not known.
    #[error("the certificate is signed with {0:?}, which is not one of OpenSSH's own; check the CA's key")]
    Algorithm(String),
    /// It is valid for others than were asked for; none at all means everybody.
    #[error("the certificate is for {given:?}, not for {wanted:?}")]
    Principals {
        /// Whom it is for.
        given: Vec<String>,
        /// Whom it should be for.
        wanted: Vec<String>,
    },
    /// It cannot be read.
    #[error("the answer holds no SSH certificate that can be read")]
    Malformed,
    /// No key can be made.
    #[error("no key of type {0:?} can be made")]
    Key(SshKeyType),
    /// It is for another key.
    #[error("the certificate is for another key")]
    OtherKey,
    /// It is one for hosts instead of users, or the other way round.
    #[error("the certificate is not of the kind that was asked for: user or host")]
    OtherKind,
    /// OpenSSH would refuse its signature.
    #[error(
        "the certificate is signed with SHA-1, which OpenSSH refuses; set algorithm_signer = \"rsa-sha2-256\" in the role"
    )]
    Sha1,
    /// Its signature is not that of the CA it names.
    #[error("the certificate's signature does not hold")]
    Signature,
    /// It is not valid now, or without end.
    #[error("the certificate is not valid now, or without end; check the role's ttl and the clocks")]
    Validity,
}

/// A key whose public half has yet to be signed.
pub struct PendingSsh {
    private: SecretString,
    /// The public half as it stands within a certificate.
    public: Vec<u8>,
    line: String,
}

/// What a certificate was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSpec {
    /// Whom it is for.
    pub principals: Vec<String>,
    /// It is for a host.
    pub host: bool,
}

/// A key with its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshCertificate {
    /// The private key in OpenSSH's own form.
    pub key: SecretString,
    /// The public key's line.
    pub public: String,
    /// The certificate's line.
    pub certificate: String,
    /// The CA's number for it.
    pub serial: u64,
    /// Its end.
    pub not_after: SystemTime,
}

/// Makes a pair of keys; `comment` stands behind the public one. For RSA this computes for a good part of a second.
///
/// # Errors
/// The machine's cryptography fails.
pub fn request(kind: SshKeyType, comment: &str) -> Result<PendingSsh, SshError> {
    key::make(kind, comment).ok_or(SshError::Key(kind))
}

impl PendingSsh {
    /// Returns the public half as it stands in `authorized_keys`, for the CA.
    pub fn public_line(&self) -> &str {
        &self.line
    }

    /// Takes the CA's answer.
    ///
    /// # Errors
    /// It is not for this key, not for exactly whom it was asked for, not valid `now`, or not signed by the CA that it names.
    pub fn accept(self, signed: &str, spec: &SshSpec, now: SystemTime) -> Result<SshCertificate, SshError> {
        let line = signed.trim();
        let facts = Facts::read(line, &self.public)?;
        let not_after = facts.check(spec, now)?;
        Ok(SshCertificate {
            key: self.private,
            public: format!("{}\n", self.line),
            certificate: format!("{line}\n"),
            serial: facts.serial,
            not_after,
        })
    }
}
