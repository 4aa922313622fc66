//! Workload identities: JWTs that say which task this is, as a server signs them, and the keys to check them by.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{ids, job};

/// Who is meant by a token.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Region of the job.
    pub region: String,
    /// Namespace of the job.
    pub namespace: String,
    /// The job's id.
    pub job: String,
    /// The group.
    pub group: String,
    /// The task.
    pub task: String,
    /// The allocation.
    pub alloc: String,
}

/// The key that signs.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    kid: String,
    modulus: String,
    exponent: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("read or write the key file {0:?}")]
    File(String, #[source] io::Error),
    #[error("the key file {0:?} holds no RSA key in PKCS#8 PEM")]
    Parse(String),
    #[error("make an RSA key")]
    Make,
    #[error("take the key for signing")]
    Use(#[from] jsonwebtoken::errors::Error),
}

impl Signer {
    /// Makes a key for this run.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Make)?;
        Self::new(&pair, &pem(&pair)?)
    }

    /// Reads the key at `path`, or makes one and keeps it there.
    pub fn at(path: &Path) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::new(&from_pem(&text).ok_or(KeyError::Parse(name))?, &text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Make)?;
                let text = pem(&pair)?;
                write_private(path, &text).map_err(|e| KeyError::File(name, e))?;
                Self::new(&pair, &text)
            }
            Err(e) => Err(KeyError::File(name, e)),
        }
    }

    fn new(pair: &KeyPair, pem: &str) -> Result<Self, KeyError> {
        let (modulus, exponent) = parts(pair.public_key().as_ref()).ok_or(KeyError::Make)?;
        let kid = hex::encode(&Sha256::digest(&modulus)[..8]);
        Ok(Self {
            key: EncodingKey::from_rsa_pem(pem.as_bytes())?,
            kid,
            modulus: URL_SAFE_NO_PAD.encode(modulus),
            exponent: URL_SAFE_NO_PAD.encode(exponent),
        })
    }

    /// Signs a token for one identity of a task.
    pub fn sign(&self, who: &Subject, identity: &job::Identity) -> Result<String, KeyError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let default_aud = vec!["nomadproject.io".to_owned()];
        let aud = if identity.aud.is_empty() { &default_aud } else { &identity.aud };
        let subject = [&who.region, &who.namespace, &who.job, &who.group, &who.task, &identity.name]
            .map(String::as_str)
            .join(":");
        let audience = if let [only] = &aud[..] { json!(only) } else { json!(aud) };
        let mut claims = json!({
            "aud": audience,
            "sub": subject,
            "iat": now, "nbf": now, "jti": ids::uuid(),
            "nomad_namespace": who.namespace, "nomad_job_id": who.job,
            "nomad_allocation_id": who.alloc, "nomad_task": who.task,
        });
        if let Some(ttl) = identity.ttl {
            claims["exp"] = json!(now + ttl.as_secs().max(1));
        }
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::RS256) };
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }

    /// Returns the document that a server checks tokens by.
    pub fn jwks(&self) -> serde_json::Value {
        json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": self.modulus, "e": self.exponent}]})
    }

    /// Serves the document to every GET, and returns where.
    pub async fn serve(&self, at: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let body: Arc<str> = self.jwks().to_string().into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, body.clone()));
            }
        });
        Ok(address)
    }
}

async fn answer(mut stream: tokio::net::TcpStream, body: Arc<str>) {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|w| w == b"\r\n\r\n") && head.len() < 16 * 1024 {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => head.extend(&buffer[..n]),
            _ => return,
        }
    }
    let (status, body) = if head.starts_with(b"GET ") { ("200 OK", &*body) } else { ("405 Method Not Allowed", "{}") };
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A client that went away has no use for an answer.
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn pem(pair: &KeyPair) -> Result<String, KeyError> {
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(|_| KeyError::Make)?;
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
}

fn from_pem(text: &str) -> Option<KeyPair> {
    let body: String = text.lines().filter(|l| !l.starts_with("-----")).collect();
    KeyPair::from_pkcs8(&STANDARD.decode(body.trim()).ok()?).ok()
}

/// Takes modulus and exponent out of the DER of a public key: a sequence of two integers.
fn parts(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, _) = element(der, 0x30)?;
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    let unsigned = |bytes: &[u8]| bytes.iter().copied().skip_while(|b| *b == 0).collect();
    Some((unsigned(modulus), unsigned(exponent)))
}

fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |n, d| n << 8 | usize::from(*d)), rest)
        }
    };
    rest.split_at_checked(length)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// Writes a token into the secrets directory: in place, truncating, as an agent does.
pub fn write_token(path: &Path, token: &str, user: Option<u32>) -> io::Result<()> {
    fs::write(path, token)?;
    match user {
        Some(uid) => {
            std::os::unix::fs::chown(path, Some(uid), None)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        }
        None => fs::set_permissions(path, fs::Permissions::from_mode(0o644)),
    }
}

/// Returns the file's name for an identity.
pub fn file_name(identity: &str) -> String {
    if identity == "default" { "nomad_token".into() } else { format!("nomad_{identity}.jwt") }
}

/// Returns the variable's name for an identity.
pub fn env_name(identity: &str) -> String {
    if identity == "default" { "NOMAD_TOKEN".into() } else { format!("NOMAD_TOKEN_{identity}") }
}

/// Returns when to sign anew: at half of the life, never sooner than the agent's floor of ten seconds.
pub fn refresh_after(ttl: Duration) -> Duration {
    (ttl / 2).max(Duration::from_secs(10).min(ttl / 2))
}

/// Looks a user up on the host.
pub fn host_uid(user: &str) -> Option<u32> {
    let name = user.split(':').next().filter(|n| !n.is_empty())?;
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd
        .lines()
        .map(|l| l.split(':').collect::<Vec<_>>())
        .find(|f| f.first() == Some(&name))
        .and_then(|f| f.get(2)?.parse().ok())
}
