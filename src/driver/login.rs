//! With what a task proves who it is: the JWT that Nomad signed for it, or one that the node signs from its metadata.

use std::{path::Path, time::SystemTime};

use super::{
    Class, DriverError,
    settings::{AuthMethod, AuthSettings},
};
use crate::{
    domain::{SecretString, TaskMeta},
    identity::Identity,
    vault::{self, NodeKey, TokenTerms},
};

/// How tasks log in.
pub struct Login {
    /// The auth method's mount, without `auth/`.
    pub mount: String,
    source: Source,
}

enum Source {
    Node { key: Box<NodeKey>, terms: TokenTerms },
    Workload { identity: String },
}

impl Login {
    /// Builds the way in that the operator chose.
    ///
    /// # Errors
    /// The node key cannot be read, or others may read it too.
    pub fn new(settings: &AuthSettings) -> Result<Self, DriverError> {
        let source = match &settings.method {
            AuthMethod::Driver { key_file, issuer, audience } => {
                let key = NodeKey::load(key_file)
                    .map_err(|error| DriverError::new(Class::ConfigInvalid, format!("auth.key_file: {error}")))?;
                let terms = TokenTerms { issuer: issuer.clone(), audience: audience.clone(), ..TokenTerms::default() };
                Source::Node { key: Box::new(key), terms }
            }
            AuthMethod::Nomad { identity } => Source::Workload { identity: identity.clone() },
        };
        Ok(Self { mount: settings.mount.clone(), source })
    }

    /// Says in a few words with what tasks log in.
    pub fn describe(&self) -> String {
        match &self.source {
            Source::Node { key, .. } => format!("with JWTs signed by the node's key {}", key.id()),
            Source::Workload { identity } => format!("with the job's identity {identity:?}"),
        }
    }

    /// Returns the JWT to log in with as the task `meta`, whose secrets directory is `secrets_dir`.
    ///
    /// # Errors
    /// The job has no identity file, it is another task's, or it has expired.
    pub async fn jwt(
        &self,
        meta: &TaskMeta,
        identity: &Identity,
        secrets_dir: &Path,
    ) -> Result<SecretString, DriverError> {
        match &self.source {
            Source::Node { key, terms } => {
                let jwt = key.sign(meta, &identity.spiffe_id, terms, SystemTime::now());
                jwt.map_err(|error| DriverError::new(Class::IdentityRefused, error.to_string()))
            }
            Source::Workload { identity } => {
                let read = vault::read_identity(&vault::identity_file(secrets_dir, identity), meta).await;
                read.map(|identity| identity.jwt)
                    .map_err(|error| DriverError::new(Class::IdentityRefused, error.to_string()))
            }
        }
    }
}
