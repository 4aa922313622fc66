//! What the driver wants of a secrets server.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde_json::Value;

use super::Error;
use crate::domain::{Accessor, Lease, LeaseId, SecretString, ServerPath, Session};

/// A secrets server.
///
/// Each call is one attempt: it either brings an answer or an error within its time, and never repeats itself, since only
/// the caller knows whether asking again makes a second credential. [`super::retry`] has what is needed to ask again.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Asks how the server is, without a token. A sealed or standby server is an answer, not an error.
    async fn health(&self) -> Result<Health, Error>;

    /// Exchanges a signed identity for a token.
    async fn login_jwt(&self, mount: &str, role: &str, jwt: &SecretString) -> Result<Session, Error>;

    /// Exchanges an application's role and secret id for a token.
    async fn login_approle(&self, mount: &str, role_id: &str, secret_id: &SecretString) -> Result<Session, Error>;

    /// Exchanges the certificate that the connection shows for a token; without a role the server picks one that fits.
    async fn login_cert(&self, mount: &str, role: Option<&str>) -> Result<Session, Error>;

    /// Makes a token of token role `role`, with what `terms` ask for.
    async fn create_token(&self, token: &SecretString, role: &str, terms: &Value) -> Result<Minted, Error>;

    /// Asks what a wrapping token holds, without using it up.
    async fn lookup_wrapping(&self, wrapping: &SecretString) -> Result<Wrapping, Error>;

    /// Takes out what a wrapping token holds, which works once.
    async fn unwrap(&self, wrapping: &SecretString) -> Result<Reply, Error>;

    /// Asks what the token may do at `path`, in the server's words such as `read`.
    async fn capabilities(&self, token: &SecretString, path: &ServerPath) -> Result<Vec<String>, Error>;

    /// Returns the same server as seen from `namespace`, empty for the root; caps and back-off are shared.
    fn in_namespace(&self, namespace: &str) -> Arc<dyn Vault>;

    /// Reads `path`; for dynamic engines this makes a credential.
    async fn read(
        &self,
        token: &SecretString,
        path: &ServerPath,
        query: &BTreeMap<String, String>,
    ) -> Result<Reply, Error>;

    /// Writes `body` to `path`, as signing and encrypting do.
    async fn write(&self, token: &SecretString, path: &ServerPath, body: &Value) -> Result<Reply, Error>;

    /// Makes a child of `token`, which dies with it. With `wrap` the answer is a token that is changed for the child once,
    /// within that time.
    async fn create_child(
        &self,
        token: &SecretString,
        body: &Value,
        wrap: Option<Duration>,
    ) -> Result<ChildToken, Error>;

    /// Asks what is left of the token's life.
    async fn lookup_token(&self, token: &SecretString) -> Result<TokenInfo, Error>;

    /// Prolongs the token by its own terms; never names an increment, because a smaller one would shorten its life.
    async fn renew_token(&self, token: &SecretString) -> Result<Session, Error>;

    /// Asks what is left of the lease's life.
    async fn lookup_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<LeaseInfo, Error>;

    /// Prolongs the lease by its own terms.
    async fn renew_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<Lease, Error>;

    /// Ends the token and with it every lease it made. A token that is dead already is a success.
    async fn revoke_self(&self, token: &SecretString) -> Result<(), Error>;

    /// Ends one lease. The default policy does not grant this: expect [`super::Kind::Denied`].
    async fn revoke_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<(), Error>;

    /// Puts a certificate of the engine at `mount` on its revocation list.
    async fn revoke_certificate(&self, token: &SecretString, mount: &ServerPath, serial: &str) -> Result<(), Error>;

    /// Asks which KV engine `path` belongs to; `None` when the token may not know or the engine is no KV.
    async fn kv_version(&self, token: &SecretString, path: &ServerPath) -> Result<Option<KvMount>, Error>;
}

/// How the server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// It has been given keys once.
    pub initialized: bool,
    /// It cannot read its own storage.
    pub sealed: bool,
    /// Another node of the cluster leads.
    pub standby: bool,
    /// For display only.
    pub version: String,
    /// The cluster's name, empty while sealed.
    pub cluster: String,
}

/// An answer with data.
#[derive(Clone, Default)]
pub struct Reply {
    /// The server's name for the exchange, found again in its audit log.
    pub request_id: String,
    /// The envelope's `data`: for KV version 2 with `data` and `metadata` inside.
    pub data: Arc<Value>,
    /// The lease, when the server keeps one.
    pub lease: Option<Lease>,
    /// The envelope's `lease_duration`, which engines without leases use as a hint for reading again.
    pub lease_duration: Duration,
    /// News for the user, such as a shortened life.
    pub warnings: Vec<String>,
}

/// A token made by another one.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The token and its terms.
    pub session: Session,
    /// Whether it lives on when its maker ends.
    pub orphan: bool,
}

/// What a wrapping token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapping {
    /// The request whose answer it holds.
    pub creation_path: String,
    /// Life at creation.
    pub ttl: Duration,
}

/// A token that was made with another one.
#[derive(Clone, Debug)]
pub struct ChildToken {
    /// The token, or what is changed for it.
    pub token: SecretString,
    /// The child's own name, also when it is wrapped.
    pub accessor: Option<Accessor>,
    /// The child's life; nothing when it is wrapped, since the server does not say.
    pub duration: Duration,
    /// Whether the server will prolong it.
    pub renewable: bool,
}

/// What the server says about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its name; batch tokens have none.
    pub accessor: Option<Accessor>,
    /// What is left; zero means that it does not expire.
    pub ttl: Duration,
    /// Life at creation.
    pub creation_ttl: Duration,
    /// End that no renewal passes; zero means none of its own.
    pub explicit_max_ttl: Duration,
    /// Whether the server will prolong it.
    pub renewable: bool,
    /// Policies of the token itself.
    pub policies: Vec<String>,
    /// `service` or `batch`.
    pub kind: String,
}

/// What the server says about a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseInfo {
    /// Which lease.
    pub id: LeaseId,
    /// What is left.
    pub ttl: Duration,
    /// Whether the server will prolong it.
    pub renewable: bool,
    /// Since when the lease's greatest life is counted.
    pub issued: Option<SystemTime>,
}

/// A mount of the KV engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvMount {
    /// Where it is mounted, without a slash at the end.
    pub mount: String,
    /// 1 or 2.
    pub version: u8,
}

impl Health {
    /// Says whether the server can be asked for secrets.
    pub fn ready(&self) -> bool {
        self.initialized && !self.sealed
    }
}

impl Reply {
    /// Returns the version, when this is a secret of KV version 2.
    pub fn kv_version(&self) -> Option<u64> {
        self.data.pointer("/metadata/version").and_then(Value::as_u64)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("request_id", &self.request_id)
            .field("data", &format_args!("…"))
            .field("lease", &self.lease)
            .field("lease_duration", &self.lease_duration)
            .field("warnings", &self.warnings)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_reply_shows_no_data() {
        let reply = Reply { data: Arc::new(serde_json::json!({"password": "hunter2"})), ..Reply::default() };
        assert!(!format!("{reply:?}").contains("hunter2"));
    }
}
