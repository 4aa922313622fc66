//! How something is made that is not simply asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a secret's values come about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Craft {
    /// The server is asked, and its answer is the secret.
    #[default]
    Asked,
    /// A key is made here, and the server signs its public half.
    SshKey(SshKeyType),
    /// The server makes a token, a child of the task's own.
    Token {
        /// Gives a token instead that is to be changed for the real one within this time.
        wrap: Option<Duration>,
    },
}

/// The kind of SSH key to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SshKeyType {
    /// ECDSA on P-256.
    Ecdsa,
    /// Ed25519, read by every OpenSSH of the last ten years.
    #[default]
    Ed25519,
    /// RSA with 3072 bits.
    Rsa,
}
