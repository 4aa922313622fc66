//! The part of the server in memory that knows nodes: application roles, wrapped secret ids, certificates, token roles.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{Memory, State};
use crate::{
    domain::{SecretString, Session},
    vault::{Error, Kind, Minted, Reply, Wrapping},
};

/// A living token.
#[derive(Clone, Debug)]
pub(super) struct TokenState {
    pub(super) life: Duration,
    pub(super) policies: Vec<String>,
    /// The token that it ends with.
    pub(super) parent: Option<String>,
    /// What it was made with.
    pub(super) terms: Value,
}

/// What logs nodes in, and what their tokens may make.
#[derive(Default)]
pub(super) struct Credentials {
    /// Mount, role id and secret id, and the life of the token.
    applications: BTreeMap<(String, String, String), Duration>,
    certificates: BTreeMap<String, Duration>,
    token_roles: BTreeMap<String, (Duration, bool)>,
    wrapped: BTreeMap<String, (String, Value)>,
    /// Policies that a path is forbidden to.
    forbidden: Vec<(String, String)>,
}

impl Memory {
    /// Makes an application role with one secret id.
    pub fn application(&self, mount: &str, role_id: &str, secret_id: &str, life: Duration) {
        let key = [mount, role_id, secret_id].map(str::to_owned);
        let [mount, role_id, secret_id] = key;
        self.state().credentials.applications.insert((mount, role_id, secret_id), life);
    }

    /// Makes whoever asks at `mount` be known by certificate.
    pub fn certificate_login(&self, mount: &str, life: Duration) {
        self.state().credentials.certificates.insert(mount.to_owned(), life);
    }

    /// Makes a token role.
    pub fn token_role(&self, role: &str, life: Duration, orphan: bool) {
        self.state().credentials.token_roles.insert(role.to_owned(), (life, orphan));
    }

    /// Returns a token that an operator has made.
    pub fn operator_token(&self, life: Duration) -> SecretString {
        self.state().make_token(life, vec!["node".to_owned()], None).token
    }

    /// Wraps `data` as the answer of `creation_path`.
    pub fn wrap(&self, creation_path: &str, data: Value) -> SecretString {
        let mut state = self.state();
        let token = format!("wrapping-{}", state.next());
        state.credentials.wrapped.insert(token.clone(), (creation_path.to_owned(), data));
        SecretString::new(token)
    }

    /// Forbids `path` to tokens with `policy`.
    pub fn deny_to(&self, policy: &str, path: &str) {
        self.state().credentials.forbidden.push((policy.to_owned(), path.to_owned()));
    }

    /// Returns with what living tokens were made that a token role made.
    pub fn minted(&self) -> Vec<Value> {
        self.state().tokens.values().filter(|token| !token.terms.is_null()).map(|token| token.terms.clone()).collect()
    }
}

impl State {
    pub(super) fn make_token(&mut self, life: Duration, policies: Vec<String>, parent: Option<String>) -> Session {
        let token = format!("token-{}", self.next());
        self.tokens.insert(token.clone(), TokenState { life, policies, parent, terms: Value::Null });
        self.session(&token)
    }

    pub(super) fn log_in_application(&mut self, mount: &str, role: &str, secret: &str) -> Result<Session, Error> {
        let key = (mount.to_owned(), role.to_owned(), secret.to_owned());
        let Some(life) = self.credentials.applications.get(&key).copied() else {
            return Err(Error::new(Kind::Invalid, "log in", "invalid role or secret ID"));
        };
        Ok(self.make_token(life, vec!["node".to_owned()], None))
    }

    pub(super) fn log_in_certificate(&mut self, mount: &str, role: Option<&str>) -> Result<Session, Error> {
        let Some(life) = self.credentials.certificates.get(mount).copied() else {
            let text = format!("no client certificate found for {role:?}");
            return Err(Error::new(Kind::Invalid, "log in", text));
        };
        Ok(self.make_token(life, vec!["node".to_owned()], None))
    }

    pub(super) fn mint(&mut self, maker: &str, role: &str, terms: &Value) -> Result<Minted, Error> {
        let Some((life, orphan)) = self.credentials.token_roles.get(role).copied() else {
            return Err(Error::new(Kind::Invalid, "make a token", format!("unknown role {role}")));
        };
        let words = terms["policies"].as_array().into_iter().flatten();
        let policies = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
        let session = self.make_token(life, policies, (!orphan).then(|| maker.to_owned()));
        if let Some(state) = self.tokens.get_mut(session.token.expose()) {
            state.terms = terms.clone();
        }
        Ok(Minted { session, orphan })
    }

    pub(super) fn look_at_wrapping(&self, token: &str) -> Result<Wrapping, Error> {
        let Some((path, _)) = self.credentials.wrapped.get(token) else { return Err(spent()) };
        Ok(Wrapping { creation_path: path.clone(), ttl: Duration::from_secs(60) })
    }

    pub(super) fn take_out(&mut self, token: &str) -> Result<Reply, Error> {
        let (_, data) = self.credentials.wrapped.remove(token).ok_or_else(spent)?;
        Ok(Reply { request_id: format!("request-{}", self.next()), data: Arc::new(data), ..Reply::default() })
    }

    pub(super) fn denies(&self, token: &str, path: &str) -> bool {
        let policies = self.tokens.get(token).map(|token| token.policies.as_slice()).unwrap_or_default();
        let forbidden = |(policy, place): &(String, String)| place == path && policies.iter().any(|has| has == policy);
        self.denied.iter().any(|denied| denied == path) || self.credentials.forbidden.iter().any(forbidden)
    }
}

fn spent() -> Error {
    Error::new(Kind::Invalid, "unwrap", json!("wrapping token is not valid or does not exist").to_string())
}
