//! With what the node logs in. These files are the node's; nothing of them goes to a task.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    super::{Class, DriverError, asker::AskError},
    Held, Store,
};
use crate::{
    domain::{SecretString, Session},
    vault::{self, ClientCert, Kind, Vault, read_secret},
};

/// What the node proves itself with.
pub(in super::super) enum Credential {
    /// An application role and a file with a secret id.
    AppRole { role_id: String, file: PathBuf },
    /// The certificate that the connection shows, and where it lies.
    Certificate { role: Option<String>, files: ClientCert },
    /// A token that somebody writes into a file and replaces there.
    Token { file: PathBuf },
    /// An application role and a file with a wrapping token that holds a secret id.
    Wrapped { role_id: String, file: PathBuf, store: Store },
}

/// Why the node has no token.
#[derive(Debug)]
pub(super) enum Refused {
    Driver(DriverError),
    /// Somebody else may have what was meant for this node.
    Security(String),
    Vault(&'static str, vault::Error),
}

impl Credential {
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::AppRole { .. } => "with tokens that the node makes after a login by secret id",
            Self::Certificate { .. } => "with tokens that the node makes after a login by certificate",
            Self::Token { .. } => "with tokens that the node makes with the one in its token file",
            Self::Wrapped { .. } => "with tokens that the node makes after a login by wrapped secret id",
        }
    }

    /// Says which file is not there yet, or is not as it must be.
    pub(super) fn flaw(&self) -> Option<String> {
        match self {
            Self::AppRole { file, .. } | Self::Token { file } => flaw_of(file),
            Self::Certificate { files, .. } => {
                files.check().err().map(|(setting, error)| format!("{setting}: {error}"))
            }
            // What was taken out is kept, and its wrapping is worth nothing any more.
            Self::Wrapped { file, store, .. } => flaw_of(file).filter(|_| store.read().is_none()),
        }
    }

    /// Says whether the files that `held` came from have another content by now.
    pub(super) fn has_changed(&self, held: &Held) -> bool {
        let stamp = match self {
            Self::Token { file } => read_secret(file).ok().map(|token| stamp(&token)),
            // A server renews a token only over a connection with the certificate that it was made with.
            Self::Certificate { files, .. } => files.digest(),
            Self::AppRole { .. } | Self::Wrapped { .. } => None,
        };
        // One that is being exchanged, or gone for a moment, is no change.
        stamp.is_some() && stamp != held.stamp
    }

    pub(super) async fn log_in(&self, vault: &dyn Vault, mount: &str) -> Result<Held, Refused> {
        match self {
            Self::AppRole { role_id, file } => {
                let secret_id = read(file)?;
                by_secret_id(vault, mount, role_id, &secret_id).await.map(held)
            }
            Self::Certificate { role, files } => by_certificate(vault, mount, role.as_deref(), files).await,
            Self::Token { file } => take_token(vault, read(file)?).await,
            Self::Wrapped { role_id, file, store } => by_wrapped(vault, mount, role_id, file, store).await,
        }
    }
}

fn read(file: &std::path::Path) -> Result<SecretString, Refused> {
    read_secret(file).map_err(unread)
}

fn unread(why: impl std::fmt::Display) -> Refused {
    Refused::Driver(DriverError::new(Class::AuthRefused { node: true }, format!("the node's credential: {why}")))
}

fn flaw_of(file: &std::path::Path) -> Option<String> {
    read_secret(file).err().map(|error| error.to_string())
}

async fn by_secret_id(vault: &dyn Vault, mount: &str, role_id: &str, id: &SecretString) -> Result<Session, Refused> {
    let session = vault.login_approle(mount, role_id, id).await;
    session.map_err(|error| Refused::Vault("log in with the node's secret id", error))
}

async fn by_certificate(
    vault: &dyn Vault,
    mount: &str,
    role: Option<&str>,
    files: &ClientCert,
) -> Result<Held, Refused> {
    files.check().map_err(|(setting, error)| unread(format_args!("{setting}: {error}")))?;
    // Looked at first: files that change meanwhile are a change then, and no login is missed.
    let stamp = files.digest();
    match vault.login_cert(mount, role).await {
        Ok(session) => Ok(Held { stamp, ..held(session) }),
        // No wait mends a certificate that the server does not take on the connection, though it may be replaced.
        Err(error) if error.is_transient() && error.kind() != Kind::ClientRefused => {
            Err(Refused::Vault("log in with the node's certificate", error))
        }
        Err(error) => Err(Refused::Driver(not_taken(mount, role, files, &error))),
    }
}

/// Names the file: the server says the same of a certificate of another CA, of a role's other names, and of no such role.
fn not_taken(mount: &str, role: Option<&str>, files: &ClientCert, error: &vault::Error) -> DriverError {
    let (file, reason) = (files.cert_file.display(), error.reason());
    let role = role.map_or_else(|| "any role".to_owned(), |role| format!("role {role:?}"));
    let text = format!(
        "log in at auth/{mount} as {role} with client_cert_file {file}: {reason}; check that a CA of the role has signed this \
         certificate, that it has not ended, and that the role allows its names"
    );
    DriverError::new(Class::AuthRefused { node: true }, text)
}

/// Takes over a token that an operator made: what it may live is asked of the server.
async fn take_token(vault: &dyn Vault, token: SecretString) -> Result<Held, Refused> {
    let info = vault.lookup_token(&token).await;
    let info = info.map_err(|error| Refused::Vault("look up the token of the node's token file", error))?;
    let stamp = Some(stamp(&token));
    Ok(Held { token, since: Instant::now(), life: info.ttl, renewable: info.renewable, stamp })
}

/// Logs in with a secret id that came wrapped. It is taken out once; this process and later ones find it in RAM.
async fn by_wrapped(
    vault: &dyn Vault,
    mount: &str,
    role_id: &str,
    file: &std::path::Path,
    store: &Store,
) -> Result<Held, Refused> {
    let wrapping = read_secret(file).ok();
    let known = store.read().filter(|kept| wrapping.as_ref().is_none_or(|token| kept.is_of(&stamp(token))));
    if let Some(kept) = known {
        if let Some(token) = kept.token
            && let Ok(living) = take_token(vault, token).await
        {
            return Ok(Held { stamp: None, ..living });
        }
        let session = by_secret_id(vault, mount, role_id, &kept.secret_id).await?;
        store.keep_token(&session.token);
        return Ok(held(session));
    }
    let wrapping = match wrapping {
        Some(wrapping) => wrapping,
        None => read(file)?,
    };
    let secret_id = take_out(vault, mount, file, &wrapping).await?;
    store.keep(&stamp(&wrapping), &secret_id);
    let session = by_secret_id(vault, mount, role_id, &secret_id).await?;
    store.keep_token(&session.token);
    Ok(held(session))
}

/// Looks before it unwraps: a token that holds something else, or nothing any more, has been in other hands.
async fn take_out(
    vault: &dyn Vault,
    mount: &str,
    file: &std::path::Path,
    wrapping: &SecretString,
) -> Result<SecretString, Refused> {
    let file = file.display();
    let advice = format!(
        "somebody may have the node's secret id: destroy the secret ids of this role at auth/{mount}, find out who could read \
         the file, then put a fresh wrapping token there"
    );
    let spent = |error: vault::Error| match error.kind() {
        Kind::Invalid | Kind::Denied | Kind::TokenDead | Kind::NotFound => Refused::Security(format!(
            "the wrapping token in {file} is used up, expired or not of this server; {advice}"
        )),
        _ => Refused::Vault("unwrap the node's secret id", error),
    };
    let found = vault.lookup_wrapping(wrapping).await.map_err(spent)?;
    if !is_secret_id_of(mount, &found.creation_path) {
        let path = found.creation_path.chars().take(200).collect::<String>();
        let text = format!(
            "the wrapping token in {file} holds the answer of {path:?} and no secret id of auth/{mount}; {advice}"
        );
        return Err(Refused::Security(text));
    }
    let answer = vault.unwrap(wrapping).await.map_err(spent)?;
    let secret_id = answer.data["secret_id"].as_str().filter(|id| !id.is_empty());
    secret_id.map(SecretString::new).ok_or_else(|| {
        Refused::Security(format!("the wrapping token in {file} holds no secret id, though its path says so; {advice}"))
    })
}

/// Says whether `path` makes secret ids of a role at `mount`, in whatever namespace.
fn is_secret_id_of(mount: &str, path: &str) -> bool {
    let marker = format!("auth/{mount}/role/");
    let Some((before, role)) = path.split_once(&marker) else { return false };
    let is_namespace = before.is_empty() || before.ends_with('/');
    is_namespace && role.strip_suffix("/secret-id").is_some_and(|role| !role.is_empty() && !role.contains('/'))
}

fn held(session: Session) -> Held {
    let Session { token, duration, renewable, .. } = session;
    Held { token, since: Instant::now(), life: duration, renewable, stamp: None }
}

pub(super) fn stamp(token: &SecretString) -> String {
    hex::encode(Sha256::digest(token.expose().as_bytes()))
}

impl From<Refused> for AskError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Driver(error) => Self::Driver(error),
            Refused::Security(text) => Self::Driver(DriverError::new(Class::AuthRefused { node: true }, text)),
            Refused::Vault(what, source) => Self::upkeep(what, source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_making_of_a_secret_id_is_what_was_meant() {
        for good in ["auth/approle/role/node/secret-id", "team/a/auth/approle/role/node/secret-id"] {
            assert!(is_secret_id_of("approle", good), "{good}");
        }
        for bad in [
            "auth/approle/role/node/custom-secret-id",
            "auth/approle/role/node/role-id",
            "auth/approle/role//secret-id",
            "auth/approle/role/a/b/secret-id",
            "auth/approle2/role/node/secret-id",
            "xauth/approle/role/node/secret-id",
            "kv/data/node",
            "sys/wrapping/wrap",
            "",
        ] {
            assert!(!is_secret_id_of("approle", bad), "{bad}");
        }
    }
}
