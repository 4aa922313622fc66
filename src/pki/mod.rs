//! Keys that are made here, requests to have them certified, and certificates that are believed only after a check.
//!
//! The order is [`request`], which makes a key and a signing request; the caller sends [`Pending::csr_pem`] to an issuer;
//! [`Pending::accept`] compares the answer with what was asked and returns an [`IssuedCertificate`] with its files.
//!
//! It promises that a key never leaves the process except in the finished files, and that nothing is returned as issued
//! whose key, names, validity or chain differ from the request.
//!
//! [`Authority`] is an issuer in memory, for tests.
//!
//! It does not know the secrets server, files, times of renewal or tasks.

mod bundle;
mod chain;
mod check;
mod csr;
mod error;
mod key;
mod memory;
mod pem;

pub use bundle::IssuedCertificate;
pub use csr::{CertificateSpec, Pending, request};
pub use error::PkiError;
pub use memory::Authority;
