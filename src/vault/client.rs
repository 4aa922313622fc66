//! The real server behind the port.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    ChildToken, Error, Health, Kind, KvMount, LeaseInfo, Minted, Reply, Settings, SettingsError, TokenInfo, Vault,
    Wrapping,
    answer::{health, kv_mount, lease_info, token_info, understand},
    cluster::Cluster,
    endpoint::Call,
    envelope::Envelope,
    http::Headers,
};
use crate::domain::{Lease, LeaseId, SecretString, ServerPath, Session};

/// A cluster reached over HTTP, as seen from one namespace. Cheap to clone; all clones share connections and caps.
#[derive(Clone)]
pub struct Client {
    cluster: Arc<Cluster>,
    namespace: Option<String>,
}

impl Client {
    /// Checks the settings and makes the client; nothing is sent.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let namespace = settings.namespace.clone();
        Ok(Self { cluster: Arc::new(Cluster::new(settings)?), namespace })
    }

    /// Returns the address that is asked first, for messages.
    pub fn address(&self) -> &str {
        self.cluster.address()
    }

    fn settings(&self) -> &Settings {
        &self.cluster.settings
    }

    /// Sends one request and returns the envelope of a good answer.
    async fn ask(
        &self,
        action: &str,
        call: Call,
        token: Option<&SecretString>,
        limit: Duration,
    ) -> Result<Envelope, Error> {
        let headers = Headers::new(self.namespace.as_deref(), token)
            .ok_or_else(|| Error::new(Kind::TokenDead, action, "the token has characters that no header can hold"))?;
        let headers = headers.wrapping(call.wrap());
        let answer = self.cluster.exchange(action, &call, &headers, limit).await?;
        understand(action, answer, self.address())
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
        match self.ask("look up token", call, Some(token), self.settings().request_timeout).await {
            Err(error) => error.status() == Some(403) && !error.messages().iter().any(|text| text.contains("occurred")),
            Ok(_) => false,
        }
    }

    /// Logs in at `mount` with `body`, which is overwritten afterwards.
    async fn log_in(&self, action: &str, mount: &str, body: Value) -> Result<Session, Error> {
        let mount: ServerPath =
            mount.parse().map_err(|error| Error::new(Kind::Invalid, action, format!("mount {error}")))?;
        let body = Zeroizing::new(body.to_string());
        let call = Call::post_text(format!("auth/{mount}/login"), &body);
        let envelope = self.ask(action, call, None, self.settings().request_timeout).await?;
        let session = envelope.auth.and_then(|auth| auth.into_session(None));
        session.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no token"))
    }

    fn limit_of_read(&self, path: &ServerPath) -> Duration {
        // Reading these makes an account in another system, which takes that system's time.
        match path.as_str().split('/').any(|part| part == "creds") {
            true => self.settings().issue_timeout,
            false => self.settings().request_timeout,
        }
    }
}

#[async_trait]
impl Vault for Client {
    async fn health(&self) -> Result<Health, Error> {
        let action = "ask for the server's health";
        let call = Call::get("sys/health");
        let headers = Headers::new(None, None).expect("no token is no bad token");
        let answer = self.cluster.probe(action, &call, &headers).await?;
        match health(&answer.body) {
            Some(health) => Ok(health),
            None => Err(match understand(action, answer, self.address()) {
                Err(error) => error,
                Ok(_) => Error::new(Kind::Malformed, action, ""),
            }),
        }
    }

    async fn login_jwt(&self, mount: &str, role: &str, jwt: &SecretString) -> Result<Session, Error> {
        let action = format!("log in at {mount:?} with role {role:?}");
        self.log_in(&action, mount, json!({"role": role, "jwt": jwt.expose()})).await
    }

    async fn login_approle(&self, mount: &str, role_id: &str, secret_id: &SecretString) -> Result<Session, Error> {
        let action = format!("log in at {mount:?} with the node's role id");
        self.log_in(&action, mount, json!({"role_id": role_id, "secret_id": secret_id.expose()})).await
    }

    async fn login_cert(&self, mount: &str, role: Option<&str>) -> Result<Session, Error> {
        // The certificate may have been renewed since the connections were made.
        self.cluster.reload_trust();
        let action = format!("log in at {mount:?} with the node's certificate");
        self.log_in(&action, mount, role.map_or_else(|| json!({}), |role| json!({"name": role}))).await
    }

    async fn create_token(&self, token: &SecretString, role: &str, terms: &Value) -> Result<Minted, Error> {
        let action = format!("make a token with token role {role:?}");
        // The path is the server's own, for which no job may ask; only its last name is anybody's word.
        let named = format!("roles/{role}").parse::<ServerPath>();
        let unnamed = |why: String| Error::new(Kind::Invalid, &action, format!("the token role's name {why}"));
        match named {
            Err(error) => return Err(unnamed(error.to_string())),
            Ok(_) if role.contains('/') => return Err(unnamed("has a slash".to_owned())),
            Ok(_) => {}
        }
        let call = Call::post(format!("auth/token/create/{role}"), terms);
        let envelope = self.ask_with(&action, call, token, self.settings().request_timeout).await?;
        let malformed = || Error::new(Kind::Malformed, &action, "the answer has no token");
        let auth = envelope.auth.ok_or_else(malformed)?;
        let orphan = auth.is_orphan();
        Ok(Minted { session: auth.into_session(None).ok_or_else(malformed)?, orphan })
    }

    async fn lookup_wrapping(&self, wrapping: &SecretString) -> Result<Wrapping, Error> {
        let action = "look up the wrapping token";
        let body = Zeroizing::new(json!({"token": wrapping.expose()}).to_string());
        let call = Call::post_text("sys/wrapping/lookup", &body);
        let envelope = self.ask(action, call, None, self.settings().request_timeout).await?;
        let data = envelope.data.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no data"))?;
        let creation_path = data["creation_path"].as_str().unwrap_or_default().to_owned();
        Ok(Wrapping { creation_path, ttl: Duration::from_secs(data["creation_ttl"].as_u64().unwrap_or_default()) })
    }

    async fn unwrap(&self, wrapping: &SecretString) -> Result<Reply, Error> {
        let call = Call::post("sys/wrapping/unwrap", &json!({}));
        let asked = self.ask("unwrap the wrapping token", call, Some(wrapping), self.settings().request_timeout);
        Ok(asked.await?.into_reply())
    }

    async fn capabilities(&self, token: &SecretString, path: &ServerPath) -> Result<Vec<String>, Error> {
        let call = Call::post("sys/capabilities-self", &json!({"paths": [path.as_str()]}));
        let action = format!("ask what the token may do at {path}");
        let envelope = self.ask_with(&action, call, token, self.settings().request_timeout).await?;
        let data = envelope.data.unwrap_or_default();
        let words = data[path.as_str()].as_array().into_iter().flatten();
        Ok(words.filter_map(|word| word.as_str().map(str::to_owned)).collect())
    }

    fn in_namespace(&self, namespace: &str) -> Arc<dyn Vault> {
        let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
        Arc::new(Self { cluster: Arc::clone(&self.cluster), namespace })
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
        let envelope = self.ask_with(&format!("write {path:?}"), call, token, self.settings().issue_timeout).await?;
        Ok(envelope.into_reply())
    }

    async fn create_child(
        &self,
        token: &SecretString,
        body: &Value,
        wrap: Option<Duration>,
    ) -> Result<ChildToken, Error> {
        let action = "make a token for the task";
        let call = Call::post("auth/token/create", body).wrapped(wrap);
        let envelope = self.ask_with(action, call, token, self.settings().request_timeout).await?;
        envelope.into_child().ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no token"))
    }

    async fn lookup_token(&self, token: &SecretString) -> Result<TokenInfo, Error> {
        let action = "look up token";
        let call = Call::get("auth/token/lookup-self");
        let envelope = self.ask_with(action, call, token, self.settings().request_timeout).await?;
        let data = envelope.data.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no data"))?;
        Ok(token_info(&data))
    }

    async fn renew_token(&self, token: &SecretString) -> Result<Session, Error> {
        let action = "renew token";
        let call = Call::post("auth/token/renew-self", &json!({}));
        let envelope = self.ask_with(action, call, token, self.settings().request_timeout).await?;
        let session = envelope.auth.and_then(|auth| auth.into_session(Some(token)));
        session.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no token"))
    }

    async fn lookup_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<LeaseInfo, Error> {
        let action = format!("look up lease {lease}");
        let call = Call::post("sys/leases/lookup", &json!({"lease_id": lease.0}));
        let envelope = self.ask_with(&action, call, token, self.settings().request_timeout).await?;
        let data = envelope.data.ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no data"))?;
        Ok(lease_info(lease, &data))
    }

    async fn renew_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<Lease, Error> {
        let action = format!("renew lease {lease}");
        let call = Call::post("sys/leases/renew", &json!({"lease_id": lease.0}));
        let envelope = self.ask_with(&action, call, token, self.settings().request_timeout).await?;
        envelope.lease().ok_or_else(|| Error::new(Kind::Malformed, action, "the answer has no lease"))
    }

    async fn revoke_self(&self, token: &SecretString) -> Result<(), Error> {
        let call = Call::post("auth/token/revoke-self", &json!({}));
        match self.ask_with("revoke token", call, token, self.settings().request_timeout).await {
            Err(error) if error.kind() == Kind::TokenDead => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn revoke_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<(), Error> {
        let call = Call::post("sys/leases/revoke", &json!({"lease_id": lease.0}));
        self.ask_with(&format!("revoke lease {lease}"), call, token, self.settings().request_timeout).await.map(|_| ())
    }

    async fn revoke_certificate(&self, token: &SecretString, mount: &ServerPath, serial: &str) -> Result<(), Error> {
        let action = format!("revoke certificate {serial} of {mount:?}");
        let call = Call::post(format!("{mount}/revoke"), &json!({"serial_number": serial}));
        self.ask_with(&action, call, token, self.settings().request_timeout).await.map(|_| ())
    }

    async fn kv_version(&self, token: &SecretString, path: &ServerPath) -> Result<Option<KvMount>, Error> {
        let action = format!("ask for the engine of {path:?}");
        let call = Call::get(format!("sys/internal/ui/mounts/{path}"));
        match self.ask_with(&action, call, token, self.settings().request_timeout).await {
            Err(error) if error.kind() == Kind::Denied => Ok(None),
            Err(error) => Err(error),
            Ok(envelope) => Ok(envelope.data.as_ref().and_then(kv_mount)),
        }
    }
}
