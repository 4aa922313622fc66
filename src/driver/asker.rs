//! Asks the server on a task's behalf: logs in, reads, has certificates issued, ends what is no longer needed.
//!
//! Before each request that makes a credential the journal has the intent, after it the name of what was made. What the
//! answers mean for the task's files is not known here.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{
    Class, DriverError,
    holdings::{Answer, Holdings, Superseded, Timed},
    keeper::Item,
    login::Login,
    parts::Parts,
    plan::{CertificatePlan, Plan},
};
use crate::{
    domain::{Lease, LeaseId, SecretString, ServerPath, Session, TaskKey, fail_point},
    journal::Step,
    pki::{self, CertificateSpec, IssuedCertificate, Pending, PkiError},
    template::Dependency,
    vault::{self, Kind, KvMount, Reply, Vault},
};

/// Speaks to the server for one task.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) parts: Arc<Parts>,
    pub(super) plan: Arc<Plan>,
    vault: Arc<dyn Vault>,
    login: Arc<Login>,
    key: TaskKey,
    secrets_dir: std::path::PathBuf,
    announced: Arc<AtomicBool>,
}

/// Why something was not obtained.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The server said no, or nothing.
    #[error("{what}: {source}")]
    Vault {
        /// What was asked for.
        what: String,
        /// What it said.
        source: Box<vault::Error>,
    },
    /// The certificate is not the one that was asked for, or no key could be made.
    #[error("{what}: {source}")]
    Pki {
        /// Which certificate.
        what: String,
        /// What is wrong with it.
        source: PkiError,
    },
    /// Something of ours is in the way.
    #[error("{0}")]
    Driver(DriverError),
}

impl AskError {
    fn vault(what: impl Into<String>, source: vault::Error) -> Self {
        Self::Vault { what: what.into(), source: Box::new(source) }
    }

    /// Returns how the server refused, when it was the server.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Vault { source, .. } => Some(source.kind()),
            Self::Pki { .. } | Self::Driver(_) => None,
        }
    }

    /// Returns how long the server asked us to wait; nothing when it did not.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Vault { source, .. } => source.retry_after().unwrap_or_default(),
            Self::Pki { .. } | Self::Driver(_) => Duration::ZERO,
        }
    }

    /// Says whether the trouble may pass by itself.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Vault { source, .. } if source.is_transient())
    }

    /// Says whether a start does well to try again within its time: trouble that passes, or a secret not yet written.
    pub(super) fn may_pass(&self) -> bool {
        self.is_transient() || matches!(self.kind(), Some(Kind::NotFound | Kind::Deleted))
    }
}

impl Asker {
    /// Returns an asker for the task of `plan`.
    ///
    /// # Errors
    /// The operator has configured no server.
    pub(super) fn new(
        parts: Arc<Parts>,
        plan: Arc<Plan>,
        secrets_dir: std::path::PathBuf,
    ) -> Result<Self, DriverError> {
        let vault = parts.vault.clone().ok_or_else(|| {
            DriverError::new(
                Class::PolicyRefused,
                "the job asks for secrets, but the plugin's configuration has no vault block; add one with an address",
            )
        })?;
        let login =
            parts.login.clone().ok_or_else(|| DriverError::new(Class::Internal, "a server without a way to log in"))?;
        let key = plan.meta.id.key();
        Ok(Self { parts, plan, vault, login, key, secrets_dir, announced: Arc::default() })
    }

    /// Returns the token of the living session.
    pub(super) fn token(&self, holdings: &Holdings) -> Result<SecretString, DriverError> {
        holdings.token().cloned().ok_or_else(|| DriverError::new(Class::Internal, "the task holds no session"))
    }

    /// Logs in with the task's identity.
    ///
    /// Runs apart from the caller: if that one is cut off, the login is finished and its token revoked, not lost.
    pub(super) async fn login(&self) -> Result<Timed<Session>, AskError> {
        let asker = self.clone();
        let (answer, answered) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let outcome = asker.login_now().await;
            if let Err(Ok(unheard)) = answer.send(outcome) {
                let session: Timed<Session> = unheard;
                asker.abandon(session.value).await;
            }
        });
        answered
            .await
            .map_err(|_| AskError::Driver(DriverError::new(Class::Internal, "the login ended without an answer")))?
    }

    /// Notes that a login is about to be asked for. The next login then goes without that note, so that a start can have
    /// it written together with its first one.
    pub(super) async fn announce_login(&self) -> Result<(), DriverError> {
        let step = Step::Asking { what: format!("login {}", self.plan.role) };
        self.parts.journal.append(&self.key, step).await?;
        self.announced.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn login_now(&self) -> Result<Timed<Session>, AskError> {
        let role = &self.plan.role;
        let jwt =
            self.login.jwt(&self.plan.meta, &self.plan.identity, &self.secrets_dir).await.map_err(AskError::Driver)?;
        if !self.announced.swap(false, Ordering::Relaxed) {
            self.announce_login().await.map_err(AskError::Driver)?;
            self.announced.store(false, Ordering::Relaxed);
        }
        fail_point("before-login");
        let session = self.vault.login_jwt(&self.login.mount, role, &jwt).await.map_err(|source| {
            AskError::vault(format!("log in with role {role:?} at auth/{}", self.login.mount), source)
        })?;
        fail_point("after-login");
        let deadline = (!session.duration.is_zero()).then(|| SystemTime::now() + session.duration);
        self.noted(Step::LoggedIn { accessor: session.accessor.clone(), namespace: self.namespace(), deadline });
        let life = session.duration;
        Ok(Timed::granted(session, life))
    }

    /// Reads again what is no credential and of which reading makes none, so that there is nothing to note.
    pub(super) async fn look(&self, token: &SecretString, dependency: &Dependency) -> Result<Answer, AskError> {
        self.answer(token, dependency).await
    }

    /// Asks for one thing that may be, or make, a credential.
    pub(super) async fn ask(&self, token: &SecretString, dependency: &Dependency) -> Result<Answer, AskError> {
        self.note(Step::Asking { what: dependency.path.to_string() }).await?;
        self.answer(token, dependency).await
    }

    async fn answer(&self, token: &SecretString, dependency: &Dependency) -> Result<Answer, AskError> {
        let path = &dependency.path;
        self.parts
            .settings
            .rules
            .check_path(&self.plan.meta, path)
            .map_err(|refused| AskError::Driver(refused.into()))?;
        fail_point("before-read");
        let reply = match self.request(token, dependency, path).await {
            Err(error) if error.kind() == Kind::NotFound && !dependency.is_write() => {
                self.request_versioned(token, dependency).await?.ok_or(error)
            }
            reply => reply,
        };
        let reply = reply.map_err(|source| AskError::vault(format!("read {path}"), source))?;
        fail_point("after-read");
        if let Some(lease) = &reply.lease {
            let deadline = Some(SystemTime::now() + lease.duration);
            self.noted(Step::Leased { lease_id: lease.id.clone(), namespace: self.namespace(), deadline });
        }
        self.show_warnings(path.as_str(), &reply);
        Ok(Answer::from(reply))
    }

    async fn request(
        &self,
        token: &SecretString,
        dependency: &Dependency,
        path: &ServerPath,
    ) -> Result<Reply, vault::Error> {
        if dependency.is_write() {
            let body =
                Value::Object(dependency.params.iter().map(|(key, value)| (key.clone(), json!(value))).collect());
            return self.vault.write(token, path, &body).await;
        }
        self.vault.read(token, path, &dependency.params).await
    }

    /// Tries `<mount>/data/<rest>` for what was not found at `<mount>/<rest>`, when that mount is KV version 2: users of
    /// consul-template may leave `data` out. `None` when it is no such mount, or the token may not know.
    async fn request_versioned(
        &self,
        token: &SecretString,
        dependency: &Dependency,
    ) -> Result<Option<Reply>, AskError> {
        let Ok(Some(KvMount { mount, version: 2 })) = self.vault.kv_version(token, &dependency.path).await else {
            return Ok(None);
        };
        let Some(rest) = dependency.path.as_str().strip_prefix(mount.as_str()).map(|rest| rest.trim_start_matches('/'))
        else {
            return Ok(None);
        };
        if rest.starts_with("data/") {
            return Ok(None);
        }
        let Ok(path) = format!("{}/data/{rest}", mount.as_str().trim_end_matches('/')).parse() else { return Ok(None) };
        self.parts
            .settings
            .rules
            .check_path(&self.plan.meta, &path)
            .map_err(|refused| AskError::Driver(refused.into()))?;
        let reply = self.request(token, dependency, &path).await;
        reply.map(Some).map_err(|source| AskError::vault(format!("read {path}"), source))
    }

    /// Asks for several things side by side.
    pub(super) async fn ask_each(
        &self,
        token: &SecretString,
        wanted: impl IntoIterator<Item = Dependency>,
    ) -> Result<Vec<(Dependency, Answer)>, AskError> {
        let asked = wanted
            .into_iter()
            .map(|dependency| async move { Ok((dependency.clone(), self.ask(token, &dependency).await?)) });
        // All are awaited, so that no request is cut off when another fails.
        futures_util::future::join_all(asked).await.into_iter().collect()
    }

    /// Asks for several things side by side, for callers that do not look into the error.
    pub(super) async fn ask_all(
        &self,
        token: &SecretString,
        wanted: BTreeSet<Dependency>,
    ) -> Result<Vec<(Dependency, Answer)>, DriverError> {
        self.ask_each(token, wanted).await.map_err(DriverError::from)
    }

    /// Makes a key, has it signed and checks what came back.
    pub(super) async fn issue(
        &self,
        token: &SecretString,
        plan: &CertificatePlan,
    ) -> Result<IssuedCertificate, AskError> {
        let what = || format!("certificate {:?} from {}", plan.request.name, plan.path);
        let (pending, noted) =
            tokio::join!(make_key(&plan.spec), self.note(Step::Asking { what: plan.path.to_string() }));
        noted?;
        let pending = pending.map_err(AskError::Driver)?.map_err(|source| AskError::Pki { what: what(), source })?;
        fail_point("before-issue");
        let body = json!({
            "csr": pending.csr_pem(),
            "ttl": format!("{}s", plan.ttl.as_secs()),
            "format": "pem",
        });
        let reply =
            self.vault.write(token, &plan.path, &body).await.map_err(|source| AskError::vault(what(), source))?;
        fail_point("after-issue");
        let issued = pending.accept(&reply.data).map_err(|source| AskError::Pki { what: what(), source })?;
        self.noted(Step::Issued {
            mount: plan.mount.clone(),
            serial: issued.serial.clone(),
            not_after: issued.not_after,
        });
        self.show_warnings(plan.path.as_str(), &reply);
        Ok(issued)
    }

    /// Prolongs the login; returns the life granted.
    pub(super) async fn renew_session(&self, session: &Session) -> Result<Duration, AskError> {
        let renewed = self.vault.renew_token(&session.token).await;
        renewed.map(|session| session.duration).map_err(|source| AskError::vault("renew the task's token", source))
    }

    /// Prolongs a lease; returns the life granted.
    pub(super) async fn renew_lease(&self, token: &SecretString, lease: &LeaseId) -> Result<Duration, AskError> {
        let renewed = self.vault.renew_lease(token, lease).await;
        renewed.map(|lease| lease.duration).map_err(|source| AskError::vault(format!("renew lease {lease}"), source))
    }

    /// Asks what is left of the login.
    pub(super) async fn session_rest(&self, session: &Session) -> Result<Duration, AskError> {
        let info = self.vault.lookup_token(&session.token).await;
        info.map(|info| info.ttl).map_err(|source| AskError::vault("look up the task's token", source))
    }

    /// Asks what is left of a lease.
    pub(super) async fn lease_rest(&self, token: &SecretString, lease: &LeaseId) -> Result<Duration, AskError> {
        let info = self.vault.lookup_lease(token, lease).await;
        info.map(|info| info.ttl).map_err(|source| AskError::vault(format!("look up lease {lease}"), source))
    }

    /// Ends what newer credentials have replaced. What cannot be ended now dies by its own time, at the latest with the
    /// task's session.
    pub(super) async fn end_superseded(&self, holdings: &Holdings, superseded: Superseded) {
        for lease in superseded.leases {
            let Some(token) = holdings.token() else { continue };
            match self.vault.revoke_lease(token, &lease).await {
                Ok(()) => self.noted(Step::LeaseRevoked { lease_id: lease }),
                Err(error) => {
                    tracing::info!(task_id = %self.plan.meta.id, %lease, %error, "A replaced lease stays until its session ends")
                }
            }
        }
        for (accessor, token) in superseded.tokens {
            match (self.vault.revoke_self(&token).await, accessor) {
                (Ok(()), Some(accessor)) => self.noted(Step::TokenRevoked { accessor }),
                (Ok(()), None) => {}
                (Err(error), accessor) => {
                    let accessor = accessor.map(|accessor| accessor.to_string()).unwrap_or_default();
                    tracing::warn!(task_id = %self.plan.meta.id, accessor, %error, "A replaced token could not be revoked and dies by its time");
                }
            }
        }
    }

    /// Gives a session back that nobody will use.
    pub(super) async fn abandon(&self, session: Session) {
        if let Err(error) = self.vault.revoke_self(&session.token).await {
            tracing::warn!(task_id = %self.plan.meta.id, %error, "An unused token could not be revoked and dies by its time");
        }
    }

    /// Names an item for an event.
    pub(super) fn describe(&self, item: &Item) -> String {
        match item {
            Item::Answer(dependency) => format!("Secret {}", dependency.path),
            Item::Certificate(name) => format!("Certificate {name}"),
            Item::Generations => "Old generations".to_owned(),
            Item::Publish => "The set of files".to_owned(),
            Item::Session => format!("The login with role {}", self.plan.role),
        }
    }

    /// Notes what an earlier note announced, without waiting for the disk: the task's record has the credential itself.
    fn noted(&self, step: Step) {
        self.parts.journal.note(&self.key, step);
    }

    /// Returns the server's namespace, kept beside each name, which means nothing without it.
    fn namespace(&self) -> String {
        self.parts.settings.vault.as_ref().and_then(|vault| vault.namespace.clone()).unwrap_or_default()
    }

    async fn note(&self, step: Step) -> Result<(), AskError> {
        self.parts.journal.append(&self.key, step).await.map_err(|error| AskError::Driver(error.into()))
    }

    fn show_warnings(&self, path: &str, reply: &Reply) {
        for warning in &reply.warnings {
            tracing::warn!(task_id = %self.plan.meta.id, path, warning, "The server warns");
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let lease = reply.lease;
        let value = json!({
            "data": &*reply.data,
            "lease_id": lease.as_ref().map(|lease| lease.id.0.as_str()).unwrap_or_default(),
            "lease_duration": lease.as_ref().map_or(0, |lease| lease.duration.as_secs()),
            "renewable": lease.as_ref().is_some_and(|lease| lease.renewable),
        });
        let timed = lease.map(|lease: Lease| {
            let life = lease.duration;
            Timed::granted(lease, life)
        });
        Self { value: Arc::new(value), lease: timed, read_at: SystemTime::now() }
    }
}

/// Makes a key and a signing request apart from the other tasks' work: an RSA key takes a good part of a second.
async fn make_key(spec: &CertificateSpec) -> Result<Result<Pending, PkiError>, DriverError> {
    let spec = spec.clone();
    let made = tokio::task::spawn_blocking(move || pki::request(&spec)).await;
    made.map_err(|error| DriverError::new(Class::Internal, format!("make a key: {error}")))
}
