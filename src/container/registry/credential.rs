//! One credential and where it came from.

use std::{fmt, path::PathBuf, sync::LazyLock};

use sha2::{Digest, Sha256};

use super::HelperName;
use crate::domain::SecretString;

/// A helper says with this user that its secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What a registry is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The secret itself.
    pub login: Login,
    /// Where it was found, for the log and for errors.
    pub source: Source,
}

/// The kinds of credentials that an engine passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Exchanged by the engine for a short-lived token at the registry's token server.
    IdentityToken(SecretString),
    /// User and password.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// Shown to the registry as it is.
    RegistryToken(SecretString),
}

/// Where a credential was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator's auth file.
    File(PathBuf),
    /// A program of the operator's.
    Helper(HelperName),
    /// The job's own `auth` block.
    Task,
    /// A path on the secrets server.
    Vault(String),
}

impl Credential {
    /// Makes a credential of a user and a secret, as files and helpers give them.
    pub fn of_pair(username: impl Into<String>, secret: SecretString, source: Source) -> Self {
        let username = username.into();
        let login = match username.as_str() {
            TOKEN_USER => Login::IdentityToken(secret),
            _ => Login::Password { username, password: secret },
        };
        Self { login, source }
    }

    /// Returns a name for this credential that tells it from others within this process and says nothing about it: two
    /// jobs share a pull only when they show the same.
    pub(crate) fn fingerprint(&self) -> String {
        static SALT: LazyLock<[u8; 32]> = LazyLock::new(rand::random);
        let (kind, user, secret) = match &self.login {
            Login::IdentityToken(token) => ("identity", "", token),
            Login::Password { username, password } => ("password", username.as_str(), password),
            Login::RegistryToken(token) => ("registry", "", token),
        };
        let mut hash = Sha256::new().chain_update(*SALT);
        for part in [kind, user, secret.expose()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Helper(name) => write!(f, "helper {name}"),
            Self::Task => f.write_str("the job's auth block"),
            Self::Vault(path) => write!(f, "vault path {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_told_apart_and_never_shown() {
        let one = Credential::of_pair("me", SecretString::new("hunter2"), Source::Task);
        let two = Credential::of_pair("me", SecretString::new("hunter3"), Source::Task);
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert_eq!(one.fingerprint(), one.clone().fingerprint());
        assert!(!format!("{one:?} {}", one.fingerprint()).contains("hunter2"));
    }

    #[test]
    fn the_token_user_makes_an_identity_token() {
        let token = Credential::of_pair("<token>", SecretString::new("t"), Source::Task);
        assert_eq!(token.login, Login::IdentityToken(SecretString::new("t")));
    }
}
