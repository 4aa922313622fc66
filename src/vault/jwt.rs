//! The node's own signing key, and the identities that the driver signs with it.
//!
//! The server trusts the public key; a job then needs no line for its identity. The key signs for every task of the node,
//! so that its file must be private to root. Whoever holds it can be any task: see `docs/security.md`.

use std::{
    fmt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{FileError, file::read_private};
use crate::domain::{SecretString, TaskMeta};

/// Largest file that can be one key.
const KEY_MAX: u64 = 16 * 1024;
/// Longest life of an identity: it is used once, at once.
const TTL_MAX: Duration = Duration::from_secs(300);

/// An ECDSA key on P-256 that signs who a task is.
pub struct NodeKey {
    signer: EncodingKey,
    public: Vec<u8>,
    id: String,
}

/// What the server checks beside the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTerms {
    /// Who signs; the server's `bound_issuer`.
    pub issuer: String,
    /// Whom it is for; in the role's `bound_audiences`.
    pub audience: String,
    /// How long it is good for; cut to five minutes.
    pub ttl: Duration,
}

/// Why the node's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The file cannot be taken.
    #[error("node key")]
    File(#[source] FileError),
    /// The file holds something else.
    #[error("node key is no P-256 key in PKCS#8 PEM; make one with \"nomad-driver-strongbox node-key\"")]
    Content,
    /// No key could be made, or nothing signed with it.
    #[error("node key cannot sign")]
    Sign,
}

/// The claims, under the names that Nomad's own identities have where it has them.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    nomad_namespace: &'a str,
    nomad_job_id: &'a str,
    nomad_group: &'a str,
    nomad_task: &'a str,
    nomad_allocation_id: &'a str,
    node_id: &'a str,
}

impl Default for TokenTerms {
    fn default() -> Self {
        Self { issuer: "strongbox".to_owned(), audience: "vault.io".to_owned(), ttl: Duration::from_secs(60) }
    }
}

impl NodeKey {
    /// Reads a key from a file that only its owner may read.
    pub fn load(path: &Path) -> Result<Self, JwtError> {
        Self::from_pem(&read_private(path, KEY_MAX).map_err(JwtError::File)?)
    }

    /// Makes a new key and returns its PEM, for a file of mode 0600.
    pub fn generate() -> Result<SecretString, JwtError> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(SecretString::new(&*pem("PRIVATE KEY", key.map_err(|_| JwtError::Sign)?.as_ref())))
    }

    /// Reads a key from PEM.
    pub fn from_pem(text: &[u8]) -> Result<Self, JwtError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|_| JwtError::Content)?;
        let der = key.secret_pkcs8_der();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| JwtError::Content)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| JwtError::Content)?;
        let public = public.as_ref().to_vec();
        Ok(Self { signer: EncodingKey::from_ec_der(der), id: hex::encode(Sha256::digest(&public)), public })
    }

    /// Returns the public key in PEM, for the server's `jwt_validation_pubkeys`.
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public).to_string()
    }

    /// Returns the key's name: the SHA-256 of its public half in DER, as hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs that the task is who the orchestrator says it is, with `subject` as its SPIFFE id.
    pub fn sign(
        &self,
        task: &TaskMeta,
        subject: &str,
        terms: &TokenTerms,
        now: SystemTime,
    ) -> Result<SecretString, JwtError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            iss: &terms.issuer,
            aud: &terms.audience,
            sub: subject,
            iat: now,
            nbf: now,
            exp: now + terms.ttl.min(TTL_MAX).as_secs().max(1),
            jti: hex::encode(rand::random::<[u8; 16]>()),
            nomad_namespace: &task.namespace,
            nomad_job_id: &task.job_id,
            nomad_group: &task.group,
            nomad_task: &task.name,
            nomad_allocation_id: &task.alloc_id,
            node_id: &task.node_id,
        };
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.signer).map(SecretString::new).map_err(|_| JwtError::Sign)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Returns `der` as PEM.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
    for start in (0..body.len()).step_by(64) {
        text.push_str(&body[start..body.len().min(start + 64)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::*;

    fn task() -> TaskMeta {
        TaskMeta {
            id: "alloc-1/web/12345678".parse().expect("an id"),
            name: "web".to_owned(),
            group: "front".to_owned(),
            job_id: "shop".to_owned(),
            job_name: "shop".to_owned(),
            namespace: "prod".to_owned(),
            alloc_id: "alloc-1".to_owned(),
            node_id: "node-1".to_owned(),
            node_name: "n1".to_owned(),
        }
    }

    fn key() -> NodeKey {
        NodeKey::from_pem(NodeKey::generate().expect("a key").expose().as_bytes()).expect("the same key")
    }

    fn claims(key: &NodeKey, jwt: &SecretString) -> Value {
        let decoder = DecodingKey::from_ec_pem(key.public_pem().as_bytes()).expect("a public key");
        let mut wanted = Validation::new(Algorithm::ES256);
        wanted.set_audience(&["vault.io"]);
        wanted.set_issuer(&["strongbox"]);
        jsonwebtoken::decode(jwt.expose(), &decoder, &wanted).expect("a good signature").claims
    }

    #[test]
    fn the_public_key_verifies_what_was_signed() {
        let key = key();
        let jwt = key.sign(&task(), "spiffe://x/web", &TokenTerms::default(), SystemTime::now()).expect("signed");
        let claims = claims(&key, &jwt);
        for (name, value) in [
            ("sub", "spiffe://x/web"),
            ("nomad_namespace", "prod"),
            ("nomad_job_id", "shop"),
            ("nomad_group", "front"),
            ("nomad_task", "web"),
            ("nomad_allocation_id", "alloc-1"),
            ("node_id", "node-1"),
        ] {
            assert_eq!(claims[name], value, "{name}");
        }
        let header = jsonwebtoken::decode_header(jwt.expose()).expect("a header");
        assert_eq!(header.kid.as_deref(), Some(key.id()));
    }

    #[test]
    fn an_identity_lives_five_minutes_at_most_and_is_never_the_same() {
        let key = key();
        let terms = TokenTerms { ttl: Duration::from_secs(86_400), ..TokenTerms::default() };
        let sign = || claims(&key, &key.sign(&task(), "s", &terms, SystemTime::now()).expect("signed"));
        let (one, two) = (sign(), sign());
        assert_eq!(one["exp"].as_u64().expect("exp") - one["iat"].as_u64().expect("iat"), 300);
        assert_ne!(one["jti"], two["jti"]);
    }

    #[test]
    fn a_key_file_must_be_private_and_a_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("node.pem");
        std::fs::write(&path, NodeKey::generate().expect("a key").expose()).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        assert!(matches!(NodeKey::load(&path), Err(JwtError::File(FileError::TooOpen { .. }))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert!(NodeKey::load(&path).is_ok());
        std::fs::write(&path, "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n").expect("written");
        assert!(matches!(NodeKey::load(&path), Err(JwtError::Content)));
    }

    #[test]
    fn debug_shows_no_key() {
        let key = key();
        assert_eq!(format!("{key:?}"), format!("NodeKey {{ id: {:?}, .. }}", key.id()));
    }
}
