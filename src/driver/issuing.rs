//! The two ways to a certificate as one: a key made here and signed for, or a key that the server makes.

use serde_json::{Value, json};

use super::{Class, DriverError, plan::CertificatePlan};
use crate::pki::{self, CertificateSpec, IssuedCertificate, Pending, PkiError, Wanted};

/// What is sent for a certificate, and what its answer is held against.
pub(super) enum Order {
    Issue(Wanted),
    Sign(Box<Pending>),
}

impl Order {
    /// Checks the names and, where the key is made here, makes it.
    pub(super) async fn prepare(plan: &CertificatePlan) -> Result<Result<Self, PkiError>, DriverError> {
        if plan.request.issue {
            let kind = plan.request.names_key_type.then_some(plan.request.key_type);
            return Ok(pki::wanted(&plan.spec, kind).map(Self::Issue));
        }
        Ok(make_key(&plan.spec).await?.map(|pending| Self::Sign(Box::new(pending))))
    }

    /// Returns the request's body.
    pub(super) fn body(&self, plan: &CertificatePlan) -> Value {
        match self {
            Self::Issue(wanted) => wanted.body(),
            Self::Sign(pending) => json!({
                "csr": pending.csr_pem(),
                "ttl": format!("{}s", plan.ttl.as_secs()),
                "format": "pem",
            }),
        }
    }

    /// Takes the answer, when it is what was asked for.
    pub(super) fn accept(self, data: &Value) -> Result<IssuedCertificate, PkiError> {
        match self {
            Self::Issue(wanted) => wanted.accept(data),
            Self::Sign(pending) => pending.accept(data),
        }
    }
}

/// Makes a key and a signing request apart from the other tasks' work: an RSA key takes a good part of a second.
async fn make_key(spec: &CertificateSpec) -> Result<Result<Pending, PkiError>, DriverError> {
    let spec = spec.clone();
    let made = tokio::task::spawn_blocking(move || pki::request(&spec)).await;
    made.map_err(|error| DriverError::new(Class::Internal, format!("make a key: {error}")))
}
