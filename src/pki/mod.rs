//! Keys that are made here, requests to have them certified, and certificates that are believed only after a check.
//!
//! The order is [`request`], which makes a key and a signing request; the caller sends [`Pending::csr_pem`] to an issuer;
//! [`Pending::accept`] compares the answer with what was asked and returns an [`IssuedCertificate`], which
//! [`IssuedCertificate::files`] writes as PEM, PKCS#12 and JKS.
//!
//! [`wanted`] is the other way, by which the server makes the key. [`Trust`] follows the authorities above.
//!
//! It promises that a key made here never leaves the process except in the finished files, and that nothing is returned as issued
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
mod issue;
mod key;
mod memory;
mod outputs;
mod pem;
pub mod ssh;
mod store;
mod trust;

pub use bundle::IssuedCertificate;
pub use csr::{CertificateSpec, Pending, request};
pub use error::PkiError;
pub use issue::{Wanted, check_pair, wanted};
pub use memory::Authority;
pub use outputs::Terms;
pub use store::store_password;
pub use trust::{ISSUERS_MAX, Trust, roots_of};
