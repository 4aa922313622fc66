//! The real server behind the port.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use rustify::endpoint::Endpoint;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use vaultrs::client::VaultClient;
use zeroize::Zeroizing;

use super::{
    Error, Health, Kind, KvMount, LeaseInfo, Reply, Settings, SettingsError, TokenInfo, Vault,
    answer::{health, kv_mount, lease_info, token_info, understand},
    endpoint::Call,
    envelope::Envelope,
    http::{Answer, Exchange, Headers, vault_client},
};
use crate::domain::{Lease, LeaseId, SecretString, ServerPath, Session};

/// A server reached over HTTP.
pub struct Client {
    settings: Settings,
    /// Replaced when the CA file's content has changed; a plain lock, since it is only held to copy the pointer.
    inner: RwLock<Arc<VaultClient>>,
    in_flight: Semaphore,
}

/// Whose namespace a request is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Namespace,
    Server,
}

impl Client {
    /// Checks the settings and makes the client; nothing is sent.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let inner = RwLock::new(Arc::new(vault_client(&settings)?));
        Ok(Self { in_flight: Semaphore::new(settings.max_in_flight), inner, settings })
    }

    /// Returns the address as it was configured, for messages.
    pub fn address(&self) -> &str {
        &self.settings.address
    }

    fn inner(&self) -> Arc<VaultClient> {
        self.inner.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Reads the CA file again, so that the next exchange trusts what the operator has put there meanwhile.
    fn reload_trust(&self) {
        if let Some(fresh) = self.settings.ca_file.as_ref().and_then(|_| vault_client(&self.settings).ok()) {
            *self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(fresh);
        }
    }

    /// Sends one request and returns whatever comes back.
    async fn exchange(
        &self,
        action: &str,
        call: Call,
        token: Option<&SecretString>,
        scope: Scope,
        limit: Duration,
    ) -> Result<Answer, Error> {
        let inner = self.inner();
        let headers = Headers::new(&inner, token)
            .ok_or_else(|| Error::new(Kind::TokenDead, action, "the token has characters that no header can hold"))?;
        let headers = if scope == Scope::Server { headers.without_namespace() } else { headers };
        let _turn = self.in_flight.acquire().await.expect("the semaphore is never closed");
        let exchange = Exchange::new(&inner, limit);
        let result = call.with_middleware(&headers.0).exec(&exchange).await;
        match result {
            Ok(result) => {
                let (parts, body) = result.response.into_parts();
                Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: Zeroizing::new(body) })
            }
            Err(_) => Err(self.failed(action, exchange)),
        }
    }

    fn failed(&self, action: &str, exchange: Exchange<'_>) -> Error {
        let error = Error::transport(action, &self.settings.address, exchange.failure());
        if error.kind() == Kind::Tls {
            self.reload_trust();
        }
        error
    }

    /// Sends one request and returns the envelope of a good answer.
    async fn ask(
        &self,
        action: &str,
        call: Call,
        token: Option<&SecretString>,
        limit: Duration,
    ) -> Result<Envelope, Error> {
        let answer = self.exchange(action, call, token, Scope::Namespace, limit).await?;
        understand(action, answer, &self.settings.address)
    }

    /// Sends one request with a token, and when that is refused finds out whether the token is dead or forbidden.
    async fn ask_with(
        &self,
        action: &str,
        call: Call,
        token: &SecretString,
        limit: Duration,
    ) -> Result<Envelope, Error> {
        match self.ask(action, call, Some(token), limit).await {
            Err(error) if error.status() == Some(403) && self.is_dead(token).await => {
                Err(error.into_kind(Kind::TokenDead))
            }
            other => other,
        }
    }

    /// Says whether the server no longer knows `token`.
    ///
    /// Both a dead token and a missing grant are answered with 403. Asking after the token itself tells them apart, except
    /// that a policy may forbid even that, which the server words otherwise.
    async fn is_dead(&self, token: &SecretString) -> bool {
        let call = Call::get("auth/token/lookup-self");
        match self.ask("look up token", call, Some(token), self.settings.request_timeout).await {
            Err(error) => error.status() == Some(403) && !error.messages().iter().any(|text| text.contains("occurred")),
            Ok(_) => false,
        }
    }

    fn limit_of_read(&self, path: &ServerPath) -> Duration {
        // Reading these makes an account in another system, which takes that system's time.
        match path.as_str().split('/').any(|part| part == "creds") {
            true => self.settings.issue_timeout,
            false => self.settings.request_timeout,
        }
    }
}

#[async_trait]
impl Vault for Client {
    async fn health(&self) -> Result<Health, Error> {
        let action = "ask for the server's health";
        let call = Call::get("sys/health");
        let answer = self.exchange(action, call, None, Scope::Server, self.settings.request_timeout).await?;
        match health(&answer.body) {
            Some(health) => Ok(health),
            None => Err(match understand(action, answer, &self.settings.address) {
                Err(error) => error,
                Ok(_) => Error::new(Kind::Malformed, action, ""),
            }),
        }
    }

    async fn login_jwt(&self, mount: &str, role: &str, jwt: &SecretString) -> Result<Session, Error> {
        let action = format!("log in at {mount:?} with role {role:?}");
        let mount: ServerPath =
            mount.parse().map_err(|error| Error::new(Kind::Invalid, &action, format!("mount {error}")))?;
        let body = Zeroizing::new(json!({"role": role, "jwt": jwt.expose()}).to_string());
        let call = Call::post_text(format!("auth/{mount}/login"), &body);
        let envelope = self.ask(&action, call, None, self.settings.request_timeout).await?;
        let session = envelope.auth.and_then(|auth| auth.into_session(None));
        session.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no token"))
    }

    async fn read(
        &self,
        token: &SecretString,
        path: &ServerPath,
        query: &BTreeMap<String, String>,
    ) -> Result<Reply, Error> {
        let call = Call::get(path.as_str()).with_query(query);
        let envelope = self.ask_with(&format!("read {path:?}"), call, token, self.limit_of_read(path)).await?;
        Ok(envelope.into_reply())
    }

    async fn write(&self, token: &SecretString, path: &ServerPath, body: &Value) -> Result<Reply, Error> {
        let call = Call::post(path.as_str(), body);
        let envelope = self.ask_with(&format!("write {path:?}"), call, token, self.settings.issue_timeout).await?;
        Ok(envelope.into_reply())
    }

    async fn lookup_token(&self, token: &SecretString) -> Result<TokenInfo, Error> {
        let action = "look up token";
        let call = Call::get("auth/token/lookup-self");
        let envelope = self.ask_with(action, call, token, self.settings.request_timeout).await?;
        let data = envelope.data.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no data"))?;
        Ok(token_info(&data))
    }

    async fn renew_token(&self, token: &SecretString) -> Result<Session, Error> {
        let action = "renew token";
        let call = Call::post("auth/token/renew-self", &json!({}));
        let envelope = self.ask_with(action, call, token, self.settings.request_timeout).await?;
        let session = envelope.auth.and_then(|auth| auth.into_session(Some(token)));
        session.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no token"))
    }

    async fn lookup_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<LeaseInfo, Error> {
        let action = format!("look up lease {lease}");
        let call = Call::post("sys/leases/lookup", &json!({"lease_id": lease.0}));
        let envelope = self.ask_with(&action, call, token, self.settings.request_timeout).await?;
        let data = envelope.data.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no data"))?;
        Ok(lease_info(lease, &data))
    }

    async fn renew_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<Lease, Error> {
        let action = format!("renew lease {lease}");
        let call = Call::post("sys/leases/renew", &json!({"lease_id": lease.0}));
        let envelope = self.ask_with(&action, call, token, self.settings.request_timeout).await?;
        envelope.lease().ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no lease"))
    }

    async fn revoke_self(&self, token: &SecretString) -> Result<(), Error> {
        let call = Call::post("auth/token/revoke-self", &json!({}));
        match self.ask_with("revoke token", call, token, self.settings.request_timeout).await {
            Err(error) if error.kind() == Kind::TokenDead => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn revoke_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<(), Error> {
        let call = Call::post("sys/leases/revoke", &json!({"lease_id": lease.0}));
        self.ask_with(&format!("revoke lease {lease}"), call, token, self.settings.request_timeout).await.map(|_| ())
    }

    async fn revoke_certificate(&self, token: &SecretString, mount: &ServerPath, serial: &str) -> Result<(), Error> {
        let action = format!("revoke certificate {serial} of {mount:?}");
        let call = Call::post(format!("{mount}/revoke"), &json!({"serial_number": serial}));
        self.ask_with(&action, call, token, self.settings.request_timeout).await.map(|_| ())
    }

    async fn kv_version(&self, token: &SecretString, path: &ServerPath) -> Result<Option<KvMount>, Error> {
        let action = format!("ask for the engine of {path:?}");
        let call = Call::get(format!("sys/internal/ui/mounts/{path}"));
        match self.ask_with(&action, call, token, self.settings.request_timeout).await {
            Err(error) if error.kind() == Kind::Denied => Ok(None),
            Err(error) => Err(error),
            Ok(envelope) => Ok(envelope.data.as_ref().and_then(kv_mount)),
        }
    }
}
