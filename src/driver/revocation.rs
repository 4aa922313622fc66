//! Ends certificates before their time, where a job asks for that.
//!
//! A certificate's own key proves that it may be revoked, so that no token needs the right to revoke others'. An engine
//! that does not know that way, or a policy without it, is asked by serial number.

use serde_json::json;

use super::holdings::{Holdings, Revocable};
use crate::{
    domain::SecretString,
    vault::{self, Kind, Vault},
};

/// How a certificate's PEM ends; what follows are those between it and the root.
const END: &str = "-----END CERTIFICATE-----";

/// Has one certificate revoked.
///
/// # Errors
/// The server is away, or allows neither way.
pub(super) async fn revoke(vault: &dyn Vault, token: &SecretString, one: &Revocable) -> Result<(), vault::Error> {
    let action = || format!("revoke certificate {}", one.certificate.serial);
    let refused = |why: String| vault::Error::new(Kind::Invalid, action(), why);
    let path = format!("{}/revoke-with-key", one.mount).parse().map_err(|error| refused(format!("{error}")))?;
    let pem = &one.certificate.cert_pem;
    let leaf = pem.split_inclusive(END).next().unwrap_or(pem);
    let key =
        std::str::from_utf8(one.certificate.key_pem.expose()).map_err(|_| refused("its key is no text".into()))?;
    match vault.write(token, &path, &json!({ "certificate": leaf, "private_key": key })).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::NotFound) => {
            let mount = one.mount.parse().map_err(|error| refused(format!("{error}")))?;
            vault.revoke_certificate(token, &mount, &one.certificate.serial).await
        }
        Err(error) => Err(error),
    }
}

impl Holdings {
    /// Returns the certificates that end with the task, of those that it holds and that were replaced.
    pub fn revocable_certificates(&self) -> Vec<Revocable> {
        let living = self.certificates.iter().filter_map(|(name, certificate)| {
            let mount = self.revocable.get(name)?.clone();
            Some(Revocable { mount, certificate: certificate.clone() })
        });
        living.chain(self.replaced().flat_map(|replaced| replaced.certificates.iter().cloned())).collect()
    }
}
