//! The port through which a pull asks for its credential, once it is sure that it needs one.

use async_trait::async_trait;

use super::{Credential, RegistrySettings};
use crate::container::{Error, ImageRef};

/// Finds what a registry is shown for one job.
#[async_trait]
pub trait Keyring: Send + Sync {
    /// Returns the credential for `image`, `None` when it shall be asked for without one.
    ///
    /// # Errors
    /// A source that should know could not say.
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>, Error>;
}

/// Shows nothing to anybody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

/// Shows what the operator's file and helpers hold; for images that no job asked for.
#[derive(Clone, Debug)]
pub struct Operator(pub RegistrySettings);

#[async_trait]
impl Keyring for Anonymous {
    async fn credential(&self, _: &ImageRef) -> Result<Option<Credential>, Error> {
        Ok(None)
    }
}

#[async_trait]
impl Keyring for Operator {
    async fn credential(&self, image: &ImageRef) -> Result<Option<Credential>, Error> {
        let found = self.0.look_up(image, false, &mut Vec::new()).await;
        found.map_err(|error| Error::CredentialUnavailable { image: image.to_string(), why: error.to_string() })
    }
}
