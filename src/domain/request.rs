//! What a job asks for.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{RelPath, Upkeep};

mod access;
mod craft;
mod loss;
mod secret;

pub use access::Access;
pub use craft::{Craft, SshKeyType};
pub use loss::{Loss, Losses, OnLoss};
pub use secret::{Encoding, Format, SecretRequest};

/// Where a child of one's own token is made.
const CHILD_TOKEN: &str = "auth/token/create";
/// Longest path on the server that a job may ask for.
const SERVER_PATH_MAX: usize = 1024;

/// A path on the server below `/v1/`, such as `kv/data/timeline`: clean segments, nothing encoded, no query.
///
/// The server answers a raw `..` or `//` with a redirect to another path and decodes `%2F`, so anything that it might
/// read differently than we do is refused here.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerPath(String);

/// Why a text is no path on the server that a job may name.
#[derive(Debug, thiserror::Error)]
#[error("path {path:?} {why}; give a plain path such as \"kv/data/app\"")]
pub struct ServerPathError {
    path: String,
    why: &'static str,
}

/// The kind of key to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// ECDSA on P-256, read by everything.
    #[default]
    EcP256,
    /// ECDSA on P-384.
    EcP384,
    /// Ed25519, refused by some older programs.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits; making one takes seconds.
    Rsa4096,
}

impl KeyType {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::EcP256, Self::EcP384, Self::Ed25519, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// Returns its name in jobs.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }
}

/// What a certificate is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateFormat {
    /// `keystore.jks` and `truststore.jks`, with their password in `store.password`.
    Jks,
    /// `cert.pem`, `key.pem`, `ca.pem` and `bundle.pem`.
    Pem,
    /// `keystore.p12` and `truststore.p12`, with their password in `store.password`.
    Pkcs12,
}

/// A certificate with its key; becomes files below `<name>/`, in PEM and in stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// The block's label and the folder's name.
    pub name: RelPath,
    /// Where the PKI engine is mounted; the operator's default when absent.
    pub mount: Option<ServerPath>,
    /// The engine's role; the operator's pattern when absent.
    pub role: Option<String>,
    /// The subject's common name; the identity's DNS name when absent.
    pub common_name: Option<String>,
    /// DNS names beside the identity's own.
    pub dns_sans: Vec<String>,
    /// IP addresses.
    pub ip_sans: Vec<IpAddr>,
    /// The life to ask for; the operator's default when absent.
    pub ttl: Option<Duration>,
    /// The kind of key.
    pub key_type: KeyType,
    /// Whether the job names that kind. A key that the server makes is of it then; otherwise its role decides.
    #[serde(default)]
    pub names_key_type: bool,
    /// Whether the server makes the key, instead of signing for one that is made here.
    #[serde(default)]
    pub issue: bool,
    /// Whether it is revoked when the task ends or another has replaced it.
    #[serde(default)]
    pub revoke: bool,
    /// What to write it as.
    #[serde(default = "pem_only")]
    pub formats: Vec<CertificateFormat>,
    /// Who may read its files.
    #[serde(default)]
    pub access: Access,
    /// How its files are kept up.
    #[serde(flatten)]
    pub upkeep: Upkeep,
}

/// A text with places for secrets; becomes one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRequest {
    /// The file's name below the secrets directory.
    pub destination: RelPath,
    /// The template itself.
    pub source: String,
    /// What opens an action, `{{` unless given.
    pub left_delimiter: String,
    /// What closes an action, `}}` unless given.
    pub right_delimiter: String,
    /// Permission bits.
    pub mode: u32,
    /// Whether its lines become variables of the task's process, too.
    #[serde(default)]
    pub env: bool,
    /// Who owns the file; its permission bits are `mode`.
    #[serde(default)]
    pub access: Access,
    /// How its files are kept up.
    #[serde(flatten)]
    pub upkeep: Upkeep,
}

/// What a certificate is written as where the job does not say.
pub fn pem_only() -> Vec<CertificateFormat> {
    vec![CertificateFormat::Pem]
}

impl ServerPath {
    /// Returns the path without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns where the driver has a child of a task's token made; no job can name it.
    pub fn child_token() -> Self {
        Self(CHILD_TOKEN.to_owned())
    }

    /// Returns the first segment, which names the mount in most set-ups.
    pub fn mount(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }
}

impl ServerPathError {
    /// Returns what is wrong without the path, for a path that was made of a secret.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

impl FromStr for ServerPath {
    type Err = ServerPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match flaw(text) {
            None => Ok(Self(text.to_owned())),
            Some(why) => Err(ServerPathError { path: text.chars().take(80).collect(), why }),
        }
    }
}

/// Returns what is wrong with `text` as a path on the server.
fn flaw(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.len() > SERVER_PATH_MAX {
        return Some("is too long");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Some("has a control character or a blank");
    }
    if text.contains(['%', '?', '#', '\\', '*', '+']) {
        return Some("has one of % ? # \\ * +");
    }
    if text.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Some("has an empty, \".\" or \"..\" segment");
    }
    if ["sys", "auth", "identity", "cubbyhole"].iter().any(|head| text.split('/').next() == Some(head)) {
        return Some("belongs to the server itself (sys, auth, identity, cubbyhole)");
    }
    None
}

/// For records, which also hold the one path that no job may name.
impl TryFrom<String> for ServerPath {
    type Error = ServerPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == CHILD_TOKEN { Ok(Self(text)) } else { text.parse() }
    }
}

impl From<ServerPath> for String {
    fn from(path: ServerPath) -> Self {
        path.0
    }
}

impl fmt::Display for ServerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_the_server_would_read_differently_are_refused() {
        for bad in [
            "",
            "/kv",
            "kv/",
            "kv//a",
            "kv/../b",
            "kv/./a",
            "kv/%2e%2e/a",
            "kv/a?version=1",
            "kv/a#b",
            "kv/a\n",
            "kv/a b",
        ] {
            assert!(bad.parse::<ServerPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_servers_own_paths_are_refused() {
        for bad in ["sys/mounts", "auth/token/create", "identity/entity", "cubbyhole/x"] {
            assert!(bad.parse::<ServerPath>().is_err(), "{bad:?}");
        }
        assert!("system/x".parse::<ServerPath>().is_ok());
    }
}
