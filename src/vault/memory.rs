//! A server in memory, for the tests of those who use the port.
//!
//! It behaves like one instead of expecting calls: logins make tokens, tokens make leases and take them along when they
//! end, KV secrets have versions, and it can be away. No time passes in it by itself: [`Memory::expire`] ends a token,
//! [`Memory::end_lease`] a lease; unless [`Memory::keep_time`] makes leases end and renewals take their time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ChildToken, Error, Health, Kind, KvMount, LeaseInfo, Minted, Reply, TokenInfo, Vault, Wrapping};
use crate::domain::{Accessor, Lease, LeaseId, SecretString, ServerPath, Session};

mod credentials;

use credentials::TokenState;

/// Life of a token and of a lease unless a test says otherwise.
const LIFE: Duration = Duration::from_secs(3600);

/// A server in memory, as seen from one namespace; what is below `ns` is under `ns/…` in the root.
#[derive(Default)]
pub struct Memory {
    shared: Arc<Mutex<State>>,
    namespace: String,
}

type Writer = Arc<dyn Fn(&Value) -> Result<Value, Kind> + Send + Sync>;

#[derive(Default)]
struct State {
    loans: u64,
    roles: BTreeMap<(String, String), Duration>,
    tokens: BTreeMap<String, TokenState>,
    credentials: credentials::Credentials,
    leases: BTreeMap<String, LeaseState>,
    kv: BTreeMap<String, Vec<Option<Value>>>,
    dynamic: BTreeMap<String, (Value, Duration)>,
    told: BTreeMap<String, Value>,
    writers: BTreeMap<String, Writer>,
    denied: Vec<String>,
    failing: Option<Kind>,
    renewals_fail: bool,
    counts: BTreeMap<String, u64>,
    revoked_certificates: Vec<String>,
    made: u64,
    /// How long a renewal takes, when time passes.
    pace: Option<Duration>,
    renewals: Vec<Renewal>,
    at_once: usize,
    most_at_once: usize,
}

/// A lease that was renewed while time passed.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// When.
    pub at: Instant,
    /// Which.
    pub lease: LeaseId,
    /// What was left of its life.
    pub rest: Duration,
}

struct LeaseState {
    token: String,
    duration: Duration,
    granted: Instant,
}

impl Memory {
    /// Returns a server that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a role whose tokens live for `life`.
    pub fn role(&self, mount: &str, role: &str, life: Duration) {
        self.state().roles.insert((mount.to_owned(), role.to_owned()), life);
    }

    /// Writes a new version of a KV 2 secret, by the path that readers use, with `data` in it.
    pub fn put_kv(&self, path: &str, fields: Value) {
        self.state().kv.entry(path.to_owned()).or_default().push(Some(fields));
    }

    /// Deletes the newest version of a KV 2 secret.
    pub fn delete_kv(&self, path: &str) {
        if let Some(newest) = self.state().kv.get_mut(path).and_then(|versions| versions.last_mut()) {
            *newest = None;
        }
    }

    /// Makes `path` lend `fields` for `life`; the text `{n}` in a value becomes the number of the loan.
    pub fn lend(&self, path: &str, fields: Value, life: Duration) {
        self.state().dynamic.insert(path.to_owned(), (fields, life));
    }

    /// Makes reads of `path` answer with `data`, as engines do that lend nothing.
    pub fn tell(&self, path: &str, data: Value) {
        self.state().told.insert(path.to_owned(), data);
    }

    /// Makes writes to `path` answer with what `writer` returns.
    pub fn answer_writes(&self, path: &str, writer: impl Fn(&Value) -> Result<Value, Kind> + Send + Sync + 'static) {
        self.state().writers.insert(path.to_owned(), Arc::new(writer));
    }

    /// Forbids `path` to everybody.
    pub fn deny(&self, path: &str) {
        self.state().denied.push(path.to_owned());
    }

    /// Makes every request fail with `kind`, until it is told `None`.
    pub fn fail(&self, kind: Option<Kind>) {
        self.state().failing = kind;
    }

    /// Makes renewals of leases alone fail, as an engine does whose own system is in trouble; the leases live on.
    pub fn fail_renewals(&self, fail: bool) {
        self.state().renewals_fail = fail;
    }

    /// Ends `token` and its leases, as an operator or time would.
    pub fn expire(&self, token: &SecretString) {
        self.state().end_token(token.expose());
    }

    /// Ends every token.
    pub fn expire_all(&self) {
        let mut state = self.state();
        state.tokens.clear();
        state.leases.clear();
    }

    /// Ends a lease.
    pub fn end_lease(&self, lease: &LeaseId) {
        self.state().leases.remove(&lease.0);
    }

    /// Sets what a renewal of `lease` will grant.
    pub fn shorten_lease(&self, lease: &LeaseId, duration: Duration) {
        if let Some(state) = self.state().leases.get_mut(&lease.0) {
            state.duration = duration;
        }
    }

    /// Returns how many requests of a kind came: `health`, `login`, `read`, `write`, `lookup`, `renew`, `revoke`.
    pub fn count(&self, verb: &str) -> u64 {
        self.state().counts.get(verb).copied().unwrap_or_default()
    }

    /// Returns how many tokens live.
    pub fn live_tokens(&self) -> usize {
        self.state().tokens.len()
    }

    /// Returns which leases live.
    pub fn live_leases(&self) -> Vec<LeaseId> {
        self.state().leases.keys().cloned().map(LeaseId).collect()
    }

    /// Returns the serial numbers of revoked certificates.
    pub fn revoked_certificates(&self) -> Vec<String> {
        self.state().revoked_certificates.clone()
    }

    /// Returns the path as the root sees it.
    fn place(&self, path: &ServerPath) -> String {
        if self.namespace.is_empty() { path.to_string() } else { format!("{}/{path}", self.namespace) }
    }

    /// Lets time pass: leases end by their time, and a renewal takes as long as said.
    pub fn keep_time(&self, renewal: Duration) {
        self.state().pace = Some(renewal);
    }

    /// Returns the renewals of leases since time passes, in order.
    pub fn renewals(&self) -> Vec<Renewal> {
        self.state().renewals.clone()
    }

    /// Returns how many renewals were under way together at most.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    async fn take_time(&self) {
        let Some(pace) = self.state().enter_work() else { return };
        tokio::time::sleep(pace).await;
        self.state().at_once -= 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Counts a request, and fails it when the server is made to fail.
    fn enter(&self, verb: &str) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        *state.counts.entry(verb.to_owned()).or_default() += 1;
        match state.failing {
            Some(kind) => Err(Error::new(kind, verb, "the test says so")),
            None => Ok(state),
        }
    }

    fn enter_with(&self, verb: &str, token: &SecretString) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.enter(verb)?;
        match state.tokens.contains_key(token.expose()) {
            true => Ok(state),
            false => Err(Error::new(Kind::TokenDead, verb, "")),
        }
    }
}

impl State {
    fn enter_work(&mut self) -> Option<Duration> {
        let pace = self.pace?;
        self.at_once += 1;
        self.most_at_once = self.most_at_once.max(self.at_once);
        Some(pace)
    }

    /// Renews a lease that lives.
    fn renew(&mut self, lease: &LeaseId) -> Option<Duration> {
        let now = Instant::now();
        let found = self.leases.get_mut(&lease.0)?;
        if self.pace.is_some() {
            let rest = found.duration.checked_sub(now - found.granted)?;
            self.renewals.push(Renewal { at: now, lease: lease.clone(), rest });
        }
        found.granted = now;
        Some(found.duration)
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn end_token(&mut self, token: &str) {
        self.tokens.remove(token);
        self.leases.retain(|_, lease| lease.token != token);
        let of_it =
            |(name, state): (&String, &TokenState)| (state.parent.as_deref() == Some(token)).then(|| name.clone());
        let children: Vec<String> = self.tokens.iter().filter_map(of_it).collect();
        children.iter().for_each(|child| self.end_token(child));
    }

    fn session(&self, token: &str) -> Session {
        Session {
            token: SecretString::new(token),
            accessor: Some(Accessor(format!("accessor-of-{}", token.trim_start_matches("token-")))),
            duration: self.tokens.get(token).map_or(LIFE, |state| state.life),
            renewable: true,
            policies: self.tokens.get(token).map(|state| state.policies.clone()).unwrap_or_default(),
        }
    }

    fn loan(&mut self, path: &str, token: &str) -> Option<Reply> {
        let (fields, duration) = self.dynamic.get(path).cloned()?;
        self.loans += 1;
        let number = self.loans;
        let text = fields.to_string().replace("{n}", &number.to_string());
        let id = LeaseId(format!("{path}/{number}"));
        self.leases.insert(id.0.clone(), LeaseState { token: token.to_owned(), duration, granted: Instant::now() });
        Some(Reply {
            request_id: format!("request-{number}"),
            data: Arc::new(serde_json::from_str(&text).expect("a number does not break JSON")),
            lease: Some(Lease { id, duration, renewable: true }),
            lease_duration: duration,
            warnings: Vec::new(),
        })
    }

    fn secret(&mut self, path: &str, action: &str) -> Result<Reply, Error> {
        if let Some(data) = self.told.get(path) {
            return Ok(Reply { data: Arc::new(data.clone()), ..Reply::default() });
        }
        let Some(versions) = self.kv.get(path) else { return Err(Error::new(Kind::NotFound, action, "")) };
        let Some(Some(fields)) = versions.last() else { return Err(Error::new(Kind::Deleted, action, "")) };
        let metadata = json!({"version": versions.len(), "deletion_time": "", "destroyed": false});
        let data = Arc::new(json!({"data": fields, "metadata": metadata}));
        Ok(Reply { request_id: format!("request-{}", self.next()), data, ..Reply::default() })
    }
}

#[async_trait]
impl Vault for Memory {
    async fn health(&self) -> Result<Health, Error> {
        drop(self.enter("health")?);
        Ok(Health { initialized: true, version: "memory".to_owned(), ..Health::default() })
    }

    async fn login_jwt(&self, mount: &str, role: &str, _: &SecretString) -> Result<Session, Error> {
        let mut state = self.enter("login")?;
        let Some(life) = state.roles.get(&(mount.to_owned(), role.to_owned())).copied() else {
            return Err(Error::new(Kind::Invalid, "log in", format!("role {role:?} could not be found")));
        };
        Ok(state.make_token(life, vec!["memory".to_owned()], None))
    }

    async fn login_approle(&self, mount: &str, role_id: &str, secret_id: &SecretString) -> Result<Session, Error> {
        self.enter("login")?.log_in_application(mount, role_id, secret_id.expose())
    }

    async fn login_cert(&self, mount: &str, role: Option<&str>) -> Result<Session, Error> {
        self.enter("login")?.log_in_certificate(mount, role)
    }

    async fn create_token(&self, token: &SecretString, role: &str, terms: &Value) -> Result<Minted, Error> {
        self.enter_with("mint", token)?.mint(token.expose(), role, terms)
    }

    async fn lookup_wrapping(&self, wrapping: &SecretString) -> Result<Wrapping, Error> {
        self.enter("lookup")?.look_at_wrapping(wrapping.expose())
    }

    async fn unwrap(&self, wrapping: &SecretString) -> Result<Reply, Error> {
        self.enter("unwrap")?.take_out(wrapping.expose())
    }

    async fn capabilities(&self, token: &SecretString, path: &ServerPath) -> Result<Vec<String>, Error> {
        let state = self.enter_with("capabilities", token)?;
        let word = if state.denies(token.expose(), &self.place(path)) { "deny" } else { "read" };
        Ok(vec![word.to_owned()])
    }

    fn in_namespace(&self, namespace: &str) -> Arc<dyn Vault> {
        Arc::new(Self { shared: Arc::clone(&self.shared), namespace: namespace.to_owned() })
    }

    async fn read(
        &self,
        token: &SecretString,
        path: &ServerPath,
        _: &BTreeMap<String, String>,
    ) -> Result<Reply, Error> {
        let mut state = self.enter_with("read", token)?;
        let action = format!("read {path:?}");
        let place = self.place(path);
        if state.denies(token.expose(), &place) {
            return Err(Error::new(Kind::Denied, action, ""));
        }
        match state.loan(&place, token.expose()) {
            Some(reply) => Ok(reply),
            None => state.secret(&place, &action),
        }
    }

    async fn write(&self, token: &SecretString, path: &ServerPath, body: &Value) -> Result<Reply, Error> {
        let (writer, number) = {
            let mut state = self.enter_with("write", token)?;
            (state.writers.get(&self.place(path)).cloned(), state.next())
        };
        let action = format!("write {path:?}");
        let Some(writer) = writer else { return Err(Error::new(Kind::NotFound, action, "")) };
        let data = writer(body).map_err(|kind| Error::new(kind, action, "the test says so"))?;
        Ok(Reply { request_id: format!("request-{number}"), data: Arc::new(data), ..Reply::default() })
    }

    async fn create_child(&self, token: &SecretString, _: &Value, wrap: Option<Duration>) -> Result<ChildToken, Error> {
        let mut state = self.enter_with("write", token)?;
        let Session { token, accessor, .. } = state.make_token(LIFE, Vec::new(), Some(token.expose().to_owned()));
        let duration = if wrap.is_some() { Duration::ZERO } else { LIFE };
        Ok(ChildToken { token, accessor, duration, renewable: wrap.is_none() })
    }

    async fn lookup_token(&self, token: &SecretString) -> Result<TokenInfo, Error> {
        let session = self.enter_with("lookup", token)?.session(token.expose());
        Ok(TokenInfo {
            accessor: session.accessor,
            ttl: session.duration,
            creation_ttl: session.duration,
            explicit_max_ttl: Duration::ZERO,
            renewable: true,
            policies: session.policies,
            kind: "service".to_owned(),
        })
    }

    async fn renew_token(&self, token: &SecretString) -> Result<Session, Error> {
        Ok(self.enter_with("renew", token)?.session(token.expose()))
    }

    async fn lookup_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<LeaseInfo, Error> {
        let state = self.enter_with("lookup", token)?;
        let found = state.leases.get(&lease.0).ok_or_else(|| Error::new(Kind::LeaseGone, "look up lease", ""))?;
        Ok(LeaseInfo { id: lease.clone(), ttl: found.duration, renewable: true, issued: None })
    }

    async fn renew_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<Lease, Error> {
        self.take_time().await;
        let mut state = self.enter_with("renew", token)?;
        if state.renewals_fail {
            let text = "failed to renew entry: the test says so".to_owned();
            return Err(Error::answered(Kind::Unavailable, "renew lease", 500, &[text], None));
        }
        let granted = state.renew(lease);
        let duration = granted.ok_or_else(|| Error::new(Kind::LeaseGone, "renew lease", ""))?;
        Ok(Lease { id: lease.clone(), duration, renewable: true })
    }

    async fn revoke_self(&self, token: &SecretString) -> Result<(), Error> {
        self.enter("revoke")?.end_token(token.expose());
        Ok(())
    }

    async fn revoke_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<(), Error> {
        self.enter_with("revoke", token)?.leases.remove(&lease.0);
        Ok(())
    }

    async fn revoke_certificate(&self, token: &SecretString, _: &ServerPath, serial: &str) -> Result<(), Error> {
        self.enter_with("revoke", token)?.revoked_certificates.push(serial.to_owned());
        Ok(())
    }

    async fn kv_version(&self, token: &SecretString, path: &ServerPath) -> Result<Option<KvMount>, Error> {
        let state = self.enter_with("kv version", token)?;
        let data = self.place(&format!("{}/data/x", path.mount()).parse().expect("a path"));
        let data = data.trim_end_matches('x');
        let holds = state.kv.keys().any(|place| place.starts_with(data));
        Ok(holds.then(|| KvMount { mount: path.mount().to_owned(), version: 2 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_takes_its_leases_along() {
        let memory = Memory::new();
        memory.role("jwt", "app", LIFE);
        memory.lend("database/creds/app", json!({"username": "u{n}"}), LIFE);
        let session = memory.login_jwt("jwt", "app", &SecretString::default()).await.expect("a session");
        let path = "database/creds/app".parse().expect("a path");
        let reply = memory.read(&session.token, &path, &BTreeMap::new()).await.expect("a loan");
        assert_eq!(memory.live_leases(), vec![reply.lease.expect("a lease").id]);
        memory.revoke_self(&session.token).await.expect("revoked");
        assert_eq!((memory.live_tokens(), memory.live_leases().len()), (0, 0));
    }

    #[tokio::test]
    async fn a_new_version_is_seen_and_a_deleted_one_named() {
        let memory = Memory::new();
        memory.role("jwt", "app", LIFE);
        let token = memory.login_jwt("jwt", "app", &SecretString::default()).await.expect("a session").token;
        let path = "kv/data/app".parse().expect("a path");
        memory.put_kv("kv/data/app", json!({"a": 1}));
        memory.put_kv("kv/data/app", json!({"a": 2}));
        let reply = memory.read(&token, &path, &BTreeMap::new()).await.expect("a secret");
        assert_eq!(reply.kv_version(), Some(2));
        memory.delete_kv("kv/data/app");
        let error = memory.read(&token, &path, &BTreeMap::new()).await.expect_err("deleted");
        assert_eq!(error.kind(), Kind::Deleted);
    }
}
